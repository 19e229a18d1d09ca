"""``compare``: what it takes, what it refuses, what is the history."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, held_against, history, many_evals, runs
from support.frames import result, results
from support.inside import Comparison, compare

from retab_analysis import ConfigError, SchemaError

ROWS: Rows = [
    *many_evals(3, "PPPPF", "AAAAB"),
    *history("shaky", "PFPPF", "AAAAB"),
    *history("steady", "PPPPP", "AAAAB"),
]
NAMED = [
    row | {"workflow_draft_fingerprint": f"draft of {row['workflow_version_id']}"} for row in ROWS
]
FRAME = results(*NAMED)


def same(one: Comparison, other: Comparison) -> bool:
    return one.evals.equals(other.evals) and one.summary.equals(other.summary)


def test_what_was_broken_before_the_baseline_keeps_its_run_and_its_cause() -> None:
    rows = [*history("e", "P" * 10 + "FF", "A" * 10 + "BB"), *many_evals(12, "P" * 12)]
    row = held_against(rows, 11, 12).evals.row(by_predicate=pl.col("eval_id") == "e", named=True)
    assert row["transition"] == "still_failing"
    assert (row["since_run_id"], row["cause"]) == ("run_11", "edit")
    assert "0 of 2 passed; before, 10 of 10; its block was edited then" in row["reason"]


def test_lazy_frames_are_taken_anywhere() -> None:
    eager = compare(runs(NAMED, 4), runs(NAMED, 5), history=FRAME)
    lazy = compare(runs(NAMED, 4).lazy(), runs(NAMED, 5).lazy(), history=FRAME.lazy())
    assert same(eager, lazy)


OTHER = results(result("e", "passed", 1, workflow_id="elsewhere"))


@pytest.mark.parametrize(
    "sides", [(OTHER, FRAME, None), (FRAME, OTHER, None), (FRAME, FRAME, OTHER)]
)
def test_results_of_two_workflows_are_refused(sides: tuple[Any, Any, Any]) -> None:
    with pytest.raises(ConfigError, match=r"different workflows.*elsewhere, wf"):
        compare(sides[0], sides[1], history=sides[2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: compare([], FRAME), ConfigError, "baseline must be a RESULTS frame"),
        (lambda: compare(FRAME, None), ConfigError, "candidate must be a RESULTS frame"),
        (lambda: compare(FRAME, FRAME, history=[]), ConfigError, "history must be a RESULTS frame"),
        (lambda: compare(FRAME, pl.DataFrame()), SchemaError, "candidate is not a RESULTS frame"),
    ],
)
def test_what_is_not_a_results_frame_is_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
