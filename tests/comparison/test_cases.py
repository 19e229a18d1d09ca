"""What must be said of hand-made histories, through ``compare`` and against each eval's own past.

P is a pass, F a failure, E an error, C cancelled; the last outcome is the candidate's.
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
    runs,
    the_only,
)
from support.inside import BROKEN, Comparison, compare

CALLED = (*BROKEN, "suspect")


def transitions(comparison: Comparison) -> dict[str, int]:
    """How many evals there are of each transition that there is."""
    return dict(comparison.evals["transition"].value_counts().iter_rows())


def test_a_drift_is_red_from_the_second_check_on_and_names_its_run() -> None:
    rows = history("e", "P" * 15 + "F" * 6)
    first = the_only(held_against_own_past(rows, 16))
    assert first["transition"] in CALLED
    for run in range(17, 22):
        comparison = held_against_own_past(rows, run)
        row = the_only(comparison)
        assert (row["transition"], row["cause"], row["since_run_id"]) == (
            "regressed",
            "drift",
            "run_16",
        )
        assert not comparison.gate().ok
        assert row["baseline_run_id"] == "run_15"


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


def test_what_all_of_them_show_is_not_denied_by_what_one_alone_shows() -> None:
    rows = many_evals(30, "P" * 21, "A" * 20 + "B")
    for at in range(30):
        past = "".join("F" if (3 * run + 7 * at) % 10 == 0 else "P" for run in range(20))
        rows += history(f"shaky{at:02}", f"{past}F", "A" * 20 + "B")
    made = held_against(rows, 20, 21)
    assert made.verdict == "regressed"
    flaky = made.evals.filter(transition="flaky")["reason"]
    assert len(flaky) == 27
    assert flaky.str.ends_with("0 of 1 now: this eval alone shows no lasting change").all()


def test_nothing_is_concluded_from_one_of_two_hundred() -> None:
    rows = [row for at in range(200) for row in history(f"e{at:03}", "PP" if at == 0 else "PC")]
    comparison = held_against(rows, 1, 2)
    assert comparison.verdict == "inconclusive"
    assert transitions(comparison) == {"incomplete": 199, "still_passing": 1}
    assert not comparison.gate().ok
    assert "199 of 200" in comparison.headline


def test_nothing_is_concluded_where_nearly_all_are_removed() -> None:
    rows = [row for at in range(200) for row in history(f"e{at:03}", "PP" if at == 0 else "P.")]
    comparison = held_against(rows, 1, 2)
    assert comparison.verdict == "inconclusive"
    assert transitions(comparison) == {"removed": 199, "still_passing": 1}


def test_an_outage_is_not_a_regression_and_not_ok() -> None:
    rows = [row for at in range(50) for row in history(f"e{at:02}", "PPPE", block_id=f"b{at % 3}")]
    comparison = held_against(rows, 3, 4)
    assert transitions(comparison) == {"newly_errored": 50}
    assert comparison.verdict == "inconclusive"
    assert not comparison.gate().ok
    assert "outage" in comparison.headline
    assert "that is an outage, not a regression; run them again" in comparison.explain()
    assert comparison.reruns.height == 50


def test_an_outage_that_repeats_is_still_an_outage() -> None:
    rows = [row for at in range(50) for row in history(f"e{at:02}", "PEE", block_id=f"b{at % 3}")]
    assert transitions(held_against(rows, 1, (2, 3))) == {"newly_errored": 50}


def test_an_error_after_which_it_passes_is_nothing() -> None:
    comparison = held_against(history("e", "PEP"), 1, (2, 3))
    assert the_only(comparison)["transition"] == "still_passing"
    assert comparison.gate().ok


def test_errors_that_repeat_count_as_failures() -> None:
    once = the_only(held_against(history("e", "P" * 10 + "E", "A" * 10 + "B"), 10, 11))
    assert (once["transition"], once["p_regressed"]) == ("newly_errored", None)
    twice = the_only(held_against(history("e", "P" * 10 + "EEE", "A" * 10 + "BBB"), 10, (11, 13)))
    assert (twice["transition"], twice["cause"]) == ("regressed", "edit")
    assert twice["p_regressed"] > 0.9


@pytest.mark.parametrize("failures", [1, 2, 3, 4])
def test_one_failure_in_twenty_exempts_no_eval(failures: int) -> None:
    codes = "A" * 21 + "B" * failures
    rows = history("e", "P" * 19 + "FP" + "F" * failures, codes)
    row = the_only(held_against(rows, 21, (22, 21 + failures)))
    assert row["transition"] in CALLED
    assert row["transition"] == "regressed" or failures < 4


def test_a_failure_forty_runs_ago_exempts_no_eval() -> None:
    rows = history("e", "F" + "P" * 39 + "F", "A" * 40 + "B")
    assert the_only(held_against(rows, 40, 41))["transition"] in CALLED


def test_one_document_is_one_observation() -> None:
    rows: Rows = []
    for at in range(60):
        now = {"document_ids": ["one"], "document_names": ["one"]} if at < 12 else {}
        rows += history(f"e{at:02}", "PPPPPF" if at < 12 else "PPPPPP", "AAAAAB", **now)
    comparison = held_against(rows, 5, 6)
    broken = comparison.evals.filter(pl.col("transition").is_in(BROKEN))
    assert sorted(broken["eval_id"]) == [f"e{at:02}" for at in range(12)]
    summary = comparison.summary.row(0, named=True)
    assert (summary["n_evals"], summary["n_documents"]) == (60, 49)
    assert summary["p_value"] == 1.0


def test_a_break_is_where_it_began_and_not_at_the_last_flip() -> None:
    assert (
        the_only(held_against_own_past(history("e", "PPPPPFFFPFFF"), 12))["since_run_id"] == "run_6"
    )


def test_an_eval_that_was_edited_is_not_blamed_on_the_run() -> None:
    rows = [*history("e", "PPPP"), *history("e", "....FFFF", expected_value="9")]
    for comparison in (held_against(rows, 4, 8), held_against_own_past(rows, 8)):
        row = the_only(comparison)
        assert row["transition"] == "still_failing"
        assert row["reason"] == "never passed since it was edited on 23 May 2026"
    first = the_only(held_against(rows, 4, 5))
    assert (first["transition"], first["reason"]) == (
        "not_comparable",
        "expected value edited: earlier results say nothing about it",
    )


def test_five_of_a_hundred_without_history_are_named() -> None:
    rows: Rows = []
    for at in range(100):
        edited = at < 40
        rows += history(
            f"e{at:03}",
            "PF" if at < 5 else "PP",
            "AB" if edited else "AA",
            block_id="extract" if edited else "split",
        )
    comparison = compare(runs(rows, 1), runs(rows, 2))
    broken = comparison.evals.filter(pl.col("transition").is_in(BROKEN))
    assert sorted(broken["eval_id"]) == [f"e{at:03}" for at in range(5)]
    assert comparison.headline == "5 broke since an edit of extract, 95 unchanged"


def gap_and_break(end: str, codes: str) -> Rows:
    return [
        *history("gap", "F" * 18, "A" * 15 + codes),
        *history("e", "P" * 15 + end, "A" * 15 + codes),
    ]


def test_a_known_gap_never_counts_and_a_break_stays_red() -> None:
    rows = gap_and_break("FFF", "BBC")
    for run in (16, 17, 18):
        comparison = held_against_own_past(rows, run)
        assert transitions(comparison) == {"regressed": 1, "still_failing": 1}
        assert not comparison.gate().ok
        row = comparison.evals.row(0, named=True)
        assert (row["eval_id"], row["cause"], row["since_run_id"]) == ("e", "edit", "run_16")


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


def test_a_break_that_is_mended_is_green_again() -> None:
    rows = gap_and_break("FFP", "BBC")
    assert [held_against_own_past(rows, run).gate().ok for run in (16, 17, 18)] == [
        False,
        False,
        True,
    ]


def test_an_episode_that_was_mended_is_no_flakiness() -> None:
    rows = history("e", "PPPPFFFF" + "P" * 8 + "F", "A" * 8 + "B" * 8 + "C")
    for comparison in (held_against(rows, 16, 17), held_against_own_past(rows, 17)):
        assert the_only(comparison)["transition"] in CALLED


def test_an_eval_that_was_added_late_can_break() -> None:
    rows = [
        *history("old", "PF" + "F" * 8, "A" * 9 + "B"),
        *history("new", "....PPPPPF", "A" * 9 + "B"),
    ]
    comparison = held_against_own_past(rows, 10)
    assert comparison.evals.filter(eval_id="new")["transition"].item() == "regressed"
    assert not comparison.gate().ok


def test_the_headline_adds_up() -> None:
    rows = [
        *history("broken", "P" * 8 + "F", "A" * 8 + "B"),
        *history("gap", "F" * 9, "A" * 8 + "B"),
        *history("fine", "P" * 9, "A" * 8 + "B"),
        *history("new", "........F", "A" * 8 + "B"),
        *history("gone", "P" * 8 + ".", "A" * 9),
        *history("stopped", "P" * 8 + "C", "A" * 8 + "B"),
        *history("crashed", "P" * 8 + "E", "A" * 8 + "B"),
    ]
    comparison = held_against_own_past(rows, 9)
    numbers = [
        int(each) for each in comparison.headline.replace("(", " ").split() if each.isdigit()
    ]
    unchanged = comparison.headline.index("unchanged")
    assert comparison.headline[:unchanged].rstrip().endswith("2")
    assert sum(numbers) - 2 == comparison.evals.height == 7
