"""The statistics, judged by scipy, statsmodels, enumeration and simulation."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from retab_analysis import stats


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("n", [1, 2, 7, 30, 1000, 10**6])
def test_wilson_is_that_of_statsmodels(n: int, alpha: float) -> None:
    for successes in {0, 1, n // 3, n - 1, n}:
        expected = proportion_confint(successes, n, alpha, method="wilson")
        assert stats.wilson_interval(successes, n, alpha) == pytest.approx(expected, abs=1e-12)


def test_wilson_at_the_ends() -> None:
    assert stats.wilson_interval(0, 0) == (0.0, 1.0)
    assert stats.wilson_interval(0, 5)[0] == 0.0
    assert stats.wilson_interval(5, 5)[1] == 1.0


def test_wilson_over_columns_is_the_same() -> None:
    pairs = [(k, n) for n in (1, 5, 40) for k in range(n + 1)]
    frame = pl.DataFrame(pairs, schema=["k", "n"], orient="row")
    low, high = stats.wilson_over(pl.col("k"), pl.col("n"))
    rows = frame.select(low=low, high=high).rows()
    assert rows == [pytest.approx(stats.wilson_interval(k, n)) for k, n in pairs]
    empty = pl.DataFrame({"k": [0, None], "n": [0, None]}, schema={"k": pl.Int64, "n": pl.Int64})
    assert empty.select(low=low, high=high).rows() == [(None, None)] * 2


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


def test_the_chances_of_many_results_go_on_from_those_of_few() -> None:
    few, more = stats.chance_of_flip(3, 998, 1, 1), stats.chance_of_flip(3, 999, 1, 1)
    assert few == pytest.approx(more, rel=1e-2)
    few, more = stats.chance_of_one_step(2, 1000), stats.chance_of_one_step(2, 1001)
    assert few == pytest.approx(more, rel=1e-2)


def test_fisher_over_columns_is_the_same() -> None:
    names = ["a", "b", "c", "d"]
    frame = pl.DataFrame([*TABLES, (None, 1, 1, 1)], schema=names, orient="row")
    found = frame.lazy().select(p=stats.fisher_exact_over(*names)).collect()["p"].to_list()
    assert found == [*(stats.fisher_exact(*table) for table in TABLES), None]
    assert frame.clear().select(p=stats.fisher_exact_over(*names)).is_empty()


@pytest.mark.parametrize(
    ("failed", "n", "passing_n", "failing_n"),
    [(0, 4, 1, 1), (1, 6, 1, 1), (3, 5, 1, 2), (2, 5, 3, 1), (5, 5, 1, 1), (0, 0, 1, 1)],
)
def test_the_chance_of_a_flip_by_counting_all_ways(
    failed: int, n: int, passing_n: int, failing_n: int
) -> None:
    total = n + passing_n + failing_n
    ways = [set(way) for way in itertools.combinations(range(total), failed + failing_n)]
    passing, failing = set(range(n, n + passing_n)), set(range(n + passing_n, total))
    seen = sum(failing <= way and not way & passing for way in ways)
    found = stats.chance_of_flip(failed, n, passing_n, failing_n)
    assert found == pytest.approx(seen / len(ways))
    mirrored = stats.chance_of_flip(n - failed, n, failing_n, passing_n)
    assert found == pytest.approx(mirrored)


def test_the_chance_of_a_single_step_by_counting_all_ways() -> None:
    for n in range(2, 9):
        for failed in range(1, n):
            ways = list(itertools.combinations(range(n), failed))
            ends = (tuple(range(failed)), tuple(range(n - failed, n)))
            assert stats.chance_of_one_step(failed, n) == pytest.approx(
                sum(way in ends for way in ways) / len(ways)
            )
    assert stats.chance_of_one_step(0, 5) == stats.chance_of_one_step(5, 5) == 1.0


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_interval_excludes_no_difference_exactly_when_the_test_does(alpha: float) -> None:
    for n, worse, better in itertools.product((20, 60), range(0, 13, 2), range(0, 13, 3)):
        if worse + better <= n:
            low, high = stats.paired_interval(worse, better, n, alpha)
            assert (low > 0 or high < 0) == (stats.mcnemar_exact(worse, better) <= alpha)
            assert -1 <= low <= (better - worse) / n <= high <= 1


def test_the_interval_mirrors_and_narrows() -> None:
    low, high = stats.paired_interval(7, 2, 50)
    assert stats.paired_interval(2, 7, 50) == pytest.approx((-high, -low))
    widths = [high - low for n in (20, 80, 320) for low, high in [stats.paired_interval(3, 2, n)]]
    assert widths == sorted(widths, reverse=True)


def test_the_interval_without_flips_is_that_of_clopper_and_pearson() -> None:
    for n in (1, 10, 200):
        limit = 1 - 0.025 ** (1 / n)
        assert stats.paired_interval(0, 0, n) == pytest.approx((-limit, limit), abs=2e-3)


def test_the_interval_where_all_flip_one_way() -> None:
    low, high = stats.paired_interval(0, 10, 10)
    assert high == pytest.approx(1.0)
    assert 0 < low < 1


_cached_interval = functools.cache(stats.paired_interval)


def covers(worse: int, better: int, n: int, difference: float) -> bool:
    low, high = _cached_interval(worse, better, n)
    return low - 1e-9 <= difference <= high + 1e-9


FLIPS = [
    (flips * (1 - share), flips * share)
    for flips in (0.02, 0.1, 0.3, 0.6)
    for share in (0.0, 0.2, 0.5)
]


@pytest.mark.parametrize("n", [10, 20])
def test_the_interval_covers_by_enumeration(n: int) -> None:
    """Every outcome, weighed with its probability: there is no simulation error."""
    for p_worse, p_better in [*FLIPS, (0.9, 0.05), (1.0, 0.0)]:
        p = [p_worse, p_better, max(0.0, 1 - p_worse - p_better)]
        coverage = sum(
            scipy_stats.multinomial.pmf([worse, better, n - worse - better], n, p)
            for worse in range(n + 1)
            for better in range(n + 1 - worse)
            if covers(worse, better, n, p_better - p_worse)
        )
        assert coverage >= 0.95, (p_worse, p_better, coverage)


@pytest.mark.parametrize(("n", "designs"), [(50, FLIPS[:9]), (100, FLIPS[:6]), (200, FLIPS[:6])])
def test_the_interval_covers_by_simulation(n: int, designs: list[tuple[float, float]]) -> None:
    draws = 800
    error = math.sqrt(0.95 * 0.05 / draws)
    rng = np.random.default_rng(n)
    for p_worse, p_better in designs:
        p = [p_worse, p_better, 1 - p_worse - p_better]
        flips = rng.multinomial(n, p, size=draws)[:, :2]
        hits = sum(covers(int(w), int(b), n, p_better - p_worse) for w, b in flips)
        assert hits / draws >= 0.94 - 2 * error, (p_worse, p_better, hits / draws)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.wilson_interval(3, 2),
        lambda: stats.wilson_interval(1, 2, alpha=0),
        lambda: stats.mcnemar_exact(-1, 2),
        lambda: stats.least_flips(1.0),
        lambda: stats.fisher_exact(2, 1, 0, 1),
        lambda: stats.chance_of_flip(2, 1, 1, 1),
        lambda: stats.chance_of_one_step(2, 1),
        lambda: stats.paired_interval(1, 1, 1),
        lambda: stats.paired_interval(0, 0, 0),
        lambda: stats.paired_interval(0, 0, 5, alpha=1.5),
    ],
)
def test_what_cannot_be_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be|must"):
        call()  # type: ignore[operator]
