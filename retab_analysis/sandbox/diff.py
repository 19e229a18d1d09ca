"""What changed between two versions of a workflow."""

from itertools import pairwise

from retab_analysis.sandbox.http.messages import not_found
from retab_analysis.sandbox.simulation.run_documents import Document
from retab_analysis.sandbox.world.model import Version, Workflow


def version_diff(workflow: Workflow, baseline: str, candidate: str) -> Document:
    """Compare two versions by the revisions of their blocks.

    Raises:
        ApiError: 404 for a version that the workflow does not have.
    """
    old, new = _version(workflow, baseline), _version(workflow, candidate)
    before, after = old.revisions, new.revisions
    edges_before, edges_after = _edges(workflow, old), _edges(workflow, new)
    return {
        "from_workflow_version_id": old.id,
        "to_workflow_version_id": new.id,
        "added_block_ids": [name for name in after if name not in before],
        "removed_block_ids": [name for name in before if name not in after],
        "changed_block_ids": [
            name for name in after if name in before and after[name] != before[name]
        ],
        "added_edge_ids": [edge for edge in edges_after if edge not in edges_before],
        "removed_edge_ids": [edge for edge in edges_before if edge not in edges_after],
        "changed_edge_ids": [],
    }


def _version(workflow: Workflow, ident: str) -> Version:
    found = next((version for version in workflow.versions if version.id == ident), None)
    if found is None:
        raise not_found("workflow version", ident)
    return found


def _edges(workflow: Workflow, version: Version) -> list[str]:
    """Name the edges between blocks that follow each other."""
    present = [block.id for block in workflow.blocks if block.in_version(version.number)]
    return [f"edge_{left}__{right}" for left, right in pairwise(present)]
