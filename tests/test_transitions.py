"""The eleven transitions, rule by rule, and what has to hold for any two sides."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import many, result, results

from retab_analysis import stats
from retab_analysis.comparison import Comparison, compare
from retab_analysis.comparison.transitions import EVALS_SCHEMA, TRANSITIONS

INPUTS, CODE = "handle_inputs_fingerprint", "block_execution_fingerprint"
Rows = list[dict[str, Any]]


def only(baseline: Rows, candidate: Rows, history: Rows = (), **more: Any) -> dict[str, Any]:  # type: ignore[assignment]
    past = results(*history) if history else None
    compared = compare(results(*baseline), results(*candidate), history=past, **more)
    return compared.evals.row(0, named=True)


def e(states: str, first_run: int = 1, **more: Any) -> Rows:
    return many("e", states, first_run, **more)


PAST, NOW = 50, 90


@pytest.mark.parametrize(
    ("before", "after", "transition"),
    [
        ("", "P", "added"),
        ("P", "", "removed"),
        ("P", "P", "still_passing"),
        ("P", "F", "regressed"),
        ("P", "B", "newly_blocked"),
        ("P", "E", "newly_errored"),
        ("F", "P", "fixed"),
        ("B", "P", "fixed"),
        ("E", "P", "fixed"),
        ("F", "B", "still_failing"),
        ("E", "F", "still_failing"),
        ("B", "B", "still_failing"),
        ("C", "P", "incomplete"),
        ("P", "U", "incomplete"),
        ("U", "C", "incomplete"),
        ("", "U", "added"),
        # Undecided results do not count beside decided ones.
        ("PU", "FC", "regressed"),
        ("CCCP", "UP", "still_passing"),
        # Several results that agree.
        ("PPP", "FFF", "regressed"),
        ("PPP", "FFB", "regressed"),
        ("PPP", "FB", "newly_blocked"),
        ("PPP", "FBE", "newly_errored"),
        ("PPP", "FFEE", "newly_errored"),
        # Mixed, and Fisher's test finds nothing, or does.
        ("PF", "P", "flaky"),
        ("P", "PF", "flaky"),
        ("PPF", "FPP", "flaky"),
        ("PF", "F", "flaky"),
        ("P" * 10, "PPFFFFFFFF", "regressed"),
        ("PPEEEEEEEE", "P" * 10, "fixed"),
        ("PPPPPPPPPF", "B" * 10, "regressed"),
    ],
)
def test_what_the_states_come_to(before: str, after: str, transition: str) -> None:
    assert only(e(before), e(after, NOW))["transition"] == transition


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({INPUTS: "other"}, "inputs changed"),
        ({"condition_kind": "contains"}, "condition changed"),
        ({"expected_value": "3"}, "expected value changed"),
        ({INPUTS: "other", "expected_value": "3"}, "inputs and expected value changed"),
    ],
)
@pytest.mark.parametrize("states", ["PF", "PP", "PU", "FP"])
def test_what_is_not_the_same_is_not_comparable(
    change: dict[str, str], reason: str, states: str
) -> None:
    row = only(e(states[0]), e(states[1], NOW, **change))
    assert (row["transition"], row["reason"]) == ("not_comparable", reason)
    unknown = dict.fromkeys(change)
    assert only(e(states[0]), e(states[1], NOW, **unknown))["transition"] != "not_comparable"


def test_two_kinds_of_inputs_on_one_side_are_no_single_kind() -> None:
    both = [*e("P"), *e("P", 2, **{INPUTS: "other"})]
    assert only(both, e("F", NOW))["reason"] == "inputs changed"
    assert only(both, both)["transition"] == "still_passing"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("U", "P", "baseline unscored"),
        ("P", "C", "candidate cancelled"),
        ("U", "C", "baseline unscored, candidate cancelled"),
        ("PF", "P", "passed 1 of 2, then 1 of 1"),
        ("P" * 10, "PPFFFFFFFF", "passed 10 of 10, then 2 of 10 (p = 0.00071)"),
        ("P", "F", None),
        ("P", "P", None),
    ],
)
def test_the_reasons(before: str, after: str, reason: str | None) -> None:
    assert only(e(before), e(after, NOW))["reason"] == reason


@pytest.mark.parametrize(
    ("before", "after", "past", "transition", "reason"),
    [
        ("P", "F", "PPFPFPPPFP", "flaky", "failed 3 of 10 earlier runs on identical code"),
        ("F", "P", "PPFPFPPPFP", "flaky", "failed 3 of 10 earlier runs on identical code"),
        ("P", "B", "PPFPBPPPPP", "flaky", "failed 2 of 10 earlier runs on identical code"),
        # The history never flips.
        ("P", "F", "PPPPPPPPPP", "regressed", None),
        ("P", "F", "FFFFFFFFFF", "regressed", None),
        ("P", "F", "", "regressed", None),
        # It flips, but so seldom that this flip is a surprise.
        (
            "P",
            "F",
            "F" + "P" * 59,
            "regressed",
            "failed 1 of 60 earlier runs on identical code (p = 0.032)",
        ),
        (
            "F",
            "P",
            "F" + "P" * 59,
            "fixed",
            "failed 1 of 60 earlier runs on identical code (p = 0.032)",
        ),
        # Three runs on each side say more than one.
        (
            "PPP",
            "FFF",
            "PPFPFPPPFP",
            "regressed",
            "failed 3 of 10 earlier runs on identical code (p = 0.015)",
        ),
        # An error is no verdict; what counts is what happened here.
        ("P", "F", "PPEPEPPPEP", "regressed", None),
        ("P", "E", "PPEPEPPPEP", "flaky", "errored in 3 of 10 earlier runs on identical code"),
        ("P", "E", "PPFPFPPPFP", "newly_errored", None),
        ("E", "P", "PPEPEPPPEP", "flaky", "errored in 3 of 10 earlier runs on identical code"),
        # Where nothing flips, the history does not matter; nor does what was not decided.
        ("P", "P", "PPFPFPPPFP", "still_passing", None),
        ("F", "E", "PPFPFPPPFP", "still_failing", None),
        ("P", "F", "UUCPFPCUUC", "flaky", "failed 1 of 3 earlier runs on identical code"),
    ],
)
def test_what_the_history_says(
    before: str, after: str, past: str, transition: str, reason: str | None
) -> None:
    row = only(e(before), e(after, 500), e(past, PAST))
    assert (row["transition"], row["reason"]) == (transition, reason)


@pytest.mark.parametrize(
    ("change", "transition"),
    [
        ({INPUTS: "other"}, "regressed"),
        ({INPUTS: None}, "regressed"),
        ({"expected_value": "7"}, "regressed"),
        ({"condition_kind": "contains"}, "regressed"),
        ({"condition_kind": None, "expected_value": None}, "flaky"),
        ({CODE: "older"}, "flaky"),
        ({CODE: None}, "flaky"),
        ({CODE: None, "workflow_version_id": None}, "regressed"),
    ],
)
def test_only_identical_runs_tell_of_flakiness(change: dict[str, Any], transition: str) -> None:
    row = only(e("P"), e("F", NOW), e("PFPFPF", PAST, **change))
    assert row["transition"] == transition


@pytest.mark.parametrize("unknown", [{INPUTS: None}, {"expected_value": None}])
def test_what_one_side_does_not_know_the_other_tells(unknown: dict[str, Any]) -> None:
    other = {name: "other" for name in unknown}
    for history, flips in ((e("PFPFPF", PAST), True), (e("PFPFPF", PAST, **other), False)):
        for sides in ((e("P", **unknown), e("F", NOW)), (e("P"), e("F", NOW, **unknown))):
            assert only(*sides, history)["transition"] == ("flaky" if flips else "regressed")


def test_a_version_that_was_broken_does_not_make_an_eval_flaky() -> None:
    history = [*e("PPPP", PAST), *e("FFFF", PAST + 10, **{CODE: "broken"})]
    assert only(e("P"), e("F", NOW), history)["transition"] == "regressed"


def test_the_compared_runs_are_no_history() -> None:
    flipping = e("PFPF", PAST)
    history = [*flipping, *e("P"), *e("F", NOW)]
    row = only(e("P"), e("F", NOW), history)
    assert row["reason"] == "failed 2 of 4 earlier runs on identical code"
    assert (
        only(e("PF", PAST), e("FF", PAST + 2), flipping)["reason"] == "passed 1 of 2, then 0 of 2"
    )


@pytest.mark.parametrize(
    ("old", "new", "diff", "changed"),
    [
        ("a", "a", None, False),
        ("a", "b", None, True),
        (None, "b", None, None),
        ("a", None, None, None),
        ("a", "a", ["block_1"], True),
        ("a", "b", ["block_2"], False),
        ("a", "b", [], False),
    ],
)
def test_whether_the_block_changed(
    old: str | None, new: str | None, diff: list[str] | None, changed: bool | None
) -> None:
    frame = (
        None if diff is None else pl.DataFrame({"block_id": diff}, schema={"block_id": pl.String})
    )
    row = only(e("P", **{CODE: old}), e("F", NOW, **{CODE: new}), version_diff=frame)
    assert row["block_changed"] is changed


def test_the_other_columns() -> None:
    before = e("P", eval_name="old", score=0.9, threshold=0.5, duration_ms=100, actual_value='"a"')
    after = e(
        "F", NOW, eval_name="new", score=0.4, threshold=0.6, duration_ms=70, actual_value='"b"'
    )
    row = only(before, after)
    expected = {
        "eval_name": "new",
        "block_id": "block_1",
        "document_names": ["a.pdf"],
        "expected_value": "1",
        "baseline_actual": '"a"',
        "candidate_actual": '"b"',
        "baseline_state": "passed",
        "candidate_state": "failed",
        "baseline_n": 1,
        "candidate_n": 1,
        "baseline_pass_rate": 1.0,
        "candidate_pass_rate": 0.0,
        "duration_delta_ms": -30,
        "eval_id": "e",
        "baseline_run_id": "run_1",
        "candidate_run_id": f"run_{NOW}",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["score_delta"] == pytest.approx(-0.5)
    assert row["margin_delta"] == pytest.approx(-0.6)


def test_the_result_that_is_shown() -> None:
    """The newest that has the eval's state, or that did not pass where it is mixed."""
    mixed = [*e("F", 1, actual_value='"1"'), *e("F", 2, actual_value='"2"'), *e("P", 3)]
    failing = [*e("E", 1), *e("F", 2, actual_value='"2"'), *e("F", 3), *e("U", 4)]
    row = only(mixed, failing)
    assert (row["baseline_actual"], row["baseline_run_id"]) == ('"2"', "run_2")
    assert (row["candidate_state"], row["candidate_run_id"]) == ("failed", "run_3")
    assert (row["baseline_n"], row["candidate_n"]) == (3, 3)


def test_absent_sides_are_empty() -> None:
    row = only([], e("U"))
    assert (row["baseline_state"], row["baseline_n"], row["candidate_n"]) == (None, 0, 0)
    assert row["candidate_pass_rate"] is None
    assert row["score_delta"] is None


def test_what_needs_attention_comes_first() -> None:
    before = [result(f"e{at}", "failed" if at in (3, 8) else "passed") for at in range(9)]
    after = [
        result("e0", "passed", NOW),
        result("e1", "failed", NOW),
        result("e2", "failed", NOW, **{CODE: "new"}),
        result("e3", "passed", NOW),
        result("e4", "error", NOW),
        result("e5", "blocked", NOW),
        result("e6", "unscored", NOW),
        result("e8", "failed", NOW),
        result("e9", "passed", NOW),
    ]
    evals = compare(results(*before), results(*after)).evals
    assert evals.select("eval_id", "transition").rows() == [
        ("e2", "regressed"),
        ("e1", "regressed"),
        ("e5", "newly_blocked"),
        ("e4", "newly_errored"),
        ("e3", "fixed"),
        ("e6", "incomplete"),
        ("e7", "removed"),
        ("e9", "added"),
        ("e8", "still_failing"),
        ("e0", "still_passing"),
    ]


def test_empty_frames_give_an_empty_frame_of_the_right_schema() -> None:
    empty = results()
    assert compare(empty, empty, history=empty).evals.schema == EVALS_SCHEMA
    assert compare(results(*e("P")), results(*e("F", NOW))).evals.schema == EVALS_SCHEMA


STATES = st.sampled_from(["passed", "failed", "blocked", "error", "cancelled", "unscored", "new"])
ROWS = st.builds(
    lambda number, state, run, inputs, code, score: result(
        f"e{number}",
        state,
        run,
        result_id=f"{number}/{state}/{run}/{inputs}/{code}/{score}",
        score=score,
        threshold=0.5,
        **{INPUTS: inputs, CODE: code},
    ),
    st.integers(0, 3),
    STATES,
    st.integers(1, 3),
    st.sampled_from(["in", "in", "in", "other", None]),
    st.sampled_from(["code", "code", "new", None]),
    st.sampled_from([None, 0.25, 0.7]),
)
FRAMES = st.lists(ROWS, max_size=12, unique_by=lambda row: row["result_id"])


def renamed(rows: Rows, prefix: str) -> Rows:
    return [row | {"run_id": f"{prefix}{row['run_id']}"} for row in rows]


def compared(before: Rows, after: Rows, past: Rows) -> Comparison:
    return compare(
        results(*renamed(before, "b")),
        results(*renamed(after, "c")),
        history=results(*renamed(past, "h")),
    )


@settings(deadline=None, max_examples=60)
@given(FRAMES, FRAMES, FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    before: Rows, after: Rows, past: Rows, random: Any
) -> None:
    first = compared(before, after, past)
    for rows in (before, after, past):
        random.shuffle(rows)
    second = compared(before, after, past)
    assert first.evals.equals(second.evals)
    assert first.summary.equals(second.summary)


MIRROR = {"added": "removed", "removed": "added", "fixed": "broke"} | dict.fromkeys(
    ("regressed", "newly_blocked", "newly_errored"), "fixed"
)


@settings(deadline=None, max_examples=60)
@given(FRAMES, FRAMES, FRAMES)
def test_swapping_the_sides_mirrors(before: Rows, after: Rows, past: Rows) -> None:
    there, back = compared(before, after, past), compared(after, before, past)
    for one, two in ((there, back), (back, there)):
        others = dict(two.evals.select("eval_id", "transition").iter_rows())
        for eval_id, transition in one.evals.select("eval_id", "transition").iter_rows():
            expected = MIRROR.get(transition, transition)
            found = others[eval_id]
            assert expected == ("broke" if MIRROR.get(found) == "fixed" else found)
    first, second = (each.summary.row(0, named=True) for each in (there, back))
    assert first["p_value"] == second["p_value"]
    if first["n_pairs"]:
        assert first["delta"] == -second["delta"]
        assert first["delta_low"] == pytest.approx(-second["delta_high"])


@settings(deadline=None, max_examples=60)
@given(FRAMES, FRAMES)
def test_a_frame_with_itself_gives_no_change(rows: Rows, past: Rows) -> None:
    frame = results(*rows)
    same = compare(frame, frame, history=results(*renamed(past, "h")))
    assert set(same.evals["transition"]) <= {
        "still_passing",
        "still_failing",
        "incomplete",
        "flaky",
    }
    summary = same.summary.row(0, named=True)
    assert summary["n_discordant"] == 0
    assert same.verdict == ("no_change" if summary["n_pairs"] else "inconclusive")


@settings(deadline=None, max_examples=60)
@given(FRAMES, FRAMES, FRAMES)
def test_every_eval_has_one_row_and_one_transition(before: Rows, after: Rows, past: Rows) -> None:
    made = compared(before, after, past)
    assert sorted(made.evals["eval_id"]) == sorted({row["eval_id"] for row in [*before, *after]})
    counts = made.summary.select(TRANSITIONS).row(0)
    assert sum(counts) == made.evals.height
    row = made.summary.row(0, named=True)
    broke = row["regressed"] + row["newly_blocked"] + row["newly_errored"]
    assert row["n_discordant"] == broke + row["fixed"]
    if row["n_pairs"]:
        assert row["p_value"] == stats.mcnemar_exact(broke, row["fixed"])
