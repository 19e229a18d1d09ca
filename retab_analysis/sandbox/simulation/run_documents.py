"""The API's documents for runs and results at an instant."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from retab_analysis.sandbox.instants import MILLI, iso
from retab_analysis.sandbox.simulation.timing import STATUSES, ChildState, RunState
from retab_analysis.sandbox.world.definition_documents import OUTPUT_HANDLE, validity_fingerprint
from retab_analysis.sandbox.world.model import Child, Plan
from retab_analysis.sandbox.world.seeding import fingerprint, token

_OUTCOMES = ("passed", "failed", "blocked")
_OPERATIONS = {
    "extract": "extraction",
    "split": "split",
    "classifier": "classification",
    "function": "function_invocation",
}
_METRICS = {"similarity_gte": "similarity", "split_iou_gte": "iou"}

Document = dict[str, Any]


def run_document(plan: Plan, state: RunState) -> Document:
    lifecycles = Counter(child.status for child in state.children)
    outcomes = Counter(
        planned.result.outcome
        for planned, child in zip(plan.children, state.children, strict=True)
        if child.status == "completed"
    )
    return {
        "id": plan.id,
        "workflow_id": plan.workflow_id,
        "workflow_version_id": plan.version.draft_id,
        "trigger": {"type": plan.trigger},
        "lifecycle": _lifecycle(plan, state.status),
        "timing": _timing(plan.created, state.started, state.completed),
        "target": {"type": "block", "block_id": plan.block_id} if plan.block_id else None,
        "eval_id": plan.eval_id,
        "total_evals": len(plan.children),
        "counts": {
            "lifecycle_counts": {name: lifecycles[name] for name in STATUSES},
            "outcome": {name: outcomes[name] for name in _OUTCOMES},
        },
        "freshness": dict(plan.freshness),
    }


def _lifecycle(plan: Plan, status: str, error: Mapping[str, Any] | None = None) -> Document:
    if status == "cancelled":
        return {"status": status, "reason": plan.reason or "Cancelled by user"}
    crash = plan.crash.lifecycle if plan.crash else {}
    return {"status": status, **(error or crash if status == "error" else {})}


def _timing(created: int, started: int | None, completed: int | None) -> Document:
    return {
        "created_at": iso(created),
        "started_at": None if started is None else iso(started),
        "completed_at": None if completed is None else iso(completed),
        "duration_ms": _duration_ms(started, completed),
    }


def _duration_ms(started: int | None, completed: int | None) -> int | None:
    if started is None or completed is None:
        return None
    return (completed - started) // MILLI


def result_id(plan: Plan, position: int) -> str:
    return f"evalres_{plan.id.removeprefix('evalrun_')}_{position:03d}"


def result_document(plan: Plan, position: int, state: ChildState) -> Document:
    child = plan.children[position]
    decided = state.status == "completed"
    block = child.eval.block
    block_print = plan.version.block_fingerprints[block.id]
    ident = result_id(plan, position)
    document: Document = {
        "id": ident,
        "workflow_eval_run_id": plan.id,
        "eval_id": child.eval.id,
        "lifecycle": _lifecycle(plan, state.status, child.result.error),
        "timing": _timing(plan.created, state.started, state.completed),
        "verdict": child.result.outcome if decided else None,
        "workflow_id": plan.workflow_id,
        "block_id": block.id,
        "block_type": block.kind,
        "execution_fingerprint": fingerprint(block_print, child.assertion.inputs_fingerprint),
        "handle_inputs_fingerprint": child.assertion.inputs_fingerprint,
        "workflow_draft_fingerprint": plan.version.fingerprint,
        "block_execution_fingerprint": block_print,
        "artifact": None,
        "handle_inputs": dict(child.assertion.inputs),
        "handle_outputs": None,
        "routing_decisions": None,
        "warnings": [],
        "assertion_result": None,
        "verdict_summary": None,
    }
    if decided:
        document |= _outcome(child, ident)
    return document


def _outcome(child: Child, ident: str) -> Document:
    condition, result, block = child.assertion.condition, child.result, child.eval.block
    outputs, outcome, operation = result.outputs, result.outcome, _OPERATIONS[block.kind]
    judged: Document = {
        "assertion_id": child.assertion.id,
        "condition_kind": condition["kind"],
        "outcome": outcome,
        "actual_value": result.actual,
    }
    if child.assertion.expected:
        judged["expected_value"] = child.assertion.expected[0]
    judged |= {
        "score": result.score,
        "threshold": condition.get("threshold"),
        "metric_kind": _METRICS.get(condition["kind"]),
        "assertion_label": child.assertion.label,
        "failure": None if result.failure is None else dict(result.failure),
    }
    routes = block.kind == "classifier" and isinstance(outputs, Mapping)
    shown = None if outputs is None else {OUTPUT_HANDLE: {"type": "json", "data": outputs}}
    return {
        "artifact": {"operation": operation, "id": f"{operation[:4]}_{token('artifact', ident)}"},
        "handle_outputs": shown,
        "routing_decisions": [str(outputs["category"])] if routes else None,
        "warnings": list(child.eval.extras.get("warnings", ())),
        "assertion_result": judged,
        "verdict_summary": {
            "passed": outcome == "passed",
            **_outcome_counts(outcome),
            "failed_assertion_ids": [child.assertion.id] if outcome == "failed" else [],
        },
    }


def _outcome_counts(outcome: str | None) -> Document:
    return {
        "assertions_passed": int(outcome == "passed"),
        "assertions_failed": int(outcome == "failed"),
        "blocked_assertions": int(outcome == "blocked"),
    }


def summary_document(plan: Plan, position: int, state: ChildState) -> Document:
    child = plan.children[position]
    block_print = plan.version.block_fingerprints[child.eval.block.id]
    outcome = child.result.outcome if state.status == "completed" else None
    return {
        "run_record_id": result_id(plan, position),
        "status": state.status,
        "outcome": outcome,
        "started_at": iso(state.started or plan.created),
        "completed_at": None if state.completed is None else iso(state.completed),
        "duration_ms": _duration_ms(state.started, state.completed),
        "workflow_draft_fingerprint": plan.version.fingerprint,
        "block_execution_fingerprint": block_print,
        "validity_fingerprint": validity_fingerprint(block_print),
        "handle_inputs_fingerprint": child.assertion.inputs_fingerprint,
        **_outcome_counts(outcome),
    }
