"""The rules that are judged, each behind the same few questions.

This is the only file that knows how the library is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import polars as pl
from support.inside import (
    BLOCK_CODE,
    RerunPlan,
    Sides,
    assess,
    compare_sides,
    find_why,
)

import retab_analysis as ra

RED = ("regressed", "newly_blocked")
OPEN = ("suspect", "newly_errored", "incomplete")
ALPHA, MARGIN = 0.05, 0.05
JUDGED = ("passed", "failed", "blocked")
NOT_PASSING = ("failed", "blocked", "error")


@dataclass(frozen=True)
class Answer:
    """What a rule says of a candidate.

    Attributes:
        called: The evals that it says broke; the candidate is red where there is one.
        left_open: Those of which it says that they are not decided.
        probability: ``p_regressed`` of the evals for which it gives one.
        reruns: With so many rounds left, the evals that it would run again at that time.
        verdict: What it says of the whole suite; None where it says nothing.
        is_worse: Whether the suite's test is significant and says worse.
    """

    called: frozenset[str]
    left_open: frozenset[str] = frozenset()
    probability: Mapping[str, float] = field(default_factory=dict)
    reruns: Callable[[int, datetime], Sequence[str]] = lambda rounds, now: ()
    verdict: str | None = None
    is_worse: bool = False


@dataclass(frozen=True)
class Since:
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

    def check(self, candidate: pl.DataFrame, history: pl.DataFrame) -> Answer:
        """Say which evals broke, each held against its own past."""

    def find_since(self, results: pl.DataFrame) -> Mapping[str, Since]:
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
        return self._flips(_newest(baseline), candidate)

    def check(self, candidate: pl.DataFrame, history: pl.DataFrame) -> Answer:
        """Hold the newest state of each eval against all that it ever passed."""
        return self._flips(history, candidate)

    def _flips(self, before: pl.DataFrame, candidate: pl.DataFrame) -> Answer:
        passed = before.filter(pl.col("state") == "passed")["eval_id"]
        fails = _newest(candidate).filter(pl.col("state").is_in(NOT_PASSING))["eval_id"]
        called = frozenset(passed) & frozenset(fails)
        return Answer(called, reruns=lambda rounds, now: sorted(called))

    def find_since(self, results: pl.DataFrame) -> Mapping[str, Since]:
        """Take the first judged run after the last pass, of the evals that ever passed."""
        judged = results.filter(pl.col("state").is_in(JUDGED)).sort("run_created_at")
        passed = pl.col("state") == "passed"
        last_pass = pl.col("run_created_at").filter(passed).max()
        later = pl.col("run_created_at") > last_pass
        flips = judged.group_by("eval_id").agg(pl.col("run_id").filter(later).first())
        rows = flips.drop_nulls().rows()
        return {eval_id: Since(run, frozenset([run]), None) for eval_id, run in rows}

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
        return self._read(ra.compare(baseline, candidate, history=earlier))

    def check(self, candidate: pl.DataFrame, history: pl.DataFrame) -> Answer:
        """Ask what ``ra.check`` asks once it has read the runs that its plan names."""
        return self._read(compare_sides(Sides(candidate, None, history), ALPHA, MARGIN))

    def _read(self, made: ra.Comparison) -> Answer:
        evals, summary = made.evals, made.summary.row(0, named=True)
        is_significant = summary["p_value"] is not None and summary["p_value"] < ALPHA
        return Answer(
            called=frozenset(evals.filter(pl.col("transition").is_in(RED))["eval_id"]),
            left_open=frozenset(evals.filter(pl.col("transition").is_in(OPEN))["eval_id"]),
            probability=dict(evals.select("eval_id", "p_regressed").drop_nulls().rows()),
            reruns=lambda rounds, now: RerunPlan.make(made, rounds, now=now).asked["eval_id"],
            verdict=made.verdict,
            is_worse=is_significant and summary["delta"] < 0,
        )

    def find_since(self, results: pl.DataFrame) -> Mapping[str, Since]:
        """Ask what ``ra.summarize_evals`` asks; it does not show the 90 % set of runs."""
        rows = assess(results.lazy()).evals.filter("is_broken")
        return {
            row["eval_id"]: Since(
                row["since_run_id"], frozenset(row["since_runs"] or ()), row["cause"]
            )
            for row in rows.iter_rows(named=True)
        }

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        """Ask ``ra.summarize_evals`` for the episodes: incidents that ended."""
        kinds = ra.summarize_evals(results)
        return frozenset(kinds.filter(pl.col("kind") == "episode")["eval_id"])


def keep_edited(candidate: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Of a candidate's results those that ``start_runs(only="edited")`` would have run.

    What the API's saved evals say of each eval is made of its newest result before: that this is up
    to date where the block's code is the candidate's.
    """
    code = pl.col(BLOCK_CODE)
    live = candidate.group_by("block_id").agg(live=code.drop_nulls().last())
    ran = _newest(history.filter(code.is_not_null())).select("eval_id", *_SUMMARY)
    is_fresh = pl.col("latest_block_fingerprint") == pl.col("live")
    saved = candidate.select("eval_id", "block_id").join(ran, on="eval_id", how="left")
    told = saved.join(live, on="block_id", how="left").with_columns(
        freshness_status=pl.when(is_fresh).then(pl.lit("fresh")).otherwise(pl.lit("stale")),
        freshness_reasons=pl.when(~is_fresh).then(pl.lit(["validity_changed"])),
        validation_status=pl.lit("valid"),
    )
    parts = told.partition_by("block_id", as_dict=True)
    edited = [block for (block,), its in parts.items() if find_why(its.to_dicts(), None)]
    return candidate.filter(pl.col("block_id").is_in(edited))


_SUMMARY = (
    pl.col("status").alias("latest_run_status"),
    pl.col("completed_at").alias("latest_run_completed_at"),
    pl.col("duration_ms").alias("latest_run_duration_ms"),
    *(
        pl.col(BLOCK_CODE).alias(f"{which}_block_fingerprint")
        for which in ("latest", "last_passed", "last_failed")
    ),
)


def _newest(results: pl.DataFrame) -> pl.DataFrame:
    """The newest result of each eval."""
    return results.sort("run_created_at").unique("eval_id", keep="last", maintain_order=True)
