"""Evals over time: how the state of each changes from run to run."""

from __future__ import annotations

import polars as pl
from support.frames import many, results

from retab_analysis import eval_history

CODE, INPUTS = "block_execution_fingerprint", "handle_inputs_fingerprint"
COLUMNS = [
    *("eval_name", "eval_id", "run_id", "workflow_version_id", "run_created_at", "state"),
    *("previous_state", "change", "block_changed", "inputs_changed", "block_id", "n"),
    *("pass_rate", "score", "duration_ms", "previous_run_id"),
]


def test_the_history_of_an_eval() -> None:
    frame = results(
        *many("e1", "PFFPBEPU", 1),
        *many("e1", "F", 9, expected_value="other"),
        *many("e2", "P", 1, **{CODE: None}),
        *many("e2", "P", 2, **{INPUTS: "other"}),
    )
    found = eval_history(frame)
    assert found.columns == COLUMNS
    assert found.filter(pl.col("eval_id") == "e1")["change"].to_list() == [
        *(None, "regressed", "still_failing", "fixed", "newly_blocked", "still_failing", "fixed"),
        *("incomplete", "not_comparable"),
    ]
    second = found.filter(pl.col("eval_id") == "e2").row(1, named=True)
    assert (second["change"], second["block_changed"], second["inputs_changed"]) == (
        *("not_comparable", None),
        True,
    )
    assert (second["previous_state"], second["previous_run_id"]) == ("passed", "run_1")
    assert found["eval_id"].to_list() == ["e1"] * 9 + ["e2"] * 2
