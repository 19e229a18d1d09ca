"""The interval of a mean over evals that share documents."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

_HALVINGS = 60  # after which an angle is as exact as a float can be


def cluster_interval(
    differences: NDArray[np.float64], clusters: NDArray[np.int64], alpha: float = 0.05
) -> tuple[float, float] | None:
    """The interval of the mean of the evals' differences, evals of a document held together.

    It is d ± t(G - 1) · √(CR3 + (Σ m² / Σ m) / n²), where n is the number of evals, G that of the
    clusters, m the evals of a cluster, r the sum of a cluster's residuals, and CR3 = Σ (r / (1 -
    m / n))² / n². The second term under the root is what one more cluster of the usual size would
    add if it flipped; so the interval is not a point where nothing flipped, and it covers where
    few evals flip, where the usual ones do not. It is of this suite's own evals, not of all the
    documents that there might be. Its limits lie between -1 and 1; fewer than two clusters have
    none.

    Source of CR3: R. M. Bell and D. F. McCaffrey, "Bias reduction in standard errors for linear
    regression with multi-stage samples", Survey Methodology 28 (2002) 169-181, for a mean.

    Example:
        >>> import numpy as np
        >>> low, high = cluster_interval(np.zeros(40), np.arange(40))
        >>> round(low, 3), round(high, 3)
        (-0.051, 0.051)
    """
    sizes = np.bincount(clusters)
    if len(sizes) < 2:
        return None
    # Every sum is one of sorted numbers, so that the order of the evals does not matter.
    order = np.lexsort((differences, clusters))
    n = len(differences)
    mean = math.fsum(differences) / n
    residuals = np.bincount(clusters[order], differences[order]) - sizes * mean
    cr3 = math.fsum((residuals / (1 - sizes / n)) ** 2)
    one_more = int((sizes**2).sum()) / n
    half = t_quantile(alpha, len(sizes) - 1) * math.sqrt(cr3 + one_more) / n
    return max(-1.0, mean - half), min(1.0, mean + half)


@functools.lru_cache(maxsize=256)
def t_quantile(alpha: float, df: int) -> float:
    """How far from 0 Student's t is with probability ``alpha``, both sides together.

    Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and
    26.7.4: for whole degrees of freedom the probability is a finite sum of powers of the cosine of
    the angle arctan(t / √df). The angle is found by halving.

    Example:
        >>> round(t_quantile(0.05, 10), 6)
        2.228139
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha!r}")
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df!r}")
    is_odd = df % 2 == 1
    j = np.arange(2, df - 1, 2)
    ratios = j / (j + 1) if is_odd else (j - 1) / j

    def inside(angle: float) -> float:
        sine, cosine = math.sin(angle), math.cos(angle)
        powers = 1 + float(np.cumprod(ratios * cosine**2).sum())
        if not is_odd:
            return sine * powers
        return (angle + (sine * cosine * powers if df > 1 else 0.0)) * 2 / math.pi

    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - inside(middle) > alpha else (low, middle)
    return math.sqrt(df) * math.tan(low)
