"""Any document that the contract allows, column by column; FAULTS.md 42."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
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

import retab_analysis as ra


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


@pytest.mark.parametrize(
    "literal", ["12345678901234567890", "1.10", "1e400", "-0.0", '"\\u00e9"', "null"]
)
def test_values_are_the_json_that_was_sent(literal: str) -> None:
    body = json.dumps(page([result_document()])).replace("1.5,", f"  {literal} ,", 1)
    found = to_frame(RESULTS, read_page(RESULTS.record, body.encode()).structs)
    assert found["actual_value"].to_list() == [literal]


def test_a_condition_without_a_kind_is_refused() -> None:
    with pytest.raises(ra.SchemaError, match=r"missing required field `kind`"):
        decode(EVALS, eval_document(assertion__condition={"expected": 1}))
