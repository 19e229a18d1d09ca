"""Names for people: days, versions, blocks and runs."""

from __future__ import annotations

import polars as pl

from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import MOMENT, say_day

LABEL = 80  # characters of a block's label


def find_year(results: pl.DataFrame) -> int | None:
    newest = results.select(MOMENT.max()).item()
    return None if newest is None else int(newest.year)


def _moment(frame: pl.DataFrame) -> pl.Expr:
    return MOMENT if "run_created_at" in frame.columns else pl.col("created_at")


def rank_by_run(results: pl.DataFrame) -> pl.DataFrame:
    """``run_id, workflow_version_id, at`` of each row: whole runs before others, newest first."""
    scope = "run_scope" if "run_scope" in results.columns else "scope"
    keys = pl.col(scope).eq_missing("workflow"), _moment(results)
    ranked = results.sort(*keys, descending=True, nulls_last=True)
    return ranked.select("run_id", "workflow_version_id", at=keys[1])


def name_runs(results: pl.DataFrame, version: str, year: int | None) -> str:
    """Some runs, and the name of their version."""
    runs = results["run_id"].drop_nulls().unique()
    at = results.select(_moment(results).min()).item()
    what = count_noun(len(runs), "run") if len(runs) else "results of unknown runs"
    if len(runs) == 1:
        day = "" if at is None else f"{say_day(at, year)}, {at:%H:%M}"
        what = f"the run of {day}" if day else f"run {one_line(runs[0])}"
    return f"{what} ({version})" if version else what
