"""The interval of a median, against the binomial distribution and by simulation."""

from __future__ import annotations

import numpy as np
from scipy import stats
from support.inside import median_interval


def test_the_order_statistics_are_those_of_the_binomial_quantile() -> None:
    for n in range(6, 60):
        cut = int(stats.binom.ppf(0.025, n, 0.5)) - 1
        while stats.binom.cdf(cut, n, 0.5) > 0.025:
            cut -= 1
        while stats.binom.cdf(cut + 1, n, 0.5) <= 0.025:
            cut += 1
        assert median_interval([float(k) for k in range(n)], 0.05) == (cut, n - 1 - cut)


def test_too_few_values_have_no_interval() -> None:
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0], 0.05) is None
    assert median_interval([6.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.05) == (1.0, 6.0)
    assert median_interval([], 0.05) is None


def test_it_covers_the_median() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(2000):
        low, high = median_interval(random.lognormal(size=25).tolist(), 0.05) or (1.0, 1.0)
        covered += low <= 1.0 <= high
    assert covered / 2000 >= 0.95
