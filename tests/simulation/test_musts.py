"""What must hold, on few suites at a fixed seed: ``musts.py`` says more, and with other seeds.

A must is missed where the whole 90 % interval lies beyond it.
"""

from __future__ import annotations

import functools
import json
from collections import Counter

import pytest

from simulation.musts import RATES, Figure, Rate, Task, list_figures

SEED = 23
SUITES = {
    **{"settle": 30, "looks": 40, "past": 30, "size": 20, "earlier": 12, "sequence": 12},
    **{"returning": 20, "tries": 30},
}
"""So many of each task; sizes and earlier worlds are asked of several histories together."""

NAMED = {
    "drift: exit code 0 after strict, of suites with a great fall | B": (
        "missed with this seed, .24 (.17 to .33) of 78 suites; with others .11 (.07 to .15) of 152"
    ),
    "edit: exit code 0 after strict, of suites with a great fall | A": (
        "missed in the file, .06 (.04 to .08) of 351 suites; the must is .04"
    ),
    "edit: exit code 0 after strict, of suites with a great fall | B": (
        "missed in the file, .07 (.05 to .10) of 326 suites; the must is .04"
    ),
    "edit: exit code 0 after strict, of suites with a great fall | J": (
        "missed in the file, .09 (.04 to .17); with this seed it holds"
    ),
    "half benign by eval: called at the second look that broke | N": (
        "missed with this seed, .80 (.64 to .90) of 167 calls; in the file .85 (.77 to .91) of 300"
    ),
}
"""What is known to be missed, with its interval."""

ASKED = [
    each
    for each in list_figures()
    if each.must is not None and (each.tasks[0].measure != "size" or len(each.tasks) > 1)
]


@functools.cache
def counted(task: Task) -> list[Counter[str]]:
    return [task.count(SEED, suite) for suite in range(SUITES[task.measure])]


@pytest.mark.study
@pytest.mark.parametrize("figure", ASKED, ids=lambda each: each.name)
def test_what_must_hold_does(figure: Figure) -> None:
    rate = figure.compute({task: counted(task) for task in figure.tasks})[figure.name]
    if rate["missed"] and (why := NAMED.get(figure.name)):
        pytest.xfail(why)
    assert rate["missed"] is False, rate


def test_what_the_pages_file_misses_is_named() -> None:
    rates = json.loads(RATES.read_text("utf-8"))["rates"]
    assert {name for name, rate in rates.items() if rate.get("missed")} <= NAMED.keys()


def test_the_interval_of_a_share_counts_suites_if_their_cases_hang_together() -> None:
    from statsmodels.stats.proportion import proportion_confint

    def estimate(*suites: tuple[int, int]) -> Rate:
        rate = Rate.estimate([Counter(hit=hit, all=of) for hit, of in suites], "hit", "all")
        assert rate is not None
        return rate

    def wilson(share: float, n: float) -> tuple[float, float]:
        return proportion_confint(share * n, n, alpha=0.1, method="wilson")

    together = estimate(*[(0, 10), (10, 10)] * 5)
    assert (together.value, together.of) == (0.5, 100)
    assert (together.low, together.high) == pytest.approx(wilson(0.5, 9), abs=1e-3)
    apart = estimate(*[(5, 10)] * 10)
    assert (apart.low, apart.high) == pytest.approx(wilson(0.5, 100), abs=1e-3)
    alone = estimate(*[(1, 1), (0, 1), (0, 1), (0, 1)] * 10)
    assert (alone.low, alone.high) == pytest.approx(wilson(0.25, 39), abs=1e-3)
    never = estimate(*[(0, 10)] * 20)
    assert (never.low, never.high) == pytest.approx(wilson(0, 20), abs=1e-3)
    assert Rate.estimate([Counter(hit=0)], "hit", "all") is None
