"""A whole history in the API's older records, which lack optional parts, beside that of today."""

from __future__ import annotations

import polars as pl
import pytest
from support.old_records import older_result, older_run
from support.sandbox_api import Api

import retab_analysis as ra

API = Api()
DOCUMENTS = API.runs(workflow_id="wf_claims")
OUTCOMES = ["passed", "failed", "blocked"]
LIFECYCLE = ["pending", "queued", "running", "completed", "cancelled", "error"]


@pytest.mark.parametrize(
    ("way", "known"), [(0, []), (1, []), (2, [*OUTCOMES, *LIFECYCLE]), (3, OUTCOMES)]
)
def test_older_runs_are_read(way: int, known: list[str]) -> None:
    today = ra.decode_runs(DOCUMENTS)
    older = ra.decode_runs([older_run(document, way) for document in DOCUMENTS])
    assert older.schema == today.schema
    same = ["run_id", "status", "total_evals", "scope", "eval_id", "target_block_id", *known]
    assert older.select(same).equals(today.select(same))
    lost = {*OUTCOMES, *LIFECYCLE} - set(known)
    assert all(older[name].null_count() == older.height for name in lost)
    milliseconds = pl.col("created_at").dt.truncate("1ms")
    assert older["created_at"].equals(today.select(milliseconds).to_series())


def test_older_results_are_read() -> None:
    run = next(each for each in DOCUMENTS if each["lifecycle"]["status"] == "completed")
    documents = API.results(run["id"])
    today = ra.decode_results(documents)
    older = ra.decode_results([older_result(document) for document in documents])
    same = ["result_id", "eval_name", "state", "verdict", "expected_value", "actual_value"]
    assert older.select(same).equals(today.select(same))
    lost = ["execution_fingerprint", "block_execution_fingerprint", "artifact_id"]
    assert all(older[name].null_count() == older.height for name in lost)
