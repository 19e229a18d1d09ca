"""One function for each endpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import polars as pl

from retab_analysis.api.arguments import RunQuery, path_part
from retab_analysis.api.paging import Collected, Fetched, collect
from retab_analysis.decode import parse_one, report, to_frame
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.progress import Progress
from retab_analysis.schema import RUNS, WORKFLOWS, Table
from retab_analysis.transport import Client

_RUNS = "/v1/workflows/evals/runs"


def get_run(client: Client, run_id: str) -> pl.DataFrame:
    """One eval run, a RUNS frame of one row."""
    return _get(client, RUNS, f"{_RUNS}/{path_part('run_id', run_id)}")


def list_workflows(client: Client, *, strict: bool, progress: Progress) -> Fetched:
    """All workflows, the newest first."""
    into = Collected(WORKFLOWS, None)
    params = [("sort_by", "created_at"), ("order", "desc")]
    for _ in collect(
        client, "/v1/workflows", params, into, wanted=None, strict=strict, progress=progress
    ):
        pass
    return Fetched(into.frame(), into.problems)


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
        into = Collected(RUNS, after)
        already = sum(each.frame.height for each in done)
        pages = collect(
            client,
            _RUNS,
            params,
            into,
            wanted=limit,
            strict=strict,
            progress=progress,
            already=already,
        )
        try:
            frame = _first_runs(pages, into, query, limit)
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


def _first_runs(
    pages: Iterator[Collected], into: Collected, query: RunQuery, limit: int | None
) -> pl.DataFrame:
    """As many rows as are wanted; those that the dates cut off do not count."""
    for _ in pages:
        if limit is not None and len(into.ids) >= limit:
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


def _get(client: Client, table: Table, path: str) -> pl.DataFrame:
    page = client.get(path, parse=lambda body: parse_one(table, body))
    report(table, page.problems, strict=True)
    return to_frame(table, [page.rows])
