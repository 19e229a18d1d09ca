"""The suite as a whole: the summary, the pass rates, the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from comparison.cases import (
    TRANSITION_OF,
    held_against,
    held_against_own_past,
    history,
    many_evals,
    numbers,
    of_every_transition,
    runs,
    suite,
)
from support.frames import many, results
from support.frames import run as run_row
from support.frames import runs as runs_frame
from support.inside import (
    SUMMARY_SCHEMA,
    TRANSITIONS,
    OutcomeTable,
    Regressed,
    Sides,
    Suite,
    check_results,
    compare,
    compare_sides,
    conclude,
    suite_regressed,
)

from retab_analysis import summarize_runs


@pytest.mark.parametrize("own_past", [False, True])
def test_the_counts_are_those_of_the_evals(own_past: bool) -> None:
    comparison = of_every_transition(own_past=own_past)
    assert dict(comparison.evals.select("eval_id", "transition").iter_rows()) == TRANSITION_OF
    row = numbers(comparison)
    assert comparison.summary.schema == SUMMARY_SCHEMA
    assert comparison.summary.columns[: len(TRANSITIONS)] == list(TRANSITIONS)
    assert [row[each] for each in TRANSITIONS] == [
        list(TRANSITION_OF.values()).count(each) for each in TRANSITIONS
    ]
    # Decided on both sides in their present definition: all but the new, the gone, the changed,
    # the crashed and the stopped one.
    assert row["n_evals"] == len(TRANSITION_OF) - 5


STATES = {"passed": 5, "failed": 2, "blocked": 1, "error": 2, "cancelled": 3}


def test_the_pass_rate_has_the_definition_of_runs() -> None:
    letters = "PPPPPFFBEECCCU"
    row = numbers(suite("P" * len(letters), letters))
    assert (row["baseline_pass_rate"], row["candidate_pass_rate"]) == (1.0, 0.5)
    counted = runs_frame(run_row("run_2", 2, pass_rate=0.5, **STATES))
    assert summarize_runs(counted)["pass_rate"].item() == row["candidate_pass_rate"]


def test_a_rate_is_of_all_results_of_a_side() -> None:
    before = results(*many("e", "PPPF"), *many("gone", "P"))
    now = results(*many("e", "FFP", 10), *many("new", "E", 10))
    row = numbers(compare(before, now))
    assert row["baseline_pass_rate"] == pytest.approx(4 / 5)
    assert row["candidate_pass_rate"] == pytest.approx(1 / 4)


def test_without_an_ended_result_there_is_no_rate() -> None:
    row = numbers(suite("CU", "PP"))
    assert (row["baseline_pass_rate"], row["candidate_pass_rate"]) == (None, 1.0)
    assert (row["n_evals"], row["delta"], row["p_value"], row["delta_low"]) == (0, *[None] * 3)


def test_against_its_own_past_the_rate_before_is_of_everything_comparable() -> None:
    rows = [
        *history("e", "FFPP", expected_value="9"),
        *history("e", "....PFPFP"),
        *history("f", "PPPPPPPPP"),
    ]
    row = numbers(held_against_own_past(rows, 9))
    # Never the chosen good results alone; and nothing of an earlier definition.
    assert row["baseline_pass_rate"] == pytest.approx((2 + 8) / (4 + 8))
    assert row["candidate_pass_rate"] == 1.0


def test_the_change_is_the_mean_over_evals_flaky_ones_included() -> None:
    rows = [
        *many_evals(3, "PPPPPPPP"),
        *history("shaky", "PFPFPFFF"),
        *history("fixed", "FFFFPPPP"),
        *history("edited", "PPPP"),
        *history("edited", "....FFFF", expected_value="9"),
        *history("stopped", "PPPPCCCC"),
    ]
    row = numbers(held_against(rows, (1, 4), (5, 8)))
    assert (row["n_evals"], row["n_documents"]) == (5, 5)
    assert row["delta"] == pytest.approx((0 * 3 - 0.25 + 1) / 5)
    assert row["delta_low"] < row["delta"] < row["delta_high"]


def test_evals_of_one_document_are_one_cluster() -> None:
    shared = {"document_ids": ["one", "two"], "document_names": ["x"]}
    rows = [
        *history("a", "PF", **shared),
        *history("b", "PF", document_ids=["two"], document_names=["y"]),
        *history("c", "PF", document_ids=[], document_names=["y"]),
        *history("d", "PP", document_ids=None, document_names=["y"]),
        *history("e", "PP", document_ids=None, document_names=None),
        *history("f", "PP", document_ids=[], document_names=[]),
    ]
    row = numbers(held_against(rows, 1, 2))
    # By ids where there are some, else by names: ab, cd; and who has neither is alone.
    assert (row["n_evals"], row["n_documents"]) == (6, 4)


def test_reruns_tell_of_their_evals_and_not_of_the_suite() -> None:
    rows = many_evals(20, "P" * 5 + "P", "A" * 5 + "B")
    rows += history("x", "P" * 5 + "F", "A" * 5 + "B")
    again = [row | {"run_id": "again"} for row in history("x", "." * 6 + "FFF", "B" * 9)]
    sides = Sides(
        candidate=check_results(runs(rows, 6), "candidate").collect(),
        baseline=check_results(runs(rows, 5), "baseline").collect(),
        history=check_results(runs(rows, 1, 5), "history").collect(),
    )
    once = compare_sides(sides, 0.05, 0.05)
    more = compare_sides(
        replace(sides, reruns=check_results(results(*again), "reruns").collect()), 0.05, 0.05
    )
    p = [each.evals.filter(eval_id="x")["p_regressed"].item() for each in (once, more)]
    assert p[0] < p[1]
    for name in ("delta", "p_value", "candidate_pass_rate", "baseline_pass_rate", "n_evals"):
        assert numbers(once)[name] == numbers(more)[name]


NOTHING: dict[str, Any] = {
    **dict.fromkeys(TRANSITIONS, 0),
    "baseline_pass_rate": 0.9,
    "candidate_pass_rate": 0.9,
    "n_evals": 100,
    "n_documents": 100,
    "delta": 0.0,
    "delta_low": -0.01,
    "delta_high": 0.01,
    "p_value": 1.0,
    "p_any_regressed": 0.1,
    "detectable": 0.05,
}
FELL = {"delta": -0.1, "delta_low": -0.15, "delta_high": -0.05, "p_value": 0.05}
ROSE = {"delta": 0.1, "delta_low": 0.05, "delta_high": 0.15, "p_value": 0.05}


def verdict(improved: float | None = None, **changes: Any) -> str:
    evals = pl.DataFrame(
        {"transition": ["fixed"], "p_improved": [improved], "p_regressed": [None], "block_id": "b"},
        schema_overrides={"p_improved": pl.Float64, "p_regressed": pl.Float64},
    )
    table, documents = OutcomeTable.from_arrays([], [], [False, True]), pl.DataFrame()
    summary = pl.DataFrame([NOTHING | changes], schema=SUMMARY_SCHEMA)
    made = Suite(evals, table, documents, pass_rates=(0.9, 0.9))
    return conclude(made, summary, alpha=0.05, margin=0.05)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "no_change"),
        ({"p_any_regressed": None}, "no_change"),
        ({"p_any_regressed": 0.8, "regressed": 1}, "regressed"),
        ({"p_any_regressed": 0.8, "suspect": 3}, "regressed"),
        ({"p_any_regressed": 0.79, "suspect": 3}, "inconclusive"),
        # A hundred blocks that were edited and pass: one may be worse, and none is called so.
        ({"p_any_regressed": 0.9}, "no_change"),
        (FELL, "regressed"),
        (FELL | {"p_value": 0.051}, "inconclusive"),
        (ROSE, "improved"),
        (ROSE | {"p_value": 0.051}, "inconclusive"),
        ({"improved": 0.8}, "improved"),
        ({"improved": 0.79}, "no_change"),
        # Both at once is worse; and nothing is better while something is broken.
        (ROSE | {"p_any_regressed": 0.9, "regressed": 1}, "regressed"),
        ({"improved": 0.9, "p_any_regressed": 0.9, "regressed": 1}, "regressed"),
        (ROSE | {"regressed": 1, "p_any_regressed": 0.6}, "inconclusive"),
        (ROSE | {"newly_blocked": 1}, "inconclusive"),
        (ROSE | {"newly_errored": 1}, "inconclusive"),
        # No change needs a whole interval within the margin, and nothing open.
        ({"suspect": 1}, "inconclusive"),
        ({"newly_errored": 1}, "inconclusive"),
        ({"regressed": 1, "p_any_regressed": 0.5}, "inconclusive"),
        ({"delta_low": -0.05, "delta_high": 0.05}, "no_change"),
        ({"delta_low": -0.051}, "inconclusive"),
        ({"delta_high": 0.051}, "inconclusive"),
        ({"delta_low": None, "delta_high": None}, "inconclusive"),
        ({"delta": None, "delta_low": None, "delta_high": None, "p_value": None}, "inconclusive"),
    ],
)
def test_the_verdict(changes: dict[str, Any], expected: str) -> None:
    assert verdict(**changes) == expected


def test_only_a_significant_fall_is_one() -> None:
    def fell(**changes: Any) -> bool:
        return suite_regressed(pl.DataFrame([NOTHING | changes], schema=SUMMARY_SCHEMA), 0.05)

    assert fell(**FELL)
    assert not fell(**ROSE)
    assert not fell(**FELL | {"p_value": 0.06})
    assert not fell(delta=None, p_value=None)


@pytest.mark.parametrize(("p", "is_said"), [(0.8, True), (0.79, False), (None, False)])
def test_the_reason_names_the_probability_from_which_on_the_verdict_counts_it(
    p: float | None, is_said: bool
) -> None:
    summary = pl.DataFrame([NOTHING | {"p_any_regressed": p}], schema=SUMMARY_SCHEMA)
    reason = str(Regressed(summary, 0.05, by_test=False, without_accepted=False))
    assert ("something got worse with a probability of at least 0.80" in reason) == is_said
    by_test = str(Regressed(summary, 0.05, by_test=True, without_accepted=False))
    assert "probability" not in by_test


def test_the_margin_and_the_level_are_the_users() -> None:
    rows = many_evals(40, "PPPPPP")
    wide = held_against(rows, 5, 6, margin=0.2)
    narrow = held_against(rows, 5, 6, margin=0.0001)
    assert (wide.verdict, narrow.verdict) == ("no_change", "inconclusive")
    loose, strict = (numbers(held_against(rows, 5, 6, alpha=a)) for a in (0.2, 0.01))
    assert strict["delta_low"] < loose["delta_low"] < 0 < loose["delta_high"]


@pytest.mark.parametrize("number", [0, 1])
def test_of_one_eval_or_none_nothing_is_concluded(number: int) -> None:
    comparison = suite("P" * number, "P" * number)
    row = numbers(comparison)
    assert comparison.verdict == "inconclusive"
    assert (row["delta_low"], row["delta_high"], row["detectable"]) == (None, None, None)
