"""The suite's test, against plain enumeration and the exact tests of scipy."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from support.examples import examples
from support.inside import DRAWS, OutcomeTable, permutation_p, two_sided_p


def flips(sizes: np.ndarray | list[int]) -> Counter:
    return Counter(((-abs(int(each)), abs(int(each))), (0.5, 0.5)) for each in sizes if each)


def table_of(passes: np.ndarray, is_after: list[bool]) -> OutcomeTable:
    return OutcomeTable(passes, np.ones_like(passes), np.array(is_after))


def alone(table: OutcomeTable) -> float:
    return permutation_p(table, np.arange(len(table.passes)))


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=11))
def test_sign_flips_are_all_patterns(sums: list[int]) -> None:
    signs = itertools.product((-1, 1), repeat=len(sums))
    totals = [abs(sum(s * each for s, each in zip(row, sums, strict=True))) for row in signs]
    expected = sum(total >= abs(sum(sums)) for total in totals) / len(totals)
    assert two_sided_p(sum(sums), flips(sums)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("worse", "better"), [(6, 0), (9, 2), (30, 11), (700, 640), (1200, 0)])
def test_one_run_against_one_is_mcnemar(worse: int, better: int) -> None:
    passes = np.array([[1, 0]] * worse + [[0, 1]] * better + [[1, 1], [0, 0]] * 50)
    expected = scipy_stats.binomtest(worse, worse + better).pvalue
    found = alone(table_of(passes, [False, True]))
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-300)


def test_five_runs_against_five_flip_too() -> None:
    """Four of five, then two of five: what each document adds changes its sign as a whole."""
    passes = np.array([[1, 1, 1, 1, 0, 1, 1, 0, 0, 0]] * 6)
    assert alone(table_of(passes, [False] * 5 + [True] * 5)) == 2 / 2**6


def test_one_flaky_eval_against_its_history_is_fisher() -> None:
    passes = np.array([[1, 1, 1, 1, 1, 0, 1, 1, 1, 0]])
    for k in (1, 2, 3):
        is_after = [False] * (10 - k) + [True] * k
        before, after = passes[0, : 10 - k], passes[0, 10 - k :]
        chosen = itertools.combinations(range(10), k)
        observed = abs(after.mean() - before.mean())
        rates = [(passes[0, list(c)].mean(), np.delete(passes[0], list(c)).mean()) for c in chosen]
        expected = np.mean([abs(a - b) >= observed - 1e-12 for a, b in rates])
        assert alone(table_of(passes, is_after)) == pytest.approx(expected)


@examples(40)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(2, 4))
def test_permutations_are_all_choices_of_runs(seed: int, after: int, before: int) -> None:
    """Three clusters of one, two and three evals; in each any runs may be the candidate's."""
    if after == before:
        before += 1
    passes = np.random.default_rng(seed).integers(0, 2, (6, before + after))
    clusters = np.array([0, 1, 1, 2, 2, 2])
    choices = [list(each) for each in itertools.combinations(range(before + after), after)]

    def totals(cluster: int) -> np.ndarray:
        rows = passes[clusters == cluster]
        means = [(rows[:, c].mean(1), np.delete(rows, c, axis=1).mean(1)) for c in choices]
        return np.array([(there - elsewhere).sum() for there, elsewhere in means])

    each = [totals(cluster) for cluster in range(3)]
    observed = abs(sum(values[-1] for values in each))  # the last runs, which are the candidate's
    sums = np.abs(each[0][:, None, None] + each[1][:, None] + each[2])
    expected = np.mean(sums >= observed - 1e-9)
    found = permutation_p(table_of(passes, [False] * before + [True] * after), clusters)
    assert found == pytest.approx(expected, abs=1e-12)


def test_ten_evals_that_failed_once_in_ten_runs_and_pass_now_are_luck() -> None:
    """Flips would say 2 / 2^10, because all ten differences have the same sign."""
    passes = np.hstack([1 - np.eye(10, dtype=int), np.ones((10, 1), dtype=int)])
    one_fails = scipy_stats.binom.pmf(1, 10, 1 / 11)  # only then is the sum, 1 - 1.1 k, below 1
    assert alone(table_of(passes, [False] * 10 + [True])) == pytest.approx(1 - one_fails)


@pytest.mark.parametrize("observed", [[1, 1, 0], [0, 0, 1]])
def test_evals_that_a_run_lacks_go_on_to_the_next_in_a_common_order(observed: list[int]) -> None:
    outcomes = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1]])
    passes = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]])
    passes[:, 3] = observed

    def total(order: tuple[int, ...]) -> float:
        value = 0.0
        for passed, there in zip(passes, outcomes, strict=True):
            first = next(run for run in order if there[run])
            rest = (passed.sum() - passed[first]) / (there.sum() - 1)
            value += passed[first] - rest
        return value

    totals = np.array([abs(total(order)) for order in itertools.permutations(range(4))])
    expected = np.mean(totals >= abs(total((3, 0, 1, 2))) - 1e-9)
    table = OutcomeTable(passes, outcomes, np.array([False, False, False, True]))
    assert permutation_p(table, np.zeros(3, dtype=np.int64)) == pytest.approx(expected, abs=0.05)


def test_several_outcomes_of_a_run_are_several_outcomes() -> None:
    """One eval, tried four times and then once: any of the five may have been the candidate's."""
    table = OutcomeTable(np.array([[4, 0]]), np.array([[4, 1]]), np.array([False, True]))
    assert alone(table) == pytest.approx(1 / 5)


def test_draws_come_near_to_what_is_exact() -> None:
    sizes = np.random.default_rng(1).integers(10**8, 10**9, 30)  # too many for all patterns
    observed = int(1.5 * np.sqrt((sizes.astype(float) ** 2).sum()))
    drawn = two_sided_p(observed, flips(sizes))
    assert (drawn * (DRAWS + 1)).is_integer()
    # Of so many flips the sum is all but normal.
    assert drawn == pytest.approx(2 * scipy_stats.norm.sf(1.5), abs=0.012)
    assert drawn == two_sided_p(observed, flips(sizes[::-1]))


def test_equal_patterns_are_added_up_however_many_they_are() -> None:
    expected = scipy_stats.binomtest(430, 1000).pvalue
    assert two_sided_p(140, flips([1] * 1000)) == pytest.approx(expected, rel=1e-8)


def test_a_p_value_is_never_0() -> None:
    assert 0 < two_sided_p(1400, flips([1] * 1400)) < 1e-12
    assert two_sided_p(0, flips([1])) == two_sided_p(3, Counter()) == 1.0
