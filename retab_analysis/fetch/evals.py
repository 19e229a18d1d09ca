"""Saved evals."""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import Collected, Fetched, read_list, read_pages
from retab_analysis.fetch.params import check_text
from retab_analysis.fetch.workflows import warn_of_unknown
from retab_analysis.progress import Progress, Silent, choose_progress
from retab_analysis.schema import EVALS, EVALS_WITH_REASONS, Table
from retab_analysis.transport import Client

_PATH = "/v1/workflows/evals"


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
        client: The client to ask with; the default one if not given.
        progress: As for :func:`fetch_runs`.
        strict: Raise for an eval that does not decode. False keeps the good ones and warns once.

    Returns:
        An EVALS frame, one row per saved eval; ``condition`` is the JSON that was sent.

    Raises:
        ConfigError: An id cannot be used.
        SchemaError: An eval does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``. Or there
            are none, and no such workflow, as far as one more request tells.
    """
    chosen = client_or_default(client)
    check_flag("strict", strict)
    with contextlib.closing(choose_progress(progress, "saved evals", "evals")) as bar:
        fetched = list_evals(chosen, workflow_id, target_block_id, strict=strict, progress=bar)
    warn_of_unknown(chosen, [workflow_id], fetched)
    return fetched.deliver(EVALS)


def read_evals(client: Client | None, workflow_id: str) -> pl.DataFrame:
    """The saved evals of a workflow, without a bar and without a warning."""
    chosen = client_or_default(client)
    return list_evals(chosen, workflow_id, None, strict=True, progress=Silent()).frame


def collect_evals(client: Client, workflow_id: str, into: Collected) -> None:
    """Read the saved evals of a workflow as they are, without making rows of them.

    Raises:
        RetabAnalysisError: Whatever went wrong; what came before it is in ``into``.
    """
    for _ in read_pages(client, _PATH, _params(workflow_id), into, strict=False):
        pass


def list_evals(
    client: Client,
    workflow_id: str,
    target_block_id: str | None,
    *,
    strict: bool,
    progress: Progress,
    table: Table = EVALS,
) -> Fetched:
    """The saved evals of a workflow, the newest first."""
    params = _params(workflow_id)
    if target_block_id is not None:
        params.append(("target_block_id", check_text("target_block_id", target_block_id)))
    return read_list(client, _PATH, params, table, strict=strict, progress=progress)


def _params(workflow_id: str) -> list[tuple[str, str]]:
    return [("workflow_id", check_text("workflow_id", workflow_id)), ("order", "desc")]


def read_saved(client: Client, workflow_id: str) -> Fetched:
    """Read the saved evals of a workflow, each with why its newest result is out of date.

    Returns:
        An EVALS frame with the column ``freshness_reasons`` (List(String)) at its end, and the
        evals that did not decode.

    Raises:
        NotFoundError: There is no such workflow.
        RetabAnalysisError: Any other failure.
    """
    return list_evals(
        client, workflow_id, None, strict=False, progress=Silent(), table=EVALS_WITH_REASONS
    )
