"""The published versions of a workflow, and their names.

If the API does not list publications, the versions are its graphs (ids and times only), and the
workflow names the current one.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.config import publications
from retab_analysis.decode import Problems
from retab_analysis.errors import APIError, ProtocolError, RetabAnalysisError, ServerError
from retab_analysis.fetch.lists import (
    find_workflow,
    of_workflow,
    refuse_unknown,
    resolve_workflow,
    suggest_workflow,
)
from retab_analysis.fetch.paging import Fetched, read_list
from retab_analysis.fetch.params import client_or_default, quote_id
from retab_analysis.progress import Progress, show_progress
from retab_analysis.schema import GRAPHS, VERSIONS
from retab_analysis.transport import Client

UNNUMBERED = "The API does not list publications here, so versions have no numbers."

GRAPHS_PATH = "/v1/workflows/versions"
OPTIONAL_TRIES = 2  # of a list that a check can do without


def fetch_versions(
    workflow_id: str,
    *,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the published versions of a workflow, the newest first.

    If the API does not list publications, the versions are the workflow's graphs, and ``version``
    is null.

    Args:
        workflow_id: The workflow, its id or its name.
        client: The client to ask; by default the session's.
        progress: False for no progress bar; by default a notebook or a terminal shows one.
        strict: Raise for a version that does not decode. False keeps the good ones and warns once.

    Returns:
        A VERSIONS frame, one row per publication, in the API's order. Any other version that ran is
        a draft.

    Raises:
        ConfigError: The id cannot be used. Or there are no versions and one more request finds no
            such workflow; the message names the nearest.
        NotFoundError: The API does not know the workflow.
        SchemaError: A version does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
        UserWarning: The API does not list publications.

    Example:
        >>> ra.fetch_versions("wf_invoices").filter(pl.col("is_current")).height
        1
    """
    check_flag("strict", strict)
    chosen = client_or_default(client)
    workflow_id = resolve_workflow(chosen, workflow_id)
    with show_progress(progress, VERSIONS.name, VERSIONS.name) as bar:
        fetched = _read(chosen, workflow_id, strict=strict, progress=bar)
    if not fetched.problems:
        refuse_unknown(chosen, {"workflow_id": [workflow_id]}, fetched.frame)
    if is_unnumbered(fetched.frame):
        warnings.warn(UNNUMBERED, stacklevel=3)
    return fetched.deliver(VERSIONS)


def read_newest_versions(client: Client, workflow_id: str) -> pl.DataFrame:
    """The newest 100 publications, with one request; two more if the API does not list them."""
    return _read(client, workflow_id, strict=False, most_pages=1).frame


def publications_path(workflow_id: str) -> str:
    return f"/v1/workflows/{quote_id('workflow_id', workflow_id)}/published-versions"


def is_unavailable(error: RetabAnalysisError) -> bool:
    """Whether the API does not have this endpoint, for this key or at all."""
    if isinstance(error, ProtocolError):
        return "not JSON" in str(error)  # a web page, and not the list of another workflow
    return isinstance(error, APIError) and error.status_code in (403, 404, 405, 501)


def read_optional(*where: Any, **how: Any) -> Fetched | None:
    """A list that a check can do without; None if the API does not give it, or not now."""
    try:
        return read_list(*where, tries=OPTIONAL_TRIES, **how)
    except RetabAnalysisError as error:
        if is_unavailable(error) or isinstance(error, ServerError):
            return None
        raise


def is_unnumbered(versions: pl.DataFrame) -> bool:
    """Whether the versions are graphs, which have no numbers."""
    return versions.height > 0 and versions["version"].null_count() == versions.height


def note_versions(versions: pl.DataFrame | None) -> list[str]:
    if versions is None:
        return ["The API does not say which versions are published."]
    return [UNNUMBERED] if is_unnumbered(versions) else []


def _read(client: Client, workflow_id: str, **how: Any) -> Fetched:
    path = publications_path(workflow_id)
    fetched = read_optional(client, path, [], VERSIONS, of=workflow_id, **how)
    if fetched is None:
        return _read_graphs(client, workflow_id, **how)
    if fetched.frame["is_current"].null_count() == fetched.frame.height > 0:
        current = find_workflow(client, workflow_id)["published_version_id"].drop_nulls()
        is_current = pl.col("workflow_version_id").is_in(current.implode())
        fetched = replace(fetched, frame=fetched.frame.with_columns(is_current=is_current))
    numbered = fetched.frame.select("workflow_version_id", "version").drop_nulls().iter_rows()
    publications.update({f"{workflow_id}/{each}": f"v{number}" for each, number in numbered})
    return fetched


def _read_graphs(client: Client, workflow_id: str, **how: Any) -> Fetched:
    current = find_workflow(client, workflow_id).drop_nulls("published_version_id")
    try:
        where = client, GRAPHS_PATH, of_workflow(workflow_id), GRAPHS
        fetched = read_list(*where, tries=OPTIONAL_TRIES, **how)
    except RetabAnalysisError as error:
        if current.is_empty() or not is_unavailable(error):
            suggest_workflow(client, workflow_id, error)
            raise
        fetched = Fetched(GRAPHS.empty(), Problems())
    told = current.select(
        "workflow_id",
        workflow_version_id="published_version_id",
        description="published_description",
        published_at="published_at",
        is_current=pl.lit(True),
    )
    others = fetched.frame.join(told, on="workflow_version_id", how="anti")
    rows = pl.concat([told, others], how="diagonal").select(VERSIONS.schema.names())
    newest = rows.sort("published_at", descending=True, nulls_last=True, maintain_order=True)
    frame = newest.with_columns(pl.col("is_current").fill_null(False))
    return Fetched(frame, fetched.problems)
