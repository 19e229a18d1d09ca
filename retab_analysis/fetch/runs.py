"""Eval runs: read one or many."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import check_count, check_flag
from retab_analysis.decode import Problems, to_frame
from retab_analysis.errors import ConfigError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.lists import explain_missing_run, refuse_unknown, resolve_evals
from retab_analysis.fetch.paging import (
    Collected,
    Fetched,
    Gathering,
    read_pages,
    read_record,
    refuse_other_workflow,
)
from retab_analysis.fetch.params import OneOrSeveral, RunQuery, When, check_text, quote_id
from retab_analysis.fetch.windows import ReadPages, read_history
from retab_analysis.progress import Part, Progress, Silent, choose_progress
from retab_analysis.schema import RUNS
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

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
    """Read one eval run; many are better made one frame than a frame each."""
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
        workflow_id: Only of this workflow, or of these.
        eval_id: Only runs that were started for this one eval; with a workflow its name will do.
            The runs of a whole workflow that contain it are not among them.
        target_block_id: Only runs of this block.
        status: Only with this status (``pending``, ``queued``, ``running``, ``completed``,
            ``error``, ``cancelled``), or one of these.
        exclude_status: Only without this status.
        trigger_type: Only started by this (``manual``, ``api``, ``schedule``, …), or one of these.
        scope: Only of this: ``workflow``, ``block`` or ``eval``. The API has no such filter, so all
            of them are read.
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
        ConfigError: An argument cannot be used, or there is no key. Or nothing came, and there is
            no such workflow, block or eval, as far as one more request tells; it names the nearest.
        SchemaError: A run does not decode, with its id and JSON path.
        PaginationError: The API's cursors go in a circle.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`. All of them carry
            the rows so far as ``.partial`` and, for a single query, ``.cursor`` to go on with.

    Warns:
        ProblemsWarning: With ``strict=False``, some runs did not decode; see its ``.problems``.

    Example:
        >>> from datetime import timedelta
        >>> runs = ra.fetch_runs("wf_invoices", status="completed", from_date=timedelta(days=30))
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
    if after is not None and len(query.requests()) > 1:
        raise ConfigError("after= goes with a single query; a filter here has several values")
    chosen = client_or_default(client)
    with contextlib.closing(choose_progress(progress, "eval runs", "runs")) as bar:
        read = partial(
            list_runs,
            chosen,
            limit=None if limit is None else check_count("limit", limit),
            after=None if after is None else check_text("after", after),
            strict=strict,
            progress=bar,
        )
        fetched = read(query)
        # A list that is resumed was there before.
        may_be_misspelled = limit != 0 and after is None and not fetched.problems
        is_of_eval = eval_id is not None and isinstance(workflow_id, str)
        if may_be_misspelled and is_of_eval and fetched.frame.is_empty():
            meant = _name_eval(chosen, query)
            return (fetched if meant == query else read(meant)).deliver(RUNS)
    # Between two dates there may well be none.
    if may_be_misspelled and query.start is None and query.end is None:
        refuse_unknown(chosen, query.filters, fetched.frame)
    return fetched.deliver(RUNS)


def _name_eval(client: Client, query: RunQuery) -> RunQuery:
    """The query by the eval's id, where no run was found: its name may have been given."""
    try:
        ids = resolve_evals(client, query.filters["workflow_id"][0], query.filters["eval_id"])
    except ConfigError:
        raise
    except RetabAnalysisError:
        return query  # the list that was asked for is there, and nobody asked for this one
    return replace(query, filters={**query.filters, "eval_id": ids})


def read_newest_runs(
    client: Client, workflow_id: str, *, limit: int | None = None, to_date: When = None
) -> pl.DataFrame:
    """The newest runs of a workflow; none where there is no such workflow."""
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
    # One after the other: of a single list, several parts are read at once already.
    for params in requests:
        into = Collected(Gathering(RUNS), after)
        bar = Part(progress or Silent(), sum(each.height for each in frames), None)
        accept = refuse_other_workflow(dict(params).get("workflow_id"), RUNS)
        read = partial(read_pages, client, RUNS_PATH, strict=strict, accept=accept)
        try:
            # Only a whole list can be read in parts: a cursor or a limit needs the API's order.
            if limit is None and after is None:
                read_history(read, client.max_concurrency, params, into, bar)
            else:
                _read_enough(read, query, params, into, limit, bar)
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
    read: ReadPages,
    query: RunQuery,
    params: Params,
    into: Collected,
    limit: int | None,
    progress: Progress,
) -> None:
    for _ in read(params, into, wanted=limit if query.scope is None else None):
        progress.update(len(into.ids))
        # Counted first, because computing a frame after each page would cost more than the pages.
        if limit is not None and len(into.ids) >= limit:
            runs = query.cut(into.frame())
            # Where the API ignores the order, the first rows may be the last ones.
            if runs.height >= limit and not query.is_turned(runs):
                return


def _merge(frames: Sequence[pl.DataFrame], query: RunQuery) -> pl.DataFrame:
    # A run whose status changes between two queries is in both: the later one counts.
    if len(frames) == 2:
        return query.sort(frames[1])
    return query.sort(pl.concat(frames).unique("run_id", keep="last", maintain_order=True))
