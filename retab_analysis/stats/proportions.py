"""The interval of one share."""

from __future__ import annotations

from statistics import NormalDist

import polars as pl


def wilson_over(successes: pl.Expr, n: pl.Expr, alpha: float = 0.05) -> tuple[pl.Expr, pl.Expr]:
    """The score interval of a proportion, without continuity correction, over columns.

    Null if ``n`` is 0 or null.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927) 209-212.

    Example:
        >>> low, high = wilson_over(pl.col("k"), pl.col("n"))
        >>> frame = pl.DataFrame({"k": [8], "n": [10]})
        >>> frame.select(low.round(3).alias("low"), high.round(3).alias("high")).row(0)
        (0.49, 0.943)
    """
    z = NormalDist().inv_cdf(1 - alpha / 2)
    share = successes / n
    scale = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * (share * (1 - share) / n + (z / (2 * n)) ** 2).sqrt() / scale
    low = pl.when(successes == 0).then(0.0).otherwise(middle - half)
    high = pl.when(successes == n).then(1.0).otherwise(middle + half)
    return pl.when(n > 0).then(low), pl.when(n > 0).then(high)
