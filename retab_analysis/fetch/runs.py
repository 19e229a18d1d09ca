"""Eval runs: read one or many, start them, cancel them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

import polars as pl

from retab_analysis.arguments import check_count, check_flag
from retab_analysis.decode import parse_one
from retab_analysis.errors import ConfigError, ConflictError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import (
    Collected,
    Fetched,
    read_pages,
    read_single,
    to_single_row,
)
from retab_analysis.fetch.parallel_paging import read_history
from retab_analysis.fetch.params import (
    OneOrSeveral,
    RunList,
    RunQuery,
    Runs,
    When,
    check_text,
    list_values,
    quote_id,
)
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

_PATH = "/v1/workflows/evals/runs"
# What is wrong with one run, and says nothing about the others.
_OF_ONE_RUN = (ConflictError, NotFoundError)


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
    return get_run(client_or_default(client), run_id)


def get_run(client: Client, run_id: str) -> pl.DataFrame:
    """One eval run, a RUNS frame of one row."""
    return read_single(client, RUNS, f"{_PATH}/{quote_id('run_id', run_id)}")


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
        ProblemsWarning: With ``strict=False``, some runs did not decode; see its ``.problems``.
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
    with contextlib.closing(choose_progress(progress, "eval runs", "runs")) as bar:
        fetched = list_runs(
            client_or_default(client),
            query,
            limit=None if limit is None else check_count("limit", limit),
            after=None if after is None else check_text("after", after),
            strict=strict,
            progress=bar,
        )
    return fetched.deliver(RUNS)


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
    done = [Fetched(RUNS.empty(), [])]
    for params in requests:
        already = sum(each.frame.height for each in done)
        into = Collected(RUNS, after)
        counts = _counts(client, params, query.order, limit, into, strict=strict)
        try:
            # Closed whatever happens, so that no thread of theirs goes on.
            with contextlib.closing(counts):
                frame = _first_rows(_told(counts, progress, already), into, query, limit)
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
        return read_history(client, _PATH, params, order, into, strict=strict)
    pages = read_pages(client, _PATH, params, into, wanted=limit, strict=strict)
    return (len(each.ids) for each in pages)


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


def start_runs(
    workflow_id: str,
    *,
    eval_ids: OneOrSeveral = None,
    block_ids: OneOrSeveral = None,
    repeat: int = 1,
    client: Client | None = None,
) -> pl.DataFrame:
    """Start eval runs on the newest version of a workflow.

    All evals of all workflows of an organization are executed one after the other, on one shared
    queue. A run of more than about 25 evals is a large one: it takes minutes, and other people's
    runs wait behind it. To try a change, run the evals or the block that it concerns.

    Args:
        workflow_id: The workflow.
        eval_ids: Run only this saved eval, or these: a run for each.
        block_ids: Run only the evals of this block, or these: a run for each.
        repeat: How often to start each run, for example to see whether an eval is flaky.
        client: The client to ask with; the default one if not given.

    Returns:
        A RUNS frame, one row per run started, in that order. They have only just been created.

    Raises:
        ConfigError: An argument cannot be used.
        NotFoundError: There is no such workflow, eval or block.
        RetabAnalysisError: Any other failure. No start is tried again by itself, since it may have
            happened; ``.partial`` has the runs started before.
        KeyboardInterrupt: After Ctrl-C; ``.partial`` as above, in a notebook
            ``sys.last_value.partial``. What was started goes on.
    """
    check_text("workflow_id", workflow_id)
    scopes = _scopes(list_values("eval_ids", eval_ids), list_values("block_ids", block_ids))
    check_count("repeat", repeat, 1)
    chosen = client_or_default(client)
    started: list[pl.DataFrame] = []
    # One after the other, so that the frame has the order in which they stand in the queue.
    for scope in (scope for scope in scopes for _ in range(repeat)):
        try:
            started.append(_create_run(chosen, workflow_id, scope))
        except (RetabAnalysisError, KeyboardInterrupt) as error:
            error.partial = _stack(started)  # type: ignore[union-attr]
            raise
    return _stack(started)


def _scopes(
    eval_ids: Sequence[str] | None, block_ids: Sequence[str] | None
) -> list[dict[str, str]]:
    """What is run: one request covers one eval, one block, or the whole workflow."""
    if eval_ids is None and block_ids is None:
        return [{"type": "workflow"}]
    singles = [{"type": "single", "eval_id": each} for each in eval_ids or []]
    return singles + [{"type": "block", "block_id": each} for each in block_ids or []]


def _create_run(client: Client, workflow_id: str, scope: Mapping[str, str]) -> pl.DataFrame:
    body = {"workflow_id": workflow_id, "scope": dict(scope)}
    return to_single_row(RUNS, client.post(_PATH, body, parse=lambda body: parse_one(RUNS, body)))


def cancel_runs(runs: Runs, *, client: Client | None = None) -> pl.DataFrame:
    """Cancel eval runs.

    Args:
        runs: An id, several, a RUNS frame or its ``run_id`` column.
        client: The client to ask with; the default one if not given.

    Returns:
        A RUNS frame of the runs as they are then, in the order given.

    Raises:
        ConflictError: A run has already ended. The other runs are cancelled all the same, and are
            in ``.partial``.
        NotFoundError: There is no such run; as above.
        RetabAnalysisError: Any other failure, which ends the cancelling; ``.partial`` has the runs
            cancelled before.
    """
    chosen = client_or_default(client)
    cancelled: list[pl.DataFrame] = []
    failed: list[RetabAnalysisError] = []
    for run_id in RunList.make(runs).ids:
        try:
            cancelled.append(_cancel_run(chosen, run_id))
        except RetabAnalysisError as error:
            failed.append(error)
            if not isinstance(error, _OF_ONE_RUN):
                break
    if failed:
        # The one that ended the cancelling, if any, says more than a run that could not be
        # cancelled.
        told = failed[0] if isinstance(failed[-1], _OF_ONE_RUN) else failed[-1]
        told.partial = _stack(cancelled)
        raise told
    return _stack(cancelled)


def _cancel_run(client: Client, run_id: str) -> pl.DataFrame:
    path = f"{_PATH}/{quote_id('run_id', run_id)}/cancel"
    return to_single_row(RUNS, client.post(path, None, parse=lambda body: parse_one(RUNS, body)))


def _stack(runs: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([RUNS.empty(), *runs])
