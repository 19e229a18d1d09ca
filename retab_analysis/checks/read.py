"""Reads the results of a plan, and what tells their versions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from retab_analysis.checks.moments import make_versions
from retab_analysis.checks.plan import ReadingPlan
from retab_analysis.checks.source import Source
from retab_analysis.evidence.timeline import Timeline, lacks_codes
from retab_analysis.evidence.versions import Versions
from retab_analysis.progress import Progress
from retab_analysis.vocabulary import DECIDED

DAY = timedelta(days=1)
_NO_CODES = (
    "Results do not say which code they ran; the history of their blocks does instead, or else "
    "their versions."
)


def read_results(plan: ReadingPlan, source: Source, progress: Progress) -> pl.DataFrame:
    """The results of the runs of a plan, without those that are still to come."""
    results = source.read_results(plan.read, progress)
    going_on = plan.read.filter(~pl.col("is_terminal"))["run_id"]
    pending = pl.col("run_id").is_in(going_on.implode()) & (pl.col("state") == "unscored")
    return results.filter(~pending)


def read_versions(
    plan: ReadingPlan, results: pl.DataFrame, runs: pl.DataFrame, source: Source
) -> Versions:
    """The timeline of some results, and what tells the versions of a plan and of runs."""
    moments = [each for each in (plan.now, plan.before) if each is not None]
    timeline = read_timeline(results, source, list_going(plan, source.client.api_time)["run_id"])
    return make_versions(source, timeline, runs, moments)


def read_timeline(results: pl.DataFrame, source: Source, going: Iterable[str] = ()) -> Timeline:
    """The timeline of some results; ``going`` are the runs that go on."""
    return Timeline.make(results, source.read_facts(), [*going], source.find_renamed)


def list_going(plan: ReadingPlan, now: datetime) -> pl.DataFrame:
    """The runs that have not ended and are younger than a day; none if runs were asked for."""
    is_young = pl.col("created_at") > now - DAY
    return plan.read.filter(~pl.col("is_terminal"), is_young, pl.lit(plan.follow))


def count_waiting(runs: pl.DataFrame) -> tuple[int, int]:
    """How many results of some runs are still to come, of how many."""
    going_on = runs.filter(~pl.col("is_terminal"))
    ended = pl.sum_horizontal("completed", "error", "cancelled").fill_null(0).sum()
    left = pl.col("total_evals").sum() - ended
    return int(going_on.select(left).item()), int(runs["total_evals"].sum())


def note_codes(results: pl.DataFrame) -> list[str]:
    """The notes about codes if no decided result has the fingerprint of its code."""
    return [_NO_CODES] if lacks_codes(results.filter(pl.col("state").is_in(DECIDED))) else []
