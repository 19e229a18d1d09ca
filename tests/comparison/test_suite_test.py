"""The suite as a whole: the summary, the pass rates, the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from comparison.cases import (
    TRANSITION_OF,
    Rows,
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
from support.inside import (
    SUMMARY_SCHEMA,
    TRANSITIONS,
    OutcomeTable,
    Sides,
    Suite,
    check_results,
    compare,
    compare_sides,
    conclude,
    suite_regressed,
)


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


def test_the_pass_rates_are_of_the_same_evals_before_and_after() -> None:
    """Not of what is new, gone, in an error or without an end; and each eval counts once."""
    row = numbers(suite("PPPPCU" + "FP", "PFBECU" + "PP"))
    assert row["n_evals"] == 5
    assert (row["baseline_pass_rate"], row["candidate_pass_rate"]) == (4 / 5, 3 / 5)
    assert row["delta"] == row["candidate_pass_rate"] - row["baseline_pass_rate"]
    before = results(*many("e", "PPPF"), *many("f", "PPPP"), *many("gone", "F"))
    now = results(*many("e", "FFP", 10), *many("f", "PPP", 10), *many("new", "E", 10))
    row = numbers(compare(before, now))
    assert row["baseline_pass_rate"] == pytest.approx((3 / 4 + 1) / 2)
    assert row["candidate_pass_rate"] == pytest.approx((1 / 3 + 1) / 2)


def test_without_an_eval_that_was_decided_on_both_sides_there_is_no_rate() -> None:
    row = numbers(suite("CU", "PP"))
    rates = ("baseline_pass_rate", "candidate_pass_rate", "delta", "p_value", "delta_low")
    assert (row["n_evals"], *(row[each] for each in rates)) == (0, *[None] * 5)


def test_against_its_own_past_the_rate_before_is_of_everything_comparable() -> None:
    rows = [
        *history("e", "FFPP", expected_value="9"),
        *history("e", "....PFPFP"),
        *history("f", "PPPPPPPPP"),
    ]
    row = numbers(held_against_own_past(rows, 9))
    # Never the chosen good results alone; and nothing of an earlier definition.
    assert row["baseline_pass_rate"] == pytest.approx((2 / 4 + 8 / 8) / 2)
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


def test_runs_of_single_evals_tell_of_their_evals_and_not_of_the_suite() -> None:
    rows = [*many_evals(20, "P" * 6, "A" * 5 + "B"), *history("x", "P" * 5 + "F", "A" * 5 + "B")]
    again = [row | {"run_id": "again"} for row in history("x", "." * 6 + "F", "B" * 7)]
    scopes = [{"run_id": f"run_{at}", "scope": "workflow"} for at in range(1, 7)]
    known = pl.DataFrame([*scopes, {"run_id": "again", "scope": "eval"}])
    once, more = (
        compare_sides(
            Sides(
                candidate=check_results(results(*now), "candidate").collect(),
                baseline=check_results(runs(rows, 5), "baseline").collect(),
                history=check_results(runs(rows, 1, 4), "history").collect(),
                runs=known,
            ),
            0.05,
            0.05,
        )
        for now in (rows_of(rows, 6), [*rows_of(rows, 6), *again])
    )
    p = [each.evals.filter(eval_id="x")["p_regressed"].item() for each in (once, more)]
    assert p[0] < p[1]
    for name in ("delta", "p_value", "candidate_pass_rate", "baseline_pass_rate", "n_evals"):
        assert numbers(once)[name] == numbers(more)[name]


def rows_of(rows: Rows, run: int) -> Rows:
    return [row for row in rows if row["run_id"] == f"run_{run}"]


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


def verdict(evals: int = 100, better: float | None = None, mended: int = 0, **changes: Any) -> str:
    """The verdict on a summary, of a suite in which all pass, and but for a few did before."""
    known = pl.DataFrame(
        {"transition": ["fixed"], "p_better": [better], "p_worse": [None], "block_id": "b"},
        schema_overrides={"p_better": pl.Float64, "p_worse": pl.Float64},
    )
    ones = np.ones((evals, 2), dtype=np.int64)
    passes = ones.copy()
    passes[:mended, 0] = 0
    names = [[str(at)] for at in range(evals)]
    documents = pl.DataFrame({"documents": names}, schema={"documents": pl.List(pl.String)})
    made = Suite(known, OutcomeTable(passes, ones, np.array([False, True])), documents)
    summary = pl.DataFrame([NOTHING | changes], schema=SUMMARY_SCHEMA)
    return conclude(made, summary, alpha=0.05, margin=0.05)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "no_change"),
        ({"p_any_regressed": None}, "no_change"),
        ({"p_any_regressed": 0.8, "regressed": 1}, "regressed"),
        ({"p_any_regressed": 0.8, "suspect": 3}, "regressed"),
        ({"p_any_regressed": 0.8}, "regressed"),
        # A suspect is no doubt about the suite: headline and gate name it.
        ({"p_any_regressed": 0.79, "suspect": 3}, "no_change"),
        (FELL, "regressed"),
        (FELL | {"p_value": 0.051, "regressed": 1}, "inconclusive"),
        (ROSE, "improved"),
        (ROSE | {"p_value": 0.051}, "no_change"),
        ({"better": 0.8}, "improved"),
        ({"better": 0.79}, "no_change"),
        ({"better": 0.8, "newly_errored": 1}, "improved"),
        # Both at once is worse; and nothing is better while something is broken.
        (ROSE | {"p_any_regressed": 0.9, "regressed": 1}, "regressed"),
        ({"better": 0.9, "p_any_regressed": 0.9, "regressed": 1}, "regressed"),
        (ROSE | {"regressed": 1, "p_any_regressed": 0.6}, "inconclusive"),
        (ROSE | {"newly_blocked": 1}, "inconclusive"),
        # No change needs an interval whose lower end is above the margin, and nothing open.
        ({"newly_errored": 1}, "inconclusive"),
        ({"incomplete": 1}, "inconclusive"),
        ({"regressed": 1, "p_any_regressed": 0.5}, "inconclusive"),
        # That it may be better is no doubt.
        ({"mended": 6}, "no_change"),
        ({"evals": 34}, "no_change"),
        ({"evals": 33}, "inconclusive"),
        ({"evals": 1}, "inconclusive"),
        ({"evals": 0}, "inconclusive"),
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


def test_the_margin_and_the_level_are_the_users() -> None:
    rows = many_evals(40, "PPPPPP")
    wide = held_against(rows, 5, 6, margin=0.2)
    narrow = held_against(rows, 5, 6, margin=0.0001)
    assert (wide.verdict, narrow.verdict) == ("no_change", "inconclusive")
    loose, strict = (numbers(held_against(rows, 5, 6, alpha=a)) for a in (0.2, 0.01))
    assert strict["delta_low"] < loose["delta_low"] < 0 < loose["delta_high"]
