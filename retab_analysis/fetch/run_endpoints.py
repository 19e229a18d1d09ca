"""Eval runs: read one, list, start, cancel."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

import polars as pl

from retab_analysis.decode import parse_one
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.fetch.paging import Collected, Fetched, collect, get_one, one_row
from retab_analysis.fetch.parallel_paging import collect_history
from retab_analysis.fetch.params import RunQuery, path_part
from retab_analysis.progress import Progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

RUNS_PATH = "/v1/workflows/evals/runs"


def get_run(client: Client, run_id: str) -> pl.DataFrame:
    """One eval run, a RUNS frame of one row."""
    return get_one(client, RUNS, f"{RUNS_PATH}/{path_part('run_id', run_id)}")


def create_run(client: Client, workflow_id: str, scope: Mapping[str, str]) -> pl.DataFrame:
    """Start a run, a RUNS frame of one row."""
    body = {"workflow_id": workflow_id, "scope": dict(scope)}
    return one_row(RUNS, client.post(RUNS_PATH, body, parse=lambda body: parse_one(RUNS, body)))


def cancel_run(client: Client, run_id: str) -> pl.DataFrame:
    """Cancel a run, a RUNS frame of one row."""
    path = f"{RUNS_PATH}/{path_part('run_id', run_id)}/cancel"
    return one_row(RUNS, client.post(path, None, parse=lambda body: parse_one(RUNS, body)))


def list_runs(
    client: Client,
    query: RunQuery,
    *,
    limit: int | None,
    after: str | None,
    strict: bool,
    progress: Progress,
) -> Fetched:
    """The runs that a query means, unique and in its order."""
    requests = query.requests() if limit != 0 else []
    done = [Fetched(RUNS.empty(), [])]
    for params in requests:
        already = sum(each.frame.height for each in done)
        into = Collected(RUNS, after)
        counts: Generator[int]
        if limit is None and after is None:
            counts = collect_history(client, RUNS_PATH, params, query.order, into, strict=strict)
        else:
            pages = collect(client, RUNS_PATH, params, into, wanted=limit, strict=strict)
            counts = (len(each.ids) for each in pages)
        try:
            # Whatever happens, no thread of theirs may go on.
            with contextlib.closing(counts):
                frame = _first_runs(_told(counts, progress, already), into, query, limit)
        except RetabAnalysisError as error:
            error.partial = query.cut(into.frame())
            if len(requests) > 1:
                _merge_partial(error, done, query)
            raise
        done.append(Fetched(frame, into.problems))
    if len(requests) == 1:
        return done[1]
    problems = [problem for each in done for problem in each.problems]
    return Fetched(_merge([each.frame for each in done], query).head(_all(limit)), problems)


def _told(counts: Iterable[int], progress: Progress, already: int) -> Iterator[int]:
    for count in counts:
        progress.update(already + count)
        yield count


def _first_runs(
    counts: Iterable[int], into: Collected, query: RunQuery, limit: int | None
) -> pl.DataFrame:
    """As many rows as are wanted; those that the dates cut off do not count."""
    for count in counts:
        if limit is not None and count >= limit:
            runs = query.cut(into.frame())
            if runs.height >= limit:
                return runs.head(limit)
    return query.cut(into.frame())


def _all(limit: int | None) -> int:
    return sys.maxsize if limit is None else limit


def _merge_partial(error: RetabAnalysisError, done: Sequence[Fetched], query: RunQuery) -> None:
    """Several lists have no common cursor: what has come is given, where to go on is not."""
    partial = [] if error.partial is None else [error.partial]
    error.partial = _merge([*(each.frame for each in done), *partial], query)
    error.cursor = None


def _merge(frames: Sequence[pl.DataFrame], query: RunQuery) -> pl.DataFrame:
    merged = pl.concat(frames).unique("run_id", keep="last", maintain_order=True)
    return merged.sort(
        "created_at", descending=query.order == "desc", nulls_last=True, maintain_order=True
    )
