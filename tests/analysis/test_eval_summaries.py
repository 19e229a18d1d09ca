"""One row per eval: what it does now, how often it fails, and whether that is new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals
from support.frames import START, results

from retab_analysis import summarize_evals

SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "eval_id": pl.String(),
        "block_id": pl.String(),
        "state": pl.String(),
        "last_states": pl.List(pl.String()),
        "outcomes": pl.Int64(),
        "failures": pl.Int64(),
        "rate": pl.Float64(),
        "rate_low": pl.Float64(),
        "rate_high": pl.Float64(),
        "transition": pl.String(),
        "since_at": pl.Datetime("us", "UTC"),
        "since_run_id": pl.String(),
        "since_version_id": pl.String(),
        "cause": pl.String(),
        "last_passed_at": pl.Datetime("us", "UTC"),
        "last_failed_at": pl.Datetime("us", "UTC"),
        "duration_ms_p50": pl.Float64(),
        "duration_ms_p95": pl.Float64(),
    }
)


def summarized(*parts: Rows) -> dict[str, dict[str, Any]]:
    frame = summarize_evals(results(*(row for part in parts for row in part)))
    assert frame.schema == SCHEMA
    assert frame["eval_id"].is_sorted()
    return {row["eval_id"]: row for row in frame.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("outcomes", "codes", "transition"),
    [
        ("P" * 10 + "B" * 10, None, "newly_blocked"),
        # Nothing but a pass of its own excuses a first failure.
        ("PPPF", None, "suspect"),
        # It failed in 6 of its newest 7 runs: it is never steady.
        ("P" * 15 + "FFFPFFF", None, "regressed"),
        ("P" * 12 + "FFFFFF" + ("P" * 8 + "F") * 2 + "P" * 9, None, "flaky"),
        # One failure long ago is not flakiness.
        ("PPF" + "P" * 60, None, "still_passing"),
        # Without a result on the newest code only the saved evals tell.
        ("P" * 10 + ".", "A" * 10 + "B", None),
        ("P" * 8 + "FF.", "A" * 8 + "BBC", "regressed"),
    ],
)
def test_the_transition_is_the_word_of_a_check(
    outcomes: str, codes: str | None, transition: str | None
) -> None:
    others = many_evals(4, "P" * len(outcomes), codes)
    assert summarized(history("e", outcomes, codes), others)["e"]["transition"] == transition


def test_counts_are_of_the_present_definition() -> None:
    from statsmodels.stats.proportion import proportion_confint

    rows = [
        *history("e", "FFFFF"),
        *history("e", ".....PPPFP", expected_value="9"),
    ]
    row = summarized(rows, many_evals(3, "P" * 10))["e"]
    assert (row["outcomes"], row["failures"], row["rate"]) == (5, 1, 0.2)
    assert (row["duration_ms_p50"], row["duration_ms_p95"]) == (1000, 1000)
    low, high = proportion_confint(1, 5, method="wilson")
    assert (row["rate_low"], row["rate_high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["last_failed_at"] == START + timedelta(days=9)
    assert row["last_passed_at"] == START + timedelta(days=10)
    # What was seen stays seen.
    assert row["last_states"] == [*["failed"] * 5, *["passed"] * 3, "failed", "passed"]


def test_states_of_the_newest_ten_runs_the_newest_last() -> None:
    row = summarized(history("e", "FFFPBECUPPPPF"))["e"]
    assert row["last_states"] == [
        *("passed", "blocked", "error", "cancelled", "unscored"),
        *("passed", "passed", "passed", "passed", "failed"),
    ]
    assert row["state"] == "failed"
    assert summarized(history("e", "PF"))["e"]["last_states"] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("PFC", "failed"),
        ("PFU", "failed"),
        ("PE", "error"),
        ("PEC", "error"),
        ("CU", "unscored"),
        ("UC", "cancelled"),
    ],
)
def test_its_state_now_is_of_the_newest_run_that_says_something(outcomes: str, state: str) -> None:
    assert summarized(history("e", outcomes))["e"]["state"] == state


def test_several_results_of_a_run_are_one_state() -> None:
    both = [row | {"run_id": "run_1", "run_created_at": START} for row in history("e", "PF")]
    row = summarized(both)["e"]
    assert (row["state"], row["last_states"]) == ("mixed", ["mixed"])
    assert (row["outcomes"], row["failures"]) == (2, 1)


def test_every_eval_has_its_row_gone_or_not() -> None:
    found = summarized(history("gone", "PPP...."), many_evals(4, "P" * 7))
    assert set(found) == {"gone", "e000", "e001", "e002", "e003"}
    assert found["gone"]["state"] == "passed"


def test_two_workflows_are_told_apart() -> None:
    other = [
        row | {"workflow_id": "other", "run_id": f"other {row['run_id']}"}
        for row in history("b", "P" * 10 + "F" * 5)
    ]
    both = summarized(history("a", "F" * 10 + "P" * 5), other)
    assert both["a"] == summarized(history("a", "F" * 10 + "P" * 5))["a"]
    assert both["b"]["transition"] == "regressed"
