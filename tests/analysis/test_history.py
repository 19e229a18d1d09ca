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


def test_the_order_of_rows_does_not_matter_and_a_lazy_frame_stays_one() -> None:
    frame = results(*many("e1", "PFFPBEPU", 1), *many("e2", "PCF", 1), *many("e0", "PF", 5))
    plain = eval_history(frame)
    assert eval_history(frame.sample(fraction=1, shuffle=True, seed=1)).equals(plain)
    assert eval_history(pl.concat([frame, frame])).equals(plain)
    lazy = eval_history(frame.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(plain)
    assert plain["eval_id"].unique(maintain_order=True).to_list() == ["e1", "e2", "e0"]


def test_an_empty_history() -> None:
    found = eval_history(results())
    assert found.is_empty()
    assert found.columns == COLUMNS
