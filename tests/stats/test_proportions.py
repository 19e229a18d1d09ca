"""The interval of one share, judged by statsmodels."""

from __future__ import annotations

import polars as pl
import pytest
from support.inside import wilson_over

PAIRS = [
    (k, n) for n in (1, 2, 5, 7, 30, 40, 1000, 10**6) for k in sorted({0, 1, n // 3, n - 1, n})
]


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_wilson_is_that_of_statsmodels(alpha: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    frame = pl.DataFrame(PAIRS, schema=["k", "n"], orient="row")
    low, high = wilson_over(pl.col("k"), pl.col("n"), alpha)
    for (k, n), found in zip(PAIRS, frame.select(low=low, high=high).rows(), strict=True):
        expected = proportion_confint(k, n, alpha, method="wilson")
        assert found == pytest.approx(expected, abs=1e-12)
        assert (found[0] == 0.0, found[1] == 1.0) == (k == 0, k == n)


def test_of_nothing_there_is_no_interval() -> None:
    empty = pl.DataFrame({"k": [0, None], "n": [0, None]}, schema={"k": pl.Int64, "n": pl.Int64})
    low, high = wilson_over(pl.col("k"), pl.col("n"))
    assert empty.select(low=low, high=high).rows() == [(None, None)] * 2
