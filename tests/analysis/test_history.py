"""Evals over time: how the state of each changes from run to run."""

from __future__ import annotations

import polars as pl
import pytest
from support.frames import many, results

from retab_analysis import eval_history

CODE, INPUTS = "block_execution_fingerprint", "handle_inputs_fingerprint"
COLUMNS = [
    *("eval_name", "eval_id", "run_id", "workflow_version_id", "run_created_at", "state"),
    *("previous_state", "change", "block_changed", "inputs_changed", "block_id", "n"),
    *("pass_rate", "score", "duration_ms", "previous_run_id"),
]


def changes(states: str) -> list[str | None]:
    return eval_history(results(*many("e", states)))["change"].to_list()


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


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("PCF", [None, "incomplete", "regressed"]),
        ("PUCB", [None, "incomplete", "incomplete", "newly_blocked"]),
        ("FCCP", [None, "incomplete", "incomplete", "fixed"]),
        ("CPF", ["incomplete", None, "regressed"]),
        ("PE", [None, "newly_errored"]),
        ("PEF", [None, "newly_errored", "still_failing"]),
        ("CC", ["incomplete", "incomplete"]),
    ],
)
def test_a_change_is_seen_across_runs_that_were_not_decided(
    states: str, expected: list[str | None]
) -> None:
    assert changes(states) == expected


def test_the_run_before_is_the_newest_that_was_decided() -> None:
    row = eval_history(results(*many("e", "PCUF"))).row(-1, named=True)
    assert (row["previous_run_id"], row["previous_state"]) == ("run_1", "passed")


def test_a_new_code_is_seen_across_a_cancelled_run() -> None:
    frame = results(
        *many("e", "P", 1, **{CODE: "old"}),
        *many("e", "C", 2, **{CODE: "new"}),
        *many("e", "F", 3, **{CODE: "new"}),
    )
    assert eval_history(frame)["block_changed"].to_list() == [None, True, True]
