"""One row per eval: what it does now, how often it fails, and whether that is new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals
from statsmodels.stats.proportion import proportion_confint
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
        "kind": pl.String(),
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


def kind_of(outcomes: str, codes: str | None = None, **more: Any) -> str | None:
    others = many_evals(4, "P" * len(outcomes), codes)
    kind: str | None = summarized(history("e", outcomes, codes, **more), others)["e"]["kind"]
    return kind


@pytest.mark.parametrize("last", ["C", "E"])
def test_what_never_failed_is_not_broken_by_its_block(last: str) -> None:
    codes = "A" * 10 + "B"
    others = [history(f"other {at}", "P" * 10 + "F", codes) for at in range(9)]
    found = summarized(history("e", "P" * 10 + last, codes), *others)
    assert {found[f"other {at}"]["kind"] for at in range(9)} == {"broken"}
    assert (found["e"]["kind"], found["e"]["failures"]) == ("steady", 0)
    assert (found["e"]["cause"], found["e"]["since_run_id"]) == (None, None)


@pytest.mark.parametrize(
    ("outcomes", "codes", "kind"),
    [
        ("P" * 20, None, "steady"),
        ("P", None, "steady"),
        ("F", None, "never_passed"),
        ("F" * 20, None, "never_passed"),
        ("PPFPPPFPPFPPPPFPPFPP", None, "flaky"),
        ("P" * 10 + "F" * 10, None, "broken"),
        ("P" * 10 + "F" * 10, "A" * 10 + "B" * 10, "broken"),
        ("P" * 15 + "FFPFF", "A" * 15 + "B" * 5, "broken"),
        ("PPPPPPFFFFF" + "P" * 15, None, "episode"),
        # What fails twice since, with a pass between, comes and goes.
        ("P" * 12 + "FFFFFF" + "P" * 8 + "F" + "P" * 17, None, "episode"),
        ("P" * 12 + "FFFFFF" + ("P" * 8 + "F") * 2 + "P" * 9, None, "flaky"),
        ("P" * 12 + "FFFFFF" + "P" * 10 + "FPPP" * 6, None, "flaky"),
        ("F" * 6 + "P" * 20, "A" * 6 + "B" * 20, "steady"),
        ("CCCUUEC", None, None),
        # One failure long ago is not flakiness.
        ("PPF" + "P" * 60, None, "steady"),
    ],
)
def test_the_kinds(outcomes: str, codes: str | None, kind: str | None) -> None:
    assert kind_of(outcomes, codes) == kind


def test_what_fails_more_and_more_often_has_a_kind_of_its_own() -> None:
    slow = "P" * 15 + "PPPPPPFPPPPPFPPPFPPPFPPFPPFPFPPFFPFPFF" + "PFFPFFPFFF"
    found = summarized(
        history("slow", slow), history("flat", "PPF" * 21), many_evals(6, "P" * len(slow))
    )
    assert (found["slow"]["kind"], found["flat"]["kind"]) == ("getting_worse", "flaky")
    step = "P" * 40 + "FFPFFFPFFFFPFFFPFFFFPFF"
    assert kind_of(step) == "broken"


def test_what_is_broken_has_a_moment_and_a_cause_and_nothing_else_has() -> None:
    codes = "A" * 10 + "B" * 5
    found = summarized(
        history("broken", "P" * 10 + "F" * 5, codes),
        history("gap", "F" * 15, codes),
        history("fine", "P" * 15, codes),
        history("shaky", "PPFPPFPPPFPPFPP", codes),
    )
    broken = found.pop("broken")
    assert (broken["since_run_id"], broken["since_version_id"]) == ("run_11", "vB")
    assert (broken["since_at"], broken["cause"]) == (START + timedelta(days=11), "edit")
    for row in found.values():
        assert [row[name] for name in SCHEMA if name.startswith("since")] == [None] * 3
        assert row["cause"] is None


@pytest.mark.parametrize(
    ("outcomes", "codes", "since", "cause"),
    [
        ("PPPPPFFFFF", None, 6, "drift"),
        ("PPPPPFFFFF", "AAAAABBBBB", 6, "edit"),
        # An eval that broke may still pass now and then: not the last flip is named.
        ("PPPPPPPPPPFFFPFFF", None, 11, "drift"),
        ("P" * 15 + "FFPFFFF", "A" * 15 + "B" * 7, 16, "edit"),
        ("PPPPPBBFBB", "AAAAABBBBB", 6, "edit"),
        # Runs in which it was not decided say nothing.
        ("PPPPPCCUFFF", None, 9, "drift"),
        ("PPPPPEFFFF", None, 7, "drift"),
        ("PPPPP..FFF", "AAAAABBBBB", 8, "edit"),
        # The edit came with a run that was cancelled.
        ("PPPPPCFFFF", "AAAAABBBBB", 7, "edit"),
    ],
)
def test_the_run_that_broke_it(outcomes: str, codes: str | None, since: int, cause: str) -> None:
    others = many_evals(6, "P" * len(outcomes), codes)
    row = summarized(history("broken", outcomes, codes), others)["broken"]
    assert row["since_run_id"] == f"run_{since}"
    assert row["since_at"] == START + timedelta(days=since)
    assert row["since_version_id"] == ("vB" if cause == "edit" else None)
    assert row["cause"] == cause
    assert row["kind"] == "broken"


@pytest.mark.parametrize("last", [".", "C", "E"])
def test_what_the_newest_run_did_not_decide_stays_broken(last: str) -> None:
    other = "C" if last == "C" else "P"
    row = summarized(history("broken", "PPPPPFFFF" + last), many_evals(6, "P" * 9 + other))[
        "broken"
    ]
    assert (row["since_run_id"], row["cause"]) == ("run_6", "drift")


def test_counts_are_of_the_present_definition() -> None:
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


def test_without_an_outcome_there_is_no_rate() -> None:
    row = summarized(history("e", "CUE"))["e"]
    assert (row["outcomes"], row["failures"]) == (0, 0)
    assert [row[name] for name in ("rate", "rate_low", "rate_high", "kind")] == [None] * 4
    assert (row["last_passed_at"], row["last_failed_at"]) == (None, None)


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
    assert both["b"]["kind"] == "broken"


BROKEN = [*history("e", "PPPPPFFFF", "A" * 5 + "B" * 4), *many_evals(4, "P" * 9, "A" * 5 + "B" * 4)]


@pytest.mark.parametrize(
    "names",
    [
        ("block_execution_fingerprint",),
        ("workflow_version_id",),
        ("block_execution_fingerprint", "workflow_version_id"),
        ("handle_inputs_fingerprint", "expected_value", "condition_kind"),
        ("eval_name", "block_id"),
        ("result_id",),
        ("workflow_id",),
    ],
)
def test_what_is_not_known_is_not_needed(names: tuple[str, ...]) -> None:
    rows = [row | dict.fromkeys(names) for row in BROKEN]
    row = summarized(rows)["e"]
    assert row["since_run_id"] == "run_6"
    no_code = {"block_execution_fingerprint", "workflow_version_id"} <= set(names)
    assert row["cause"] == ("unknown" if no_code else "edit")
