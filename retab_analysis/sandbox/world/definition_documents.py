"""The API's documents for definitions: workflows, their versions, blocks and saved evals."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from retab_analysis.sandbox.instants import DAY, iso
from retab_analysis.sandbox.world.model import (
    Assertion,
    Block,
    Publication,
    SavedEval,
    Version,
    Workflow,
)
from retab_analysis.sandbox.world.seeding import fingerprint

OUTPUT_HANDLE = "output-json-0"

Document = dict[str, Any]


def workflow_document(workflow: Workflow) -> Document:
    published = None
    if workflow.published:
        version, publication = workflow.published[-1]
        published = {
            "version_id": version.id,
            "published_at": iso(publication.at),
            "description": publication.note,
        }
    return {
        "id": workflow.id,
        "name": workflow.name,
        "description": workflow.description,
        "project_id": workflow.project_id,
        "published": published,
        "created_at": iso(workflow_created(workflow)),
        "updated_at": iso(workflow.newest.at),
    }


def workflow_created(workflow: Workflow) -> int:
    return workflow.versions[0].at - 2 * DAY


def publication_document(
    workflow: Workflow, version: Version, publication: Publication
) -> Document:
    newest, _ = workflow.published[-1]
    return {
        "id": publication.id,
        "workflow_id": workflow.id,
        "workflow_version_id": version.id,
        "version": publication.ordinal,
        "description": publication.note,
        "published_at": iso(publication.at),
        "is_current": version is newest,
        "block_count": len(version.revisions),
        "edge_count": len(_edges(workflow, version)),
    }


def version_document(workflow: Workflow, version: Version) -> Document:
    return {
        "id": version.id,
        "workflow_id": workflow.id,
        "blocks": [
            {**_config_block(block, version), "position": {"x": _column(workflow, block), "y": 0}}
            for block in blocks_of(workflow, version)
        ],
        "block_version_ids": [f"blv_{mark}" for mark in version.block_fingerprints.values()],
        "created_at": iso(version.at),
    }


def block_document(workflow: Workflow, block: Block) -> Document:
    return {
        **_config_block(block, workflow.newest),
        "workflow_id": workflow.id,
        "position_x": _column(workflow, block),
        "position_y": 0,
        "updated_at": iso(edited_at(workflow, block)),
    }


def _column(workflow: Workflow, block: Block) -> int:
    return 320 * workflow.blocks.index(block)


def edited_at(workflow: Workflow, block: Block) -> int:
    revision = workflow.newest.revisions[block.id]
    others = [each for each in workflow.versions if each.revisions.get(block.id) != revision]
    return workflow.versions[others[-1].number if others else 0].at


def blocks_of(workflow: Workflow, version: Version) -> list[Block]:
    return [block for block in workflow.blocks if block.in_version(version.number)]


def _config_block(block: Block, version: Version) -> Document:
    return {
        "id": block.id,
        "type": block.kind,
        "label": block.name,
        "config": version.configs[block.id],
        "parent_id": None,
    }


def version_diff(workflow: Workflow, old: Version, new: Version) -> Document:
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


def _edges(workflow: Workflow, version: Version) -> list[str]:
    present = [block.id for block in blocks_of(workflow, version)]
    return [f"edge_{left}__{right}" for left, right in pairwise(present)]


def era_documents(
    workflow: Workflow, block: Block, count_runs: Callable[[int], int]
) -> list[Document]:
    """Write the eras of a block, oldest first: versions and drafts with one configuration.

    ``count_runs`` gives the number of runs of a version, by its number.
    """
    eras, newest = dict[str, list[Version]](), workflow.newest
    in_use = workflow.published[-1][0] if workflow.published else None
    for version in workflow.versions:
        if block.id in version.configs:
            mark = fingerprint("config", workflow.id, block.id, version.configs[block.id])
            eras.setdefault(mark, []).append(version)
    return [
        {
            "id": f"bce_{mark}",
            "block_config_version_fingerprint": mark,
            "block_type": block.kind,
            "block_label": block.name,
            "config_snapshot": its[0].configs[block.id],
            "first_seen_at": iso(its[0].at),
            "last_seen_at": iso(_replaced_at(workflow, its[-1])),
            "publish_epochs": [_epoch(each, each.publication) for each in its if each.publication],
            "run_count": sum(count_runs(each.number) for each in its),
            "matches_current_draft": its[-1] is newest,
            "is_current_published": any(each is in_use for each in its),
            "is_current": its[-1] is newest,
        }
        for mark, its in eras.items()
    ]


def _replaced_at(workflow: Workflow, version: Version) -> int:
    """When a version was replaced by the next one; for the newest, when its end was decided."""
    if version is not workflow.newest:
        return workflow.versions[version.number].at
    return version.publication.at if version.publication else version.at


def _epoch(version: Version, publication: Publication) -> Document:
    return {
        "id": publication.id,
        "publish_version": publication.ordinal,
        "published_at": iso(publication.at),
        "snapshot_id": f"wsnap_{version.fingerprint}",
        "workflow_version_id": version.id,
    }


def eval_document(saved: SavedEval, workflow: Workflow, latest: Document) -> Document:
    assertion = saved.assertions[-1]
    extras = saved.extras
    drift = {"status": "none", "affected_targets": [], "detail": None, **extras.get("drift", {})}
    source = dict(saved.source)
    if source["type"] == "manual":
        source["handle_inputs"] = dict(assertion.inputs)
    # If the newest version lacks the block, none of its results is up to date.
    block_print = workflow.newest.block_fingerprints.get(saved.block.id, "")
    return {
        "id": saved.id,
        "workflow_id": saved.workflow_id,
        "target": {"type": "block", "block_id": saved.block.id},
        "source": source,
        "name": saved.name,
        "assertion": assertion_document(assertion),
        "assertion_schema_dep": _schema_dependency(saved, assertion),
        "assertion_drift_status": extras.get("assertion_drift_status", "valid"),
        "schema_drift": extras.get("schema_drift", "none"),
        "schema_drift_detail": extras.get("schema_drift_detail"),
        "freshness": _eval_freshness(assertion, block_print, latest.get("latest_run_summary")),
        "drift": drift,
        "validation_status": extras.get("validation_status", "valid"),
        "validation_issues": list(extras.get("validation_issues", ())),
        **latest,
        "created_at": iso(saved.created),
        "updated_at": iso(max(saved.created, assertion.at)),
    }


def assertion_document(assertion: Assertion) -> Document:
    return {
        "id": assertion.id,
        "target": {"output_handle_id": OUTPUT_HANDLE, "path": assertion.path},
        "condition": dict(assertion.condition),
        "label": assertion.label,
    }


def _schema_dependency(saved: SavedEval, assertion: Assertion) -> Document | None:
    if saved.block.kind != "extract" or assertion.path is None:
        return None
    steps = [part for part in assertion.path.split(".") if not part.isdigit()]
    return {
        "output_handle_id": OUTPUT_HANDLE,
        "schema_path": "properties." + ".properties.".join(steps),
        "subtree_hash": fingerprint("schema", saved.block.id, *steps),
        "depends_on_root": False,
    }


def _eval_freshness(assertion: Assertion, block_print: str, summary: Document | None) -> Document:
    inputs, summary = assertion.inputs_fingerprint, summary or {}
    signs = {
        "no_baseline": not summary,
        "validity_changed": summary.get("block_execution_fingerprint", block_print) != block_print,
        "inputs_changed": summary.get("handle_inputs_fingerprint", inputs) != inputs,
    }
    reasons = [reason for reason, holds in signs.items() if holds]
    validity, baseline = validity_fingerprint(block_print), summary.get("run_record_id")
    return freshness(reasons, validity, inputs, baseline)


def validity_fingerprint(block_print: str) -> str:
    # An assertion is no part of it: an eval whose expectation was mended is still fresh.
    return fingerprint("validity", block_print)


def freshness(
    reasons: list[str], validity: str | None, inputs: str | None, baseline: str | None
) -> Document:
    return {
        "status": "stale" if reasons else "fresh",
        "reasons": reasons,
        "validity_fingerprint": validity,
        "input_fingerprint": inputs,
        "baseline_run_id": baseline,
    }
