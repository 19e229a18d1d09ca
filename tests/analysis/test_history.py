"""Evals over time, and which run broke them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from support.frames import many, results

from retab_analysis import analysis

CODE, INPUTS = "block_execution_fingerprint", "handle_inputs_fingerprint"


def test_the_history_of_an_eval() -> None:
    frame = results(
        *many("e1", "PFFPBEPU", 1),
        *many("e1", "F", 9, expected_value="other"),
        *many("e2", "P", 1, **{CODE: None}),
        *many("e2", "P", 2, **{INPUTS: "other"}),
    )
    found = analysis.eval_history(frame)
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
        ("PPP", None),
        ("FFP", None),
        ("PPU", None),
        ("PFF", ("run_1", "run_2", 0, 2)),
        ("PFPE", ("run_3", "run_4", 0, 1)),
        ("PUCB", ("run_1", "run_4", 2, 1)),
        ("PFUF", ("run_1", "run_2", 0, 2)),
        ("FF", (None, "run_1", None, 2)),
    ],
)
def test_who_is_to_blame(states: str, expected: tuple[Any, ...] | None) -> None:
    found = analysis.blame(results(*many("e", states)))
    columns = ["last_good_run_id", "first_bad_run_id", "runs_between", "streak"]
    assert found.select(columns).rows() == ([] if expected is None else [expected])


def test_blame_counts_the_runs_that_say_nothing_and_names_versions() -> None:
    frame = results(
        *many("e", "P", 1, workflow_version_id="old"),
        *many("other", "PPPP", 1),
        *many("e", "F", 4, workflow_version_id="new", **{CODE: "new"}),
    )
    row = analysis.blame(frame).row(0, named=True)
    assert row == {
        "eval_name": "name of e",
        "eval_id": "e",
        "last_good_run_id": "run_1",
        "last_good_version": "old",
        "first_bad_run_id": "run_4",
        "first_bad_version": "new",
        "runs_between": 2,
        "streak": 1,
        "block_changed": True,
    }
