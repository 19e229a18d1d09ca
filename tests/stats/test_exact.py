"""The exact tests, judged by scipy, statsmodels and enumeration."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar
from support.inside import stats


@pytest.mark.parametrize(("worse", "better"), [*itertools.product((0, 1, 2, 5, 6, 13), repeat=2)])
def test_mcnemar_is_that_of_statsmodels(worse: int, better: int) -> None:
    p = stats.mcnemar_exact(worse, better)
    expected = float(mcnemar([[10, worse], [better, 20]], exact=True).pvalue)
    assert p == pytest.approx(expected if worse + better else 1.0)
    assert p == stats.mcnemar_exact(better, worse)


@pytest.mark.parametrize(
    ("worse", "better"), [(480, 540), (5000, 5300), (49_000, 51_000), (0, 2000)]
)
def test_mcnemar_of_many_flips_is_the_binomial_test_of_scipy(worse: int, better: int) -> None:
    expected = scipy_stats.binomtest(worse, worse + better, 0.5).pvalue
    assert stats.mcnemar_exact(worse, better) == pytest.approx(expected, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(
    ("alpha", "flips"), [(0.5, 2), (0.1, 5), (0.0625, 5), (0.05, 6), (0.01, 8), (0.001, 11)]
)
def test_the_least_flips_that_are_significant(alpha: float, flips: int) -> None:
    assert stats.least_flips(alpha) == flips
    assert stats.mcnemar_exact(flips, 0) <= alpha < stats.mcnemar_exact(flips - 1, 0)


TABLES = [
    (k_1, n_1, k_2, n_2)
    for n_1, n_2 in [(1, 1), (1, 5), (4, 4), (3, 10), (20, 25)]
    for k_1 in range(n_1 + 1)
    for k_2 in range(n_2 + 1)
]


def test_fisher_is_that_of_scipy() -> None:
    for k_1, n_1, k_2, n_2 in TABLES:
        expected = scipy_stats.fisher_exact([[k_1, n_1 - k_1], [k_2, n_2 - k_2]]).pvalue
        assert stats.fisher_exact(k_1, n_1, k_2, n_2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "table", [(400, 600, 500, 650), (0, 700, 9, 800), (3000, 3000, 2990, 3000)]
)
def test_fisher_of_many_results_is_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    k_1, n_1, k_2, n_2 = table
    expected = scipy_stats.fisher_exact([[k_1, n_1 - k_1], [k_2, n_2 - k_2]]).pvalue
    assert stats.fisher_exact(*table) == pytest.approx(expected, rel=1e-7)


def count_tables(k_1: int, n_1: int, k_2: int, n_2: int) -> float:
    """Fisher's p-value in whole numbers, however many results there are."""
    total, passed = n_1 + n_2, k_1 + k_2
    tables = range(max(0, passed - n_2), min(n_1, passed) + 1)
    ways = {k: math.comb(n_1, k) * math.comb(n_2, passed - k) for k in tables}
    extreme = sum(each for each in ways.values() if each <= ways[k_1])
    return float(Fraction(extreme, math.comb(total, passed)))


@pytest.mark.parametrize(
    "table",
    [
        # In each there is another table that is exactly as likely, of which the logarithm differs.
        *((200, 450, 400, 750), (218, 450, 382, 750)),
        # In each there is one that is likelier by less than 0.01 per cent.
        *((226, 520, 329, 777), (223, 520, 332, 777)),
    ],
)
def test_fisher_tells_equally_likely_tables_from_likelier_ones(
    table: tuple[int, int, int, int],
) -> None:
    assert stats.fisher_exact(*table) == pytest.approx(count_tables(*table), rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.mcnemar_exact(-1, 2),
        lambda: stats.least_flips(1.0),
        lambda: stats.fisher_exact(2, 1, 0, 1),
    ],
)
def test_what_cannot_be_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be|must"):
        call()  # type: ignore[operator]
