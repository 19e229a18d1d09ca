"""Hand-made histories that ``tests/checks/test_cases.py`` and the golden book do not have.

P is a pass, F a failure; the last outcome is the candidate's.
"""

from __future__ import annotations

import polars as pl
from comparison.cases import (
    held_against,
    history,
    many_evals,
)


def test_what_was_broken_before_the_baseline_keeps_its_run_and_its_cause() -> None:
    rows = [*history("e", "P" * 10 + "FF", "A" * 10 + "BB"), *many_evals(12, "P" * 12)]
    row = held_against(rows, 11, 12).evals.row(by_predicate=pl.col("eval_id") == "e", named=True)
    assert row["transition"] == "still_failing"
    assert (row["since_run_id"], row["cause"]) == ("run_11", "edit")
    assert "0 of 2 passed; before, 10 of 10; its block was edited then" in row["reason"]
