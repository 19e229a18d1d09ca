"""Since when an eval is broken, and by what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from comparison.cases import Rows, history, many_evals
from support.frames import START, results
from support.inside import assess


def broken(*parts: Rows) -> dict[str, dict[str, Any]]:
    """What is broken, by eval."""
    frame = assess(results(*(row for part in parts for row in part)).lazy()).evals
    return {row["eval_id"]: row for row in frame.filter("is_broken").iter_rows(named=True)}


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
    row = broken(history("broken", outcomes, codes), others)["broken"]
    assert row["since_run_id"] == f"run_{since}"
    assert row["since_at"] == START + timedelta(days=since)
    assert row["since_version_id"] == ("vB" if cause == "edit" else None)
    assert row["cause"] == cause
    assert row["p_worse"] >= 0.5
    assert f"run_{since}" in row["since_runs"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expected_value", "9"),
        ("condition_kind", "contains"),
        ("handle_inputs_fingerprint", "other"),
    ],
)
def test_an_eval_that_was_edited_is_not_broken_by_a_run(name: str, value: str) -> None:
    rows = [*history("e", "PPPP"), *history("e", "....FFFF", **{name: value})]
    assert broken(rows, many_evals(3, "P" * 8)) == {}


@pytest.mark.parametrize("last", [".", "C", "E"])
def test_what_the_newest_run_did_not_decide_stays_broken(last: str) -> None:
    other = "C" if last == "C" else "P"
    row = broken(history("broken", "PPPPPFFFF" + last), many_evals(6, "P" * 9 + other))["broken"]
    assert (row["since_run_id"], row["cause"]) == ("run_6", "drift")


def test_what_passes_now_and_is_called_broken_all_the_same_is_broken() -> None:
    codes = "A" * 20 + "B" * 10
    rows = history("soft", "P" * 20 + "FFPFFPFFFP", codes)
    row = broken(rows, many_evals(6, "P" * 30, codes))["soft"]
    assert row["p_worse"] >= 0.8
    assert (row["since_run_id"], row["cause"]) == ("run_21", "edit")


def test_a_block_run_and_a_rerun_are_as_good_as_a_whole_run() -> None:
    """Each block's newest code counts, also where one eval alone was tried on it."""
    a, b = ({"block_id": name} for name in ("a", "b"))
    rows = [
        *history("broken", "P" * 9 + "FF", "A" * 9 + "BB", **a),
        *history("tried", "P" * 9 + "PP" + ".F", "A" * 9 + "BB.C", **a),
        *(row | a for row in many_evals(3, "P" * 11, "A" * 9 + "BB")),
        *(row | {"eval_id": f"b {row['eval_id']}"} | b for row in many_evals(4, "P" * 10)),
    ]
    assert set(broken(rows)) == {"broken", "tried"}


def test_an_edit_after_which_it_passed_is_history() -> None:
    rows = [
        *history("e", "FFFF"),
        *history("e", "....PPPPPFFFF", "A" * 9 + "B" * 4, expected_value="9"),
    ]
    row = broken(rows)["e"]
    assert (row["cause"], row["since_run_id"]) == ("edit", "run_10")


def test_the_set_of_runs_holds_all_that_it_may_have_been() -> None:
    # Soft: it fails two times in three since run 13, and nobody edited anything.
    row = broken(history("soft", "P" * 12 + "FPFFPFFPFF"), many_evals(5, "P" * 22))["soft"]
    assert row["since_run_id"] in row["since_runs"]
    assert "run_13" in row["since_runs"]
    hard = broken(history("hard", "P" * 12 + "F" * 10), many_evals(5, "P" * 22))["hard"]
    assert hard["since_runs"] == ["run_13"]


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
    row = broken(rows)["e"]
    assert row["since_run_id"] == "run_6"
    no_code = {"block_execution_fingerprint", "workflow_version_id"} <= set(names)
    assert row["cause"] == ("unknown" if no_code else "edit")
