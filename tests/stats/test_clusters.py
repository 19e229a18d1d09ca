"""Evals that share documents, Student's t, and whether the suite's interval covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from support.inside import SuiteRates, find_clusters, suite_change, t_inside, t_quantile


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


@pytest.mark.parametrize("df", [1, 2, 7, 40, 479])
def test_the_probability_inside_is_that_of_scipy(df: int) -> None:
    for distance in (0.0, 0.5, -2.0, 7.5):
        expected = 1 - 2 * scipy_stats.t.sf(abs(distance), df)
        assert t_inside(distance, df) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="df"):
        t_inside(1.0, 0)


@pytest.mark.parametrize("n", [30, 80, 300])
@pytest.mark.parametrize("per_document", [1, 6, 10])
@pytest.mark.parametrize("runs", [1, 5])
def test_the_interval_covers_the_true_change(n: int, per_document: int, runs: int) -> None:
    """Failing rates from Beta distributions, documents with bad days, evals that broke or not."""
    tries, covered, cells = 150, 0, 0
    for failing, broken in ((0.035, 0.0), (0.035, 0.1), (0.27, 0.05)):
        dice = np.random.default_rng([n, per_document, round(1000 * failing)])
        hits = sum(_covers(dice, n, per_document, failing, broken, runs) for _ in range(tries))
        assert hits / tries >= 0.90  # one cell has a standard error of 0.02
        covered, cells = covered + hits, cells + 1
    assert covered / (cells * tries) >= 0.93


def _covers(
    dice: np.random.Generator, n: int, per_document: int, failing: float, broken: float, runs: int
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

    rates = np.column_stack([*(~fails(odds) for _ in range(runs)), ~fails(worse)]).astype(float)
    is_after = np.arange(runs + 1) == runs
    change = suite_change(SuiteRates(rates, is_after, np.tile(~is_after, (n, 1))), documents)
    assert change.delta_low is not None
    assert change.delta_high is not None
    return change.delta_low <= mean_rate(odds) - mean_rate(worse) <= change.delta_high
