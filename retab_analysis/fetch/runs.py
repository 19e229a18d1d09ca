"""Eval runs: read one or many."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import When, check_count, check_flag, resolve
from retab_analysis.decode import Problems, to_frame
from retab_analysis.errors import ConfigError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.lists import (
    explain_missing_run,
    read_known,
    refuse_unknown,
    resolve_workflow,
)
from retab_analysis.fetch.paging import (
    Collected,
    Fetched,
    Gathering,
    read_pages,
    read_record,
    refuse_other_workflow,
)
from retab_analysis.fetch.params import (
    OneOrSeveral,
    RunQuery,
    check_text,
    client_or_default,
    quote_id,
)
from retab_analysis.progress import Part, Progress, Silent, show_progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client

RUNS_PATH = "/v1/workflows/evals/runs"


def fetch_run(run_id: str, *, client: Client | None = None) -> pl.DataFrame:
    """Fetch one eval run.

    Args:
        run_id: The run.
        client: The client to ask; by default the session's.

    Returns:
        A RUNS frame of one row.

    Raises:
        ConfigError: The id cannot be in a URL, or there is no key.
        NotFoundError: The run does not exist.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> run_id = ra.fetch_runs("wf_invoices", limit=1)["run_id"][0]
        >>> ra.fetch_run(run_id).height
        1
    """
    client = client_or_default(client)
    try:
        return to_frame(RUNS, [read_run(client, run_id)])
    except NotFoundError as error:
        explain_missing_run(client, run_id, error)
        raise


def read_run(client: Client, run_id: str) -> wire.Run:
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
    scope: str | None = None,
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
        workflow_id: Only runs of this workflow, or of these, by id or name.
        eval_id: Only runs that were started for this eval alone. With a workflow you may give its
            name. Runs of the whole workflow are not among them.
        target_block_id: Only runs of this block.
        status: Only runs with this status, or one of these: ``pending``, ``queued``, ``running``,
            ``completed``, ``error``, ``cancelled``.
        exclude_status: Only runs without this status.
        trigger_type: Only runs started by this, or one of these: ``manual``, ``api``, ``schedule``,
            ….
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``. The API has no such
            filter, so ``fetch_runs`` reads all of them.
        from_date: Only runs created then or later: a date, a datetime (in UTC if it has no zone) or
            an ISO 8601 string. Or how long ago: a timedelta, ``"12h"``, ``"30d"`` or ``"2w"``.
        to_date: Only runs created then or earlier; a date means the end of that day.
        order: ``"desc"`` for the newest first, ``"asc"`` for the oldest.
        limit: At most so many rows.
        after: Go on after this cursor, the ``.cursor`` of an error.
        client: The client to ask; by default the session's.
        progress: False for no progress bar, or an object with ``update`` and ``close``. By default
            a notebook or a terminal shows a bar after a second.
        strict: Raise for a run that does not decode. False keeps the good ones and warns once.

    Returns:
        A RUNS frame, one row per run, each run once. Several values of a filter take several
        queries, merged by ``created_at``.

    Raises:
        ConfigError: An argument cannot be used, or there is no key. Or there are no runs and one
            more request finds no such workflow, block or eval; the message names the nearest.
        SchemaError: A run does not decode, with its id and JSON path.
        PaginationError: The API's cursors go in a circle.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`. All errors have the
            rows so far as ``.partial`` and, for a single query, ``.cursor`` to go on with.

    Warns:
        ProblemsWarning: With ``strict=False``, some runs did not decode; see its ``.problems``.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", status="completed", from_date="30d")
        >>> runs.select("created_at", "scope", "passed", "failed").width
        4
    """
    check_flag("strict", strict)
    query = RunQuery.make(
        workflow_id=workflow_id,
        status=status,
        trigger_type=trigger_type,
        eval_id=eval_id,
        target_block_id=target_block_id,
        exclude_status=exclude_status,
        scope=scope,
        from_date=from_date,
        to_date=to_date,
        order=order,
    )
    if workflow_id is None and " " in query.filters.get("eval_id", ("",))[0]:
        raise ConfigError(
            f'give the workflow of an eval with its name: fetch_runs("…", {eval_id=})'
        )
    if after is not None and len(query.requests()) > 1:
        raise ConfigError("after= works for a single query; a filter here has several values")
    chosen = client_or_default(client)
    if asked := query.filters.get("workflow_id"):
        ids = dict.fromkeys(resolve_workflow(chosen, each) for each in asked)
        query = replace(query, filters={**query.filters, "workflow_id": [*ids]})
    with show_progress(progress, "eval runs", "runs") as bar:
        read = partial(
            list_runs,
            chosen,
            limit=None if limit is None else check_count("limit", limit),
            after=None if after is None else check_text("after", after),
            strict=strict,
            progress=bar,
        )
        fetched = read(query)
        # A resumed list existed before.
        is_sure = limit == 0 or after is not None or len(fetched.problems) > 0
        meant = query if is_sure else _find_meant(chosen, query, fetched.frame)
        fetched = fetched if meant == query else read(meant)
    return fetched.deliver(RUNS)


def _find_meant(client: Client, query: RunQuery, found: pl.DataFrame) -> RunQuery:
    """The query by ids, if no run was found: an argument may be a name. Refuses unknown ones."""
    is_of_eval = "eval_id" in query.filters and len(query.filters.get("workflow_id", ())) == 1
    if not (is_of_eval and found.is_empty()):
        # There may be none between two dates.
        if not ((query.start is None and query.end is None) or "target_block_id" in query.filters):
            return query
        return replace(query, filters=dict(refuse_unknown(client, query.filters, found)))
    try:
        _, known = read_known(client, query.filters["workflow_id"][0])
        ids = [resolve("eval", each, known, parts=True) for each in query.filters["eval_id"]]
    except ConfigError:
        raise
    except RetabAnalysisError:
        return query  # the user asked for the other list, which is there
    return replace(query, filters={**query.filters, "eval_id": ids})


def read_newest_runs(
    client: Client, workflow_id: str, *, limit: int | None = None, to_date: When = None
) -> pl.DataFrame:
    query = RunQuery.make(workflow_id=workflow_id, to_date=to_date)
    return list_runs(client, query, limit=limit).frame


def list_runs(
    client: Client,
    query: RunQuery,
    *,
    limit: int | None = None,
    after: str | None = None,
    strict: bool = True,
    progress: Progress | None = None,
) -> Fetched:
    requests = query.requests() if limit != 0 else []
    frames, problems = [RUNS.empty()], Problems()
    for params in requests:
        into = Collected(Gathering(RUNS), after)
        bar = Part(progress or Silent(), sum(each.height for each in frames), None)
        accept = refuse_other_workflow(dict(params).get("workflow_id"), RUNS)
        read = partial(read_pages, client, RUNS_PATH, strict=strict, accept=accept)
        try:
            wanted = limit if query.scope is None else None
            _read_enough(read(params, into, wanted=wanted), query, into, limit, bar)
        except RetabAnalysisError as error:
            frames.append(query.cut(into.frame()))
            # Several lists have no common cursor.
            is_one = len(requests) == 1
            error.partial = frames[1] if is_one else _merge(frames, query)
            error.cursor = into.cursor if is_one else None
            client.explain_absence(error)
            raise
        frames.append(query.cut(into.frame()))
        problems.add_all(into.problems)
    return Fetched(_merge(frames, query).head(sys.maxsize if limit is None else limit), problems)


def _read_enough(
    pages: Iterable[object], query: RunQuery, into: Collected, limit: int | None, progress: Progress
) -> None:
    for _ in pages:
        progress.update(len(into.ids))
        # Counted first: computing a frame after each page would cost more than the pages.
        if limit is not None and len(into.ids) >= limit:
            runs = query.cut(into.frame())
            # If the API ignores the order, the first rows may be the last ones.
            if runs.height >= limit and not query.is_turned(runs):
                return


def _merge(frames: Sequence[pl.DataFrame], query: RunQuery) -> pl.DataFrame:
    # A run whose status changes between two queries is in both: the later one counts.
    if len(frames) == 2:
        return query.sort(frames[1])
    return query.sort(pl.concat(frames).unique("run_id", keep="last", maintain_order=True))
