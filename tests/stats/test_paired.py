"""The interval of a difference, judged by enumeration and simulation."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from support.inside import stats


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_interval_excludes_no_difference_exactly_when_the_test_does(alpha: float) -> None:
    for n, worse, better in itertools.product((20, 60), range(0, 13, 2), range(0, 13, 3)):
        if worse + better <= n:
            low, high = stats.paired_interval(worse, better, n, alpha)
            assert (low > 0 or high < 0) == (stats.mcnemar_exact(worse, better) <= alpha)
            assert -1 <= low <= (better - worse) / n <= high <= 1


def test_the_interval_mirrors_and_narrows() -> None:
    low, high = stats.paired_interval(7, 2, 50)
    assert stats.paired_interval(2, 7, 50) == pytest.approx((-high, -low))
    widths = [high - low for n in (20, 80, 320) for low, high in [stats.paired_interval(3, 2, n)]]
    assert widths == sorted(widths, reverse=True)


def test_the_interval_without_flips_is_that_of_clopper_and_pearson() -> None:
    for n in (1, 10, 200):
        limit = 1 - 0.025 ** (1 / n)
        assert stats.paired_interval(0, 0, n) == pytest.approx((-limit, limit), abs=2e-3)


def test_the_interval_where_all_flip_one_way() -> None:
    low, high = stats.paired_interval(0, 10, 10)
    assert high == pytest.approx(1.0)
    assert 0 < low < 1


_cached_interval = functools.cache(stats.paired_interval)


def covers(worse: int, better: int, n: int, difference: float) -> bool:
    low, high = _cached_interval(worse, better, n)
    return low - 1e-9 <= difference <= high + 1e-9


FLIPS = [
    (flips * (1 - share), flips * share)
    for flips in (0.02, 0.1, 0.3, 0.6)
    for share in (0.0, 0.2, 0.5)
]


@pytest.mark.parametrize("n", [10, 20])
def test_the_interval_covers_by_enumeration(n: int) -> None:
    """Every outcome, weighed with its probability: there is no simulation error."""
    for p_worse, p_better in [*FLIPS, (0.9, 0.05), (1.0, 0.0)]:
        p = [p_worse, p_better, max(0.0, 1 - p_worse - p_better)]
        coverage = sum(
            scipy_stats.multinomial.pmf([worse, better, n - worse - better], n, p)
            for worse in range(n + 1)
            for better in range(n + 1 - worse)
            if covers(worse, better, n, p_better - p_worse)
        )
        assert coverage >= 0.95, (p_worse, p_better, coverage)


@pytest.mark.parametrize(("n", "designs"), [(50, FLIPS[:9]), (100, FLIPS[:6]), (200, FLIPS[:6])])
def test_the_interval_covers_by_simulation(n: int, designs: list[tuple[float, float]]) -> None:
    draws = 800
    error = math.sqrt(0.95 * 0.05 / draws)
    rng = np.random.default_rng(n)
    for p_worse, p_better in designs:
        p = [p_worse, p_better, 1 - p_worse - p_better]
        flips = rng.multinomial(n, p, size=draws)[:, :2]
        hits = sum(covers(int(w), int(b), n, p_better - p_worse) for w, b in flips)
        assert hits / draws >= 0.94 - 2 * error, (p_worse, p_better, hits / draws)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.paired_interval(1, 1, 1),
        lambda: stats.paired_interval(0, 0, 0),
        lambda: stats.paired_interval(0, 0, 5, alpha=1.5),
    ],
)
def test_what_cannot_be_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be|must"):
        call()  # type: ignore[operator]
