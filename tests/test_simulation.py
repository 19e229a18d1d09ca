"""The conclusions, tested like a product: suites with flaky evals, changed inputs, regressions.

``python tests/test_simulation.py`` writes the table that the documentation shows.
"""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from retab_analysis.comparison import compare
from retab_analysis.comparison.suite_test import BROKEN
from retab_analysis.schema import RESULTS

ALPHA = 0.05
SUITES = 120


@dataclass
class Suite:
    """Some evals of one workflow, and what is true of them."""

    rng: np.random.Generator
    size: int = 0
    fail_rate: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        rng = self.rng
        self.size = int(rng.integers(20, 201))
        self.fail_rate = np.zeros(self.size)
        flaky = rng.permutation(self.size)[: int(self.size * rng.uniform(0, 0.2))]
        self.fail_rate[flaky] = rng.uniform(0.1, 0.5, len(flaky))
        steady = np.flatnonzero(self.fail_rate == 0)
        self.fail_rate[rng.choice(steady, int(len(steady) * rng.uniform(0, 0.1)), False)] = 1

    @property
    def passing(self) -> np.ndarray:
        """The evals that pass whenever nothing is wrong."""
        return np.flatnonzero(self.fail_rate == 0)

    def draw(self, share: float) -> np.ndarray:
        """Some of the passing evals."""
        count = int(len(self.passing) * self.rng.uniform(0, share))
        return self.rng.choice(self.passing, count, replace=False)

    def run(
        self, name: str, broken: np.ndarray | None = None, changed: np.ndarray | None = None
    ) -> pl.DataFrame:
        """The results of one run; an execution error hits one in five hundred."""
        fails = self.rng.random(self.size) < self.fail_rate
        fails[[] if broken is None else broken] = True
        states = np.where(fails, "failed", "passed").astype(object)
        states[self.rng.random(self.size) < 0.002] = "error"
        inputs = np.full(self.size, "in", dtype=object)
        inputs[[] if changed is None else changed] = "other"
        known = {
            "eval_id": [f"e{at}" for at in range(self.size)],
            "state": list(states),
            "run_id": [name] * self.size,
            "result_id": [f"{name}/{at}" for at in range(self.size)],
            "handle_inputs_fingerprint": list(inputs),
            "block_execution_fingerprint": ["code"] * self.size,
        }
        rest = [
            pl.lit(None, dtype).alias(n) for n, dtype in RESULTS.schema.items() if n not in known
        ]
        return pl.DataFrame(known).with_columns(rest).select(RESULTS.schema.names())


@dataclass
class Tally:
    """What came of many comparisons."""

    suites: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    planted: int = 0
    found: dict[str, int] = field(default_factory=lambda: {"ours": 0, "naive": 0})
    alarms: dict[str, int] = field(default_factory=lambda: {"ours": 0, "naive": 0})

    def add(self, verdict: str, planted: set[str], lists: dict[str, set[str]]) -> None:
        self.suites += 1
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        self.planted += len(planted)
        for rule, listed in lists.items():
            self.found[rule] += len(listed & planted)
            self.alarms[rule] += len(listed - planted)

    def share(self, verdict: str) -> float:
        return self.verdicts.get(verdict, 0) / self.suites

    def recall(self, rule: str) -> float:
        return self.found[rule] / self.planted


def naive(baseline: pl.DataFrame, candidate: pl.DataFrame) -> set[str]:
    """What the peers call a regression: it passed before, and does not now."""
    passed = baseline.filter(pl.col("state") == "passed")["eval_id"]
    return set(candidate.filter(pl.col("state") != "passed")["eval_id"]) & set(passed)


@functools.cache
def simulate(kind: str) -> Tally:
    """Compare many suites: ``same`` (nothing changed) or ``changed``."""
    rng = np.random.default_rng([7, kind == "same"])
    tally = Tally()
    for _ in range(SUITES):
        suite = Suite(rng)
        runs = int(rng.integers(10, 21))
        history = pl.concat([suite.run(f"h{at}") for at in range(runs)])
        baseline = suite.run("baseline")
        broken = changed = np.empty(0, dtype=int)
        if kind == "changed":
            broken = suite.draw(0.15)
            changed = np.setdiff1d(suite.draw(0.1), broken)
        # Half of what has other inputs now does not pass on them.
        now = suite.run("candidate", np.union1d(broken, changed[::2]), changed)
        made = compare(baseline, now, history=history, alpha=ALPHA)
        ours = made.evals.filter(pl.col("transition").is_in(BROKEN))["eval_id"]
        lists = {"ours": set(ours), "naive": naive(baseline, now)}
        tally.add(made.verdict, {f"e{at}" for at in broken}, lists)
    return tally


def test_where_nothing_changed_the_verdict_regressed_is_rarer_than_alpha() -> None:
    tally = simulate("same")
    error = math.sqrt(ALPHA * (1 - ALPHA) / SUITES)
    assert tally.share("regressed") <= ALPHA + 2 * error
    assert tally.share("improved") <= ALPHA + 2 * error


def test_a_fifth_of_the_false_alarms_at_the_same_recall() -> None:
    tally = simulate("changed")
    assert tally.planted > 500
    assert tally.alarms["naive"] > 300
    assert tally.alarms["ours"] <= tally.alarms["naive"] / 5
    assert tally.recall("ours") >= 0.95 * tally.recall("naive")


def test_where_nothing_changed_the_list_has_a_fifth_of_the_false_alarms() -> None:
    tally = simulate("same")
    assert tally.alarms["ours"] <= tally.alarms["naive"] / 5


def table() -> str:
    """The table of the documentation, in Markdown."""
    same, changed = simulate("same"), simulate("changed")
    lines = [
        f"{SUITES} suites of 20 to 200 evals each way, up to 20 % flaky (failing 10 to 50 % of "
        f"the time), 10 to 20 earlier runs, alpha {ALPHA}.",
        "",
        "| | retab_analysis | passed before, does not now |",
        "| --- | ---: | ---: |",
        *(_row(f"false alarms per suite, {what}", tally) for what, tally in _both(same, changed)),
        "| regressions found | "
        + " | ".join(f"{changed.recall(rule):.1%}" for rule in ("ours", "naive"))
        + " |",
        f"| verdict `regressed`, nothing changed | {same.share('regressed'):.1%} | – |",
        f"| verdict `regressed`, up to 15 % broken | {changed.share('regressed'):.1%} | – |",
    ]
    return "\n".join(lines) + "\n"


def _both(same: Tally, changed: Tally) -> list[tuple[str, Tally]]:
    return [("nothing changed", same), ("regressions and changed inputs", changed)]


def _row(title: str, tally: Tally) -> str:
    cells = (f"{tally.alarms[rule] / tally.suites:.2f}" for rule in ("ours", "naive"))
    return f"| {title} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(table())
