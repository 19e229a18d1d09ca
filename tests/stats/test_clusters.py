"""Evals that share documents, Student's t, and whether the suite's interval covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from support.inside import find_clusters, t_inside, t_quantile


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
