"""What runs are made of: workflows, saved evals, versions, documents."""

from __future__ import annotations

import polars as pl

from retab_analysis import wire
from retab_analysis.decode import parse_document
from retab_analysis.fetch.paging import Fetched, collect_all
from retab_analysis.fetch.params import path_part, text
from retab_analysis.progress import Progress
from retab_analysis.schema import EVALS, VERSION_DIFF, WORKFLOWS
from retab_analysis.transport import Client


def list_workflows(client: Client, *, strict: bool, progress: Progress) -> Fetched:
    """All workflows, the newest first."""
    params = [("sort_by", "created_at"), ("order", "desc")]
    return collect_all(client, "/v1/workflows", params, WORKFLOWS, strict=strict, progress=progress)


def list_evals(
    client: Client,
    workflow_id: str,
    target_block_id: str | None,
    *,
    strict: bool,
    progress: Progress,
) -> Fetched:
    """The saved evals of a workflow, the newest first."""
    params = [("workflow_id", text("workflow_id", workflow_id)), ("order", "desc")]
    if target_block_id is not None:
        params.append(("target_block_id", text("target_block_id", target_block_id)))
    return collect_all(
        client, "/v1/workflows/evals", params, EVALS, strict=strict, progress=progress
    )


def get_version_diff(
    client: Client, workflow_id: str, baseline: str, candidate: str
) -> pl.DataFrame:
    """The blocks in which two versions differ: ``block_id, change``."""
    params = [
        ("workflow_id", text("workflow_id", workflow_id)),
        ("from_workflow_version_id", text("baseline", baseline)),
        ("to_workflow_version_id", text("candidate", candidate)),
    ]
    diff = client.get(
        "/v1/workflows/versions/diff",
        params,
        parse=lambda body: parse_document(wire.VersionDiff, body),
    )
    changes = {
        "added": diff.added_block_ids,
        "removed": diff.removed_block_ids,
        "changed": diff.changed_block_ids,
    }
    rows = [(block, change) for change, blocks in changes.items() for block in blocks or []]
    return pl.DataFrame(rows, schema=VERSION_DIFF, orient="row")


def get_document_link(client: Client, document_id: str) -> str:
    """A temporary address of a document."""
    path = f"/v1/files/{path_part('document_id', document_id)}/download-link"
    link = client.get(path, parse=lambda body: parse_document(wire.FileLink, body))
    return link.download_url
