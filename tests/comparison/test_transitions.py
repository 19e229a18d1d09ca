"""What became of an eval, rule by rule: the first that fits is it."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    hand_made,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    runs,
    suite,
    the_only,
)
from support.frames import results
from support.inside import (
    EVALS_SCHEMA,
    SAME_EVAL,
    TRANSITIONS,
    compare,
    find_transition,
    order_evals,
)

KNOWN = pl.Schema(
    {
        **dict.fromkeys(("state", "c_state"), pl.String()),
        **dict.fromkeys(("pass_rate", "c_pass_rate", "p_regressed", "p_improved"), pl.Float64()),
        **dict.fromkeys(("has_earlier", "has_candidate", "is_comparable"), pl.Boolean()),
        **dict.fromkeys(
            ("failed_before", "passed_before", "passes_now", "errors_repeat"), pl.Boolean()
        ),
    }
)


def judge(before: str | None, now: str | None, p: float | None = None, **more: Any) -> str:
    """The transition of one eval of which all is known."""
    row = {
        "state": before,
        "c_state": now,
        "pass_rate": {"passed": 1.0, "mixed": 0.5}.get(before or "", 0.0),
        "c_pass_rate": {"passed": 1.0, "mixed": 0.5}.get(now or "", 0.0),
        "p_regressed": p,
        "p_improved": 0.5,
        "has_earlier": True,
        "has_candidate": True,
        "is_comparable": True,
        "failed_before": before in ("failed", "blocked", "mixed"),
        "passed_before": before in ("passed", "mixed"),
        "passes_now": now in ("passed", "mixed"),
        "errors_repeat": False,
    }
    frame = pl.DataFrame([row | more], schema=KNOWN)
    return str(frame.select(find_transition()).item())


@pytest.mark.parametrize("now", ["passed", "failed", "error", "unscored"])
def test_without_anything_earlier_it_is_added(now: str) -> None:
    assert judge(None, now, has_earlier=False, is_comparable=False) == "added"


@pytest.mark.parametrize("before", ["passed", "failed", "error", "unscored"])
def test_without_anything_now_it_is_removed(before: str) -> None:
    assert judge(before, None, has_candidate=False) == "removed"


@pytest.mark.parametrize("now", ["passed", "failed", "blocked", "error", "unscored", "mixed"])
def test_what_is_nowhere_comparable_is_never_a_regression(now: str) -> None:
    assert judge("passed", now, 0.99, is_comparable=False) == "not_comparable"


@pytest.mark.parametrize("undecided", ["unscored", "cancelled"])
@pytest.mark.parametrize("other", ["passed", "failed", "error", "mixed"])
def test_a_side_without_a_verdict_is_incomplete(undecided: str, other: str) -> None:
    assert judge(undecided, other, 0.99) == "incomplete"
    assert judge(other, undecided, 0.99) == "incomplete"


@pytest.mark.parametrize(
    ("before", "transition"),
    [
        ("passed", "newly_errored"),
        ("mixed", "newly_errored"),
        ("failed", "still_failing"),
        ("blocked", "still_failing"),
        ("error", "still_failing"),
    ],
)
def test_an_error_is_news_where_it_passed(before: str, transition: str) -> None:
    assert judge(before, "error") == transition


def test_errors_that_repeat_are_judged_like_failures() -> None:
    assert judge("passed", "error", 0.7, errors_repeat=True) == "regressed"
    assert judge("passed", "error", 0.2, errors_repeat=True) == "suspect"
    assert judge("failed", "error", 0.7, errors_repeat=True) == "still_failing"


@pytest.mark.parametrize("before", ["passed", "mixed"])
@pytest.mark.parametrize(
    ("p", "transition"),
    [(0.5, "regressed"), (0.499, "suspect"), (0.051, "suspect"), (1.0, "regressed")],
)
def test_the_probability_decides_what_a_failure_is_called(
    before: str, p: float, transition: str
) -> None:
    assert judge(before, "failed", p, failed_before=True) == transition
    blocked = "newly_blocked" if transition == "regressed" else transition
    assert judge(before, "blocked", p, failed_before=True) == blocked


def test_flaky_needs_an_improbable_break_and_a_reason_to_call_it_so() -> None:
    assert judge("passed", "failed", 0.05, failed_before=True) == "flaky"
    assert judge("passed", "failed", 0.05, failed_before=False) == "suspect"
    assert judge("passed", "mixed", 0.05, failed_before=False) == "flaky"
    assert judge("passed", "failed", 0.051, failed_before=True) == "suspect"


def test_a_lower_rate_is_a_fall_and_a_higher_one_is_not() -> None:
    assert judge("mixed", "mixed", 0.9, pass_rate=0.8, c_pass_rate=0.2) == "regressed"
    assert judge("mixed", "mixed", 0.9, pass_rate=0.5, c_pass_rate=0.5) == "flaky"
    assert judge("mixed", "mixed", 0.9, pass_rate=0.2, c_pass_rate=0.8) == "flaky"
    assert judge("passed", "mixed", 0.9) == "regressed"


@pytest.mark.parametrize("before", ["failed", "blocked", "error"])
def test_what_did_not_pass_and_passes_is_fixed(before: str) -> None:
    assert judge(before, "passed", 0.0) == "fixed"


def test_a_pass_of_a_flaky_eval_is_not_a_mend() -> None:
    both = {"failed_before": True, "passed_before": True}
    assert judge("failed", "passed", 0.0, p_improved=0.05, **both) == "flaky"
    assert judge("failed", "passed", 0.0, p_improved=0.06, **both) == "fixed"
    assert judge("failed", "passed", 0.0, p_improved=None, **both) == "fixed"
    never = {"failed_before": True, "passed_before": False}
    assert judge("failed", "passed", 0.0, p_improved=0.01, **never) == "fixed"


@pytest.mark.parametrize(
    ("before", "now", "transition"),
    [
        ("passed", "passed", "still_passing"),
        ("mixed", "passed", "still_passing"),
        ("failed", "failed", "still_failing"),
        ("failed", "blocked", "still_failing"),
        ("blocked", "failed", "still_failing"),
        ("error", "failed", "still_failing"),
        ("failed", "mixed", "flaky"),
        ("error", "mixed", "flaky"),
    ],
)
def test_the_rest_is_what_it_is_now(before: str, now: str, transition: str) -> None:
    assert judge(before, now, 0.3) == transition


def test_every_pair_of_states_has_a_transition() -> None:
    states = ("passed", "failed", "blocked", "error", "unscored", "cancelled", "mixed")
    for before in states:
        for now in states:
            for p in (None, 0.01, 0.3, 0.9):
                assert judge(before, now, p) in TRANSITIONS


# Through ``compare``


@pytest.mark.parametrize(
    ("before", "after", "transition"),
    [
        (".", "P", "added"),
        (".", "U", "added"),
        ("P", ".", "removed"),
        ("P", "P", "still_passing"),
        ("F", "P", "fixed"),
        ("B", "P", "fixed"),
        ("F", "B", "still_failing"),
        ("E", "F", "still_failing"),
        ("E", "E", "still_failing"),
        ("P", "E", "newly_errored"),
        ("C", "P", "incomplete"),
        ("P", "U", "incomplete"),
        ("U", "C", "incomplete"),
    ],
)
def test_one_run_against_one(before: str, after: str, transition: str) -> None:
    row = the_only(suite(before, after))
    assert row["transition"] == transition
    if transition in ("added", "removed", "incomplete", "newly_errored"):
        assert row["p_regressed"] is None


@pytest.mark.parametrize(
    ("past", "now", "state"),
    [
        ("PPP", "FFF", ("passed", "failed")),
        ("PPP", "FFB", ("passed", "failed")),
        ("PPP", "FB", ("passed", "blocked")),
        ("PFP", "PFF", ("mixed", "mixed")),
        # What was not decided does not count beside what was.
        ("CCP", "FCE", ("passed", "failed")),
        ("PUE", "UPC", ("passed", "passed")),
        ("EUC", "UEC", ("error", "error")),
        ("UCC", "CCC", ("unscored", "cancelled")),
    ],
)
def test_the_states_of_several_results(past: str, now: str, state: tuple[str, str]) -> None:
    rows = history("e", past + now)
    both = len(past), len(past) + 1, len(past + now)
    row = the_only(held_against(rows, (1, both[0]), (both[1], both[2])))
    assert (row["baseline_state"], row["candidate_state"]) == state
    decided = [sum(letter in "PFB" for letter in side) for side in (past, now)]
    assert [row["baseline_n"], row["candidate_n"]] == decided


OTHER = {
    "handle_inputs_fingerprint": ("other", "inputs edited"),
    "condition_kind": ("contains", "condition edited"),
    "expected_value": ("9", "expected value edited"),
}


@pytest.mark.parametrize("name", SAME_EVAL)
@pytest.mark.parametrize("letters", ["PF", "PP", "FF", "FP", "PE"])
def test_an_edited_eval_is_not_comparable(name: str, letters: str) -> None:
    value, reason = OTHER[name]
    before = results(*history("e", letters[0] + "."))
    after = results(*history("e", "." + letters[1], **{name: value}))
    row = the_only(compare(before, after))
    assert (row["transition"], row["p_regressed"]) == ("not_comparable", None)
    assert row["reason"] == f"{reason}: earlier results say nothing about it"
    unknown = results(*history("e", "." + letters[1], **{name: None}))
    assert the_only(compare(before, unknown))["transition"] != "not_comparable"
    assert the_only(compare(unknown, after))["transition"] != "not_comparable"


def test_two_edits_are_both_named() -> None:
    after = history("e", ".F", handle_inputs_fingerprint="x", expected_value="9")
    row = the_only(compare(results(*history("e", "P.")), results(*after)))
    assert row["reason"].startswith("inputs and expected value edited:")


def test_one_comparable_result_among_the_earlier_ones_is_enough() -> None:
    rows = [*history("e", "P.F", expected_value="9"), *history("e", ".P.")]
    row = the_only(held_against(rows, 2, 3))
    assert row["transition"] != "not_comparable"
    assert (row["baseline_run_id"], row["baseline_state"]) == ("run_1", "passed")


def test_where_the_baseline_has_no_verdict_the_newest_of_the_history_stands_in() -> None:
    row = the_only(held_against(history("e", "PFPCF"), 4, 5))
    assert (row["baseline_run_id"], row["baseline_state"]) == ("run_3", "passed")
    errors = the_only(held_against(history("e", "PFPEF"), 4, 5))
    assert errors["baseline_run_id"] == "run_3"
    alone = the_only(held_against(history("e", "CEF"), 1, 3))
    assert (alone["baseline_state"], alone["transition"]) == ("error", "still_failing")


def test_an_eval_that_passes_now_is_held_against_its_newest_decided_result() -> None:
    for letters, newest in (("PFEUP", ("run_2", "failed")), ("FPEP", ("run_2", "passed"))):
        row = the_only(held_against_own_past(history("e", letters), len(letters)))
        assert (row["baseline_run_id"], row["baseline_state"]) == newest


def test_an_eval_that_only_the_history_has_is_not_told_of() -> None:
    rows = [*history("e", "PPP"), *history("gone", "P..")]
    assert held_against(rows, 2, 3).evals["eval_id"].to_list() == ["e"]
    assert held_against_own_past(rows, 3).evals["eval_id"].to_list() == ["e"]


def test_an_earlier_run_of_half_as_many_evals_says_what_there_was() -> None:
    rows = [*history("a", "PPP"), *history("b", "P.P"), *history("long ago", "P..")]
    assert sorted(held_against_own_past(rows, 3).evals["eval_id"]) == ["a", "b"]


def test_an_eval_that_the_newest_earlier_run_had_is_removed() -> None:
    rows = [*history("e", "PPP"), *history("f", "PPP"), *history("gone", "PP.")]
    for comparison in (held_against(rows, 2, 3), held_against_own_past(rows, 3)):
        gone = comparison.evals.filter(eval_id="gone").row(0, named=True)
        assert gone["transition"] == "removed"
        assert (gone["candidate_state"], gone["candidate_n"]) == (None, 0)


def test_a_reason_says_since_when_how_often_and_what_would_settle_it() -> None:
    rows = history("e", "P" * 20 + "FPF", "A" * 20 + "BBB", failure_code="wrong")
    worse = the_only(held_against(rows, 20, (21, 23)))
    assert worse["reason"] == (
        "worse since vB (8 Jun 2026, 3 runs): 1 of 3 passed; before, 20 of 20; its block was "
        "edited then"
    )
    assert (worse["candidate_state"], worse["failure"]) == ("mixed", "wrong")
    suspect = the_only(held_against(history("e", "P" * 6 + "F"), 6, 7))
    assert suspect["reason"] == (
        "passed 0 of 1; before, 6 of 6 in a block that nobody edited; 4 more failures confirm it, "
        "2 more passes clear it"
    )


def test_counts_of_a_reason_are_those_of_both_sides() -> None:
    flaky = the_only(held_against_own_past(history("e", "FFFPFFFFFF"), 10))
    assert flaky["transition"] == "flaky"
    assert flaky["reason"] == (
        "passed 1 of 9 before and 0 of 1 now: this eval alone shows no lasting change"
    )
    mended = the_only(held_against(history("e", "PPPPPFFFFP", "A" * 9 + "B"), 9, 10))
    assert mended["transition"] == "fixed"
    assert mended["reason"] == "passed 1 of 1; before, 5 of 9"
    first = the_only(held_against(history("e", "F" * 10 + "FP"), 10, (11, 12)))
    assert (first["transition"], first["reason"]) == (
        "flaky",
        "passed 0 of 10 before and 1 of 2 now",
    )


def test_what_passes_again_and_may_not_be_mended_is_not_called_worse() -> None:
    rows = [
        *history("e", "PPPPPPFFFFFFP"),
        *(row for at in range(9) for row in history(f"fine{at}", "P" * 13)),
    ]
    row = held_against_own_past(rows, 13).evals.filter(eval_id="e").row(0, named=True)
    assert row["transition"] == "fixed"
    assert re.fullmatch(
        r"passed 1 of 1; before, 6 of 12; it may still fail now and then \(with a probability of "
        r"at least 0\.[5-9]\d\): 1 of 7 passed since it broke, 6 of 6 before that; run it again",
        row["reason"],
    )


def test_of_a_code_that_changed_somewhere_in_between_no_cause_is_named() -> None:
    code = "block_execution_fingerprint"
    known = {f"run_{at}": {code: letter} for at, letter in enumerate("AAAA  BB", 1)}
    known |= {run: {code: None} for run in ("run_5", "run_6")}
    rows = history("e", "PPPPPFFF", workflow_version_id=None)
    rows += many_evals(4, "P" * 8, workflow_version_id=None)
    rows = [row | known[row["run_id"]] for row in rows]
    row = held_against(rows, 7, 8).evals.filter(eval_id="e").row(0, named=True)
    assert (row["since_run_id"], row["cause"]) == ("run_6", "unknown")
    assert row["reason"].endswith("0 of 3 passed; before, 5 of 5")


@pytest.mark.parametrize("own_past", [False, True])
def test_an_eval_that_was_moved_to_another_block_is_not_said_to_be_edited(own_past: bool) -> None:
    there = {"block_id": "b", "block_execution_fingerprint": "B"}
    rows = [
        *history("e", "P" * 10),
        *history("e", "." * 10 + "FFF", **there),
        *(row for at in range(5) for row in history(f"there{at}", "P" * 13, **there)),
        *many_evals(5, "P" * 13),
    ]
    made = held_against_own_past(rows, 13) if own_past else held_against(rows, 10, (11, 13))
    row = made.evals.filter(eval_id="e").row(0, named=True)
    assert (row["transition"], row["cause"], row["block_changed"]) == ("regressed", "unknown", None)
    said = ": 0 of 3 passed; before, 10 of 10; it was moved to another block since"
    assert row["reason"].endswith(said)
    assert "edited" not in made.explain() + made.headline


def test_a_suspect_that_was_moved_to_another_block_is_said_to_be() -> None:
    rows = [*history("e", "PPP"), *history("e", "...F", block_id="b")]
    rows += many_evals(9, "PPPP", block_id="b")
    suspect = held_against(rows, 3, 4).evals.filter(eval_id="e").row(0, named=True)
    assert (suspect["transition"], suspect["cause"]) == ("suspect", "unknown")
    assert "before, 3 of 3; it was moved to another block since; " in suspect["reason"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("U", "P", "only unscored before"),
        ("P", "C", "cancelled now"),
        ("U", "C", "cancelled now, only unscored before"),
        (".", "F", "no earlier result; failed now"),
        ("P", ".", "not among the candidate's results"),
        ("F", "F", "never passed"),
        ("F", "E", "did not pass before, and ended in an error now"),
        ("P", "E", "ended in an error, which is not a verdict; run it again"),
        ("P", "P", None),
    ],
)
def test_the_reasons(before: str, after: str, reason: str | None) -> None:
    assert the_only(suite(before, after))["reason"] == reason


def test_an_error_claims_no_more_of_its_reruns_than_the_model_does() -> None:
    steady = the_only(held_against(history("e", "P" * 3 + "E"), 3, 4))
    # On code that nobody edited five failures after three passes do not reach 0.95.
    assert (steady["reruns_to_clear"], steady["reruns_to_confirm"]) == (1, None)
    failing = [history("e", "P" * 10 + "F" * n, "A" * 10 + "B" * n) for n in range(1, 6)]
    sure = [
        the_only(held_against(rows, 10, (11, 10 + n)))["p_regressed"] >= 0.95
        for n, rows in enumerate(failing, 1)
    ]
    edited = the_only(held_against(history("e", "P" * 10 + "E", "A" * 10 + "B"), 10, 11))
    assert edited["reruns_to_confirm"] == sure.index(True) + 1


def test_the_plan_of_reruns_is_what_further_runs_do() -> None:
    rows = history("e", "P" * 10 + "F" * 4, "A" * 10 + "B" * 4)
    first = the_only(held_against(rows, 10, 11))
    assert first["reruns_to_confirm"] >= 1
    after = [the_only(held_against(rows, 10, (11, 11 + n))) for n in range(4)]
    sure = [row["p_regressed"] >= 0.95 for row in after]
    assert sure.index(True) == first["reruns_to_confirm"]
    passes = history("e", "P" * 10 + "F" + "P" * 5, "A" * 10 + "B" * 6)
    clear = [the_only(held_against(passes, 10, (11, 11 + n)))["p_regressed"] for n in range(6)]
    needed = first["reruns_to_clear"]
    if needed is None:
        assert min(clear) > 0.05
    else:
        assert [p <= 0.05 for p in clear[: needed + 1]] == [False] * needed + [True]


def test_the_columns_and_what_is_beside_one_another() -> None:
    rows = history("e", "PF", "AB", score=0.5, threshold=0.8)
    rows[1] |= {"score": 0.25, "duration_ms": 1500, "failure_code": "x", "failure_message": "y"}
    comparison = compare(runs(rows, 1), runs(rows, 2))
    assert comparison.evals.schema == EVALS_SCHEMA
    row = the_only(comparison)
    assert (row["score_delta"], row["margin_delta"], row["duration_delta_ms"]) == (
        *(-0.25, -0.25),
        500,
    )
    assert (row["failure"], row["block_changed"]) == ("x: y", True)
    assert (row["baseline_result_id"], row["candidate_result_id"]) == ("e/1", "e/2")
    assert (row["baseline_actual"], row["candidate_actual"]) == ("1", "2")


@pytest.mark.parametrize(
    ("codes", "diff", "changed"),
    [
        ("AA", None, False),
        ("AB", None, True),
        ("AA", ["block_1"], True),
        ("AB", [], False),
        ("AB", ["other"], False),
    ],
)
def test_what_changed_comes_from_the_version_diff_where_there_is_one(
    codes: str, diff: list[str] | None, changed: bool
) -> None:
    rows = history("e", "PF", codes)
    told = (
        None if diff is None else pl.DataFrame({"block_id": diff}, schema={"block_id": pl.String})
    )
    row = the_only(compare(runs(rows, 1), runs(rows, 2), version_diff=told))
    assert row["block_changed"] is changed
    unknown = history("e", "PF", block_execution_fingerprint=None)
    row = the_only(compare(runs(unknown, 1), runs(unknown, 2), version_diff=told))
    assert row["block_changed"] is (None if diff is None else changed)


def test_what_needs_attention_comes_first() -> None:
    rows = [
        {"transition": "still_passing", "eval_id": "z"},
        {"transition": "suspect", "eval_id": "b", "p_regressed": 0.2},
        {"transition": "suspect", "eval_id": "a", "p_regressed": 0.4},
        {"transition": "regressed", "eval_id": "y", "p_regressed": 0.6, "block_id": "two"},
        {"transition": "regressed", "eval_id": "x", "p_regressed": 0.6, "block_id": "one"},
        {"transition": "fixed", "eval_id": "f"},
    ]
    frame = pl.DataFrame([dict.fromkeys(EVALS_SCHEMA) | row for row in rows], schema=EVALS_SCHEMA)
    assert order_evals(frame)["eval_id"].to_list() == ["x", "y", "a", "b", "f", "z"]


def test_evals_that_are_equally_sure_stay_together_by_block() -> None:
    rows = [
        {"transition": "regressed", "eval_id": "x", "p_regressed": 0.9991, "block_id": "one"},
        {"transition": "regressed", "eval_id": "y", "p_regressed": 0.9994, "block_id": "two"},
        {"transition": "regressed", "eval_id": "z", "p_regressed": 0.9988, "block_id": "one"},
        {"transition": "regressed", "eval_id": "first", "p_regressed": 0.9996, "block_id": "two"},
    ]
    assert order_evals(hand_made(*rows))["eval_id"].to_list() == ["first", "x", "z", "y"]
