"""What the rows of our tables must hold, computed from the official SDK's models.

Where the SDK puts a default for a part that the API did not send (zeros for ``counts``), ours is
null on purpose: :func:`given` takes the SDK's value only where it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel
from retab.types.workflows import Workflow
from retab.types.workflows.evals import RunStepWorkflowEvalSource, WorkflowEval
from retab.types.workflows.evals.results import (
    CancelledWorkflowEvalRun,
    ErrorWorkflowEvalRun,
    FileHandleInput,
    WorkflowEvalResult,
    WorkflowEvalRunTiming,
)
from retab.types.workflows.evals.runs import WorkflowEvalRun

Row = dict[str, Any]

IN_FLIGHT = ("pending", "queued", "running")


def given(model: BaseModel | None, name: str) -> Any:
    """A member where the API sent it, else None, whatever the SDK's default."""
    if model is None or name not in model.model_fields_set:
        return None
    return getattr(model, name)


def of(model: BaseModel | None, name: str) -> Any:
    """A member of a part that may be missing; the word of an enumeration."""
    value = None if model is None else getattr(model, name)
    return value.value if isinstance(value, Enum) else value


def moment(value: datetime | None) -> datetime | None:
    """A time in UTC; the SDK leaves one that came without an offset without a zone."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def as_json(model: BaseModel | None, name: str) -> str | None:
    """A free-form member as JSON; None where it was not sent, ``null`` where that was sent."""
    if model is None or name not in model.model_fields_set:
        return None
    return canonical(model.model_dump(mode="json", by_alias=True, exclude_unset=True)[name])


def not_null(text: str | None) -> str | None:
    return None if text == "null" else text


def canonical(value: Any) -> str:
    """JSON in which the order of members does not show: the SDK does not keep it."""
    return json.dumps(value, sort_keys=True)


def said(*messages: str | None) -> str | None:
    """The first message that is one."""
    return next((each for each in messages if each not in (None, "(no message)")), None)


def ok(status: str, counts: dict[str, int | None]) -> bool | None:
    if status != "completed":
        return False
    bad = [counts[name] for name in ("failed", "blocked", "error", "cancelled")]
    if any(each not in (0, None) for each in bad):
        return False
    return None if None in bad else True


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    span = end - start
    microseconds = (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
    return abs(microseconds) // 1000 * (1 if microseconds >= 0 else -1)


def run_row(run: WorkflowEvalRun) -> Row:
    return {
        "run_id": run.id,
        "status": run.lifecycle.status,
        **counted(run),
        **times(run.timing),
        "workflow_version_id": run.workflow_version_id,
        "workflow_id": run.workflow_id,
        "scope": scope(run),
        "eval_id": run.eval_id,
        "target_type": of(run.target, "type"),
        "target_block_id": of(run.target, "block_id"),
        "trigger_type": of(run.trigger, "type"),
        "total_evals": run.total_evals,
        "is_terminal": run.lifecycle.status not in IN_FLIGHT,
        "status_message": message(run.lifecycle),
        **error(run.lifecycle),
        "freshness_status": of(run.freshness, "status"),
        "freshness_reasons": joined(words(run.freshness and run.freshness.reasons)),
        "validity_fingerprint": of(run.freshness, "validity_fingerprint"),
    }


def counted(run: WorkflowEvalRun) -> Row:
    counts = given(run, "counts")
    lifecycles, outcomes = given(counts, "lifecycle_counts"), given(counts, "outcome")
    row = {name: of(outcomes, name) for name in ("passed", "failed", "blocked")}
    for name in (*IN_FLIGHT, "completed", "error", "cancelled"):
        row[name] = of(lifecycles, name)
    rated = [row[name] for name in ("passed", "failed", "blocked", "error")]
    total = None if None in rated else sum(rated)
    rate = row["passed"] / total if total and total > 0 else None
    status = run.lifecycle.status
    few = row["error"] is not None and row["error"] < 3
    row["is_outage"] = False if few else None if total is None else row["error"] >= total / 2
    return {**row, "pass_rate": rate, "ok": None if status in IN_FLIGHT else ok(status, row)}


def scope(run: WorkflowEvalRun) -> str:
    if run.eval_id is not None:
        return "eval"
    return "workflow" if run.target is None else "block"


def times(timing: WorkflowEvalRunTiming | None) -> Row:
    names = ("created_at", "started_at", "completed_at")
    row: Row = {name: moment(of(timing, name)) for name in names}
    row["queue_ms"] = milliseconds(row["created_at"], row["started_at"])
    return {**row, "duration_ms": of(timing, "duration_ms")}


def message(lifecycle: Any) -> str | None:
    if isinstance(lifecycle, ErrorWorkflowEvalRun):
        return said(lifecycle.message, of(lifecycle.details, "message"))
    return lifecycle.reason if isinstance(lifecycle, CancelledWorkflowEvalRun) else None


def error(lifecycle: Any) -> Row:
    details = lifecycle.details if isinstance(lifecycle, ErrorWorkflowEvalRun) else None
    return {"error_code": of(details, "error_code"), "error_block_id": of(details, "block_id")}


def words(values: list[Any] | None) -> list[str] | None:
    return None if values is None else [getattr(each, "value", each) for each in values]


KNOWN_OF_RUN = (
    *("workflow_version_id", "run_scope", "run_is_outage", "run_created_at", "run_completed_at"),
)


def issues(sent: list[Any] | None) -> list[str] | None:
    if sent is None:
        return None
    told = (each.get("message") or each if isinstance(each, dict) else each for each in sent)
    texts = (each if isinstance(each, str) else json.dumps(each) for each in told)
    return [canonical_or_text(each) for each in texts]


def canonical_or_text(text: str) -> str:
    """JSON in which the order of members does not show; a text as it is."""
    try:
        return canonical(json.loads(text))
    except ValueError:
        return text


def first(*values: str | None) -> str | None:
    return next((each for each in values if each is not None), None)


def joined(texts: list[str] | None) -> str | None:
    return None if texts is None else ", ".join(texts)


def result_row(result: WorkflowEvalResult) -> Row:
    found = result.assertion_result
    same = ("eval_id", "block_id", "workflow_id", "block_type", "verdict", "warnings")
    prints = ("handle_inputs", "block_execution", "workflow_draft", "execution")
    return {
        **dict.fromkeys(("eval_name", "path", "block_label", *KNOWN_OF_RUN)),
        **{name: getattr(result, name) for name in same},
        **{f"{name}_fingerprint": getattr(result, f"{name}_fingerprint") for name in prints},
        **error(result.lifecycle),
        "result_id": result.id,
        "run_id": result.workflow_eval_run_id,
        "state": state(result),
        "status": of(result.lifecycle, "status"),
        "status_message": message(result.lifecycle),
        **times(result.timing),
        **files(given(result, "handle_inputs")),
        **{name: of(found, name) for name in ("condition_kind", "score", "threshold")},
        **{name: of(found, name) for name in ("assertion_id", "assertion_label", "metric_kind")},
        "expected_value": as_json(found, "expected_value"),
        "actual_value": as_json(found, "actual_value"),
        "failure_code": of(found and found.failure, "code"),
        "failure_message": of(found and found.failure, "message"),
        "failure_details": not_null(as_json(found and found.failure, "details")),
        "routing_decisions": not_null(as_json(result, "routing_decisions")),
        "artifact_operation": of(result.artifact, "operation"),
        "artifact_id": of(result.artifact, "id"),
        "handle_inputs": as_json(result, "handle_inputs"),
        "handle_outputs": as_json(result, "handle_outputs"),
    }


def known_of_run(run: WorkflowEvalRun) -> Row:
    """What a row of results has from its run."""
    known = run.workflow_version_id, scope(run), counted(run)["is_outage"]
    timing = moment(run.timing.created_at), moment(run.timing.completed_at)
    return dict(zip(KNOWN_OF_RUN, (*known, *timing), strict=True))


def known_of_eval(saved: WorkflowEval | None) -> Row:
    """What a row of results has from its saved eval, where there still is one."""
    target = saved and saved.assertion and saved.assertion.target
    return {"eval_name": of(saved, "name"), "path": of(target, "path")}


def state(result: WorkflowEvalResult) -> str:
    status = of(result.lifecycle, "status")
    return status if status in ("error", "cancelled") else result.verdict or "unscored"


def files(inputs: Mapping[str, Any] | None) -> Row:
    if inputs is None:
        return {"document_names": None, "document_ids": None}
    found = [each.document for each in inputs.values() if isinstance(each, FileHandleInput)]
    return {
        "document_names": [document.filename for document in found],
        "document_ids": [document.id for document in found],
    }


def eval_row(saved: WorkflowEval) -> Row:
    assertion, source, latest = saved.assertion, saved.source, saved.latest_run_summary
    step = source if isinstance(source, RunStepWorkflowEvalSource) else None
    return {
        "eval_id": saved.id,
        "eval_name": saved.name,
        "workflow_id": saved.workflow_id,
        "block_id": saved.target.block_id,
        "block_label": None,
        "output_handle_id": of(assertion and assertion.target, "output_handle_id"),
        "path": of(assertion and assertion.target, "path"),
        "condition_kind": of(assertion and assertion.condition, "kind"),
        "assertion_label": of(assertion, "label"),
        "assertion_id": of(assertion, "id"),
        "condition": as_json(assertion, "condition"),
        "source_type": source.type,
        "source_run_id": of(step, "run_id"),
        "source_step_id": of(step, "step_id"),
        "assertion_drift_status": saved.assertion_drift_status,
        "schema_drift": of(saved, "schema_drift"),
        "drift_status": of(saved.drift, "status"),
        "drift_detail": first(of(saved.drift, "detail"), saved.schema_drift_detail),
        "freshness_status": of(saved.freshness, "status"),
        "freshness_reasons": joined(words(saved.freshness and saved.freshness.reasons)),
        "validation_status": saved.validation_status,
        "validation_issues": issues(saved.validation_issues),
        "latest_run_status": of(latest, "status"),
        "latest_run_outcome": of(latest, "outcome"),
        "latest_result_id": of(latest, "run_record_id"),
        "latest_run_completed_at": moment(of(latest, "completed_at")),
        "latest_run_duration_ms": of(latest, "duration_ms"),
        "last_passed_at": ended(saved.latest_passing_run_summary),
        "last_failed_at": ended(saved.latest_failing_run_summary),
        **fingerprints("latest", latest),
        **fingerprints("last_passed", saved.latest_passing_run_summary),
        **fingerprints("last_failed", saved.latest_failing_run_summary),
        "present_validity": of(saved.freshness, "validity_fingerprint"),
        "latest_validity": of(latest, "validity_fingerprint"),
        "last_passed_validity": of(saved.latest_passing_run_summary, "validity_fingerprint"),
        "last_failed_validity": of(saved.latest_failing_run_summary, "validity_fingerprint"),
        "schema_path": of(saved.assertion_schema_dep, "schema_path"),
        "affected_paths": of(saved.drift, "affected_targets"),
        "document_names": saved_files(source),
        "created_at": moment(saved.created_at),
        "updated_at": moment(saved.updated_at),
    }


def saved_files(source: BaseModel) -> list[str] | None:
    """The names of a manual source's files; null where its inputs were not sent."""
    inputs = of(source, "handle_inputs") if "handle_inputs" in source.model_fields_set else None
    if inputs is None:
        return None
    return [each.document.filename for each in inputs.values() if hasattr(each, "document")]


def ended(summary: BaseModel | None) -> datetime | None:
    """When the run of a summary ended, else when it started."""
    return moment(of(summary, "completed_at") or of(summary, "started_at"))


def fingerprints(name: str, summary: BaseModel | None) -> Row:
    return {
        f"{name}_block_fingerprint": of(summary, "block_execution_fingerprint"),
        f"{name}_inputs_fingerprint": of(summary, "handle_inputs_fingerprint"),
    }


def workflow_row(workflow: Workflow) -> Row:
    return {
        "workflow_id": workflow.id,
        "name": workflow.name,
        "description": workflow.description,
        "project_id": workflow.project_id,
        "published_version_id": of(workflow.published, "version_id"),
        "published_description": of(workflow.published, "description"),
        "published_at": moment(of(workflow.published, "published_at")),
        "created_at": moment(workflow.created_at),
        "updated_at": moment(workflow.updated_at),
    }
