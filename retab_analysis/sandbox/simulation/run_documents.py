"""The API's documents for a run, a result and a saved eval at an instant: pure functions."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from retab_analysis.sandbox.instants import MILLI, iso
from retab_analysis.sandbox.simulation.timing import TERMINAL, ChildMoment, Moment
from retab_analysis.sandbox.world.model import (
    OPERATIONS,
    Assertion,
    Child,
    Plan,
    SavedEval,
    Workflow,
)
from retab_analysis.sandbox.world.seeding import fingerprint, token

LIFECYCLES = ("pending", "queued", "running", "completed", "error", "cancelled")
OUTCOMES = ("passed", "failed", "blocked")
OUTPUT_HANDLE = "output-json-0"
_METRICS = {"similarity_gte": "similarity", "split_iou_gte": "iou"}

Document = dict[str, Any]


def run_document(plan: Plan, moment: Moment) -> Document:
    """Write a run as the API gives it."""
    return {
        "id": plan.id,
        "workflow_id": plan.workflow_id,
        "workflow_version_id": plan.version.id,
        "trigger": {"type": plan.trigger},
        "lifecycle": _run_lifecycle(plan, moment.status),
        "timing": _timing(plan.created, moment.started, moment.completed),
        "target": {"type": "block", "block_id": plan.block_id} if plan.block_id else None,
        "eval_id": plan.eval_id,
        "total_evals": len(plan.children),
        "counts": counts(plan, moment),
        "freshness": dict(plan.freshness),
    }


def counts(plan: Plan, moment: Moment) -> Document:
    """Count a run's evals by lifecycle, and the completed ones by outcome."""
    lifecycles = Counter(child.status for child in moment.children)
    outcomes = Counter(
        planned.finding.outcome
        for planned, child in zip(plan.children, moment.children, strict=True)
        if child.status == "completed"
    )
    return {
        "lifecycle_counts": {name: lifecycles[name] for name in LIFECYCLES},
        "outcome": {name: outcomes[name] for name in OUTCOMES},
    }


def _run_lifecycle(plan: Plan, status: str) -> Document:
    if status == "error" and plan.crash is not None:
        return {"status": "error", **plan.crash.lifecycle}
    if status == "cancelled":
        return {"status": "cancelled", "reason": plan.reason or "Cancelled by user"}
    return {"status": status}


def _timing(created: int, started: int | None, completed: int | None) -> Document:
    return {
        "created_at": iso(created),
        "started_at": None if started is None else iso(started),
        "completed_at": None if completed is None else iso(completed),
        "duration_ms": duration_ms(started, completed),
    }


def duration_ms(started: int | None, completed: int | None) -> int | None:
    """Give the whole milliseconds between two instants, where both are known."""
    if started is None or completed is None:
        return None
    return (completed - started) // MILLI


def result_id(plan: Plan, position: int) -> str:
    """Name the result of a run's eval at a position."""
    return f"evalres_{plan.id.removeprefix('evalrun_')}_{position:03d}"


def result_document(plan: Plan, position: int, moment: ChildMoment) -> Document:
    """Write one eval's result in a run as the API gives it."""
    child = plan.children[position]
    decided = moment.status == "completed"
    block = child.eval.block
    block_print = block_fingerprint(child.eval, plan.version.revisions[block.id])
    ident = result_id(plan, position)
    return {
        "id": ident,
        "workflow_eval_run_id": plan.id,
        "eval_id": child.eval.id,
        "lifecycle": _child_lifecycle(plan, child, moment),
        "timing": _timing(plan.created, moment.started, moment.completed),
        "verdict": child.finding.outcome if decided else None,
        "workflow_id": plan.workflow_id,
        "block_id": block.id,
        "block_type": block.kind,
        "execution_fingerprint": fingerprint(block_print, child.assertion.inputs_fingerprint),
        "handle_inputs_fingerprint": child.assertion.inputs_fingerprint,
        "workflow_draft_fingerprint": plan.version.fingerprint,
        "block_execution_fingerprint": block_print,
        "artifact": _artifact(block.kind, ident) if decided else None,
        "handle_inputs": dict(child.assertion.inputs),
        "handle_outputs": _outputs(child) if decided else None,
        "routing_decisions": _routing(child) if decided else None,
        "warnings": list(child.eval.extras.get("warnings", ())) if decided else [],
        "assertion_result": _assertion_result(child) if decided else None,
        "verdict_summary": _verdict_summary(child) if decided else None,
    }


def block_fingerprint(saved: SavedEval, revision: int) -> str:
    """Hash what executes a block: the same as long as the block is not edited."""
    return fingerprint("block", saved.workflow_id, saved.block.id, revision)


def _child_lifecycle(plan: Plan, child: Child, moment: ChildMoment) -> Document:
    if moment.status == "error":
        error = child.finding.error
        if error is None and plan.crash is not None:
            error = plan.crash.lifecycle
        return {"status": "error", **(error or {})}
    if moment.status == "cancelled":
        return {"status": "cancelled", "reason": plan.reason or "Cancelled by user"}
    return {"status": moment.status}


def _artifact(kind: str, ident: str) -> Document:
    operation = OPERATIONS[kind]
    return {"operation": operation, "id": f"{operation[:4]}_{token('artifact', ident)}"}


def _outputs(child: Child) -> Document | None:
    if child.finding.outputs is None:
        return None
    return {OUTPUT_HANDLE: {"type": "json", "data": child.finding.outputs}}


def _routing(child: Child) -> list[str] | None:
    outputs = child.finding.outputs
    if child.eval.block.kind != "classifier" or not isinstance(outputs, Mapping):
        return None
    return [str(outputs["category"])]


def _assertion_result(child: Child) -> Document:
    condition, finding = child.assertion.condition, child.finding
    document: Document = {
        "assertion_id": child.assertion.id,
        "condition_kind": condition["kind"],
        "outcome": finding.outcome,
        "actual_value": finding.actual,
    }
    if child.assertion.expected:
        document["expected_value"] = child.assertion.expected[0]
    return document | {
        "score": finding.score,
        "threshold": condition.get("threshold"),
        "metric_kind": _METRICS.get(condition["kind"]),
        "assertion_label": child.assertion.label,
        "failure": None if finding.failure is None else dict(finding.failure),
    }


def _verdict_summary(child: Child) -> Document:
    tally = outcome_tally(child.finding.outcome)
    failed = [child.assertion.id] if child.finding.outcome == "failed" else []
    return {"passed": child.finding.outcome == "passed", **tally, "failed_assertion_ids": failed}


def outcome_tally(outcome: str | None) -> Document:
    """Count one eval's outcome in the way of the summaries."""
    return {
        "assertions_passed": int(outcome == "passed"),
        "assertions_failed": int(outcome == "failed"),
        "blocked_assertions": int(outcome == "blocked"),
    }


def summary_document(plan: Plan, position: int, moment: ChildMoment) -> Document:
    """Write the summary of a finished result that a saved eval carries."""
    child = plan.children[position]
    block_print = block_fingerprint(child.eval, plan.version.revisions[child.eval.block.id])
    outcome = child.finding.outcome if moment.status == "completed" else None
    return {
        "run_record_id": result_id(plan, position),
        "status": moment.status,
        "outcome": outcome,
        "started_at": iso(moment.started or plan.created),
        "completed_at": None if moment.completed is None else iso(moment.completed),
        "duration_ms": duration_ms(moment.started, moment.completed),
        "workflow_draft_fingerprint": plan.version.fingerprint,
        "block_execution_fingerprint": block_print,
        "validity_fingerprint": fingerprint(block_print, child.assertion.condition["kind"]),
        "handle_inputs_fingerprint": child.assertion.inputs_fingerprint,
        **outcome_tally(outcome),
    }


def summarizable(moment: ChildMoment) -> bool:
    """Say whether a result is one that a saved eval's summary can be about."""
    return moment.status in TERMINAL and moment.started is not None


def eval_document(saved: SavedEval, workflow: Workflow, latest: Document) -> Document:
    """Write a saved eval; `latest` holds its summaries by field name."""
    assertion = saved.assertions[-1]
    extras = saved.extras
    current = block_fingerprint(saved, workflow.newest.revisions.get(saved.block.id, 0))
    return {
        "id": saved.id,
        "workflow_id": saved.workflow_id,
        "target": {"type": "block", "block_id": saved.block.id},
        "source": _source(saved, assertion),
        "name": saved.name,
        "assertion": _assertion_spec(assertion),
        "assertion_schema_dep": _schema_dep(saved, assertion),
        "assertion_drift_status": extras.get("assertion_drift_status", "valid"),
        "schema_drift": extras.get("schema_drift", "none"),
        "schema_drift_detail": extras.get("schema_drift_detail"),
        "freshness": _freshness(assertion, current, latest.get("latest_run_summary")),
        "drift": _drift(extras),
        "validation_status": extras.get("validation_status", "valid"),
        "validation_issues": list(extras.get("validation_issues", ())),
        **latest,
        "created_at": iso(saved.created),
        "updated_at": iso(max(saved.created, assertion.at)),
    }


def _source(saved: SavedEval, assertion: Assertion) -> Document:
    if saved.source["type"] == "manual":
        return {"type": "manual", "handle_inputs": dict(assertion.inputs)}
    return dict(saved.source)


def _assertion_spec(assertion: Assertion) -> Document:
    return {
        "id": assertion.id,
        "target": {"output_handle_id": OUTPUT_HANDLE, "path": assertion.path},
        "condition": dict(assertion.condition),
        "label": assertion.label,
    }


def _schema_dep(saved: SavedEval, assertion: Assertion) -> Document | None:
    if saved.block.kind != "extract" or assertion.path is None:
        return None
    steps = [part for part in assertion.path.split(".") if not part.isdigit()]
    return {
        "output_handle_id": OUTPUT_HANDLE,
        "schema_path": "properties." + ".properties.".join(steps),
        "subtree_hash": fingerprint("schema", saved.block.id, *steps),
        "depends_on_root": False,
    }


def _freshness(assertion: Assertion, block_print: str, summary: Document | None) -> Document:
    """Compare what the newest result rests on with what a run would use now."""
    if summary is None:
        return freshness("unknown", ["no_baseline"], None, assertion.inputs_fingerprint, None)
    reasons = []
    if summary["block_execution_fingerprint"] != block_print:
        reasons.append("validity_changed")
    if summary["handle_inputs_fingerprint"] != assertion.inputs_fingerprint:
        reasons.append("inputs_changed")
    return freshness(
        "stale" if reasons else "fresh",
        reasons,
        fingerprint(block_print, assertion.condition["kind"]),
        assertion.inputs_fingerprint,
        summary["run_record_id"],
    )


def freshness(
    status: str, reasons: list[str], validity: str | None, inputs: str | None, baseline: str | None
) -> Document:
    """Write a freshness envelope with all of its members."""
    return {
        "status": status,
        "reasons": reasons,
        "validity_fingerprint": validity,
        "input_fingerprint": inputs,
        "baseline_run_id": baseline,
    }


def _drift(extras: Mapping[str, Any]) -> Document:
    drift: Document = {"status": "none", "affected_targets": [], "detail": None}
    return drift | dict(extras.get("drift", {}))
