"""Workflows."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.decode import Problem, Problems
from retab_analysis.errors import ProblemsWarning, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import PAGE_SIZE, Fetched, read_first_page, read_list
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


def warn_of_unknown(client: Client, asked: Sequence[str], fetched: Fetched) -> None:
    """Warn where a list is empty because there is no such workflow, as far as one request tells.

    Call it from the public function itself, so that the warning points at its caller.

    Args:
        client: The client to ask with.
        asked: The workflows that the list was asked for.
        fetched: What came of it; its frame has a column ``workflow_id``.
    """
    without = [each for each in asked if each not in set(fetched.frame["workflow_id"])]
    if not without or fetched.problems:
        return
    try:
        newest = read_first_page(client, _PATH, _NEWEST_FIRST, WORKFLOWS)
    except RetabAnalysisError:
        return  # the list that was asked for is there, and nobody asked for this one
    unknown = [each for each in without if each not in set(newest["workflow_id"])]
    if not unknown:
        return
    is_all = newest.height < PAGE_SIZE
    reason = "there is no such workflow" if is_all else "not among the newest 100 workflows"
    problems = Problems(Problem(each, "$", reason, "") for each in unknown)
    told = f"nothing was found for {', '.join(unknown)}: {reason}; is the id right?"
    warnings.warn(ProblemsWarning(told, problems.frame()), stacklevel=3)
