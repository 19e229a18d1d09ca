"""Versions of a workflow."""

from __future__ import annotations

import polars as pl

from retab_analysis import wire
from retab_analysis.decode import parse_document
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.params import check_text
from retab_analysis.schema import VERSION_DIFF
from retab_analysis.transport import Client


def fetch_version_diff(
    workflow_id: str, baseline: str, candidate: str, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch which blocks differ between two versions of a workflow.

    Args:
        workflow_id: The workflow.
        baseline: The ``workflow_version_id`` to start from.
        candidate: The one to go to.
        client: The client to ask with; the default one if not given.

    Returns:
        A frame of ``block_id, change`` (String): added, removed or changed. No rows: no block
        differs.

    Raises:
        NotFoundError: The API does not know one of the versions. That is not an empty diff, because
            nothing is known then.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.
    """
    diff = _get_diff(client_or_default(client), workflow_id, baseline, candidate)
    changes = {
        "added": diff.added_block_ids,
        "removed": diff.removed_block_ids,
        "changed": diff.changed_block_ids,
    }
    rows = [(block, change) for change, blocks in changes.items() for block in blocks or []]
    return pl.DataFrame(rows, schema=VERSION_DIFF, orient="row")


def _get_diff(client: Client, workflow_id: str, baseline: str, candidate: str) -> wire.VersionDiff:
    params = [
        ("workflow_id", check_text("workflow_id", workflow_id)),
        ("from_workflow_version_id", check_text("baseline", baseline)),
        ("to_workflow_version_id", check_text("candidate", candidate)),
    ]
    return client.get(
        "/v1/workflows/versions/diff",
        params,
        parse=lambda body: parse_document(wire.VersionDiff, body),
    )
