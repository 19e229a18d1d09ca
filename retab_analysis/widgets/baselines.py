"""The run that watched runs are held against."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.api.arguments import RunList, RunQuery
from retab_analysis.api.results import list_results
from retab_analysis.api.runs import get_run, list_runs
from retab_analysis.errors import ConfigError, NotFoundError
from retab_analysis.progress import Silent
from retab_analysis.schema import RESULTS
from retab_analysis.transport import Client
from retab_analysis.widgets.snapshot import Baseline
from retab_analysis.widgets.state import shorten

_LOOKED_AT = 100


def find_baseline(
    client: Client, wanted: str | pl.DataFrame, runs: pl.DataFrame
) -> Baseline | None:
    """Fetch the states of the evals in the baseline of some runs.

    Args:
        client: What to ask.
        wanted: ``"last_ok"`` (the newest run of the whole workflow before these in which every
            eval passed, else the newest that completed), ``"previous"`` (the newest that
            completed), a run, a version, or a RUNS frame of one run.
        runs: The watched runs.

    Returns:
        None where no run fits.

    Raises:
        ConfigError: It is no baseline.
        RetabAnalysisError: The API failed.
    """
    run = _find(client, wanted, runs)
    if run is None:
        return None
    results = list_results(
        client, RunList.make(run), RESULTS, strict=False, progress=Silent()
    ).frame
    created = run["created_at"].item()
    when = f" of {created:%Y-%m-%d %H:%M}" if created else ""
    words = f"{shorten(run['workflow_version_id'].item())}, run{when}"
    return Baseline(words, dict(results.select("eval_id", "state").iter_rows()))


def _find(client: Client, wanted: str | pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame | None:
    if isinstance(wanted, pl.DataFrame):
        ids: Sequence[str] = RunList.make(wanted, "baseline").ids
        if len(ids) != 1:
            raise ConfigError(f"baseline must be one run, got a frame of {len(ids)}")
        wanted = ids[0]
    if wanted not in ("last_ok", "previous"):
        try:
            return get_run(client, wanted)
        except NotFoundError:
            pass  # no run has this id: it may be a version
    before = _before(client, runs)
    if wanted == "last_ok":
        ok = before.filter("ok")
        return (ok if ok.height else before).head(1) if before.height else None
    if wanted != "previous":
        before = before.filter(pl.col("workflow_version_id") == wanted)
        if not before.height:
            raise ConfigError(f"baseline {wanted!r} is no run and no version with a completed run")
    return before.head(1) if before.height else None


def _before(client: Client, runs: pl.DataFrame) -> pl.DataFrame:
    """The completed runs of the whole workflow before the watched ones, newest first."""
    oldest = runs.sort("created_at", nulls_last=True)["created_at"][0]
    query = RunQuery.make(workflow_id=runs["workflow_id"][0], status="completed", to_date=oldest)
    found = list_runs(
        client, query, limit=_LOOKED_AT, after=None, strict=False, progress=Silent()
    ).frame
    own = list(runs["run_id"])
    return found.filter(pl.col("scope") == "workflow", ~pl.col("run_id").is_in(own))
