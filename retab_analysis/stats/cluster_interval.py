"""The interval of a mean over evals that share documents."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

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
    import numpy as np

    if len(differences) != len(clusters):
        raise ValueError(f"{len(clusters)} clusters for {len(differences)} differences")
    labels, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)[1:]
    if len(sizes) < 2:
        return None
    order = np.argsort(labels, kind="stable")
    ordered = np.asarray(differences, dtype=np.float64)[order].tolist()
    ends = np.cumsum(sizes).tolist()
    # fsum, so that the order of the evals does not matter
    sums = [math.fsum(ordered[at:end]) for at, end in itertools.pairwise([0, *ends])]
    n = len(ordered)
    mean = math.fsum(ordered) / n
    residuals = (sums - sizes * mean) / (1 - sizes / n)
    cr3 = math.fsum(residual**2 for residual in residuals.tolist())
    one_more = int((sizes**2).sum()) / n
    half = t_quantile(alpha, len(sizes) - 1) * (math.sqrt(cr3 + one_more) / n)
    return max(-1.0, mean - half), min(1.0, mean + half)
