"""Flaky evals, told from those that drifted."""

from __future__ import annotations

import pytest
from support.frames import many, results

from retab_analysis import analysis

CODE, INPUTS = "block_execution_fingerprint", "handle_inputs_fingerprint"


def test_flaky_is_what_flips_on_identical_code() -> None:
    frame = results(
        *many("flaky", "PFPPFP", 1),
        *many("steady", "PPPPPP", 1),
        *many("errors", "PEPEPE", 1),
        *many("edited", "PPP", 1),
        *many("edited", "FFF", 4, expected_value="9"),
        *many("fixed", "FFF", 1),
        *many("fixed", "PPP", 4, **{CODE: "new"}),
        *many("inputs", "PPP", 1),
        *many("inputs", "FFF", 4, **{INPUTS: "new"}),
        *many("unknown", "PFPF", 1, **{CODE: None, "workflow_version_id": None}),
    )
    found = analysis.flaky_evals(frame)
    assert found.columns[:9] == [
        *("eval_name", "eval_id", "block_id", "runs", "failed", "flips", "rate"),
        *("drift", "drift_run_id"),
    ]
    assert found.select("eval_id", "runs", "failed", "flips", "drift", "drift_run_id").rows() == [
        ("flaky", 6, 2, 4, False, None)
    ]
    assert found["rate"].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("states", "drift", "since"),
    [
        ("PPPPFFFF", True, "run_5"),
        ("FFFFPPPP", True, "run_5"),
        ("PPPPBBBB", True, "run_5"),
        ("PPPFFF", False, None),  # would happen by luck in one of ten such histories
        ("PPPPPPPF", False, None),
        ("PPPPFFFP", False, None),
        ("P" * 39 + "F", True, "run_40"),
    ],
)
def test_a_single_step_is_drift(states: str, drift: bool, since: str | None) -> None:
    row = analysis.flaky_evals(results(*many("e", states))).row(0, named=True)
    assert (row["drift"], row["drift_run_id"]) == (drift, since)


def test_where_the_block_is_not_known_the_version_counts() -> None:
    blind = {CODE: None}
    same = results(*many("e", "PFPF", 1, **blind))
    assert analysis.flaky_evals(same).height == 1
    other = results(
        *many("e", "PP", 1, **blind), *many("e", "FF", 3, workflow_version_id="v2", **blind)
    )
    assert analysis.flaky_evals(other).is_empty()
