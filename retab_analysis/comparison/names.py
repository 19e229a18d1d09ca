"""Names for people: days, versions, blocks and runs."""

from __future__ import annotations

import polars as pl

from retab_analysis.evidence.versions import Name, Versions
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


def name_version(results: pl.DataFrame, versions: Versions | None, year: int | None) -> Name:
    """The version of the newest whole run, else run; its id, and how many others, for frames."""
    ranked = rank_by_run(results)
    if versions is None:
        ids = ranked["workflow_version_id"].drop_nulls().unique(maintain_order=True)
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        return Name(f"{one_line(ids[0], 24)}{more}" if len(ids) else "")
    if ranked.is_empty():
        return Name("")
    run_id, version, at = ranked.row(0)
    if "code" not in results.columns or run_id is None:
        return versions.name_run(at, year, version=version)
    return versions.name_runs(results.filter(run_id=run_id), year)[run_id]


def name_runs(results: pl.DataFrame, version: str, year: int | None) -> str:
    """Some runs, and the name of their version."""
    runs = results["run_id"].drop_nulls().unique()
    at = results.select(_moment(results).min()).item()
    what = count_noun(len(runs), "run") if len(runs) else "results of unknown runs"
    if len(runs) == 1:
        day = "" if at is None else f"{say_day(at, year)}, {at:%H:%M}"
        what = f"the run of {day}" if day else f"run {one_line(runs[0])}"
    return f"{what} ({version})" if version else what
