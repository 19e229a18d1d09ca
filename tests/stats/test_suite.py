"""The change of a whole suite: error rates by simulation, invariances, extremes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.inside import OutcomeTable, SuiteChange, gaps_of_whole_runs, suite_change
from support.suites import Suite

TRIES = 120
# The promise is 0.05 + 0.03. What is measured over many tries is .03 to .06, of which the standard
# error with so many as here is .013 at most.
MOST_SIGNIFICANT, MANY_TRIES = 0.05 + 0.03, 300


def change_of(
    passes: np.ndarray | list[list[int]], clusters: np.ndarray | None = None, outcomes: int = 1
) -> SuiteChange:
    """All runs but the last are before; each eval is alone unless clusters are given."""
    passes = np.array(passes)
    is_after = np.arange(passes.shape[1]) == passes.shape[1] - 1
    table = OutcomeTable(passes, np.full_like(passes, outcomes), is_after)
    return suite_change(table, np.arange(len(passes)) if clusters is None else clusters)


def is_found(change: SuiteChange) -> bool:
    assert change.p_value is not None
    assert change.delta_high is not None
    return change.p_value <= 0.05 and change.delta_high < 0


def significant(suite: Suite, tries: int = MANY_TRIES, seed: int = 11) -> float:
    dice = np.random.default_rng(seed)
    found = [suite_change(suite.draw(dice), suite.clusters).p_value for _ in range(tries)]
    return float(np.mean([p is not None and p <= 0.05 for p in found]))


@pytest.mark.study
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
    assert significant(replace(suite, runs=runs)) <= MOST_SIGNIFICANT


@pytest.mark.study
@pytest.mark.parametrize("runs", [1, 3, 10, 20])
def test_nothing_changed_with_bad_hours(runs: int) -> None:
    """One run in fifty is bad throughout, in evals of which one in ten fails."""
    suite = Suite(failing=0.1, per_document=4, runs=runs, bad_hours=0.02)
    assert significant(suite) <= MOST_SIGNIFICANT


def test_a_bad_hour_as_there_was_one_before_is_not_significant() -> None:
    dice = np.random.default_rng(2)
    passes = (dice.random((60, 21)) >= 0.1).astype(int)
    passes[:, 20] = dice.random(60) >= 0.6
    alone = change_of(passes)
    passes[:, 7] = passes[dice.permutation(60), 20]
    passes[:3, 7] = 0
    again = change_of(passes)
    assert alone.p_value is not None
    assert alone.p_value < 1e-4
    assert again.p_value == pytest.approx(4 / 21)


def test_runs_of_few_evals_say_nothing_of_the_hour() -> None:
    outcomes = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 1]])
    gaps = gaps_of_whole_runs(np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1]]), outcomes)
    assert gaps[[0, 2]] == pytest.approx([(1 + 0 - 1) / 3, (-0.5 + 0 + 1) / 3])
    assert np.isnan(gaps[1])


@pytest.mark.study
@pytest.mark.parametrize("runs", [1, 10])
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
    falls = [suite_change(suite.draw(dice), suite.clusters).detectable or 1.0 for _ in range(30)]
    tries = [suite.draw(dice, float(np.mean(falls))) for _ in range(TRIES)]
    found = np.mean([is_found(suite_change(each, suite.clusters)) for each in tries])
    assert 0.7 <= found <= 0.95


@pytest.mark.study
def test_what_is_detectable_falls_with_evals_with_history_and_without_noise() -> None:
    def detectable(suite: Suite) -> float:
        dice = np.random.default_rng(7)
        falls = [suite_change(suite.draw(dice), suite.clusters).detectable or 1 for _ in range(20)]
        return float(np.mean(falls))

    usual = detectable(Suite(n=60, failing=0.15, runs=3))
    for better in (Suite(n=60, failing=0.15, runs=20), Suite(n=60, failing=0.02, runs=3)):
        assert detectable(better) < usual
    assert detectable(Suite(n=300, failing=0.15, runs=3)) < usual
    assert detectable(Suite(n=60, failing=0.15, runs=3, per_document=6)) > usual


def test_what_is_detectable_is_more_than_an_earlier_run_fell() -> None:
    at_once, spread = np.ones((72, 11), dtype=int), np.ones((72, 11), dtype=int)
    at_once[:15, 3] = 0
    spread[np.arange(15), np.arange(15) % 10] = 0
    found = [change_of(passes).detectable for passes in (at_once, spread)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] > 15 / 72 > found[1]


def test_what_no_suite_of_this_size_can_find_is_none() -> None:
    assert change_of([[1, 1]] * 5).detectable is None
    assert change_of([[1, 1]] * 12, clusters=np.zeros(12, dtype=int)).detectable is None


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_order_of_evals_and_documents_does_not_matter(missing: float) -> None:
    suite = Suite(n=60, runs=7, per_document=3, failing=0.3, missing=missing)
    table = suite.draw(np.random.default_rng(8))
    order = np.random.default_rng(9).permutation(60)
    others = np.random.default_rng(10).permutation(20)[suite.clusters[order]]
    one, other = suite_change(table, suite.clusters), suite_change(table.take(order), others)
    assert one.p_value == other.p_value
    assert (one.delta, one.delta_low, one.detectable) == pytest.approx(
        (other.delta, other.delta_low, other.detectable)
    )


def test_the_other_way_round_is_the_same_with_the_sign_changed() -> None:
    suite = Suite(n=60, failing=0.3, per_document=3)
    table = suite.draw(np.random.default_rng(8))
    turned = OutcomeTable(table.passes, table.outcomes, ~table.is_after)
    one, other = (suite_change(each, suite.clusters) for each in (table, turned))
    assert one.delta is not None
    assert one.delta == -(other.delta or 0)
    assert (one.delta_low, one.p_value) == (-(other.delta_high or 0), other.p_value)


def test_the_change_is_the_difference_of_the_two_rates() -> None:
    suite = Suite(n=70, runs=6, failing=0.3, missing=0.3)
    for seed in range(20):
        table = suite.draw(np.random.default_rng(seed))
        change = suite_change(table, suite.clusters)
        before = table.passes[:, :6].sum(axis=1) / table.outcomes[:, :6].sum(axis=1)
        assert change.baseline_pass_rate == pytest.approx(before.mean())
        assert change.candidate_pass_rate == pytest.approx(table.passes[:, 6].mean())
        assert change.delta == (change.candidate_pass_rate or 0) - (change.baseline_pass_rate or 0)
        # The interval is of the same rows.
        assert change.delta_low is not None
        assert change.delta_high is not None
        assert (change.delta_low + change.delta_high) / 2 == pytest.approx(change.delta)


def test_evals_of_one_document_are_one_observation() -> None:
    clusters = np.concatenate([np.zeros(12, dtype=int), np.arange(1, 49)])
    change = change_of([[1, 0]] * 12 + [[1, 1]] * 48, clusters)
    assert (change.n_evals, change.n_documents, change.p_value) == (60, 49, 1.0)


def test_forty_evals_from_four_of_five_to_two_of_five_are_significant() -> None:
    change = change_of([[4, 2]] * 40, outcomes=5)
    assert change.delta == pytest.approx(-0.4)
    assert change.p_value is not None
    assert change.p_value < 1e-9


def test_nothing_and_next_to_nothing() -> None:
    assert change_of(np.zeros((0, 2), dtype=int)) == SuiteChange()
    assert change_of([[1, 0]]) == SuiteChange(1.0, 0.0, -1.0, None, None, 1.0, 1, 1, None)
    change = change_of([[1, 1]] * 40)
    assert (change.delta, change.p_value) == (0.0, 1.0)
    assert change.delta_low is not None
    assert -0.06 < change.delta_low < 0
    same = change_of([[1, 1]] * 40, clusters=np.zeros(40, dtype=int))
    assert (same.delta, same.delta_low, same.p_value, same.n_documents) == (0.0, None, 1.0, 1)


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_ten_thousand_evals(missing: float) -> None:
    suite = Suite(n=10_000, runs=5, per_document=3, failing=0.05, missing=missing)
    change = suite_change(suite.draw(np.random.default_rng(1), fall=0.02), suite.clusters)
    assert change.delta == pytest.approx(-0.02, abs=0.01)
    assert is_found(change)
    assert (change.n_evals, change.n_documents) == (10_000, 3334)


def test_a_level_that_cannot_be_is_refused() -> None:
    table = OutcomeTable(np.ones((2, 2), int), np.ones((2, 2), int), np.array([False, True]))
    with pytest.raises(ValueError, match="alpha"):
        suite_change(table, np.arange(2), alpha=0.0)
