"""The null distributions of clusters and their sums, against plain enumeration."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from support.examples import examples
from support.inside import NullPart, OutcomeTable, binomial, mcnemar_exact, relabel, two_sided_p


def p_value(table: OutcomeTable, clusters: list[int]) -> float:
    null = relabel(table, np.array(clusters, dtype=np.int64))
    return two_sided_p(null.observed, null.parts, null.tolerance)


def table_of(passes: np.ndarray, is_after: list[bool]) -> OutcomeTable:
    return OutcomeTable.from_arrays(passes, np.ones_like(passes), is_after)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=11))
def test_sign_flips_are_all_patterns(sums: list[int]) -> None:
    parts = Counter(NullPart((-abs(each), abs(each)), (0.5, 0.5)) for each in sums if each)
    signs = itertools.product((-1, 1), repeat=len(sums))
    totals = [abs(sum(s * each for s, each in zip(row, sums, strict=True))) for row in signs]
    expected = sum(total >= abs(sum(sums)) for total in totals) / len(totals)
    assert two_sided_p(sum(sums), parts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("worse", "better"), [(6, 0), (9, 2), (30, 11), (700, 640), (1200, 0)])
def test_one_run_against_one_is_mcnemar(worse: int, better: int) -> None:
    passes = np.array([[1, 0]] * worse + [[0, 1]] * better + [[1, 1], [0, 0]] * 50)
    found = p_value(table_of(passes, [False, True]), list(range(len(passes))))
    assert found == pytest.approx(mcnemar_exact(worse, better), rel=1e-7, abs=1e-300)


def test_one_flaky_eval_against_its_history_is_fisher() -> None:
    passes = np.array([[1, 1, 1, 1, 1, 0, 1, 1, 1, 0]])
    for k in (1, 2, 3):
        is_after = [False] * (10 - k) + [True] * k
        before, after = passes[0, : 10 - k], passes[0, 10 - k :]
        chosen = itertools.combinations(range(10), k)
        observed = abs(after.mean() - before.mean())
        rates = [(passes[0, list(c)].mean(), np.delete(passes[0], list(c)).mean()) for c in chosen]
        expected = np.mean([abs(a - b) >= observed - 1e-12 for a, b in rates])
        assert p_value(table_of(passes, is_after), [0]) == pytest.approx(expected)


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
    table = table_of(passes, [False] * before + [True] * after)
    assert p_value(table, clusters.tolist()) == pytest.approx(expected, abs=1e-12)


def test_ten_evals_that_failed_once_in_ten_runs_and_pass_now_are_luck() -> None:
    """Flips would say 2 / 2^10, because all ten differences have the same sign."""
    passes = np.hstack([1 - np.eye(10, dtype=int), np.ones((10, 1), dtype=int)])
    found = p_value(table_of(passes, [False] * 10 + [True]), list(range(10)))
    one_fails = scipy_stats.binom.pmf(1, 10, 1 / 11)  # only then is the sum, 1 - 1.1 k, below 1
    assert found == pytest.approx(1 - one_fails)


def test_evals_that_a_run_lacks_go_on_to_the_next_in_a_common_order() -> None:
    outcomes = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1]])
    passes = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]])
    table = OutcomeTable.from_arrays(passes, outcomes, [False, False, False, True])

    def total(order: tuple[int, ...]) -> float:
        value = 0.0
        for passed, there in zip(passes, outcomes, strict=True):
            first = next(run for run in order if there[run])
            rest = (passed.sum() - passed[first]) / (there.sum() - 1)
            value += passed[first] - rest
        return value

    totals = np.array([total(order) for order in itertools.permutations(range(4))])
    null = relabel(table, np.zeros(3, dtype=np.int64))
    assert null.observed / null.unit == pytest.approx(total((3, 0, 1, 2)))
    assert null.variance == pytest.approx(totals.var(), rel=0.05)
    (part,) = null.parts
    assert part.values[0] / null.unit == pytest.approx(totals.min())
    assert part.values[-1] / null.unit == pytest.approx(totals.max())


def test_draws_come_near_to_what_is_exact() -> None:
    dice = np.random.default_rng(1)
    sizes = dice.integers(10**8, 10**9, 30)  # too fine for a grid, too many for all patterns
    parts = Counter(NullPart((-int(s), int(s)), (0.5, 0.5)) for s in sizes)
    observed = int(1.5 * np.sqrt((sizes.astype(float) ** 2).sum()))
    drawn = two_sided_p(observed, parts)
    coarse = Counter(NullPart((-int(s), int(s)), (0.5, 0.5)) for s in sizes // 10**6)
    assert drawn == pytest.approx(two_sided_p(observed // 10**6, coarse), abs=0.008)
    assert drawn == two_sided_p(observed, Counter(dict(reversed(parts.items()))))


def test_long_distributions_are_folded_as_short_ones_are() -> None:
    parts = Counter({NullPart((-1, 1), (0.5, 0.5)): 9000})
    expected = scipy_stats.binomtest(4400, 9000).pvalue
    assert two_sided_p(200, parts) == pytest.approx(expected, rel=1e-8)


def test_a_p_value_is_never_0() -> None:
    parts = Counter({NullPart((-1, 1), (0.5, 0.5)): 5000})
    assert 0 < two_sided_p(5000, parts) < 1e-12
    assert two_sided_p(0, parts) == two_sided_p(3, Counter()) == 1.0


def test_binomial_is_that_of_scipy() -> None:
    for k, n, chance in itertools.product((0, 1, 7, 30), (5, 30, 3000), (0.0, 0.01, 0.5, 1.0)):
        expected = scipy_stats.binom.pmf(k, n, chance)
        assert binomial(k, n, chance) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_several_outcomes_of_a_run_are_several_outcomes() -> None:
    """Four evals of one run each, tried 1 to 4 times: as many runs with one outcome each."""
    passes = np.array([[1, 3], [0, 2], [1, 1], [2, 0]])
    outcomes = np.array([[1, 4], [1, 3], [2, 3], [2, 1]])
    table = OutcomeTable.from_arrays(passes, outcomes, [False, True])
    null = relabel(table, np.arange(4))
    expected = 0.0
    for (p0, p1), (n0, n1) in zip(passes, outcomes, strict=True):
        n, passed = n0 + n1, p0 + p1
        variance = n1 * passed / n * (n - passed) / n * (n - n1) / max(n - 1, 1)
        expected += variance * (1 / n0 + 1 / n1) ** 2
    assert null.variance == pytest.approx(expected)
    assert null.tolerance == 0
    assert math.isclose(null.observed / null.unit, (3 / 4 - 1) + 2 / 3 + (1 / 3 - 1 / 2) - 1)
