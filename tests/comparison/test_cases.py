"""What must be said of hand-made histories where a baseline is named.

Those that are checked against each eval's own past are in ``tests/checks/test_cases.py``. P is a
pass, F a failure, E an error; the last outcome is the candidate's.
"""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    Rows,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    the_only,
)
from support.inside import BROKEN, Comparison

CALLED = (*BROKEN, "suspect")


def transitions(comparison: Comparison) -> dict[str, int]:
    """How many evals there are of each transition that there is."""
    return dict(comparison.evals["transition"].value_counts().iter_rows())


@pytest.mark.parametrize("baseline", [20, (1, 20)])
def test_one_pass_among_four_failures_on_new_code_is_no_flakiness(baseline: Any) -> None:
    row = the_only(
        held_against(history("e", "P" * 20 + "FPFFF", "A" * 20 + "B" * 5), baseline, (21, 25))
    )
    assert (row["transition"], row["cause"]) == ("regressed", "edit")
    assert "1 of 5 passed; before, 20 of 20" in row["reason"]
    assert "identical" not in row["reason"]


def test_a_short_baseline_with_a_long_history() -> None:
    rows = history("e", "P" * 21 + "FFFPF", "A" * 21 + "B" * 5)
    assert the_only(held_against(rows, 21, (22, 26)))["transition"] == "regressed"


def test_forty_flaky_evals_that_all_fail_more_often_are_a_regression() -> None:
    draw = random.Random(7)
    rows: Rows = []
    for at in range(40):
        before, after = list("PPPPF"), list("PPFFF")
        draw.shuffle(before)
        draw.shuffle(after)
        rows += history(f"e{at:02}", "".join(before + after), "A" * 5 + "B" * 5)
    comparison = held_against(rows, (1, 5), (6, 10))
    summary = comparison.summary.row(0, named=True)
    assert comparison.verdict == "regressed"
    assert (summary["n_evals"], summary["delta"]) == (40, pytest.approx(-0.4))
    assert summary["p_value"] < 0.001


def test_thirty_shaky_evals_that_all_fail_at_once_are_a_regression() -> None:
    draw = random.Random(8)
    rows: Rows = []
    for at in range(30):
        past = "".join("F" if draw.random() < 0.1 else "P" for _ in range(20))
        rows += history(f"e{at:02}", f"{past}F", "A" * 20 + "B")
    assert held_against(rows, 20, 21).verdict == "regressed"
    assert held_against_own_past(rows, 21).verdict == "regressed"


def test_nothing_is_concluded_where_nearly_all_are_removed() -> None:
    rows = [row for at in range(200) for row in history(f"e{at:03}", "PP" if at == 0 else "P.")]
    comparison = held_against(rows, 1, 2)
    assert comparison.verdict == "inconclusive"
    assert transitions(comparison) == {"removed": 199, "still_passing": 1}


def test_an_outage_that_repeats_is_still_an_outage() -> None:
    rows = [row for at in range(50) for row in history(f"e{at:02}", "PEE", block_id=f"b{at % 3}")]
    assert transitions(held_against(rows, 1, (2, 3))) == {"newly_errored": 50}


def test_errors_that_repeat_count_as_failures() -> None:
    once = the_only(held_against(history("e", "P" * 10 + "E", "A" * 10 + "B"), 10, 11))
    assert (once["transition"], once["p_regressed"]) == ("newly_errored", None)
    twice = the_only(held_against(history("e", "P" * 10 + "EEE", "A" * 10 + "BBB"), 10, (11, 13)))
    assert (twice["transition"], twice["cause"]) == ("regressed", "edit")
    assert twice["p_regressed"] > 0.9


def test_an_eval_that_was_edited_is_not_blamed_on_the_run() -> None:
    rows = [*history("e", "PPPP"), *history("e", "....FFFF", expected_value="9")]
    for comparison in (held_against(rows, 4, 8), held_against_own_past(rows, 8)):
        row = the_only(comparison)
        assert row["transition"] == "still_failing"
        assert row["reason"] == "never passed since it was edited"
    first = the_only(held_against(rows, 4, 5))
    assert (first["transition"], first["reason"]) == (
        "not_comparable",
        "expected value edited: earlier results say nothing of it",
    )


def test_what_was_broken_before_the_baseline_keeps_its_run_and_its_cause() -> None:
    rows = [*history("e", "P" * 10 + "FF", "A" * 10 + "BB"), *many_evals(12, "P" * 12)]
    row = held_against(rows, 11, 12).evals.row(by_predicate=pl.col("eval_id") == "e", named=True)
    assert row["transition"] == "still_failing"
    assert (row["since_run_id"], row["cause"]) == ("run_11", "edit")
    assert "0 of 2 passed; before, 10 of 10; its block was edited then" in row["reason"]


def test_nothing_is_to_be_run_again_of_an_eval_that_is_gone() -> None:
    rows = [*history("gone", "PPPP."), *many_evals(3, "PPPPP")]
    row = held_against(rows, 4, 5).evals.row(by_predicate=pl.col("eval_id") == "gone", named=True)
    assert (row["transition"], row["reruns_to_clear"]) == ("removed", None)
    assert row["reruns_to_confirm"] is None


@pytest.mark.parametrize("runs_before", [10, 20, 40])
def test_one_failure_after_clean_runs_says_nothing_of_the_suite(runs_before: int) -> None:
    length = runs_before + 1
    rows = [*history("e", "P" * runs_before + "F"), *many_evals(60, "P" * length)]
    made = held_against_own_past(rows, length)
    assert transitions(made)["suspect"] == 1
    assert made.verdict == "inconclusive"
    assert made.gate().ok
    assert "more than chance" not in made.explain()
