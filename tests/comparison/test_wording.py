"""What is said in words: each sentence is true of what it is said of, or is not said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    hand_made,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    the_only,
)
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import results
from support.inside import (
    BROKEN,
    SUMMARY_SCHEMA,
    TRANSITIONS,
    Comparison,
    compare,
    describe_last_good,
    explain,
    is_significant,
    list_evals,
    phrase,
    say_p,
    say_waiting,
    write_headline,
)

DAY = datetime(2026, 11, 24, tzinfo=UTC)
UNDECIDED = ("newly_errored", "incomplete", "not_comparable", "removed", "added")


def summarized(evals: pl.DataFrame, **more: Any) -> dict[str, Any]:
    """The row of a summary of hand-made evals, of which no number is known."""
    counts = dict(evals["transition"].value_counts().iter_rows())
    decided = evals.filter(~pl.col("transition").is_in(UNDECIDED)).height
    row = dict.fromkeys(SUMMARY_SCHEMA) | dict.fromkeys(TRANSITIONS, 0) | counts
    return row | {"n_evals": decided} | more


def headline(
    *evals: dict[str, Any],
    verdict: str = "inconclusive",
    outage: tuple[int, int] | None = None,
    waiting: tuple[int, int] = (0, 0),
    **more: Any,
) -> str:
    frame = hand_made(*evals)
    return write_headline(summarized(frame, **more), frame, verdict, outage=outage, waiting=waiting)


def explained(*evals: dict[str, Any], not_worse: bool = False, **more: Any) -> str:
    frame = hand_made(*evals)
    row = summarized(frame, **more)
    test = {"alpha": 0.05, "margin": 0.05, "own_past": False, "not_worse": not_worse}
    test["significant"] = is_significant(row, 0.05)
    return explain("Compared.", row, frame, "inconclusive", test)


def of(transition: str, **more: Any) -> dict[str, Any]:
    passes = transition in ("fixed", "still_passing")
    return {"transition": transition, "candidate_state": "passed" if passes else "failed", **more}


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
    st.sampled_from((None, (3, 4))),
    st.sampled_from(("regressed", "improved", "no_change", "inconclusive")),
)
@examples(150)
def test_the_counts_add_up_whatever_there_is(
    transitions: list[str], outage: tuple[int, int] | None, verdict: str
) -> None:
    said = headline(*map(of, transitions), outage=outage, verdict=verdict)
    assert counted(said) == len(transitions)


@pytest.mark.parametrize(
    ("cause", "blocks", "said"),
    [
        ("edit", ["extract"], "2 broke since an edit of extract"),
        ("edit", ["extract", "split"], "2 broke since an edit of their blocks"),
        ("drift", ["extract"], "2 broke in extract without an edit"),
        ("drift", ["extract", "split"], "2 broke without an edit of their blocks"),
        ("unknown", ["extract"], "2 broke in extract"),
        ("edit", [None], "2 broke since an edit of their blocks"),
    ],
)
def test_what_broke_leads_with_its_cause(cause: str, blocks: list[Any], said: str) -> None:
    assert (
        headline(*(of("regressed", cause=cause, block_id=(blocks * 2)[at]) for at in range(2)))
        == said
    )


def test_what_broke_by_an_edit_is_told_apart_from_a_drift() -> None:
    both = headline(of("regressed", cause="edit"), of("regressed", cause="drift"))
    assert both == "2 broke (1 since an edit of extract)"


def test_a_first_run_says_how_many_pass() -> None:
    first = held_against_own_past(history("a", "F") + many_evals(6, "P"), 1)
    assert first.headline == "first run: 6 of 7 pass"
    assert first.explain().count("there is none") == 1
    # All are new to a baseline that has nothing; that is not a first run.
    assert "first run" not in compare(results(), results(*many_evals(3, "P"))).headline
    # Of a run in which nothing was decided, or that goes on, no rate is said.
    for letters in ("C", "E", "U"):
        assert "first run" not in held_against_own_past(many_evals(6, letters), 1).headline
    assert "first run" not in held_against_own_past(many_evals(6, "P"), 1, waiting=(3, 9)).headline


def test_where_nothing_was_decided_that_is_said() -> None:
    for made in (
        held_against_own_past(many_evals(6, "C"), 1),
        held_against_own_past(many_evals(6, "PC"), 2),
        compare(results(), results()),
    ):
        assert made.headline.startswith("nothing was decided")
        assert made.verdict == "inconclusive"
    partly = [row for at in range(6) for row in history(f"e{at}", "PC" if at % 2 else "PP")]
    assert held_against_own_past(partly, 2).headline == (
        "not decided: 3 of 6 evals have no verdict to compare, 3 incomplete, 3 unchanged"
    )


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


def test_an_outage_is_said_with_its_numbers_and_called_no_break() -> None:
    rows = [row for at in range(9) for row in history(f"e{at}", "PPE", block_id=f"b{at % 3}")]
    rows += [*history("gap", "FFE", block_id="b0"), *history("fine", "PPP")]
    made = held_against_own_past(rows, 3)
    assert made.outage == (10, 11)
    assert "an outage: errors in 10 of the 11 evals" in made.headline
    assert "10 evals in 3 blocks ended in errors of an outage" in made.explain()
    assert "is not a verdict" not in made.explain()
    assert "broke" not in made.headline


def test_an_isolated_error_is_no_outage() -> None:
    rows = [*history("e", "PPE"), *many_evals(20, "PPP")]
    made = held_against_own_past(rows, 3)
    assert made.outage is None
    assert "1 eval ended in an error, which is not a verdict; run it again." in made.explain()
    assert "outage" not in made.explain() + made.headline


def test_what_is_still_to_come_leads() -> None:
    said = headline(of("newly_errored"), waiting=(17, 95))
    assert said == "not ended yet: 17 of 95 are still to come, 1 newly errored"
    assert say_waiting((1, 2)) == "not ended yet: 1 of 2 is still to come"


BROKE = of("regressed", cause="edit", since_version_id="v2", since_at=DAY, p_regressed=0.999)


@pytest.mark.parametrize(
    ("evals", "words"),
    [
        ([BROKE], "1 eval in extract is broken since v2 (24 Nov 2026), when the block was edited"),
        ([BROKE], "; the probability that it got worse is at least 0.99."),
        ([BROKE, BROKE | {"p_regressed": 0.789}], "that each got worse is at least 0.78."),
        # Of an eval that ended in an error first, the rerun says that it broke.
        ([BROKE, BROKE | {"since_at": DAY.replace(hour=9)}], "2 evals in extract are broken since"),
        ([BROKE | {"is_latest": True}], "is broken since v2 (24 Nov 2026) at the latest,"),
        ([BROKE | {"not_run_since": DAY}], "at least 0.99; it was not run now."),
        ([BROKE | {"not_run_since": DAY}] * 2, "; none of them was run now."),
        ([BROKE, BROKE | {"not_run_since": DAY}], "; 1 of them was not run now."),
        ([of("regressed", cause="drift")], "is broken, although nobody edited the block then."),
        ([of("regressed", block_id=None)], "\n1 eval is broken."),
        ([of("regressed", block_id=f"b{at}") for at in range(3)], "3 evals in b0, b1, b2 are"),
        ([of("regressed", block_id=f"b{at}") for at in range(4)], "\n4 evals are broken."),
        ([of("suspect", reason="passed 0 of 1")], "1 suspect, e0: passed 0 of 1."),
        ([of("suspect")] * 2, "2 suspects did not pass, which may be bad luck; run them again"),
        ([of("suspect", p_regressed=p) for p in (0.04, 0.2)], "run the likelier one again"),
        ([of("suspect", p_regressed=p) for p in (0.04, 0.2, 0.3)], "run the 2 likelier again"),
        ([of("suspect", p_regressed=0.0414)] * 2, "unlikely (p is at most 0.042)."),
        ([of("suspect", candidate_state="mixed")] * 2, "2 suspects did not always pass"),
        ([of("fixed")], "1 eval that did not pass before passes now."),
        ([of("flaky", baseline_state="passed")], "1 eval does not always pass, without a lasting"),
        (
            [of("flaky", baseline_state="failed", candidate_state="mixed")] * 2,
            "2 evals did not pass before and pass sometimes now.",
        ),
        ([of("incomplete")], "Not counted: 1 of 1 eval was not decided on both sides."),
        ([of("not_comparable")], "1 was edited, so that earlier results do not count."),
        ([of("removed"), of("added"), of("removed")], "Not counted: 1 is new; 2 were removed."),
    ],
)
def test_what_is_said_of_evals(evals: list[dict[str, Any]], words: str) -> None:
    said = explained(*evals)
    assert words in said
    assert said.startswith("Compared.\n")


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


TESTED: dict[str, Any] = {
    "n_evals": 40,
    "n_documents": 38,
    "delta": -0.1,
    "delta_low": -0.15,
    "delta_high": -0.05,
    "p_value": 0.0123,
    "detectable": 0.0612,
}
SAME = {"delta": 0.0, "delta_low": -0.02, "delta_high": 0.03, "p_value": 1.0}
SHOWS = "A fall of 7 points or more would show in the suite as a whole."


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({}, "fell by 10.0 points (95 % interval −15.0 to −5.0 points), more than", "excluded"),
        ({}, "more than chance explains (p value = 0.012).", "would show"),
        ({"delta": 0.1, "delta_low": 0.05, "delta_high": 0.2}, "rose by 10.0 points", "fell"),
        ({**SAME, "not_worse": True}, "stayed the same (95 %", "not excluded"),
        ({**SAME, "not_worse": True}, f"a fall of 5 points or more is excluded. {SHOWS}", "chance"),
        (SAME, f"a fall of 5 points or more is not excluded. {SHOWS}", "within"),
        ({**SAME, "detectable": 0.25}, "A fall of 25 points or more would show", "26"),
        ({**SAME, "detectable": 0.251}, "is not excluded.", "would show"),
        ({**SAME, "detectable": None}, "is not excluded.", "would show"),
        ({**SAME, "delta_high": 0.5}, "the pass rate stayed the same; a fall", "interval"),
        ({"n_documents": 1, "delta_low": None}, "they are one observation", "interval"),
        ({"n_evals": 1, "n_documents": 1, "delta_low": None}, "Only one eval was", "interval"),
    ],
)
def test_what_is_said_of_the_suite(changes: dict[str, Any], said: str, unsaid: str) -> None:
    told = explained(of("still_passing"), **(TESTED | changes))
    assert said in told
    assert unsaid not in told


@pytest.mark.parametrize("evals", [10, 30, 36, 60, 200])
def test_no_change_and_the_sentence_about_the_suite_agree(evals: int) -> None:
    made = held_against_own_past(many_evals(evals, "PPP"), 3)
    assert ("is excluded" in made.explain()) is (made.verdict == "no_change")
    assert ("is not excluded" in made.explain()) is (made.verdict == "inconclusive")


def test_p_values_in_words() -> None:
    assert [say_p(p) for p in (1.0, 0.05, 0.0123, 0.001, 0.0009)] == [
        *("= 1", "= 0.05", "= 0.012", "= 0.001"),
        "< 0.001",
    ]


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
    assert f"; whether the eval's {what} changed is not known" in suspect["reason"]


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
    assert "not known" not in held_against_own_past(crashed, 5).explain()


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
    if not comparison.headline.startswith("first run"):
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
    if not_decided:
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
