"""The change of a whole suite: error rates by simulation, invariances, extremes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.inside import (
    Design,
    OutcomeTable,
    SuiteChange,
    detectable_change,
    least_broken_clusters,
    suite_change,
    whole_run_p,
)
from support.suites import Suite

TRIES = 200


def significant(suite: Suite, tries: int, fall: float = 0.0, seed: int = 11) -> float:
    dice = np.random.default_rng(seed)
    found = [suite_change(suite.draw(dice, fall), suite.documents).p_value for _ in range(tries)]
    return float(np.mean([p is not None and p <= 0.05 for p in found]))


@pytest.mark.parametrize("runs", [1, 3, 10, 20])
@pytest.mark.parametrize(
    "suite",
    [
        Suite(failing=0.035),
        Suite(n=30, failing=0.05, alike=50),
        Suite(failing=0.27, per_document=6),
        Suite(n=48, failing=0.27, per_document=4, missing=0.1),
        Suite(failing=0.1, candidates=2),
    ],
    ids=["solid", "alike", "documents", "missing", "two_candidates"],
)
def test_nothing_changed_is_rarely_significant(suite: Suite, runs: int) -> None:
    assert significant(replace(suite, runs=runs), TRIES) <= 0.05 + 0.03


@pytest.mark.parametrize("runs", [1, 3, 10, 20])
def test_nothing_changed_with_bad_hours(runs: int) -> None:
    """One run in fifty is bad throughout, in evals of which one in ten fails."""
    suite = Suite(failing=0.1, per_document=4, runs=runs, bad_hours=0.02)
    assert significant(suite, TRIES) <= 0.05 + 0.03


def test_a_bad_hour_as_there_was_one_before_is_not_significant() -> None:
    dice = np.random.default_rng(2)
    passes = dice.random((60, 21)) >= 0.1
    passes[:, 20] = dice.random(60) >= 0.6
    one = OutcomeTable.from_arrays(passes, np.ones_like(passes, dtype=int), [0] * 20 + [1])
    alone = suite_change(one, [None] * 60)
    passes[:, 7] = passes[dice.permutation(60), 20]
    passes[:3, 7] = False
    two = OutcomeTable.from_arrays(passes, np.ones_like(passes, dtype=int), [0] * 20 + [1])
    again = suite_change(two, [None] * 60)
    assert alone.p_value is not None
    assert alone.p_value < 1e-6
    assert again.p_value == pytest.approx(4 / 21)
    assert whole_run_p(two, 0.9) == 0.0


@pytest.mark.parametrize("runs", [1, 3, 10, 20])
@pytest.mark.parametrize(
    "suite",
    [
        Suite(n=72, failing=0.001),
        Suite(n=72, failing=0.1),
        Suite(n=200, failing=0.035, per_document=4),
        Suite(n=200, failing=0.27),
    ],
    ids=["without noise", "some noise", "documents", "much noise"],
)
def test_what_is_detectable_is_found_four_times_in_five(suite: Suite, runs: int) -> None:
    suite = replace(suite, runs=runs)
    dice = np.random.default_rng(5)
    changes = [suite_change(suite.draw(dice), suite.documents) for _ in range(30)]
    falls = [change.detectable for change in changes if change.detectable is not None]
    assert len(falls) == 30
    assert 0.7 <= significant(suite, 200, fall=float(np.mean(falls))) <= 0.9


def test_what_is_detectable_falls_with_evals_with_history_and_without_noise() -> None:
    one = Design({1: 80}, noise=4.0, surprise=0.5, spread=1.0, mirrored=True)
    many = Design({1: 80}, noise=4.0, surprise=1 / 21, spread=1 / 20, mirrored=False)
    found = detectable_change(one)
    assert found is not None
    for better in (many, replace(one, noise=0.0), replace(one, sizes={1: 400})):
        assert (detectable_change(better) or 1) < found
    assert (detectable_change(replace(one, sizes={8: 10})) or 1) > found
    assert (detectable_change(one, alpha=0.01) or 1) > found
    assert (detectable_change(one, power=0.5) or 1) < found


def test_what_no_suite_of_this_size_can_find_is_none() -> None:
    few = Design({1: 5}, noise=0.0, surprise=0.5, spread=1.0, mirrored=True)
    assert least_broken_clusters(few, 0.05) == 6
    assert detectable_change(few) is None
    assert detectable_change(replace(few, sizes={1: 6}, noise=100.0)) is None
    with pytest.raises(ValueError, match="alpha and power"):
        detectable_change(few, power=1.0)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_order_and_names_do_not_matter(missing: float) -> None:
    suite = Suite(n=60, runs=7, per_document=3, failing=0.3, missing=missing)
    table = suite.draw(np.random.default_rng(8))
    order = np.random.default_rng(9).permutation(60)
    documents = [["other " + name for name in suite.documents[at]] for at in order]
    assert suite_change(table, suite.documents) == suite_change(table.take(order), documents)


def test_the_other_way_round_is_the_same_with_the_sign_changed() -> None:
    table = Suite(n=60, failing=0.3, per_document=3).draw(np.random.default_rng(8))
    turned = OutcomeTable(table.passes, table.outcomes, ~table.is_after)
    documents = Suite(n=60, per_document=3).documents
    one, other = suite_change(table, documents), suite_change(turned, documents)
    assert one.delta is not None
    assert one.delta == -(other.delta or 0)
    assert (one.low, one.p_value) == (-(other.high or 0), other.p_value)


def test_evals_of_one_document_are_one_observation() -> None:
    passes = np.array([[1, 0]] * 12 + [[1, 1]] * 48)
    table = OutcomeTable.from_arrays(passes, np.ones_like(passes), [False, True])
    change = suite_change(table, [["invoice"]] * 12 + [[f"other {at}"] for at in range(48)])
    assert (change.n_evals, change.n_documents, change.p_value) == (60, 49, 1.0)


def test_forty_evals_from_four_of_five_to_two_of_five_are_significant() -> None:
    passes, outcomes = [[4, 2]] * 40, [[5, 5]] * 40
    change = suite_change(OutcomeTable.from_arrays(passes, outcomes, [0, 1]), [None] * 40)
    assert change.delta == pytest.approx(-0.4)
    assert change.p_value is not None
    assert change.p_value < 1e-9


@pytest.mark.parametrize("runs", [1, 3, 10, 20])
def test_many_shaky_evals_that_fail_at_once_are_significant(runs: int) -> None:
    passes = np.random.default_rng(runs).random((70, runs + 1)) >= 0.1
    passes[:, -1], passes[30:] = False, True
    table = OutcomeTable.from_arrays(passes, np.ones_like(passes, int), [0] * runs + [1])
    change = suite_change(table, [None] * 70)
    assert change.p_value is not None
    assert change.p_value < 1e-4


def test_nothing_and_next_to_nothing() -> None:
    empty = OutcomeTable.from_arrays([], [], [False, True])
    nothing = SuiteChange(None, None, None, None, 0, 0, None)
    assert suite_change(empty, []) == nothing
    one_side = OutcomeTable.from_arrays([[1, 0]], [[1, 0]], [False, True])
    assert suite_change(one_side, [None]) == nothing
    single = OutcomeTable.from_arrays([[1, 0]], [[1, 1]], [False, True])
    assert suite_change(single, [None]) == SuiteChange(-1.0, None, None, 1.0, 1, 1, None)
    alike = OutcomeTable.from_arrays([[1, 1]] * 40, [[1, 1]] * 40, [False, True])
    change = suite_change(alike, [None] * 40)
    assert (change.delta, change.p_value) == (0.0, 1.0)
    assert change.low is not None
    assert -0.06 < change.low < 0
    same = suite_change(alike, [["one"]] * 40)
    assert (same.delta, same.low, same.p_value, same.n_documents) == (0.0, None, 1.0, 1)


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_ten_thousand_evals(missing: float) -> None:
    suite = Suite(n=10_000, runs=5, per_document=3, failing=0.05, missing=missing)
    table = suite.draw(np.random.default_rng(1), fall=0.02)
    change = suite_change(table, suite.documents)
    assert change.delta == pytest.approx(-0.02, abs=0.01)
    assert change.p_value is not None
    assert change.p_value < 0.001
    assert (change.n_evals, change.n_documents) == (10_000, 3334)


def test_rows_of_the_same_eval_and_run_are_added_up() -> None:
    rows = [("b", "r", False, 1, 1), ("a", "s", True, 0, 1), ("b", "r", False, 0, 1)]
    rows += [("a", "r", False, 1, 1), ("b", "r", True, 2, 2)]
    evals, table = OutcomeTable.from_rows(rows)
    assert evals == ["a", "b"]
    assert table.passes.tolist() == [[1, 0, 0], [1, 2, 0]]
    assert table.outcomes.tolist() == [[1, 0, 1], [2, 2, 0]]
    assert table.is_after.tolist() == [False, True, True]
    assert OutcomeTable.from_rows([])[1].outcomes.shape == (0, 0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        OutcomeTable.from_arrays([[1, 1]], [[1, 1]], [True])
    with pytest.raises(ValueError, match="pass"):
        OutcomeTable.from_arrays([[2, 1]], [[1, 1]], [False, True])
    table = OutcomeTable.from_arrays([[1, 1]], [[1, 1]], [False, True])
    with pytest.raises(ValueError, match="documents"):
        suite_change(table, [])
    with pytest.raises(ValueError, match="alpha"):
        suite_change(table, [None], alpha=0.0)


def test_importing_the_statistics_does_not_load_numpy() -> None:
    code = "import sys, retab_analysis.stats; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
