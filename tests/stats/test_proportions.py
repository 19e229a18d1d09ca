"""The interval of one share, judged by statsmodels."""

from __future__ import annotations

import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint
from support.inside import stats


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


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.wilson_interval(3, 2),
        lambda: stats.wilson_interval(1, 2, alpha=0),
        lambda: stats.wilson_interval(1, 2, alpha=1),
    ],
)
def test_what_cannot_be_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"must be (from|between) 0"):
        call()  # type: ignore[operator]
