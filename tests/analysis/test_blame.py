"""Since when an eval is broken, and by what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals
from support.frames import START, results
from support.inside import blame

SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "eval_id": pl.String(),
        "block_id": pl.String(),
        "cause": pl.String(),
        "p_regressed": pl.Float64(),
        "since_at": pl.Datetime("us", "UTC"),
        "since_run_id": pl.String(),
        "since_version_id": pl.String(),
        "since_runs": pl.List(pl.String()),
        "last_good_run_id": pl.String(),
        "streak": pl.Int64(),
    }
)


def blamed(*parts: Rows) -> dict[str, dict[str, Any]]:
    """What is blamed, by eval."""
    frame = blame(results(*(row for part in parts for row in part)))
    assert frame.schema == SCHEMA
    return {row["eval_id"]: row for row in frame.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("outcomes", "codes", "since", "good", "streak", "cause"),
    [
        ("PPPPPFFFFF", None, 6, 5, 5, "drift"),
        ("PPPPPFFFFF", "AAAAABBBBB", 6, 5, 5, "edit"),
        # An eval that broke may still pass now and then: not the last flip is blamed.
        ("PPPPPFFFPFFF", None, 6, 5, 3, "drift"),
        ("P" * 15 + "FFPFFFF", "A" * 15 + "B" * 7, 16, 15, 4, "edit"),
        ("PPPPPBBFBB", "AAAAABBBBB", 6, 5, 5, "edit"),
        # Runs in which it was not decided say nothing.
        ("PPPPPCCUFFF", None, 9, 5, 3, "drift"),
        ("PPPPPEFFFF", None, 7, 5, 4, "drift"),
        ("PPPPP..FFF", "AAAAABBBBB", 8, 5, 3, "edit"),
        # The edit came with a run that was cancelled.
        ("PPPPPCFFFF", "AAAAABBBBB", 7, 5, 4, "edit"),
    ],
)
def test_the_run_that_broke_it(
    outcomes: str, codes: str | None, since: int, good: int, streak: int, cause: str
) -> None:
    others = many_evals(6, "P" * len(outcomes), codes)
    row = blamed(history("broken", outcomes, codes), others)["broken"]
    assert row["since_run_id"] == f"run_{since}"
    assert row["since_at"] == START + timedelta(days=since)
    assert row["since_version_id"] == ("vB" if cause == "edit" else None)
    assert (row["last_good_run_id"], row["streak"], row["cause"]) == (
        f"run_{good}",
        streak,
        cause,
    )
    assert row["p_regressed"] >= 0.5
    assert f"run_{since}" in row["since_runs"]


@pytest.mark.parametrize(
    "outcomes",
    [
        "PPPPPPPPPP",  # passes
        "PPPPPFFFFP",  # mended
        "FFFFFFFFFF",  # never passed
        "FFFFFCCCCC",
        "EEEEEEEEEE",
        "CCCCCCCCCC",
        "PFPPFPFPPFPFPPFPPFPF",  # flaky
        "PPPPPPPPPF",  # nobody knows yet
    ],
)
def test_who_is_not_broken_is_not_blamed(outcomes: str) -> None:
    assert blamed(history("e", outcomes), many_evals(6, "P" * len(outcomes))) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expected_value", "9"),
        ("condition_kind", "contains"),
        ("handle_inputs_fingerprint", "other"),
    ],
)
def test_an_edit_of_the_eval_is_blamed_and_not_the_run(name: str, value: str) -> None:
    rows = [*history("e", "PPPP"), *history("e", "....FFFF", **{name: value})]
    row = blamed(rows, many_evals(3, "P" * 8))["e"]
    assert (row["cause"], row["p_regressed"]) == ("definition", None)
    assert (row["since_run_id"], row["since_runs"]) == ("run_5", ["run_5"])
    assert row["since_at"] == START + timedelta(days=5)
    assert (row["last_good_run_id"], row["streak"]) == ("run_4", 4)


@pytest.mark.parametrize("last", [".", "C", "E"])
def test_what_the_newest_run_did_not_decide_stays_broken(last: str) -> None:
    other = "C" if last == "C" else "P"
    row = blamed(history("broken", "PPPPPFFFF" + last), many_evals(6, "P" * 9 + other))["broken"]
    assert (row["since_run_id"], row["cause"], row["streak"]) == ("run_6", "drift", 4)


def test_what_passes_now_and_is_called_broken_all_the_same_is_blamed() -> None:
    codes = "A" * 20 + "B" * 10
    rows = history("soft", "P" * 20 + "FFPFFPFFFP", codes)
    row = blamed(rows, many_evals(6, "P" * 30, codes))["soft"]
    assert row["p_regressed"] >= 0.8
    assert (row["since_run_id"], row["cause"], row["streak"]) == ("run_21", "edit", 0)


def test_a_block_run_and_a_rerun_are_as_good_as_a_whole_run() -> None:
    """Each block's newest run counts; one eval on newer code is tried, and judges nothing."""
    a, b = ({"block_id": name} for name in ("a", "b"))
    rows = [
        *history("broken", "P" * 9 + "FF", "A" * 9 + "BB", **a),
        *history("tried", "P" * 9 + "PP" + ".F", "A" * 9 + "BB.C", **a),
        *(row | a for row in many_evals(3, "P" * 11, "A" * 9 + "BB")),
        *(row | {"eval_id": f"b {row['eval_id']}"} | b for row in many_evals(4, "P" * 10)),
    ]
    assert set(blamed(rows)) == {"broken"}


def test_an_edit_after_which_it_passed_is_history() -> None:
    rows = [
        *history("e", "FFFF"),
        *history("e", "....PPPPPFFFF", "A" * 9 + "B" * 4, expected_value="9"),
    ]
    row = blamed(rows)["e"]
    assert (row["cause"], row["since_run_id"]) == ("edit", "run_10")


def test_the_surest_comes_first_and_what_is_known_before_it() -> None:
    rows = [
        *history("sure", "P" * 12 + "F" * 4, "A" * 12 + "B" * 4),
        *history("first", "P" * 15 + "F", "A" * 12 + "B" * 4),
        *history("edited", "P" * 12),
        *history("edited", "." * 12 + "FFFF", "B" * 16, expected_value="9"),
    ]
    frame = blame(results(*rows))
    assert frame["eval_id"].to_list()[:2] == ["edited", "sure"]
    assert frame["p_regressed"].drop_nulls().is_sorted(descending=True)


def test_the_set_of_runs_holds_all_that_it_may_have_been() -> None:
    # Soft: it fails two times in three since run 13, and nobody edited anything.
    row = blamed(history("soft", "P" * 12 + "FPFFPFFPFF"), many_evals(5, "P" * 22))["soft"]
    assert row["since_run_id"] in row["since_runs"]
    assert "run_13" in row["since_runs"]
    hard = blamed(history("hard", "P" * 12 + "F" * 10), many_evals(5, "P" * 22))["hard"]
    assert hard["since_runs"] == ["run_13"]


def test_evals_of_two_workflows_are_each_blamed_alone() -> None:
    one = history("a", "PPPPPFFFF")
    two = [
        row | {"workflow_id": "other", "run_id": f"other {row['run_id']}"}
        for row in history("b", "PPPPPPFFF")
    ]
    found = blamed(one, two)
    assert found["a"]["since_run_id"] == "run_6"
    assert found["b"]["since_run_id"] == "other run_7"
    alone = blamed(one)
    assert found["a"] == alone["a"]


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
    row = blamed(rows)["e"]
    assert row["since_run_id"] == "run_6"
    no_code = {"block_execution_fingerprint", "workflow_version_id"} <= set(names)
    assert row["cause"] == ("unknown" if no_code else "edit")
