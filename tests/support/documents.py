"""Documents of the API, small and complete."""

from __future__ import annotations

from typing import Any


def run_document(run_id: str = "wfevalrun_1", **changes: Any) -> dict[str, Any]:
    """A completed run with everything in it; ``part__member=value`` changes, ``...`` removes."""
    document: dict[str, Any] = {
        "id": run_id,
        "workflow_id": "wf_invoices",
        "workflow_version_id": "draft_2026_05_18",
        "trigger": {"type": "api"},
        "lifecycle": {"status": "completed"},
        "timing": {
            "created_at": "2026-05-18T10:00:00Z",
            "started_at": "2026-05-18T10:00:01Z",
            "completed_at": "2026-05-18T10:00:29Z",
            "duration_ms": 28000,
        },
        "eval_id": None,
        "target": {"type": "block", "block_id": "block_extract_invoice"},
        "total_evals": 4,
        "counts": {
            "lifecycle_counts": {
                "pending": 0,
                "queued": 0,
                "running": 0,
                "completed": 4,
                "error": 0,
                "cancelled": 0,
            },
            "outcome": {"passed": 3, "failed": 1, "blocked": 0},
        },
        "freshness": {
            "status": "stale",
            "reasons": ["inputs_changed"],
            "validity_fingerprint": None,
            "input_fingerprint": None,
            "baseline_run_id": None,
        },
    }
    return changed(document, **changes)


def workflow_document(workflow_id: str = "wf_invoices", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": workflow_id,
        "name": "Invoices",
        "description": "Supplier invoices",
        "project_id": "proj_1",
        "published": {
            "version_id": "wfv_1",
            "published_at": "2026-05-01T08:00:00Z",
            "description": "First",
        },
        "created_at": "2026-01-01T08:00:00Z",
        "updated_at": "2026-05-01T08:00:00.5Z",
    }
    return changed(document, **changes)


def result_document(result_id: str = "res_1", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": result_id,
        "workflow_eval_run_id": "wfevalrun_1",
        "eval_id": "wfnodeeval_1",
        "workflow_id": "wf_invoices",
        "block_id": "block_extract_invoice",
        "block_type": "extract",
        "lifecycle": {"status": "completed"},
        "timing": {
            "created_at": "2026-05-18T10:00:00Z",
            "started_at": "2026-05-18T10:00:01.250Z",
            "completed_at": "2026-05-18T10:00:03Z",
            "duration_ms": 1750,
        },
        "verdict": "failed",
        "handle_inputs_fingerprint": "in_1",
        "block_execution_fingerprint": "bl_1",
        "workflow_draft_fingerprint": "dr_1",
        "execution_fingerprint": "ex_1",
        "artifact": {"operation": "extraction", "id": "ext_1"},
        "handle_inputs": {
            "document": {
                "type": "file",
                "document": {
                    "id": "file_1",
                    "filename": "invoice 1.pdf",
                    "mime_type": "application/pdf",
                },
            },
            "hints": {"type": "json", "data": {"currency": "EUR"}},
        },
        "handle_outputs": None,
        "warnings": ["low contrast"],
        "assertion_result": {
            "assertion_id": "as_1",
            "condition_kind": "equals",
            "outcome": "failed",
            "actual_value": 1.5,
            "expected_value": {"total": 2},
            "score": None,
            "threshold": None,
            "metric_kind": None,
            "assertion_label": "total",
            "failure": {"code": "not_equal", "message": "1.5 is not 2", "details": {}},
        },
    }
    return changed(document, **changes)


def eval_document(eval_id: str = "wfnodeeval_1", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": eval_id,
        "workflow_id": "wf_invoices",
        "target": {"type": "block", "block_id": "block_extract_invoice"},
        "source": {"type": "run_step", "run_id": "run_1", "step_id": "step_1"},
        "name": "Total of invoice 1",
        "assertion": {
            "id": "as_1",
            "target": {"output_handle_id": "out", "path": "total.amount"},
            "condition": {"kind": "equals", "expected": 2},
            "label": "total",
        },
        "assertion_drift_status": "valid",
        "schema_drift": "none",
        "drift": {"status": "none", "affected_targets": [], "detail": None},
        "freshness": {"status": "fresh", "reasons": []},
        "validation_status": "valid",
        "latest_run_summary": {
            "run_record_id": "rec_1",
            "status": "completed",
            "outcome": "passed",
            "started_at": "2026-05-18T10:00:01Z",
            "completed_at": "2026-05-18T10:00:03Z",
            "duration_ms": 2000,
        },
        "created_at": "2026-01-01T08:00:00Z",
        "updated_at": "2026-01-02T08:00:00Z",
    }
    return changed(document, **changes)


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        part = document
        for parent in parents:
            part = part[parent]
        if value is ...:
            del part[leaf]
        else:
            part[leaf] = value
    return document
