"""Any document that the contract allows, column by column; FAULTS.md 42."""

from __future__ import annotations

import json
from typing import Any

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


def test_a_saved_eval_tells_which_code_is_present_and_which_code_its_runs_had() -> None:
    latest = eval_document()["latest_run_summary"]
    found = row(
        EVALS,
        eval_document(
            freshness__validity_fingerprint="new",
            latest_run_summary={**latest, "validity_fingerprint": "old"},
            latest_passing_run_summary={**latest, "validity_fingerprint": "older"},
        ),
    )
    names = ("present", "latest", "last_passed", "last_failed")
    assert [found[f"{each}_validity"] for each in names] == ["new", "old", "older", None]


def test_a_saved_eval_tells_the_paths_that_it_needs_and_the_names_of_its_documents() -> None:
    inputs = result_document()["handle_inputs"]
    names = ("schema_path", "affected_paths", "document_names")
    saved = eval_document(
        source={"type": "manual", "handle_inputs": inputs},
        assertion_schema_dep={"schema_path": "total.amount", "subtree_hash": "a1"},
        drift__affected_targets=["total", "total.amount"],
    )
    found = row(EVALS, saved)
    assert [found[each] for each in names] == [
        "total.amount",
        ["total", "total.amount"],
        ["invoice 1.pdf"],
    ]
    found = row(EVALS, eval_document(drift=None))  # its inputs are those of a run's step
    assert [found[each] for each in names] == [None, None, None]


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
