"""Any document that the contract allows, column by column; FAULTS.md 42."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from support.contract import documents, schema_of
from support.decoding import decode, row
from support.documents import (
    eval_document,
    result_document,
    run_document,
)
from support.faultserver import page
from support.inside import (
    EVALS,
    RESULTS,
    RUNS,
    read_page,
    to_frame,
)
from support.oracle import run_row

import retab_analysis as ra

RUN_DOCUMENTS = documents(schema_of("WorkflowEvalRun"))


def test_a_run_column_by_column() -> None:
    assert row(RUNS, run_document()) == run_row(run_document())
    assert decode(RUNS, run_document()).schema == RUNS.schema


@given(RUN_DOCUMENTS)
def test_any_run_that_the_contract_allows(document: dict[str, Any]) -> None:
    assert row(RUNS, document) == run_row(document)


def test_42_what_is_new_keeps_working() -> None:
    document = run_document(
        lifecycle__status="paused",
        trigger__type="carrier_pigeon",
        freshness__status="ripe",
        target={"type": "workflow", "workflow_id": "wf"},
        brand_new={"field": [1, {"deep": None}]},
    )
    found = row(RUNS, document)
    assert (found["status"], found["is_terminal"], found["ok"]) == ("paused", False, None)
    assert (found["trigger_type"], found["freshness_status"]) == ("carrier_pigeon", "ripe")
    assert (found["target_type"], found["target_block_id"]) == ("workflow", None)


def test_a_result_column_by_column() -> None:
    assert row(RESULTS, result_document()) == {
        "eval_name": None,
        "eval_id": "wfnodeeval_1",
        "state": "failed",
        "block_id": "block_extract_invoice",
        "block_label": None,
        "document_names": ["invoice 1.pdf"],
        "duration_ms": 1750,
        "expected_value": '{"total":2}',
        "actual_value": "1.5",
        "path": None,
        "condition": '= {"total":2}',
        "condition_kind": "equals",
        "failure_code": "not_equal",
        "failure_message": "1.5 is not 2",
        "score": None,
        "threshold": None,
        "run_id": "wfevalrun_1",
        "workflow_version_id": None,
        "run_scope": None,
        "run_created_at": None,
        "run_completed_at": None,
        "result_id": "res_1",
        "workflow_id": "wf_invoices",
        "block_type": "extract",
        "status": "completed",
        "status_message": None,
        "verdict": "failed",
        "created_at": pl.Series(["2026-05-18T10:00:00Z"]).str.to_datetime()[0],
        "started_at": pl.Series(["2026-05-18T10:00:01.250Z"]).str.to_datetime()[0],
        "completed_at": pl.Series(["2026-05-18T10:00:03Z"]).str.to_datetime()[0],
        "queue_ms": 1250,
        "assertion_id": "as_1",
        "assertion_label": "total",
        "metric_kind": None,
        "warnings": ["low contrast"],
        "document_ids": ["file_1"],
        "error_code": None,
        "error_block_id": None,
        "failure_details": "{}",
        "routing_decisions": None,
        "artifact_operation": "extraction",
        "artifact_id": "ext_1",
        "handle_inputs_fingerprint": "in_1",
        "block_execution_fingerprint": "bl_1",
        "workflow_draft_fingerprint": "dr_1",
        "execution_fingerprint": "ex_1",
    }


def test_an_error_says_where_it_came_from() -> None:
    details = {"error_code": "provider_timeout", "block_id": "block_split"}
    found = row(RESULTS, result_document(lifecycle={"status": "error", "details": details}))
    assert (found["error_code"], found["error_block_id"]) == ("provider_timeout", "block_split")


@pytest.mark.parametrize(
    ("issues", "texts"),
    [
        (None, None),
        ([], []),
        (["no such output"], ["no such output"]),
        ([{"code": "gone", "message": "the block is gone"}], ["the block is gone"]),
        ([{"code": 7}, 1.50, None], ['{"code":7}', "1.5", "null"]),
        ("not a list", ['"not a list"']),
    ],
)
def test_what_keeps_a_saved_eval_from_running_is_told_as_texts(
    issues: Any, texts: list[str] | None
) -> None:
    assert row(EVALS, eval_document(validation_issues=issues))["validation_issues"] == texts


def test_what_does_not_fit_any_more_is_said() -> None:
    drift = {"status": "drifted", "detail": "lines are gone", "affected_targets": []}
    found = row(EVALS, eval_document(drift=drift, schema_drift_detail="other"))
    assert found["drift_detail"] == "lines are gone"
    assert (
        row(EVALS, eval_document(drift=None, schema_drift_detail="other"))["drift_detail"]
        == "other"
    )
    reasons = {"status": "stale", "reasons": ["validity_changed", "engine_changed"]}
    found = row(EVALS, eval_document(freshness=reasons))
    assert found["freshness_reasons"] == "validity_changed, engine_changed"


@pytest.mark.parametrize(
    "literal", ["12345678901234567890", "1.10", "1e400", "-0.0", '"\\u00e9"', "null"]
)
def test_values_are_the_json_that_was_sent(literal: str) -> None:
    body = json.dumps(page([result_document()])).replace("1.5,", f"  {literal} ,", 1)
    found = to_frame(RESULTS, read_page(RESULTS.record, body.encode()).structs)
    assert found["actual_value"].to_list() == [literal]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"verdict": "passed"}, "passed"),
        ({"verdict": "blocked"}, "blocked"),
        ({"verdict": None}, "unscored"),
        ({"verdict": "skipped"}, "unscored"),
        ({"verdict": None, "lifecycle": {"status": "running"}}, "unscored"),
        ({"verdict": None, "lifecycle": {"status": "error", "message": "boom"}}, "error"),
        ({"verdict": None, "lifecycle": {"status": "cancelled", "reason": "stop"}}, "cancelled"),
        ({"verdict": "passed", "lifecycle": None}, "passed"),
    ],
)
def test_the_state_of_a_result(changes: dict[str, Any], state: str) -> None:
    found = row(RESULTS, result_document(**changes))
    assert found["state"] == state
    assert found["verdict"] == changes["verdict"]


@pytest.mark.parametrize(
    ("lifecycle", "message"),
    [
        ({"status": "error", "message": "boom"}, "boom"),
        ({"status": "error", "message": "(no message)"}, None),
        ({"status": "error"}, None),
        ({"status": "error", "message": "boom", "details": {"message": "why"}}, "boom"),
        ({"status": "error", "message": "(no message)", "details": {"message": "why"}}, "why"),
        ({"status": "error", "message": None, "details": {"message": "why"}}, "why"),
        ({"status": "error", "details": {"message": "(no message)"}}, None),
        ({"status": "error", "details": {"error_code": "timeout"}}, None),
        ({"status": "cancelled", "reason": "by hand"}, "by hand"),
        ({"status": "completed"}, None),
    ],
)
def test_the_message_of_a_status(lifecycle: dict[str, Any], message: str | None) -> None:
    assert row(RUNS, run_document(lifecycle=lifecycle))["status_message"] == message
    assert row(RESULTS, result_document(lifecycle=lifecycle))["status_message"] == message


def test_a_condition_without_a_kind_is_refused() -> None:
    with pytest.raises(ra.SchemaError, match=r"missing required field `kind`"):
        decode(EVALS, eval_document(assertion__condition={"expected": 1}))
