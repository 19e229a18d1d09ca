"""Runs, workflows, saved evals and versions as polars frames."""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis.decode import report_problems
from retab_analysis.errors import ConfigError
from retab_analysis.fetch import catalog_endpoints as catalog
from retab_analysis.fetch import run_endpoints as runs
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import Fetched
from retab_analysis.fetch.params import OneOrSeveral, RunQuery, When, count, text
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import EVALS, RUNS, WORKFLOWS, Table
from retab_analysis.transport import Client


def fetch_run(run_id: str, *, client: Client | None = None) -> pl.DataFrame:
    """Fetch one eval run.

    Args:
        run_id: The run.
        client: What to ask; the default one if not given.

    Returns:
        A RUNS frame of one row.

    Raises:
        ConfigError: The id cannot be in a URL, or there is no key.
        NotFoundError: There is no such run.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return runs.get_run(client_or_default(client), run_id)


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
        client: What to ask; the default one if not given.
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
        fetched = runs.list_runs(
            client_or_default(client),
            query,
            limit=count("limit", limit),
            after=None if after is None else text("after", after),
            strict=strict,
            progress=bar,
        )
    return reported(RUNS, fetched)


def fetch_workflows(
    *,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch all workflows, the newest first.

    Args:
        client: What to ask; the default one if not given.
        progress: As for :func:`fetch_runs`.
        strict: Raise for a workflow that does not decode. False keeps the good ones and warns once.

    Returns:
        A WORKFLOWS frame, one row per workflow.

    Raises:
        SchemaError: A workflow does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
    """
    with contextlib.closing(choose_progress(progress, "workflows", "workflows")) as bar:
        fetched = catalog.list_workflows(client_or_default(client), strict=strict, progress=bar)
    return reported(WORKFLOWS, fetched)


def fetch_evals(
    workflow_id: str,
    *,
    target_block_id: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the saved evals of a workflow, the newest first.

    Args:
        workflow_id: The workflow.
        target_block_id: Only those of this block.
        client: What to ask; the default one if not given.
        progress: As for :func:`fetch_runs`.
        strict: Raise for an eval that does not decode. False keeps the good ones and warns once.

    Returns:
        An EVALS frame, one row per saved eval; ``condition`` is the JSON that was sent.

    Raises:
        ConfigError: An id cannot be used.
        SchemaError: An eval does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
    """
    with contextlib.closing(choose_progress(progress, "saved evals", "evals")) as bar:
        fetched = catalog.list_evals(
            client_or_default(client), workflow_id, target_block_id, strict=strict, progress=bar
        )
    return reported(EVALS, fetched)


def fetch_version_diff(
    workflow_id: str, baseline: str, candidate: str, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch which blocks differ between two versions of a workflow.

    Args:
        workflow_id: The workflow.
        baseline: The ``workflow_version_id`` to start from.
        candidate: The one to go to.
        client: What to ask; the default one if not given.

    Returns:
        A frame of ``block_id, change`` (String): added, removed or changed. No rows: no block
        differs.

    Raises:
        NotFoundError: The API does not know one of the versions. That is no empty diff: nothing
            is known then.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return catalog.get_version_diff(client_or_default(client), workflow_id, baseline, candidate)


def fetch_document_link(document_id: str, *, client: Client | None = None) -> str:
    """Fetch a temporary address of a document.

    Args:
        document_id: One of ``document_ids`` of a RESULTS frame.
        client: What to ask; the default one if not given.

    Returns:
        A URL that needs no key and expires soon. Whoever has it can read the document.

    Raises:
        NotFoundError: There is no such document.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    return catalog.get_document_link(client_or_default(client), document_id)


def reported(table: Table, fetched: Fetched) -> pl.DataFrame:
    """The frame; with a warning where something was left out."""
    report_problems(table, fetched.problems, strict=False)
    return fetched.frame
