"""The suite as a whole: the summary, the pass rates, the verdict."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

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
    suite,
)
from support.frames import START, many, results
from support.inside import SUMMARY_SCHEMA, TRANSITIONS, SuiteChange, SuiteTest, compare


@pytest.mark.parametrize("own_past", [False, True])
def test_the_counts_are_those_of_the_evals(own_past: bool) -> None:
    comparison = of_every_transition(own_past=own_past)
    # Without a baseline, frames do not tell what was deleted.
    told = {k: word for k, word in TRANSITION_OF.items() if word != "removed" or not own_past}
    assert dict(comparison.evals.select("eval_id", "transition").iter_rows()) == told
    row = numbers(comparison)
    assert comparison.summary.schema == SUMMARY_SCHEMA
    assert comparison.summary.columns[: len(TRANSITIONS)] == list(TRANSITIONS)
    assert [row[each] for each in TRANSITIONS] == [
        list(told.values()).count(each) for each in TRANSITIONS
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


def test_a_rerun_in_its_row_is_half_of_what_the_suite_counts() -> None:
    """A failure and a pass in one row are one half, however often either came."""
    rows = [*many_evals(20, "P" * 6), *history("x", "P" * 5 + "F")]
    at = START + timedelta(days=6, hours=1)
    again = [
        rows[-1]
        | {"state": state, "run_id": f"again_{n}", "result_id": f"x/{n}"}
        | {"run_created_at": at, "created_at": at, "run_scope": "eval"}
        for n, state in enumerate(("passed", "passed", "failed"))
    ]
    whole = [row | {"run_scope": "workflow"} for row in rows]
    earlier = [row for row in whole if row["run_id"] != "run_6"]
    for more, rate in (([], 0), (again[:1], 0.5), (again, 0.5), (again[2:], 0)):
        row = numbers(compare(results(*earlier), results(*rows_of(whole, 6), *more)))
        assert row["candidate_pass_rate"] == pytest.approx((20 + rate) / 21)
        assert row["baseline_pass_rate"] == 1.0


def rows_of(rows: Rows, run: int) -> Rows:
    return [row for row in rows if row["run_id"] == f"run_{run}"]


def made_test(*transitions: str, **change: Any) -> SuiteTest:
    usual = {"baseline_pass_rate": 0.9, "candidate_pass_rate": 0.9, "delta": 0.0, "p_value": 1.0}
    known = SuiteChange(
        **usual | {"n_evals": 100, "n_documents": 100, "se": 0.01, "df": 20, **change}
    )
    return SuiteTest(Counter(transitions), known, alpha=0.05)


FELL, ROSE = {"delta": -0.1, "p_value": 0.05}, {"delta": 0.1, "p_value": 0.05}


@pytest.mark.parametrize(
    ("transitions", "change", "expected"),
    [
        ((), {}, "no_change"),
        (("regressed",), {}, "regressed"),
        (("newly_blocked", "fixed"), ROSE, "regressed"),
        # A suspect is no doubt about the suite: headline and gate name it.
        (("suspect", "suspect"), {}, "no_change"),
        ((), FELL, "regressed"),
        (("fixed",), FELL, "regressed"),
        ((), FELL | {"p_value": 0.051}, "inconclusive"),
        ((), ROSE, "improved"),
        ((), ROSE | {"p_value": 0.051}, "no_change"),
        (("fixed", "newly_errored"), {}, "improved"),
        # No change needs an interval whose lower end is above the margin, and nothing open.
        (("newly_errored",), {}, "inconclusive"),
        (("incomplete",), {}, "inconclusive"),
        ((), {"se": 0.028}, "no_change"),
        ((), {"se": 0.030}, "inconclusive"),
        ((), {"se": None, "p_value": None}, "inconclusive"),
    ],
)
def test_the_verdict(transitions: tuple[str, ...], change: dict[str, Any], expected: str) -> None:
    assert made_test(*transitions, **change).conclude(margin=0.05) == expected


def test_only_a_significant_fall_is_one_and_two_runs_or_a_called_eval_make_it_sure() -> None:
    assert made_test(**FELL).fell
    assert not made_test(**ROSE).fell
    assert not made_test(**FELL | {"p_value": 0.06}).fell
    assert not made_test(delta=None, p_value=None).fell
    assert not made_test("suspect", **FELL, runs=1).is_sure
    assert made_test("suspect", **FELL, runs=2).is_sure
    assert made_test("regressed", **FELL, runs=1).is_sure


def test_the_margin_and_the_level_are_the_users() -> None:
    rows = many_evals(40, "PPPPPP")
    wide = held_against(rows, 5, 6, margin=0.2)
    narrow = held_against(rows, 5, 6, margin=0.0001)
    assert (wide.verdict, narrow.verdict) == ("no_change", "inconclusive")
    loose, strict = (numbers(held_against(rows, 5, 6, alpha=a)) for a in (0.2, 0.01))
    assert strict["delta_low"] < loose["delta_low"] < 0 < loose["delta_high"]
