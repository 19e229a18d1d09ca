"""What is compared and listed, and which eval is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, sides, suite
from support.frames import START, many, result, results, run, runs
from support.inside import (
    CompareState,
    OpenEval,
    list_reruns,
    suite_of,
    with_sides,
)
from support.inside import compare_html as html

import retab_analysis as ra

# What is compared


def test_the_two_newest_versions_are_compared_and_the_others_are_the_history() -> None:
    state = CompareState(THREE)
    assert sides(state) == ("version", "v2", "v3")
    direct = ra.compare_versions(THREE, "v2", "v3")
    assert state.comparison.evals.equals(direct.evals)
    assert state.comparison.explain() == direct.explain()
    assert [side.value for side in state.sides["version"]] == ["v3", "v2", "v1"]
    assert state.sides["version"][0].words == "v3 · since 2026-05-21 · 1 run"


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ("v1", "v3", ("version", "v1", "v3")),
        ("v3", "v1", ("version", "v3", "v1")),
        (None, "v2", ("version", "v1", "v2")),
        ("v1", None, ("version", "v1", "v3")),
        ("v2", None, ("version", "v2", "v3")),
        ("run_1", "run_3", ("run", "run_1", "run_3")),
        (None, "run_2", ("run", "run_1", "run_2")),
        ("draft of v1", None, ("draft", "draft of v1", "draft of v3")),
        ("v2", "v2", ("version", "v2", "v2")),
    ],
)
def test_sides_are_versions_runs_or_drafts(
    baseline: str | None, candidate: str | None, expected: tuple[str, str, str]
) -> None:
    assert sides(CompareState(THREE, baseline, candidate)) == expected


def test_of_other_results_the_newest_are_compared_or_what_was_chosen() -> None:
    frames = [THREE.filter(workflow_version_id=each) for each in ("v1", "v2", "v3")]
    state = CompareState(pl.concat(frames[:2]))
    assert sides(state) == ("version", "v1", "v2")
    state.take(THREE)
    assert sides(state) == ("version", "v2", "v3")
    assert state.comparison.evals.equals(ra.compare_versions(THREE, "v2", "v3").evals)
    state.choose_side(candidate="v2", baseline="v1")
    state.take(suite(v1="PPPPPPP", v2="PPPPPFP", v3="FBEPPPP", v4="FFFPPPP"))
    assert sides(state) == ("version", "v1", "v2")
    before = state.comparison
    with pytest.raises(ra.ConfigError, match="'v1'"):
        state.take(pl.concat(frames[1:]))
    assert (*sides(state), state.comparison) == ("version", "v1", "v2", before)


def test_what_is_older_is_not_taken_for_a_candidate() -> None:
    with pytest.raises(ra.ConfigError, match="baseline='v3' is the newest version of these"):
        CompareState(THREE, "v3")


def test_a_version_that_is_the_only_one_is_said_to_be() -> None:
    one = results(*many("e1", "PPF"))
    version = one["workflow_version_id"][0]
    with pytest.raises(ra.ConfigError, match=f"of one version only, '{version}'; without"):
        CompareState(one, version, version)


def test_runs_are_compared_where_there_is_one_version() -> None:
    one = results(*many("e1", "PPF"))
    state = CompareState(one)
    assert sides(state) == ("run", "run_2", "run_3")
    assert list(state.sides) == ["run"]
    newest = state.sides["run"][0].words
    assert newest == "2026-05-21 00:00 · v1 · 1 eval · run_3"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("v0", None),
            "baseline='v0' is not a workflow_version_id of these results; there are v3, v2",
        ),
        ((None, "v0"), "candidate='v0' is not a workflow_version_id"),
        (("v1", "run_3"), "candidate='run_3' is not a workflow_version_id"),
        (("run_1", "v3"), "candidate='v3' is not a run_id"),
        (("v0", "run_3"), "baseline='v0' is not a run_id"),
        ((None, "v1"), "candidate='v1' is the oldest version of these results"),
        ((7, None), "baseline must be a string, got int"),
        ((None, THREE), "candidate must be a string, got DataFrame"),
    ],
)
def test_a_side_that_is_not_there(arguments: tuple[Any, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError) as raised:
        ra.compare_view(THREE, *arguments)
    assert words in str(raised.value)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ra.ConfigError, match=r"at least two runs, or versions.* of 1 run"):
        ra.compare_view(results(*many("e1", "P")))
    with pytest.raises(ra.ConfigError, match="they are of 0 runs"):
        ra.compare_view(results(), "v1", "v2")
    with pytest.raises(ra.SchemaError, match="results is not a RESULTS frame"):
        ra.compare_view(THREE.drop("run_id"))
    with pytest.raises(ra.ConfigError, match=r"results must be a RESULTS frame .*got dict"):
        ra.compare_view({})  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="alpha must be a number between 0 and 1"):
        ra.compare_view(THREE, alpha=2)


def test_other_sides_are_compared() -> None:
    state = CompareState(THREE)
    before = state.comparison
    state.choose_side(baseline="v1", candidate="v2")
    assert sides(state) == ("version", "v1", "v2")
    now = state.comparison
    assert now is not before
    state.choose_side(baseline="v9")
    state.choose_side(candidate="v2")
    assert state.comparison is now


def test_the_same_on_both_sides_is_said() -> None:
    state = CompareState(THREE)
    state.choose_side(candidate="v2")
    assert state.same
    shown = html.render_sections(state, html.CompareLook(), OpenEval(None, lambda: None))
    assert html.SAME in shown["document"]
    assert "button" not in shown["work"]
    assert html.SAME in html.plain_text(state, values=True)
    assert html.SAME in html.render_still_view(state, values=True)


def test_another_kind_starts_with_what_was_compared() -> None:
    state = CompareState(THREE, "v1", "v2")
    state.choose_kind("run")
    assert sides(state) == ("run", "run_1", "run_2")
    state.choose_kind("draft")
    assert sides(state) == ("draft", "draft of v1", "draft of v2")
    before = state.comparison
    state.choose_kind("draft")
    state.choose_kind("nonsense")
    assert state.comparison is before


def test_a_run_of_a_few_evals_is_not_taken_for_its_version() -> None:
    few = [result("e0", "passed", 8, workflow_version_id="v3")]
    state = CompareState(pl.concat([THREE, results(*few)]))
    state.choose_kind("run")
    assert sides(state) == ("run", "run_2", "run_3")


def test_beside_a_run_of_all_stands_one_of_all() -> None:
    later = START + timedelta(days=2, hours=1)
    single = result("a", "passed", run_id="single", run_created_at=later)
    frame = results(*(row for each in "abc" for row in many(each, "PPF")), single)
    assert sides(CompareState(frame)) == ("run", "run_2", "run_3")
    assert sides(CompareState(frame, candidate="run_3")) == ("run", "run_2", "run_3")
    before = frame.filter(pl.col("run_id") != "run_3")
    assert sides(CompareState(before, baseline="run_1")) == ("run", "run_1", "run_2")
    assert sides(CompareState(frame, candidate="single")) == ("run", "run_2", "single")
    apart = frame.filter(pl.col("run_id").is_in(["single", "run_3"]))
    assert sides(CompareState(apart)) == ("run", "single", "run_3")


# What is undecided


def test_the_plan_says_what_settle_would_run() -> None:
    state = CompareState(THREE)
    plan = state.plan
    worth = list_reruns(suite_of(state.comparison).stories, 4)
    asked = {each.id for each in plan.asked}
    assert asked == {each.id for each in worth} == {"e0", "e1", "e2"}
    assert "3 evals are undecided" in html.describe_undecided(plan, state.started)
    said = html.describe_plan(plan, state.started)
    assert said.startswith("Run 3 undecided evals again, once? ")
    decided = CompareState(suite(v1="PP", v2="PP"))
    assert not decided.plan.asked
    assert html.describe_plan(decided.plan, 0) == ""
    assert html.describe_undecided(decided.plan, 0) == str(decided.plan)


def test_what_was_run_again_within_three_hours_waits() -> None:
    soon = {"run_created_at": START + timedelta(days=3, hours=1), "run_id": "again"}
    more = {"workflow_version_id": "v3", "block_execution_fingerprint": "code of v3"}
    again = results(*(result(each, "failed", 3, **soon, **more) for each in ("e0",)))
    state = CompareState(pl.concat([THREE, again]))
    state.clock = lambda: START + timedelta(days=3, hours=2)
    assert "e0" not in [each.id for each in state.plan.asked]
    state.clock = lambda: START + timedelta(days=3, hours=4)
    assert "e0" in [each.id for each in state.plan.asked]


def test_runs_that_nobody_waited_for_are_in_the_plan() -> None:
    state = CompareState(suite(v1="PP", v2="PP"))
    comparison = state.comparison
    started = runs(run("run_9", 9))
    waiting = with_sides(comparison, started=started)
    state.learn(state.pair, waiting)
    assert state.started == 1
    work = state.plan, state.started
    assert "1 run that you did not wait for may have ended" in html.describe_undecided(
        state.plan, state.started
    )
    assert "First 1 run" in html.describe_plan(*work)


def test_what_is_learned_of_a_pair_is_used_wherever_it_is_compared() -> None:
    state = CompareState(THREE)
    pair = state.pair
    known = ra.compare_versions(THREE, "v2", "v3", alpha=0.2)
    state.choose_side(baseline="v1")
    other = state.comparison
    state.learn(pair, known)
    assert state.comparison is other
    state.choose_side(baseline="v2")
    assert state.comparison is known
