"""Eval runs: read one or many."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import check_count, check_flag
from retab_analysis.decode import Problems, to_frame
from retab_analysis.errors import ConfigError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import (
    Collected,
    Fetched,
    Gathering,
    read_pages,
    read_record,
)
from retab_analysis.fetch.parallel_paging import read_history
from retab_analysis.fetch.params import (
    OneOrSeveral,
    RunQuery,
    When,
    check_text,
    quote_id,
)
from retab_analysis.fetch.workflows import warn_of_unknown
from retab_analysis.progress import Progress, Silent, choose_progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

RUNS_PATH = "/v1/workflows/evals/runs"


def fetch_run(run_id: str, *, client: Client | None = None) -> pl.DataFrame:
    """Fetch one eval run.

    Args:
        run_id: The run.
        client: The client to ask with; the default one if not given.

    Returns:
        A RUNS frame of one row.

    Raises:
        ConfigError: The id cannot be in a URL, or there is no key.
        NotFoundError: There is no such run.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return to_frame(RUNS, [read_run(client_or_default(client), run_id)])


def read_run(client: Client, run_id: str) -> wire.Run:
    """Read one eval run; many are better made one frame than a frame each.

    Raises:
        RetabAnalysisError: It cannot be read.
    """
    run: wire.Run = read_record(client, RUNS, f"{RUNS_PATH}/{quote_id('run_id', run_id)}", run_id)
    return run


def fetch_runs(
    workflow_id: OneOrSeveral = None,
    *,
    eval_id: str | None = None,
    target_block_id: str | None = None,
    status: OneOrSeveral = None,
    exclude_status: str | None = None,
    trigger_type: OneOrSeveral = None,
    from_date: When = None,
    to_date: When = None,
    order: str = "desc",
    limit: int | None = None,
    after: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch eval runs, the newest first.

    Args:
        workflow_id: Only of this workflow, or of these.
        eval_id: Only runs that were started for this one eval. The runs of a whole workflow that
            contain it are not among them.
        target_block_id: Only runs of this block.
        status: Only with this status (``pending``, ``queued``, ``running``, ``completed``,
            ``error``, ``cancelled``), or one of these.
        exclude_status: Only without this status.
        trigger_type: Only started by this (``manual``, ``api``, ``schedule``, …), or one of these.
        from_date: Only created then or later: a date, a datetime (in UTC where it has no zone), a
            timedelta (that long ago) or an ISO 8601 string.
        to_date: Only created then or earlier; a date means the end of that day.
        order: ``"desc"`` for the newest first, ``"asc"`` for the oldest.
        limit: At most so many rows.
        after: Go on after this cursor, the ``.cursor`` of an error.
        client: The client to ask with; the default one if not given.
        progress: None for a bar where there is a notebook or a terminal and it takes longer than a
            second, False for none, or an object with ``update`` and ``close``.
        strict: Raise for a run that does not decode. False keeps the good ones and warns once.

    Returns:
        A RUNS frame, one row per run, each run once. Several values of a filter are several
        queries, merged by ``created_at``.

    Raises:
        ConfigError: An argument cannot be used, or there is no key.
        SchemaError: A run does not decode, with its id and JSON path.
        PaginationError: The API's cursors go in a circle.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`. All of them carry
            the rows so far as ``.partial`` and, for a single query, ``.cursor`` to go on with.

    Warns:
        ProblemsWarning: With ``strict=False``, some runs did not decode; see its ``.problems``. Or
            there are no runs of a workflow, whatever their date, and no such workflow, as far as
            one more request tells.
    """
    check_flag("strict", strict)
    query = RunQuery.make(
        workflow_id=workflow_id,
        eval_id=eval_id,
        target_block_id=target_block_id,
        status=status,
        exclude_status=exclude_status,
        trigger_type=trigger_type,
        from_date=from_date,
        to_date=to_date,
        order=order,
    )
    if after is not None and len(query.requests()) > 1:
        raise ConfigError("after= goes with a single query; a filter here has several values")
    chosen = client_or_default(client)
    with contextlib.closing(choose_progress(progress, "eval runs", "runs")) as bar:
        fetched = list_runs(
            chosen,
            query,
            limit=None if limit is None else check_count("limit", limit),
            after=None if after is None else check_text("after", after),
            strict=strict,
            progress=bar,
        )
    # Between two dates there may well be none, and a list that is resumed was there before.
    is_all = query.start is None and query.end is None and after is None
    if is_all and fetched.frame.height < _all(limit):
        warn_of_unknown(chosen, query.filters.get("workflow_id", ()), fetched)
    return fetched.deliver(RUNS)


def read_newest_runs(
    client: Client, workflow_id: str, *, limit: int | None = None, to_date: When = None
) -> pl.DataFrame:
    """The newest runs of a workflow, without a bar and without a warning."""
    query = RunQuery.make(workflow_id=workflow_id, to_date=to_date)
    fetched = list_runs(client, query, limit=limit, after=None, strict=True, progress=Silent())
    return fetched.frame


def list_runs(
    client: Client,
    query: RunQuery,
    *,
    limit: int | None,
    after: str | None,
    strict: bool,
    progress: Progress,
) -> Fetched:
    """The runs that a query means, each once and in its order."""
    # One after the other, not at once: the list of one filter is read at several places already.
    requests = query.requests() if limit != 0 else []
    done = [Fetched(RUNS.empty(), Problems())]
    for params in requests:
        already = sum(each.frame.height for each in done)
        into = Collected(Gathering(RUNS), after)
        counts = _counts(client, params, query.order, limit, into, strict=strict)
        try:
            # Closed whatever happens, so that no thread of theirs goes on.
            with contextlib.closing(counts):
                frame = _first_rows(_told(counts, progress, already), into, query, limit)
        except RetabAnalysisError as error:
            error.partial, error.cursor = query.cut(into.frame()), into.cursor
            if len(requests) > 1:
                _merge_partial(error, done, query)
            raise
        done.append(Fetched(frame, into.problems))
    if len(requests) == 1:
        return done[1]
    problems = Problems()
    for each in done:
        problems.add_all(each.problems)
    return Fetched(_merge([each.frame for each in done], query).head(_all(limit)), problems)


def _counts(
    client: Client,
    params: Sequence[tuple[str, str]],
    order: str,
    limit: int | None,
    into: Collected,
    *,
    strict: bool,
) -> Generator[int]:
    """Read one list, and give how many of its runs have come so far."""
    # Only the whole list can be read at several places: a cursor or a limit needs the API's order.
    if limit is None and into.cursor is None:
        return read_history(client, RUNS_PATH, params, order, into, strict=strict)
    pages = read_pages(client, RUNS_PATH, params, into, wanted=limit, strict=strict)
    return (len(into.ids) for _ in pages)


def _told(counts: Iterable[int], progress: Progress, already: int) -> Iterator[int]:
    for count in counts:
        progress.update(already + count)
        yield count


def _first_rows(
    counts: Iterable[int], into: Collected, query: RunQuery, limit: int | None
) -> pl.DataFrame:
    """As many rows as are wanted; those that the dates cut off do not count."""
    for count in counts:
        # Counted first, because computing a frame after each page would cost more than the pages.
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
    # A run whose status changes between two queries is in both: the later one counts.
    merged = pl.concat(frames).unique("run_id", keep="last", maintain_order=True)
    return merged.sort(
        "created_at", descending=query.order == "desc", nulls_last=True, maintain_order=True
    )
