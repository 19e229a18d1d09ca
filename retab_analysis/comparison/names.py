"""Names for people: days, versions, blocks and runs."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retab_analysis.markup import count_noun, one_line
from retab_analysis.vocabulary import MOMENT

LABEL = 80  # characters of a block's label


def say_day(moment: datetime, year: int | None = None) -> str:
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")


def find_year(results: pl.DataFrame) -> int | None:
    newest = results.select(MOMENT.max()).item()
    return None if newest is None else int(newest.year)


def name_version(
    version: str,
    at: datetime | None,
    versions: pl.DataFrame | None,
    year: int | None,
    *,
    of_all_runs: bool = False,
) -> str:
    """``v5``, or ``draft of 27 Nov``; the id if nothing else is known.

    A draft that was published after the run has both names, unless all runs are meant.
    """
    draft = "draft" if at is None else f"draft of {say_day(at, year)}"
    if versions is None:
        return one_line(version, 24)
    its = versions.filter(workflow_version_id=version)
    if its.is_empty():
        return draft
    numbers = its["version"].drop_nulls()
    name = f"v{numbers[0]}" if len(numbers) else one_line(version, 24)
    first: datetime | None = its["published_at"].min()  # type: ignore[assignment]
    was_draft = at is not None and first is not None and at < first
    return f"{name} ({draft})" if was_draft and not of_all_runs else name


def _moment(frame: pl.DataFrame) -> pl.Expr:
    return MOMENT if "run_created_at" in frame.columns else pl.col("created_at")


def rank_by_run(results: pl.DataFrame) -> pl.DataFrame:
    """``workflow_version_id, at`` of each row: whole runs before others, the newest first."""
    scope = "run_scope" if "run_scope" in results.columns else "scope"
    keys = pl.col(scope).eq_missing("workflow"), _moment(results)
    ranked = results.sort(*keys, descending=True, nulls_last=True)
    return ranked.select("workflow_version_id", at=keys[1])


def name_versions(
    results: pl.DataFrame,
    versions: pl.DataFrame | None,
    year: int | None,
    *,
    of_all_runs: bool = False,
) -> str:
    """The version of the newest whole run, else run, and how many more; empty if none is known.

    ``versions`` is a VERSIONS frame, or None.
    """
    ranked = rank_by_run(results).drop_nulls("workflow_version_id")
    newest = ranked.unique("workflow_version_id", keep="first", maintain_order=True)
    found = [
        name_version(version, at, versions, year, of_all_runs=of_all_runs)
        for version, at in newest.iter_rows()
    ]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def name_runs(results: pl.DataFrame, versions: pl.DataFrame | None, year: int | None) -> str:
    runs = results["run_id"].drop_nulls().unique()
    at = results.select(_moment(results).min()).item()
    what = count_noun(len(runs), "run") if len(runs) else "results of unknown runs"
    if len(runs) == 1:
        day = "" if at is None else f"{say_day(at, year)}, {at:%H:%M}"
        what = f"the run of {day}" if day else f"run {one_line(runs[0])}"
    version = name_versions(results, versions, year)
    return f"{what} ({version})" if version else what
