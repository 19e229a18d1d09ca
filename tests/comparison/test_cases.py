"""Hand-made histories that ``tests/checks/test_cases.py`` and the golden book do not have.

P is a pass, F a failure; the last outcome is the candidate's.
"""

from __future__ import annotations

import polars as pl
import pytest
from comparison.cases import (
    held_against,
    held_against_own_past,
    history,
    many_evals,
)


def test_what_was_broken_before_the_baseline_keeps_its_run_and_its_cause() -> None:
    rows = [*history("e", "P" * 10 + "FF", "A" * 10 + "BB"), *many_evals(12, "P" * 12)]
    row = held_against(rows, 11, 12).evals.row(by_predicate=pl.col("eval_id") == "e", named=True)
    assert row["transition"] == "still_failing"
    assert (row["since_run_id"], row["cause"]) == ("run_11", "edit")
    assert "0 of 2 passed; before, 10 of 10; its block was edited then" in row["reason"]


@pytest.mark.parametrize("runs_before", [10, 20, 40])
def test_one_failure_after_clean_runs_says_nothing_of_the_suite(runs_before: int) -> None:
    length = runs_before + 1
    rows = [*history("e", "P" * runs_before + "F"), *many_evals(60, "P" * length)]
    made = held_against_own_past(rows, length)
    assert made.summary["suspect"].item() == 1
    assert made.verdict == "no_change"  # the suspect is named, and the suite did not fall
    assert made.gate().exit_code == 2
    assert "more than chance" not in made.explain()
