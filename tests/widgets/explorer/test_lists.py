"""What the explorer lists, and how its rows read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.explored import RESULTS, RUNS, START
from support.inside import EVALS_LISTING, TableState, list_runs, lists
from support.made_runs import run_with, runs_frame

from retab_analysis import summarize_evals


def test_an_eval_by_its_last_states_and_its_kind() -> None:
    evals = TableState(EVALS_LISTING, summarize_evals(RESULTS))
    row = evals.rows.filter(pl.col("eval_id") == "e0").row(0, named=True)
    assert row["last_states"] == ["passed", "failed", "error", "unscored", "passed", "passed"]
    assert (row["state"], row["outcomes"], row["failures"]) == ("passed", 4, 1)
    assert lists.format_recent(row) == "✓✗!?✓✓"
    assert lists.format_recent({"last_states": ["mixed", "new state"]}) == "~?"
    assert "mixed" in lists.mark_sign("mixed")


def test_the_workflow_is_shown_where_there_are_several() -> None:
    two = runs_frame(run_with("a"), run_with("b", workflow_id="wf_other"))
    for frame, is_shown in ((two, True), (RUNS, False)):
        titles = [each.title for each in list_runs(frame).columns]
        assert ("Workflow" in titles) is is_shown


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        (lists.format_duration("x"), None, ""),
        (lists.format_duration("x"), 999, "0.999"),
        (lists.format_duration("x"), -5, "-0.005"),
        (lists.format_duration("x"), 3_661_000, "3,661.000"),
        (lists.format_as("x", ","), None, ""),
        (lists.format_as("x", ","), 1234, "1,234"),
        (lists.format_share("x"), None, ""),
        (lists.format_share("x"), 1.0, "100.0%"),
        (lists.format_share("x"), 0.99999, "99.9%"),
        (lists.format_share("x"), 0.00001, "0.1%"),
        (lists.format_share("x"), 0.0, "0.0%"),
        (lists.format_as("x", lists.TO_MINUTE), None, ""),
        (lists.format_as("x", lists.TO_MINUTE), START, "2026-05-01 12:00"),
        (lists.format_text("x"), None, ""),
        (lists.format_text("x"), 3, "3"),
    ],
)
def test_a_cell(cell: Callable[[Any], str], value: Any, said: str) -> None:
    assert cell({"x": value}) == said


@pytest.mark.parametrize(
    ("status", "ok", "sign"),
    [
        ("completed", True, "✓"),
        ("completed", False, "✗"),
        ("completed", None, "?"),
        ("error", False, "!"),
        ("cancelled", False, "–"),
        ("running", None, "▸"),
        ("<new>", None, "?"),
    ],
)
def test_the_sign_of_a_run(status: str, ok: bool | None, sign: str) -> None:
    shown = lists.mark_status({"status": status, "ok": ok})
    assert f">{sign}</span>" in shown
    assert "<new>" not in shown
