"""A distribution-free interval for a median."""

from __future__ import annotations

from itertools import accumulate, takewhile
from math import comb


def median_interval(values: list[float], alpha: float) -> tuple[float, float] | None:
    """The interval between two order statistics that covers the median.

    How many of n values lie below the median is Binomial(n, 1/2); the interval leaves out at most
    ``alpha / 2`` at each end (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2).

    Args:
        values: The values, independent of one another.
        alpha: One minus the least coverage.

    Returns:
        Its ends; None where there are too few values, fewer than 6 for 95 %.
    """
    ordered, n = sorted(values), len(values)
    below = accumulate(comb(n, k) / 2**n for k in range(n))
    cut = sum(1 for _ in takewhile(lambda share: share <= alpha / 2, below))
    return (ordered[cut - 1], ordered[n - cut]) if cut else None
