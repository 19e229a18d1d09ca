"""Evals that share documents, and the interval that holds them together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from statsmodels.regression.linear_model import OLS
from support.inside import cluster_interval, find_clusters, t_quantile


def label(documents: list[list[int]]) -> list[int]:
    pairs = [(at, each) for at, read in enumerate(documents) for each in read]
    evals, read = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return find_clusters(evals, read, len(documents)).tolist()


@given(st.lists(st.lists(st.integers(0, 9), max_size=3)))
def test_clusters_are_connected_components(documents: list[list[int]]) -> None:
    pairs = [
        (i, j)
        for i, left in enumerate(documents)
        for j, right in enumerate(documents)
        if set(left) & set(right)
    ]
    left, right = [i for i, _ in pairs], [j for _, j in pairs]
    size = len(documents)
    graph = coo_array((np.ones(len(pairs)), (left, right)), shape=(size, size))
    assert label(documents) == (connected_components(graph)[1].tolist() if size else [])


def test_a_long_chain_of_documents_is_one_cluster() -> None:
    chain = [[at, at + 1] for at in range(50_000)]
    assert set(label(chain)) == {0}
    np.random.default_rng(0).shuffle(chain)
    assert set(label(chain)) == {0}


@pytest.mark.parametrize("alpha", [1.0, 0.9, 0.2, 0.1, 0.05, 0.01, 0.001])
def test_t_quantiles_are_those_of_scipy(alpha: float) -> None:
    for df in [*range(1, 60), 99, 479, 1000, 4321, 10_000]:
        expected = scipy_stats.t.isf(alpha / 2, df)
        assert t_quantile(alpha, df) == pytest.approx(expected, rel=1e-8, abs=1e-9)


def test_impossible_t_quantiles_are_refused() -> None:
    for alpha in (0.0, 1.01):
        with pytest.raises(ValueError, match="alpha"):
            t_quantile(alpha, 3)
    with pytest.raises(ValueError, match="df"):
        t_quantile(0.05, 0)


def test_the_interval_is_the_formula() -> None:
    dice = np.random.default_rng(3)
    clusters = np.unique(dice.integers(0, 9, 40), return_inverse=True)[1]
    values = dice.choice([-1.0, -0.5, 0.0, 0.0, 0.5], 40)
    sizes = np.bincount(clusters)
    residuals = np.bincount(clusters, values - values.mean())
    cr3 = ((residuals / (1 - sizes / 40)) ** 2).sum() / 40**2
    half = scipy_stats.t.isf(0.05, len(sizes) - 1)
    half *= np.sqrt(cr3 + (sizes**2).sum() / sizes.sum() / 40**2)
    found = cluster_interval(values, clusters, alpha=0.1)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-8)


def test_cr3_of_evals_without_shared_documents_is_the_hc3_of_statsmodels() -> None:
    values = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], 50)
    hc3 = OLS(values, np.ones(50)).fit(cov_type="HC3").bse[0]
    low, high = cluster_interval(values, np.arange(50)) or (0, 0)
    half = (high - low) / 2 / t_quantile(0.05, 49)
    assert half**2 - 1 / 50**2 == pytest.approx(hc3**2, rel=1e-9)


def test_there_is_no_interval_of_one_document_and_no_point() -> None:
    assert cluster_interval(np.zeros(0), np.zeros(0, dtype=int)) is None
    assert cluster_interval(np.array([0.5, 1.0]), np.array([0, 0])) is None
    low, high = cluster_interval(np.zeros(30), np.arange(30)) or (0, 0)
    assert -0.1 < low < 0 < high < 0.1
    assert cluster_interval(np.ones(2), np.arange(2)) == (-1.0, 1.0)


@pytest.mark.parametrize("n", [30, 80, 300])
@pytest.mark.parametrize("per_document", [1, 6, 10])
def test_the_interval_covers_the_true_change(n: int, per_document: int) -> None:
    """Failing rates from Beta distributions, documents with bad days, evals that broke or not."""
    tries, covered, cells = 150, 0, 0
    for failing, broken in ((0.035, 0.0), (0.035, 0.1), (0.27, 0.05)):
        dice = np.random.default_rng([n, per_document, round(1000 * failing)])
        hits = sum(_covers(dice, n, per_document, failing, broken) for _ in range(tries))
        assert hits / tries >= 0.90  # one cell has a standard error of 0.02
        covered, cells = covered + hits, cells + 1
    assert covered / (cells * tries) >= 0.93


def _covers(
    dice: np.random.Generator, n: int, per_document: int, failing: float, broken: float
) -> bool:
    rates = np.clip(dice.beta(1.5 * failing, 1.5 * (1 - failing), n), 1e-4, 0.999)
    odds = np.log(rates / (1 - rates))
    worse = odds + 4 * (dice.random(n) < broken)
    documents = np.arange(n) // per_document
    spread = float(per_document > 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)

    def mean_rate(log_odds: np.ndarray) -> float:
        each = 1 / (1 + np.exp(-log_odds[:, None] - spread * nodes))
        return float((each @ weights / weights.sum()).mean())

    def fails(log_odds: np.ndarray) -> np.ndarray:
        days = dice.normal(0, spread, documents[-1] + 1)[documents]
        return dice.random(n) < 1 / (1 + np.exp(-log_odds - days))

    interval = cluster_interval(fails(odds).astype(float) - fails(worse), documents)
    assert interval is not None
    return interval[0] <= mean_rate(odds) - mean_rate(worse) <= interval[1]
