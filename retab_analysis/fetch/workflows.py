"""Workflows."""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import Fetched, read_first_page, read_list
from retab_analysis.fetch.params import check_text
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import WORKFLOWS
from retab_analysis.transport import Client

_PATH = "/v1/workflows"
_NEWEST_FIRST = (("sort_by", "created_at"), ("order", "desc"))


def fetch_workflows(
    *,
    project_id: str | None = None,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the workflows, the newest first.

    Args:
        project_id: Only those of this project.
        client: The client to ask with; the default one if not given.
        progress: As for :func:`fetch_runs`.
        strict: Raise for a workflow that does not decode. False keeps the good ones and warns once.

    Returns:
        A WORKFLOWS frame, one row per workflow.

    Raises:
        ConfigError: The id cannot be used.
        SchemaError: A workflow does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
    """
    check_flag("strict", strict)
    with contextlib.closing(choose_progress(progress, "workflows", "workflows")) as bar:
        fetched = _list_workflows(
            client_or_default(client), project_id, strict=strict, progress=bar
        )
    return fetched.deliver(WORKFLOWS)


def _list_workflows(
    client: Client, project_id: str | None, *, strict: bool, progress: Progress
) -> Fetched:
    params = [*_NEWEST_FIRST]
    if project_id is not None:
        params.append(("project_id", check_text("project_id", project_id)))
    return read_list(client, _PATH, params, WORKFLOWS, strict=strict, progress=progress)


def find_workflow(client: Client, workflow_id: str) -> pl.DataFrame:
    """Look for a workflow among the newest 100, with one request; the API has none for just one.

    Returns:
        A WORKFLOWS frame of one row, or of none.

    Raises:
        RetabAnalysisError: The list cannot be read.
    """
    newest = read_first_page(client, _PATH, _NEWEST_FIRST, WORKFLOWS)
    return newest.filter(pl.col("workflow_id") == workflow_id)
