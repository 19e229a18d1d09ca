"""What is said in words: each sentence is true of what it is said of, or is not said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    STATES,
    hand_made,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    suite,
    the_only,
)
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import result, results
from support.inside import (
    BROKEN,
    SUMMARY_SCHEMA,
    TRANSITIONS,
    Comparison,
    check_results,
    describe_last_good,
    explain,
    is_significant,
    list_evals,
    phrase,
    say_p,
    say_reruns,
    say_waiting,
    write_headline,
)

DAY = datetime(2026, 11, 24, tzinfo=UTC)
UNDECIDED = ("newly_errored", "incomplete", "not_comparable", "removed", "added")
NO_TEST = {
    **{"alpha": 0.05, "margin": 0.05, "outage": False},
    **{"own_past": False, "significant": False, "has_reruns": False},
    "latest": [],
}


def summarized(evals: pl.DataFrame, **more: Any) -> dict[str, Any]:
    """The row of a summary of hand-made evals, of which no number is known."""
    counts = dict(evals["transition"].value_counts().iter_rows())
    decided = evals.filter(~pl.col("transition").is_in(UNDECIDED)).height
    row = dict.fromkeys(SUMMARY_SCHEMA) | dict.fromkeys(TRANSITIONS, 0) | counts
    return row | {"n_evals": decided} | more


def headline(*evals: dict[str, Any], verdict: str = "inconclusive", **more: Any) -> str:
    frame = hand_made(*evals)
    options = {"outage": False} | {
        name: more.pop(name) for name in ("outage", "waiting") if name in more
    }
    return write_headline(summarized(frame, **more), frame, verdict, **options)


def explained(*evals: dict[str, Any], outage: bool = False, **more: Any) -> str:
    frame = hand_made(*evals)
    row = summarized(frame, **more)
    test = NO_TEST | {"outage": outage, "significant": is_significant(row, NO_TEST["alpha"])}
    return explain("Compared.", row, frame, "inconclusive", test)


def of(transition: str, **more: Any) -> dict[str, Any]:
    return {"transition": transition, **more}


def counted(text: str) -> int:
    """The sum of the counts of a headline: the number at the beginning of each part."""
    text = re.sub(r"\([^)]*\)", "", text)
    return sum(int(part.split()[0]) for part in text.split(", ") if part[:1].isdigit())


@pytest.mark.parametrize("own_past", [False, True])
def test_the_counts_of_the_headline_add_up(own_past: bool) -> None:
    comparison = of_every_transition(own_past=own_past)
    said = comparison.headline
    assert counted(said) == comparison.evals.height
    assert said == (
        "2 broke since an edit of edited, 1 newly errored, 1 suspect, 1 fixed, 1 flaky, "
        "1 incomplete, 1 not comparable, 1 removed, 1 added, 9 unchanged (8 passing, 1 failing)"
    )


@given(
    st.lists(st.sampled_from(TRANSITIONS), max_size=30),
    st.booleans(),
    st.sampled_from(("regressed", "improved", "no_change", "inconclusive")),
)
@examples(150)
def test_the_counts_add_up_whatever_there_is(
    transitions: list[str], outage: bool, verdict: str
) -> None:
    said = headline(*map(of, transitions), outage=outage, verdict=verdict)
    assert counted(said) == len(transitions)


@pytest.mark.parametrize(
    ("evals", "said"),
    [
        ([], "0 unchanged"),
        ([of("still_passing")] * 3, "3 unchanged"),
        (
            [of("still_passing"), of("still_failing")],
            "2 unchanged (1 passing, 1 failing)",
        ),
        ([of("regressed", cause="edit")], "1 broke since an edit of extract"),
        ([of("newly_blocked", cause="edit")], "1 broke since an edit of extract"),
        ([of("regressed", cause="drift")], "1 broke in extract without an edit"),
        ([of("regressed", cause="unknown")], "1 broke in extract"),
        (
            [of("regressed", cause="edit"), of("regressed", cause="edit", block_id="split")],
            "2 broke since an edit of their blocks",
        ),
        (
            [of("regressed", cause="drift"), of("regressed", cause="drift", block_id="split")],
            "2 broke without an edit of their blocks",
        ),
        (
            [of("regressed", cause="edit"), of("regressed", cause="drift")],
            "2 broke (1 since an edit of extract)",
        ),
        ([of("regressed", cause="edit", block_id=None)], "1 broke since an edit of their blocks"),
    ],
)
def test_the_headline(evals: list[dict[str, Any]], said: str) -> None:
    assert headline(*evals) == said


def test_the_headline_of_a_suite_of_which_nothing_is_decided() -> None:
    three = [of("incomplete")] * 3
    assert headline(*three) == (
        "not decided: 3 of 3 evals have no verdict to compare, 3 incomplete"
    )
    assert headline(of("incomplete")) == (
        "not decided: 1 of 1 eval has no verdict to compare, 1 incomplete"
    )
    assert headline(*three, *[of("still_passing")] * 3) == (
        "not decided: 3 of 6 evals have no verdict to compare, 3 incomplete, 3 unchanged"
    )
    assert headline(*three, *[of("still_passing")] * 4) == "3 incomplete, 4 unchanged"


def test_the_headline_of_a_verdict_that_no_eval_explains() -> None:
    evals = [of("still_passing")] * 2
    assert headline(*evals, verdict="regressed", delta=-0.123, n_evals=2) == (
        "the pass rate fell by 12.3 points over all evals together, 2 unchanged"
    )
    suspects = [of("suspect")] * 2
    assert headline(*suspects, verdict="regressed", delta=-0.123, n_evals=2) == (
        "the pass rate fell by 12.3 points over all evals together, 2 suspect"
    )
    assert headline(*suspects, verdict="regressed", delta=-0.123, p_any_regressed=0.8) == (
        "something probably broke, but it is not certain which, 2 suspect"
    )
    assert headline(*evals, verdict="improved", delta=0.1) == "2 unchanged"


def test_the_pass_rate_of_all_evals_is_not_spoken_of_where_some_are_left_out() -> None:
    said = headline(of("still_passing"), of("incomplete"), verdict="regressed", delta=-0.5)
    assert "all evals" not in said
    assert said.startswith("the pass rate fell by 50.0 points over the evals that were decided")


def test_an_outage_and_evals_to_come_are_said_first() -> None:
    errors = [of("newly_errored")] * 4
    assert headline(*errors, outage=True) == "4 newly errored in an outage"
    said = headline(*errors, waiting=(17, 95))
    assert said == "not ended yet: 17 of 95 are still to come, 4 newly errored"
    assert say_waiting((1, 2)) == "not ended yet: 1 of 2 is still to come"


@pytest.mark.parametrize(
    ("evals", "sentence"),
    [
        (
            [of("regressed", cause="edit", since_version_id="v2", since_at=DAY, p_regressed=0.999)],
            "1 eval in extract is broken since v2 (24 Nov 2026), when the block was edited; the "
            "probability of that is at least 0.99.",
        ),
        (
            [of("regressed", cause="drift", since_run_id="run_7", since_at=DAY)] * 2,
            "2 evals in extract are broken since run_7 (24 Nov 2026), although nobody edited the "
            "block then.",
        ),
        (
            [of("regressed", p_regressed=0.96), of("regressed", p_regressed=0.789)],
            "2 evals in extract are broken; the probability of that is at least 0.78 for each.",
        ),
        ([of("newly_blocked", cause="unknown")], "1 eval in extract is broken."),
        ([of("regressed", block_id=None)], "1 eval is broken."),
        (
            [of("regressed", block_id=f"b{at}") for at in range(3)],
            "3 evals in b0, b1, b2 are broken.",
        ),
        ([of("regressed", block_id=f"b{at}") for at in range(4)], "4 evals are broken."),
        (
            [of("suspect", eval_name="Total", reason="passed 0 of 1; before, 16 of 16")],
            "1 suspect, Total: passed 0 of 1; before, 16 of 16.",
        ),
        ([of("suspect", reason="passed 0 of 1")], "1 suspect, e0: passed 0 of 1."),
        (
            [of("suspect", candidate_state="failed")] * 2,
            "2 suspects did not pass, which may be bad luck; run them again (.reruns says how "
            "often).",
        ),
        (
            [of("suspect", candidate_state="failed"), of("suspect", candidate_state="mixed")],
            "2 suspects did not always pass, which may be bad luck; run them again (.reruns says "
            "how often).",
        ),
        (
            [of("suspect", candidate_state="failed", p_regressed=p) for p in (0.04, 0.2, 0.3)],
            "3 suspects did not pass, which may be bad luck; run the 2 likelier again (.reruns "
            "says how often).",
        ),
        (
            [of("suspect", candidate_state="failed", p_regressed=p) for p in (0.04, 0.2)],
            "2 suspects did not pass, which may be bad luck; run the likelier one again (.reruns "
            "says how often).",
        ),
        (
            [of("suspect", candidate_state="failed", p_regressed=p) for p in (0.041, 0.02)],
            "2 suspects did not pass, which may be bad luck; a lasting break is unlikely (p is at "
            "most 0.041).",
        ),
        (
            [of("suspect", candidate_state="failed", p_regressed=p) for p in (0.0414, 0.02)],
            "2 suspects did not pass, which may be bad luck; a lasting break is unlikely (p is at "
            "most 0.042).",
        ),
        (
            [of("regressed", p_regressed=1.0)],
            "1 eval in extract is broken; the probability of that is at least 0.99.",
        ),
        (
            [of("newly_errored", candidate_state="error")],
            "1 eval ended in an execution error, which is not a verdict; run it again.",
        ),
        (
            [of("newly_errored", candidate_state="error")] * 2,
            "2 evals ended in execution errors, which are not verdicts; run them again.",
        ),
        ([of("fixed")], "1 eval that did not pass before passes now."),
        ([of("fixed")] * 2, "2 evals that did not pass before pass now."),
        (
            [of("flaky", baseline_state="passed", candidate_state="failed")],
            "1 eval passed and failed before, or does both now.",
        ),
        (
            [of("flaky", baseline_state="mixed", candidate_state="mixed")] * 2,
            "2 evals passed and failed before, or do both now.",
        ),
        (
            [of("flaky", baseline_state="failed", candidate_state="mixed")],
            "1 eval did not pass before and passes sometimes now.",
        ),
        (
            [of("flaky", baseline_state="failed", candidate_state="mixed")] * 2,
            "2 evals did not pass before and pass sometimes now.",
        ),
        (
            [of("incomplete")],
            "Not counted: 1 of 1 eval was not decided on both sides.",
        ),
        (
            [of("incomplete"), of("incomplete"), of("still_passing")],
            "Not counted: 2 of 3 evals were not decided on both sides.",
        ),
        (
            [of("not_comparable")],
            "Not counted: 1 was edited, so that earlier results do not count.",
        ),
        (
            [of("not_comparable")] * 2,
            "Not counted: 2 were edited, so that earlier results do not count.",
        ),
        ([of("added")], "Not counted: 1 is new."),
        ([of("added")] * 2, "Not counted: 2 are new."),
        ([of("removed")], "Not counted: 1 is not among the candidate's results."),
        (
            [of("removed"), of("added"), of("removed")],
            "Not counted: 1 is new; 2 are not among the candidate's results.",
        ),
    ],
)
def test_each_sentence(evals: list[dict[str, Any]], sentence: str) -> None:
    compared, *said, suite_as_a_whole = explained(*evals).splitlines()
    assert compared == "Compared."
    assert said[0] == sentence
    assert all(each.startswith("Not counted: ") for each in said[1:])
    assert "decided on both sides" in suite_as_a_whole


def test_an_eval_without_a_verdict_on_one_side_is_not_counted_whatever_its_transition() -> None:
    letters = ["PPP"] * 3 + ["EEE"] + ["PPE"] * 2 + ["PPC", "UPP"]
    rows = [row for at, each in enumerate(letters) for row in history(f"e{at}", each)]
    said = held_against(rows, 1, 3)
    assert "4 of 8 evals have no verdict to compare" in said.headline
    assert "Not counted: 4 of 8 evals were not decided on both sides." in said.explain()
    assert "Over the 4 evals that were decided on both sides" in said.explain()


def test_what_is_broken_since_many_runs_is_cut_and_counted() -> None:
    evals = [of("regressed", since_run_id=f"run_{at}") for at in (1, 1, 2, 2, 3, 3, 4)]
    said = explained(*evals)
    assert said.count("are broken since") == 3
    assert "1 more eval broke in other runs." in said
    assert "2 more evals broke in other runs." in explained(*evals, of("regressed"))


def test_what_broke_on_one_day_with_one_version_is_told_together() -> None:
    # Of an eval that ended in an error first, the rerun says that it broke.
    at = [DAY.replace(hour=hour) for hour in (9, 9, 10)]
    shared = {"cause": "edit", "since_version_id": "v2", "p_regressed": 0.99}
    evals = [
        of("regressed", since_run_id=f"run_{moment.hour}", since_at=moment, **shared)
        for moment in at
    ]
    assert "3 evals in extract are broken since v2 (24 Nov 2026), when" in explained(*evals)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("edit", "when their blocks were edited."),
        ("drift", "although nobody edited their blocks then."),
    ],
)
def test_of_evals_of_several_blocks_the_blocks_are_spoken_of(cause: str, words: str) -> None:
    evals = [of("regressed", cause=cause, block_id=f"b{at}") for at in range(5)]
    assert f"5 evals are broken, {words}" in explained(*evals)


def test_an_outage_is_told_with_all_that_ended_in_an_error() -> None:
    evals = [
        *[of("newly_errored", candidate_state="error", block_id=f"b{at}") for at in range(3)],
        of("still_failing", candidate_state="error", block_id="b0"),
        of("still_passing", candidate_state="passed"),
    ]
    assert (
        "4 of 5 evals ended in an execution error, over 3 blocks: that is an outage, not a "
        "regression; run them again." in explained(*evals, outage=True)
    )


TESTED: dict[str, Any] = {
    "n_evals": 40,
    "n_documents": 38,
    "delta": -0.1,
    "delta_low": -0.15,
    "delta_high": -0.05,
    "p_value": 0.0123,
    "detectable": 0.123,
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate fell by 10.0 points (95 % interval −15.0 to −5.0 points); that it moved at all "
            "is more than chance explains (p = 0.012).",
        ),
        (
            {"delta": 0.1, "delta_low": 0.05, "delta_high": 0.15, "p_value": 0.00001},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate rose by 10.0 points (95 % interval +5.0 to +15.0 points); that it moved at all "
            "is more than chance explains (p < 0.001).",
        ),
        (
            {"delta": 0.0, "delta_low": -0.0001, "delta_high": 0.03, "p_value": 1.0},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate stayed the same (95 % interval +0.0 to +3.0 points), which lies within ± 5 "
            "points.",
        ),
        (
            {"delta": 0.00025, "delta_low": -0.0002, "delta_high": 0.03, "p_value": 1.0},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate rose by 0.03 points (95 % interval +0.0 to +3.0 points), which lies within ± 5 "
            "points.",
        ),
        (
            {"delta": -0.02, "delta_low": -0.07, "delta_high": 0.03, "p_value": 0.4},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate fell by 2.0 points (95 % interval −7.0 to +3.0 points); the interval reaches "
            "beyond ± 5 points; a fall of 12.3 points would be found with 80 % power.",
        ),
        (
            {"p_value": 0.4, "detectable": None},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate fell by 10.0 points (95 % interval −15.0 to −5.0 points); the interval reaches "
            "beyond ± 5 points, and this suite is too small to find any change with 80 % power.",
        ),
        (
            {"p_value": 0.05},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate fell by 10.0 points (95 % interval −15.0 to −5.0 points); that it moved at all "
            "is more than chance explains (p = 0.05).",
        ),
        (
            {"delta": 0.0, "delta_low": -0.05, "delta_high": 0.05, "p_value": 1.0},
            "Over the 40 evals that were decided on both sides (38 independent documents) the pass "
            "rate stayed the same (95 % interval −5.0 to +5.0 points), which lies within ± 5 "
            "points.",
        ),
        (
            {"n_evals": 1, "n_documents": 1, "delta_low": None, "delta_high": None},
            "Only one eval was decided on both sides, which says nothing about the suite as a "
            "whole.",
        ),
        (
            {"n_evals": 10, "n_documents": 1, "delta_low": None, "delta_high": None},
            "The evals that were decided on both sides all share documents: they are one "
            "observation, which says nothing about the suite as a whole.",
        ),
    ],
)
def test_the_sentence_about_the_suite(changes: dict[str, Any], sentence: str) -> None:
    assert explained(of("still_passing"), **(TESTED | changes)) == f"Compared.\n{sentence}"


def test_the_interval_is_named_after_its_level() -> None:
    evals = hand_made(of("still_passing"))
    test = NO_TEST | {"alpha": 0.2}
    said = explain("", summarized(evals, **TESTED), evals, "regressed", test)
    assert "80 % interval" in said


def test_p_values_in_words() -> None:
    assert [say_p(p) for p in (1.0, 0.05, 0.0123, 0.001, 0.0009)] == [
        *("= 1", "= 0.05", "= 0.012", "= 0.001"),
        "< 0.001",
    ]


def test_reruns_in_words() -> None:
    assert say_reruns(1) == "1 verdict of reruns is counted as well."
    assert say_reruns(2) == "2 verdicts of reruns are counted as well."


def test_only_reruns_that_came_to_a_verdict_are_counted() -> None:
    past = history("e", "PPPPF")
    again = [result("e", state, 6, result_id=state) for state in STATES.values()]
    comparison = held_against_own_past(
        past, 5, reruns=check_results(results(*again), "reruns").collect()
    )
    assert "3 verdicts of reruns are counted as well." in comparison.explain()


UNKNOWN = {
    "inputs": {"handle_inputs_fingerprint": None},
    "condition": {"condition_kind": None},
    "expected value": {"expected_value": None},
    "inputs or condition": {"handle_inputs_fingerprint": None, "condition_kind": None},
}


@pytest.mark.parametrize("own_past", [False, True])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_not_known_to_be_the_same_is_said(what: str, before: bool, own_past: bool) -> None:
    rows = many_evals(3, "P" * 20 + "P", "A" * 20 + "B")
    for outcomes, eval_id in (("F", "broken"), ("P", "fine"), ("C", "stopped"), ("E", "crashed")):
        rows += history(eval_id, "P" * 20, **(UNKNOWN[what] if before else {}))
        rows += history(
            eval_id, "." * 20 + outcomes, "A" * 20 + "B", **({} if before else UNKNOWN[what])
        )
    made = held_against_own_past(rows, 21) if own_past else held_against(rows, 20, 21)
    said = (
        f"Whether the {what} of 2 of 7 evals changed is not known; they are compared as if nothing "
        "had."
    )
    assert made.explain().splitlines()[0] == f"{made.compared} {said}"
    assert made.explain().count("not known") == 1
    broken = made.evals.filter(eval_id="broken").row(0, named=True)
    assert broken["transition"] == "regressed"
    assert broken["reason"].endswith(f"; whether the eval's {what} changed is not known")
    unsure = history("e", "PPPP", **UNKNOWN[what]) + history("e", "....F")
    suspect = the_only(held_against(unsure, 4, 5))
    assert f"; whether the eval's {what} changed is not known; " in suspect["reason"]


def test_one_result_that_says_it_is_enough() -> None:
    rows = [
        *history("a", "PPP", handle_inputs_fingerprint=None),
        *history("a", "...PP"),
        # What a saved eval remembers of its last pass.
        *history("b", "P", run_id=None, condition_kind=None, expected_value=None),
        *history("b", ".FFFF"),
    ]
    assert "not known" not in held_against_own_past(rows, 5).explain()
    # An error does not say what it asserted.
    crashed = history("a", "PPPP") + history("a", "....E", handle_inputs_fingerprint=None)
    again = check_results(results(*history("a", ".....F")), "reruns").collect()
    assert "not known" not in held_against_own_past(crashed, 5, reruns=again).explain()


def test_an_expected_value_that_there_never_was_did_not_change() -> None:
    rows = many_evals(2, "PPPPF", condition_kind="exists", expected_value=None)
    assert "not known" not in held_against(rows, 4, 5).explain()


def test_frames_without_any_fingerprint_get_one_sentence() -> None:
    unknown = {"handle_inputs_fingerprint": None, "block_execution_fingerprint": None}
    said = held_against(many_evals(3, "PPPPP", **unknown), 4, 5).explain()
    assert "Whether the inputs of 3 of 3 evals changed is not known; they are" in said
    one = held_against(history("e", "PPPPP", **unknown), 4, 5).explain()
    assert "Whether the inputs of 1 of 1 eval changed is not known; it is compared" in one
    assert said.count("not known") == one.count("not known") == 1
    different = history("e", "PPPPP", **UNKNOWN["inputs"]) + history(
        "f", "PPPPP", **UNKNOWN["condition"]
    )
    assert "Whether the inputs or condition of 2 of 2" in held_against(different, 4, 5).explain()


def test_of_an_eval_that_broke_within_the_baseline_it_is_not_said_that_it_comes_and_goes() -> None:
    rows = history("e", "P" * 10 + "F" * 11) + many_evals(9, "P" * 21)
    made = held_against(rows, (1, 20), 21)
    assert made.headline == "1 flaky, 9 unchanged"
    assert "1 eval passed and failed before, or does both now.\n" in made.explain()
    assert "sometimes" not in made.explain()


def test_the_words_of_transitions() -> None:
    assert [phrase(each) for each in TRANSITIONS] == [
        each.replace("_", " ") for each in TRANSITIONS
    ]


def test_evals_are_listed_by_name_and_id() -> None:
    evals = hand_made(*({"eval_name": f"Total\n{at}" if at else None} for at in range(4)))
    assert list_evals(evals) == "e0, Total 1 (e1), Total 2 (e2), Total 3 (e3)"
    assert list_evals(evals, 2) == "e0, Total 1 (e1) and 2 more"
    assert list_evals(evals, 4) == list_evals(evals)


# What was compared


def test_two_sides_are_described_by_runs_versions_and_evals() -> None:
    rows = many_evals(3, "PPPP", "AABB")
    assert held_against(rows, 2, 3).compared == (
        "Compared run run_3 of version vB (3 evals) with run run_2 of version vA (3 evals), in the "
        "light of 1 further run."
    )
    several = held_against(rows, (1, 2), (3, 4)).compared
    assert several.startswith("Compared 2 runs of version vB (3 evals) with 2 runs of version vA")
    assert suite("P", "F").compared == (
        "Compared run run_2 of version vA (1 eval) with run run_1 of version vA (1 eval)."
    )


def test_many_versions_are_named_in_part() -> None:
    rows = history("e", "P" * 6, "ABCDEF")
    assert (
        "5 runs of versions vA, vB, vC and 2 more (1 eval)"
        in held_against(rows, (1, 5), 6).compared
    )
    assert "2 runs of versions vA, vB (1 eval)" in held_against(rows, (1, 2), 6).compared


def test_its_own_past_is_described_by_where_the_results_are_from() -> None:
    rows = [
        *many_evals(3, "PPP"),
        *history("broken", "PFF"),
        *history("late", ".PF"),
        *history("new", "..P"),
    ]
    said = held_against_own_past(rows, 3).compared
    assert said.startswith("Compared each eval with its own last good result: 4 from run run_2 of ")
    assert said.endswith("1 from 1 other run (of 19 May 2026).")
    rows += [*history("mended", "FFP"), *history("gap", "FFF")]
    assert held_against_own_past(rows, 3).compared.endswith(
        "(of 19 May 2026); in 2 of these results the eval did not pass."
    )
    rows = [*many_evals(3, "PPPP"), *history("first", "PFFF"), *history("second", "PPFF")]
    said = held_against_own_past(rows, 4).compared
    assert said.endswith("2 from 2 other runs (the oldest of 19 May 2026).")
    # What is not compared is not held against anything.
    rows = [*many_evals(3, "PP"), *history("gone", "P."), *history("edited", "P")]
    rows += history("edited", ".F", expected_value="9")
    said = held_against_own_past(rows, 2).compared
    assert said.startswith("Compared each eval with its own last good result: 3 from run run_1 of ")
    nothing = held_against_own_past(history("e", ".F"), 2).compared
    assert nothing == "Compared each eval with its own last good result; there is none."


def test_what_the_saved_evals_remember_is_called_so() -> None:
    evals = hand_made(of("regressed", baseline_state="passed"))
    earlier = pl.DataFrame(
        {"run_id": [None], "run_created_at": [DAY]},
        schema={"run_id": pl.String, "run_created_at": pl.Datetime("us", "UTC")},
    )
    assert describe_last_good("Compared x with y", evals, earlier) == (
        "Compared x with y: 1 from what the saved evals remember."
    )


# Sentences of whole comparisons


def sentences_hold(comparison: Comparison) -> None:
    """Hold what is said against the numbers that it speaks of."""
    said, row, evals = comparison.explain(), numbers(comparison), comparison.evals
    height = evals.height
    broken = evals.filter(pl.col("transition").is_in(BROKEN)).height
    groups = re.findall(r"(\d+) evals?(?: in [^.]*)? (?:is|are) broken", said)
    more = re.findall(r"(\d+) more evals? broke", said)
    assert sum(map(int, [*groups, *more])) == broken
    for words, name in (
        ("that did not pass before pass(?:es)? now", "fixed"),
        ("new;|new\\.", "added"),
    ):
        found = re.search(rf"(\d+) (?:evals? |is |are )?(?:{words})", said)
        assert (int(found.group(1)) if found else 0) == row[name]
    assert ("may be chance" in said) is False
    assert counted(comparison.headline) == height
    for singular in re.findall(
        r"(?<![.\d])1 (evals|suspects|runs|documents|points|blocks)\b", said
    ):
        raise AssertionError(f"1 {singular}: {said}")
    assert "None" not in said
    assert "nan" not in said
    apart = sum(row[name] for name in ("added", "removed", "not_comparable"))
    undecided = re.search(r"Not counted: (\d+) of \d+ evals? (?:was|were) not decided", said)
    assert row["n_evals"] + apart + (int(undecided[1]) if undecided else 0) == height
    not_decided = re.search(r"not decided: (\d+) of", comparison.headline)
    if not_decided and comparison.sides.reruns is None:
        assert undecided is not None
        assert not_decided[1] == undecided[1]
    if row["n_evals"] < height:
        assert "all evals" not in f"{said} {comparison.headline}"


LETTERS = st.text("PFBECU.", min_size=3, max_size=3)


@given(st.lists(LETTERS, min_size=1, max_size=8), st.booleans())
@examples(60)
def test_the_sentences_hold_whatever_happened(letters: list[str], is_edited: bool) -> None:
    rows = [
        row
        for at, outcomes in enumerate(letters)
        for row in history(
            f"e{at}", outcomes, "AAB" if is_edited else None, block_id=f"block_{at % 2}"
        )
    ]
    sentences_hold(held_against(rows, 2, 3))
    sentences_hold(held_against_own_past(rows, 3))


def test_the_sentences_of_everything_at_once_hold() -> None:
    for own_past in (False, True):
        sentences_hold(of_every_transition(own_past=own_past))
