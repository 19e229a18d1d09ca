"""The interval of one share."""

from __future__ import annotations

import math
from statistics import NormalDist

import polars as pl


def wilson_interval(successes: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """The score interval of a proportion, without continuity correction.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927) 209-212.

    Args:
        successes: How many of them succeeded.
        n: How many there were; with 0 nothing is known, and the interval is from 0 to 1.
        alpha: One minus the confidence level.

    Raises:
        ValueError: The counts contradict one another, or ``alpha`` is not between 0 and 1.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes ({successes}) must be from 0 to n ({n})")
    z = normal_quantile(alpha)
    if n == 0:
        return 0.0, 1.0
    middle, half = _wilson(successes / n, n, z)
    low = 0.0 if successes == 0 else middle - half
    return low, 1.0 if successes == n else middle + half


def _wilson(share: float, n: int, z: float) -> tuple[float, float]:
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / scale
    return middle, half


def wilson_over(successes: pl.Expr, n: pl.Expr, alpha: float = 0.05) -> tuple[pl.Expr, pl.Expr]:
    """The same as :func:`wilson_interval` over columns; null where ``n`` is 0 or null."""
    z = normal_quantile(alpha)
    share = successes / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * (share * (1 - share) / n + (z / (2 * n)) ** 2).sqrt() / scale
    low = pl.when(successes == 0).then(0.0).otherwise(middle - half)
    high = pl.when(successes == n).then(1.0).otherwise(middle + half)
    return pl.when(n > 0).then(low), pl.when(n > 0).then(high)


def normal_quantile(alpha: float) -> float:
    """How many standard deviations leave ``alpha`` outside, half of it on either side.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    return NormalDist().inv_cdf(1 - alpha / 2)
