"""The results of runs: all pages of all runs, several runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from retab_analysis.api.arguments import RunList, path_part
from retab_analysis.api.paging import Collected, Fetched, collect, get_one
from retab_analysis.api.parallel import Outcomes, run_all
from retab_analysis.api.runs import get_run
from retab_analysis.decode import to_frame
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.progress import Progress
from retab_analysis.schema import RESULTS, Table
from retab_analysis.transport import Client

_RESULTS = "/v1/workflows/evals/results"
_NAMED = 20


def get_result(client: Client, result_id: str) -> pl.DataFrame:
    """One result, a RESULTS frame of one row; with what its run knows."""
    result = get_one(client, RESULTS, f"{_RESULTS}/{path_part('result_id', result_id)}")
    run_id = result["run_id"][0]
    return result if run_id is None else _with_runs(result, get_run(client, run_id))


@dataclass(slots=True)
class _Part:
    """The results of one run, as they come in; ``run`` is fetched where it is not known."""

    run_id: str
    into: Collected
    run: pl.DataFrame | None = None

    def rows(self) -> pl.DataFrame | None:
        rows = self.into.rows()
        return (
            None
            if rows is None
            else rows.with_columns(pl.col("workflow_eval_run_id").fill_null(self.run_id))
        )


def list_results(
    client: Client, runs: RunList, table: Table, *, strict: bool, progress: Progress
) -> Fetched:
    """All results of some runs, in the order of the runs, then the API's."""
    parts = [_Part(run_id, Collected(table, None)) for run_id in runs.ids]
    known = _columns(runs.known)
    outcomes: Outcomes[None] = Outcomes()

    def tell() -> None:
        done = len(outcomes.results) + len(outcomes.errors)
        count = sum(len(part.into.ids) for part in parts)
        progress.update(done, len(parts), f"{count} results")

    tasks = [partial(_read, client, part, strict, known is None) for part in parts]
    try:
        run_all(tasks, client.max_concurrency, outcomes, tell)
    except KeyboardInterrupt as interrupt:
        interrupt.partial = _together(table, parts, known)  # type: ignore[attr-defined]
        raise
    frame = _together(table, parts, known)
    error = outcomes.first_error()
    if error is not None:
        missing = [part.run_id for at, part in enumerate(parts) if at not in outcomes.results]
        raise _named(error, missing, len(parts), frame)
    return Fetched(frame, [problem for part in parts for problem in part.into.problems])


def _read(client: Client, part: _Part, strict: bool, with_run: bool) -> None:
    if with_run:
        part.run = get_run(client, part.run_id)
    params = [("run_id", part.run_id), ("order", "desc")]
    for _ in collect(client, _RESULTS, params, part.into, strict=strict):
        pass


def _together(table: Table, parts: Sequence[_Part], known: pl.DataFrame | None) -> pl.DataFrame:
    rows = [rows for part in parts if (rows := part.rows()) is not None]
    fetched = [run for part in parts if (run := _columns(part.run)) is not None]
    runs = known if known is not None else pl.concat(fetched) if fetched else None
    frame = to_frame(table, rows)
    return frame if runs is None else _with_runs(frame, runs)


def _columns(runs: pl.DataFrame | None) -> pl.DataFrame | None:
    """What a result takes over from its run, or None where the frame does not have it."""
    wanted = ("run_id", "workflow_version_id", "created_at")
    if runs is None or not set(wanted) <= set(runs.columns):
        return None
    return runs.select(*wanted[:2], pl.col("created_at").alias("run_created_at"))


def _with_runs(results: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    known = _columns(runs) if "run_created_at" not in runs.columns else runs
    assert known is not None
    bare = results.drop("workflow_version_id", "run_created_at")
    joined = bare.join(known.unique("run_id"), on="run_id", how="left", maintain_order="left")
    return joined.select(results.columns)


def _named(
    error: RetabAnalysisError, missing: Sequence[str], total: int, partial: pl.DataFrame
) -> RetabAnalysisError:
    names = ", ".join(missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    error.args = (
        f"{error}. The results of {len(missing)} of {total} runs are missing or incomplete: "
        f"{names}{more}; what has come is in .partial",
    )
    error.partial, error.cursor = partial, None
    return error
