"""The results of runs: all pages of all runs, several runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from retab_analysis.decode import Problem, to_frame
from retab_analysis.errors import RetabAnalysisError, SchemaError
from retab_analysis.fetch.paging import Collected, Fetched, collect, get_one
from retab_analysis.fetch.params import RunList, path_part
from retab_analysis.fetch.run_endpoints import get_run
from retab_analysis.fetch.threads import Outcomes, run_all
from retab_analysis.progress import Progress
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.transport import Client

_RESULTS = "/v1/workflows/evals/results"
_NAMED = 20


def get_result(client: Client, result_id: str) -> pl.DataFrame:
    """One result, a RESULTS frame of one row; with what its run knows.

    Raises:
        RetabAnalysisError: The result, or its run, cannot be read; in the second case the result
            is in ``.partial``.
    """
    result = get_one(client, RESULTS, f"{_RESULTS}/{path_part('result_id', result_id)}")
    run_id = result["run_id"][0]
    if run_id is None:
        return result
    try:
        return _with_runs(result, _known(get_run(client, run_id)))
    except RetabAnalysisError as error:
        error.partial = result
        raise


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
    client: Client,
    runs: RunList,
    table: Table,
    *,
    evals: pl.DataFrame | None = None,
    strict: bool,
    progress: Progress,
) -> Fetched:
    """All results of some runs, in the order of the runs, then the API's."""
    parts = [_Part(run_id, Collected(table, None)) for run_id in runs.ids]
    known = _known(runs.known)
    outcomes: Outcomes[None] = Outcomes()

    def tell() -> None:
        done = len(outcomes.results) + len(outcomes.errors)
        count = sum(len(part.into.ids) for part in parts)
        progress.update(done, len(parts), f"{count} results")

    def together() -> pl.DataFrame:
        frame = _with_runs(to_frame(table, _rows(parts)), known, parts)
        return frame if evals is None else _with_evals(frame, evals)

    tasks = [partial(_read, client, part, strict, known is None) for part in parts]
    try:
        run_all(tasks, client.max_concurrency, outcomes, tell)
    except KeyboardInterrupt as interrupt:
        interrupt.partial = together()  # type: ignore[attr-defined]
        raise
    error = outcomes.error()
    if error is not None:
        missing = [part.run_id for at, part in enumerate(parts) if at not in outcomes.results]
        raise _named(error, missing, len(parts), together())
    return Fetched(together(), [problem for part in parts for problem in part.into.problems])


def _read(client: Client, part: _Part, strict: bool, with_run: bool) -> None:
    if with_run:
        _read_run(client, part, strict)
    params = [("run_id", part.run_id), ("order", "desc")]
    for _ in collect(client, _RESULTS, params, part.into, strict=strict):
        pass


def _read_run(client: Client, part: _Part, strict: bool) -> None:
    """Read the run itself; one that does not decode leaves its two columns null, if lenient."""
    try:
        part.run = get_run(client, part.run_id)
    except SchemaError as error:
        if strict or error.problems is None:
            raise
        for record_id, path, reason, raw in error.problems.iter_rows():
            words = f"in the document of the run: {reason}"
            part.into.problems.append(Problem(record_id, path, words, raw))


def _rows(parts: Sequence[_Part]) -> list[pl.DataFrame]:
    return [rows for part in parts if (rows := part.rows()) is not None]


def _known(runs: pl.DataFrame | None) -> pl.DataFrame | None:
    """What a result takes over from its run, or None where the frame is no RUNS frame.

    Others have such columns too: in a RESULTS frame, ``created_at`` is the result's.
    """
    wanted = ("run_id", "workflow_version_id", "created_at")
    if runs is None or "result_id" in runs.columns:
        return None
    if any(runs.schema.get(name) != RUNS.schema[name] for name in wanted):
        return None
    return runs.select(*wanted[:2], pl.col("created_at").alias("run_created_at"))


def _with_runs(
    results: pl.DataFrame, known: pl.DataFrame | None, parts: Sequence[_Part] = ()
) -> pl.DataFrame:
    """Fill in the columns that come from the runs: known before, or read with the results."""
    if known is None:
        read = [run for part in parts if (run := _known(part.run)) is not None]
        if not read:
            return results
        known = pl.concat(read)
    bare = results.drop("workflow_version_id", "run_created_at")
    once = known.unique("run_id", keep="last")
    joined = bare.join(once, on="run_id", how="left", maintain_order="left")
    return joined.select(results.columns)


def _with_evals(results: pl.DataFrame, evals: pl.DataFrame) -> pl.DataFrame:
    """Fill in the columns that come from the saved evals; of an eval twice, the first counts."""
    names = evals.select("eval_id", pl.col("name").alias("eval_name"), "path")
    once = names.unique("eval_id", keep="first")
    bare = results.drop("eval_name", "path")
    joined = bare.join(once, on="eval_id", how="left", maintain_order="left")
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
