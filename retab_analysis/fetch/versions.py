"""Versions of a workflow: what was published, and what differs between two of them.

The API's endpoints for versions know published versions only. A draft is answered with 404, which
is raised: an empty answer would claim that nothing was published, or that nothing changed.
"""

from __future__ import annotations

import contextlib

import polars as pl

from retab_analysis import wire
from retab_analysis.arguments import check_flag
from retab_analysis.decode import read_document
from retab_analysis.errors import ProtocolError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.paging import Fetched, read_first_page, read_list
from retab_analysis.fetch.params import check_text
from retab_analysis.progress import Progress, choose_progress
from retab_analysis.schema import VERSION_DIFF, VERSIONS
from retab_analysis.transport import Client

_PATH = "/v1/workflows/versions"


def fetch_versions(
    workflow_id: str,
    *,
    client: Client | None = None,
    progress: Progress | bool | None = None,
    strict: bool = True,
) -> pl.DataFrame:
    """Fetch the published versions of a workflow, the newest first.

    Args:
        workflow_id: The workflow.
        client: The client to ask with; the default one if not given.
        progress: As for :func:`fetch_runs`.
        strict: Raise for a version that does not decode. False keeps the good ones and warns once.

    Returns:
        A VERSIONS frame, one row per publication, in the API's order. Its ``workflow_version_id``
        is what :func:`fetch_version_diff` takes.

    Raises:
        ConfigError: The id cannot be used.
        NotFoundError: There is no such workflow.
        SchemaError: A version does not decode.
        RetabAnalysisError: Any other failure, with the rows so far as ``.partial``.

    Warns:
        ProblemsWarning: With ``strict=False``, some did not decode; see its ``.problems``.
    """
    check_flag("strict", strict)
    with contextlib.closing(choose_progress(progress, "versions", "versions")) as bar:
        fetched = _list_versions(
            client_or_default(client), workflow_id, strict=strict, progress=bar
        )
    return fetched.deliver(VERSIONS)


def _list_versions(
    client: Client, workflow_id: str, *, strict: bool, progress: Progress
) -> Fetched:
    params = [("workflow_id", check_text("workflow_id", workflow_id))]
    return read_list(client, _PATH, params, VERSIONS, strict=strict, progress=progress)


def read_newest_versions(client: Client, workflow_id: str) -> pl.DataFrame:
    """Read the newest 100 publications of a workflow, with one request.

    Raises:
        RetabAnalysisError: The list cannot be read.
    """
    return read_first_page(client, _PATH, [("workflow_id", workflow_id)], VERSIONS)


def fetch_version_diff(
    workflow_id: str, baseline: str, candidate: str, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch the blocks and edges in which two published versions of a workflow differ.

    Args:
        workflow_id: The workflow.
        baseline: The ``workflow_version_id`` to start from.
        candidate: The one to go to.
        client: The client to ask with; the default one if not given.

    Returns:
        A frame of ``block_id, edge_id, change`` (String), blocks first: ``change`` is added,
        removed or changed, and the other id is null. No rows: nothing changed.

    Raises:
        ConfigError: An id cannot be used.
        NotFoundError: The API does not know one of the versions, for example because it is a
            draft. That is not an empty diff, because nothing is known then.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    diff = _get_diff(client_or_default(client), workflow_id, baseline, candidate)
    blocks = {
        "added": diff.added_block_ids,
        "removed": diff.removed_block_ids,
        "changed": diff.changed_block_ids,
    }
    edges = {
        "added": diff.added_edge_ids,
        "removed": diff.removed_edge_ids,
        "changed": diff.changed_edge_ids,
    }
    rows: list[tuple[str | None, str | None, str]] = []
    rows += [(block, None, change) for change, ids in blocks.items() for block in ids or []]
    rows += [(None, edge, change) for change, ids in edges.items() for edge in ids or []]
    return pl.DataFrame(rows, schema=VERSION_DIFF, orient="row")


def _get_diff(client: Client, workflow_id: str, baseline: str, candidate: str) -> wire.VersionDiff:
    params = [
        ("workflow_id", check_text("workflow_id", workflow_id)),
        ("from_workflow_version_id", check_text("baseline", baseline)),
        ("to_workflow_version_id", check_text("candidate", candidate)),
    ]

    def parse(body: bytes) -> wire.VersionDiff:
        diff = read_document(wire.VersionDiff, body)
        found = (diff.from_workflow_version_id, diff.to_workflow_version_id)
        if found != (baseline, candidate):
            raise ProtocolError(f"what differs between {found[0]!r} and {found[1]!r}")
        return diff

    return client.get("/v1/workflows/versions/diff", params, parse=parse)
