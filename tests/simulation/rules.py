"""The rules that are judged, each behind the same few questions.

This is the only file that knows how the library is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

import retab_analysis as ra

RED = ("regressed", "newly_blocked")
CALLED_FROM = 0.5
JUDGED = ("passed", "failed", "blocked")
NOT_PASSING = ("failed", "blocked", "error")


@dataclass(frozen=True)
class Answer:
    """What a rule says of a candidate.

    Attributes:
        called: The evals that it says broke; the candidate is red where there is one.
        probability: ``p_regressed`` of the evals for which it gives one.
        reruns: The evals that it would have run again.
        choose: Which of them it would run again with so many rounds left; None for all.
        verdict: What it says of the whole suite; None where it says nothing.
        delta: The suite's change of the pass rate, candidate − baseline.
        p_value: Of the suite's test.
    """

    called: frozenset[str]
    probability: Mapping[str, float]
    reruns: Sequence[str]
    verdict: str | None = None
    delta: float | None = None
    p_value: float | None = None
    choose: Callable[[int], Sequence[str]] | None = None


@dataclass(frozen=True)
class Blame:
    """Since when one eval is broken: the likeliest run, a 90 % set of runs, and why."""

    since: str | None
    runs: frozenset[str]
    cause: str | None


class Rule(Protocol):
    """What is asked of a rule; all frames are RESULTS frames."""

    name: str

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        """Say which evals broke between two sides."""

    def blame(self, results: pl.DataFrame) -> Mapping[str, Blame]:
        """Say of each eval that it calls broken, whenever that was, since which run."""

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        """Name the evals that were broken for a while and are mended."""


class NaiveRule:
    """It passed before, does not now; broken since the run after the last pass."""

    name = "naive"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        """Hold the newest state of each eval against the baseline's."""
        passed = _newest(baseline).filter(pl.col("state") == "passed")["eval_id"]
        fails = _newest(candidate).filter(pl.col("state").is_in(NOT_PASSING))["eval_id"]
        called = frozenset(passed) & frozenset(fails)
        return Answer(called, {}, sorted(called))

    def blame(self, results: pl.DataFrame) -> Mapping[str, Blame]:
        """Take the first judged run after the last pass, of the evals that ever passed."""
        judged = results.filter(pl.col("state").is_in(JUDGED)).sort("run_created_at")
        passed = pl.col("state") == "passed"
        last_pass = pl.col("run_created_at").filter(passed).max()
        later = pl.col("run_created_at") > last_pass
        flips = judged.group_by("eval_id").agg(pl.col("run_id").filter(later).first())
        rows = flips.drop_nulls().rows()
        return {eval_id: Blame(run, frozenset([run]), None) for eval_id, run in rows}

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        """Name nothing: the rule has no such idea."""
        return frozenset()


class LibraryRule:
    """``retab_analysis``, through its public functions."""

    name = "retab_analysis"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        """Ask ``ra.compare``."""
        earlier = history if history.height else None
        made = ra.compare(baseline, candidate, history=earlier, margin=0.05)
        evals = made.evals
        told = evals.select("eval_id", "p_regressed").drop_nulls().rows()
        summary = made.summary.row(0, named=True)
        return Answer(
            called=frozenset(evals.filter(pl.col("transition").is_in(RED))["eval_id"]),
            probability=dict(told),
            reruns=made.reruns["eval_id"].to_list(),
            verdict=made.verdict,
            delta=summary["delta"],
            p_value=summary["p_value"],
            choose=lambda left: made.choose_reruns(left)["eval_id"].to_list(),
        )

    def blame(self, results: pl.DataFrame) -> Mapping[str, Blame]:
        """Ask ``ra.blame``: what is broken now with p ≥ 0.5, and once passed as it is defined."""
        rows = ra.blame(results).filter(
            pl.col("p_regressed") >= CALLED_FROM, pl.col("cause") != "definition"
        )
        return {
            row["eval_id"]: Blame(
                row["since_run_id"], frozenset(row["since_runs"] or ()), row["cause"]
            )
            for row in rows.iter_rows(named=True)
        }

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        """Ask ``ra.summarize_evals`` for the episodes: incidents that ended."""
        kinds = ra.summarize_evals(results)
        return frozenset(kinds.filter(pl.col("kind") == "episode")["eval_id"])


def _newest(results: pl.DataFrame) -> pl.DataFrame:
    """The newest result of each eval."""
    return results.sort("run_created_at").unique("eval_id", keep="last", maintain_order=True)
