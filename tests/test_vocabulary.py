"""The words for evals: one state, one rate, whatever they are computed from."""

from __future__ import annotations

import itertools
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.documents import run_document
from support.frames import result, results
from support.inside import (
    BROKEN,
    DECIDED,
    FAILING,
    NOT_COMPARED,
    NOT_PASSING,
    RATED,
    STATES,
    TRANSITIONS,
    UNDECIDED,
    combined_state,
    compare,
    eval_rate,
    pass_rate,
    rated_total,
    state_counts,
)
from support.inside import states as states_of

from retab_analysis import decode_runs, summarize_runs

several_states = st.lists(st.sampled_from(STATES), min_size=1, max_size=12)


def counts(states: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"state": states}, schema={"state": pl.String}).select(state_counts())


def combined(states: list[str]) -> str:
    return counts(states).select(combined_state()).item()


def test_the_groups_of_words_are_made_of_the_words() -> None:
    assert set(NOT_PASSING) < set(DECIDED) < set(STATES)
    assert set(NOT_PASSING) < set(FAILING) < set(STATES)
    assert set(RATED) == set(STATES) - {"cancelled", "unscored"}
    groups = BROKEN, UNDECIDED, NOT_COMPARED
    assert set().union(*groups) < set(TRANSITIONS)
    assert sum(map(len, groups)) == len(set().union(*groups))
    for words in (STATES, DECIDED, FAILING, TRANSITIONS, *groups):
        assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ("passed", "passed"),
        ("passed passed error cancelled unscored", "passed"),
        ("passed failed", "mixed"),
        ("passed blocked", "mixed"),
        ("failed failed blocked", "failed"),
        ("failed blocked blocked", "blocked"),
        ("failed blocked", "blocked"),
        ("failed error", "failed"),
        ("error unscored cancelled", "error"),
        ("unscored cancelled", "unscored"),
        ("cancelled", "cancelled"),
    ],
)
def test_the_state_of_several_results(states: str, state: str) -> None:
    for order in itertools.permutations(states.split()):
        assert combined(list(order)) == state


@given(several_states)
def test_what_is_no_verdict_changes_no_verdict(states: list[str]) -> None:
    state = combined(states)
    assert state in {*states, "mixed"}
    decided = [each for each in states if each in DECIDED]
    if decided:
        assert state == combined(decided)
    assert (state == "mixed") == (0 < decided.count("passed") < len(decided))
    assert combined(states * 3) == state


@given(st.lists(st.sampled_from((*STATES, "new")), max_size=12))
def test_every_known_state_is_counted_once(states: list[str]) -> None:
    found = counts(states)
    assert found.columns == list(STATES)
    assert set(found.dtypes) == {pl.Int64}
    assert sum(found.row(0)) == len([each for each in states if each in STATES])


@given(st.lists(st.sampled_from(STATES), max_size=12))
def test_both_rates_count_what_they_say(states: list[str]) -> None:
    frame = counts(states)
    passed, decided = states.count("passed"), sum(each in DECIDED for each in states)
    rated = decided + states.count("error")
    n, rate = frame.select(eval_rate()).row(0)
    assert (n, rate) == (decided, passed / decided if decided else None)
    assert frame.select(rated_total()).item() == rated
    assert frame.select(pass_rate()).item() == (passed / rated if rated else None)


@pytest.mark.parametrize("missing", RATED)
def test_a_count_that_is_not_known_leaves_the_rate_unknown(missing: str) -> None:
    known = dict.fromkeys(RATED, 1) | {missing: None}
    frame = pl.DataFrame([known], schema=dict.fromkeys(RATED, pl.Int64))
    assert frame.select(pass_rate()).item() is None
    assert frame.select(rated_total()).item() is None


def as_run(states: list[str], **more: Any) -> dict[str, Any]:
    """The run that has these results, as the API says it."""
    lifecycle = dict.fromkeys(("pending", "queued", "running"), 0)
    lifecycle |= {each: states.count(each) for each in ("error", "cancelled")}
    lifecycle["completed"] = len(states) - sum(lifecycle.values())
    outcome = {each: states.count(each) for each in DECIDED}
    said = {"lifecycle_counts": lifecycle, "outcome": outcome}
    return run_document(counts=said, total_evals=len(states), **more)


@given(several_states, several_states)
@example(["error"], ["cancelled"])
@example(["passed", "error"], ["passed", "failed", "unscored"])
def test_one_pass_rate_for_the_same_results(before: list[str], after: list[str]) -> None:
    """Of the run, of its results and of a group of runs; a comparison's are of the same evals."""
    for states in (before, after):
        rate = counts(states).select(pass_rate()).item()
        runs = decode_runs(json.dumps(as_run(states)))
        assert runs["pass_rate"].to_list() == [rate]
        summary = summarize_runs(runs)
        # An outage is counted, and is in no rate.
        expected = None if summary["n_outages"].item() else rate
        assert summary["pass_rate"].to_list() == [expected]


@given(st.lists(st.lists(st.sampled_from(DECIDED), max_size=12), min_size=1, max_size=5))
def test_the_rate_of_several_whole_runs_is_that_of_all_their_results(runs: list[list[str]]) -> None:
    documents = [as_run(states, run_id=f"r{at}") for at, states in enumerate(runs)]
    together = [state for states in runs for state in states]
    found = summarize_runs(decode_runs(json.dumps(documents)))
    assert found["pass_rate"].to_list() == [counts(together).select(pass_rate()).item()]


@given(several_states)
def test_an_evals_state_and_rate_are_the_same_in_every_view(states: list[str]) -> None:
    rows = [result("a", state, 1, result_id=str(at)) for at, state in enumerate(states)]
    view = states_of(results(*rows)).row(0, named=True)
    row = compare(results(*rows), results(*rows)).evals.row(0, named=True)
    n, rate = counts(states).select(eval_rate()).row(0)
    assert (view["state"], view["n"], view["pass_rate"]) == (combined(states), n, rate)
    for side in ("baseline", "candidate"):
        told = (row[f"{side}_state"], row[f"{side}_n"], row[f"{side}_pass_rate"])
        assert told == (combined(states), n, rate), side
