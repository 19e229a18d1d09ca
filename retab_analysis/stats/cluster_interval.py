"""The interval of a mean over evals that share documents."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from retab_analysis.stats.students_t import t_quantile


def cluster_interval(
    differences: Sequence[float], clusters: Sequence[int], alpha: float = 0.05
) -> tuple[float, float] | None:
    """The interval of the mean of the evals' differences, evals of a document held together.

    It is d ± t(G - 1) · √(CR3 + (Σ m² / Σ m) / n²), where n is the number of evals, G that of the
    clusters, m the evals of a cluster, r the sum of a cluster's residuals, and CR3 = Σ (r / (1 -
    m / n))² / n². The second term under the root is what one more cluster of the usual size would
    add if it flipped; so the interval is not a point where nothing flipped, and it covers where
    few evals flip, where the usual ones do not. It is of this suite's own evals, not of all the
    documents that there might be.

    Source of CR3: R. M. Bell and D. F. McCaffrey, "Bias reduction in standard errors for linear
    regression with multi-stage samples", Survey Methodology 28 (2002) 169-181, for a mean.

    Args:
        differences: The pass rate after minus the pass rate before, one for each eval.
        clusters: The label of each eval's cluster, see :func:`label_clusters`.
        alpha: One minus the confidence level.

    Returns:
        The limits, from -1 to 1, or None where there are fewer than two clusters.

    Raises:
        ValueError: The two sequences differ in length, or ``alpha`` is not between 0 and 1.

    Example:
        >>> low, high = cluster_interval([0.0] * 40, range(40))
        >>> round(low, 3), round(high, 3)
        (-0.051, 0.051)
    """
    groups: defaultdict[int, list[float]] = defaultdict(list)
    for cluster, difference in zip(clusters, differences, strict=True):
        groups[cluster].append(difference)
    if len(groups) < 2:
        return None
    n = len(differences)
    mean = math.fsum(differences) / n
    half = t_quantile(alpha, len(groups) - 1) * _standard_error(groups.values(), mean, n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def _standard_error(groups: Iterable[Sequence[float]], mean: float, n: int) -> float:
    groups = list(groups)
    residuals = [math.fsum(group) - len(group) * mean for group in groups]
    cr3 = math.fsum(
        (residual / (1 - len(group) / n)) ** 2
        for group, residual in zip(groups, residuals, strict=True)
    )
    one_more = sum(len(group) ** 2 for group in groups) / n
    return math.sqrt(cr3 + one_more) / n
