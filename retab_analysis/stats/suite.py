"""The suite as a whole: the change of its pass rate, its test, its interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retab_analysis.stats.cluster_interval import cluster_interval
from retab_analysis.stats.clusters import label_clusters
from retab_analysis.stats.null_sums import binomial, two_sided_p
from retab_analysis.stats.outcome_table import OutcomeTable
from retab_analysis.stats.power import Design, detectable_change
from retab_analysis.stats.relabelling import Relabelling, relabel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UNUSUAL = 0.05  # how unlikely runs must be, if documents are independent, to be called bad hours


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """How the pass rate of a suite changed, from before to after.

    Attributes:
        delta: The mean over evals of the pass rate after minus the pass rate before; None if no
            eval has outcomes on both sides.
        low: The lower limit of its interval, None with fewer than two clusters of documents.
        high: The upper limit.
        p_value: The two-sided p-value of no change at all.
        n_evals: How many evals have outcomes on both sides.
        n_documents: How many clusters of documents they form.
        detectable: The fall that the test would find with 80 % power, or None if there is none.
    """

    delta: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n_evals: int
    n_documents: int
    detectable: float | None


def suite_change(
    table: OutcomeTable, documents: Sequence[Iterable[str] | None], alpha: float = 0.05
) -> SuiteChange:
    """Compare a suite of evals before and after, held together by document.

    Where the two sides have equally many outcomes, the test flips the signs of the clusters' sums;
    where one run is held against the mean of many it permutes, in each cluster independently, which
    run is the candidate's (see :mod:`retab_analysis.stats.relabelling`). Both take the clusters to
    be independent, which a bad hour of the provider's contradicts: it makes a whole run bad. What
    the history can say about that is heeded (:func:`whole_run_p`); with one earlier run it says
    nothing, and a bad hour cannot be told from a regression.

    Args:
        table: What each eval came to in each run; only evals with outcomes on both sides count.
        documents: For each of its rows the documents of the eval.
        alpha: The level of the test, and one minus that of the interval.

    Raises:
        ValueError: ``documents`` are not as many as the evals, or ``alpha`` not between 0 and 1.

    Example:
        >>> table = OutcomeTable.from_arrays([[1, 0]] * 6 + [[1, 1]] * 34, [[1, 1]] * 40, [0, 1])
        >>> change = suite_change(table, [None] * 40)
        >>> change.delta, change.p_value
        (-0.15, 0.03125)
    """
    import numpy as np

    if len(documents) != len(table.passes):
        raise ValueError(f"{len(documents)} lists of documents for {len(table.passes)} evals")
    kept = table.comparable()
    clusters = label_clusters([documents[at] for at in np.flatnonzero(kept).tolist()])
    return clustered_change(table.take(kept), np.array(clusters, dtype=np.int64), alpha)


def clustered_change(table: OutcomeTable, clusters: NDArray[np.int64], alpha: float) -> SuiteChange:
    """As :func:`suite_change`, where it is known which evals belong together.

    Args:
        table: Evals with outcomes on both sides.
        clusters: The number of each eval's cluster, from 0.
        alpha: The level of the test, and one minus that of the interval.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    n = len(table.passes)
    if not n:
        return SuiteChange(None, None, None, None, 0, 0, None)
    differences = table.differences().tolist()
    null = relabel(table, clusters)
    p = two_sided_p(null.observed, null.parts, null.tolerance)
    interval = cluster_interval(differences, clusters.tolist(), alpha) or (None, None)
    return SuiteChange(
        delta=math.fsum(differences) / n,
        low=interval[0],
        high=interval[1],
        p_value=max(p, whole_run_p(table, p)),
        n_evals=n,
        n_documents=int(clusters.max()) + 1,
        detectable=detectable_change(_design(table, clusters, null), alpha),
    )


def _design(table: OutcomeTable, clusters: NDArray[np.int_], null: Relabelling) -> Design:
    """What the power of the test depends on, for the mean eval of a table."""
    import numpy as np

    after, before = table.side(True)[1], table.side(False)[1]
    flips = after == before
    total = after + before
    base = int(total.max()) + 1
    kinds, kind = np.unique(total * base + after, return_inverse=True)
    ways = np.array([math.log(math.comb(*divmod(each, base))) for each in kinds.tolist()])
    logs = np.where(flips, math.log(2), ways[kind])
    spread = np.where(flips, 1.0, 1 / (total - 1))
    return Design(
        sizes=Counter(np.bincount(clusters).tolist()),
        noise=null.variance,
        surprise=math.exp(-math.fsum(logs.tolist()) / len(logs)),
        spread=math.fsum(spread.tolist()) / len(spread),
        mirrored=bool(flips.mean() > 0.5),
    )


def whole_run_p(table: OutcomeTable, p: float) -> float:
    """The p-value of the candidate's one run among whole runs; 0 where there is no reason to ask.

    A bad hour makes a whole run bad, in all its documents, so that these are not independent. If
    the history has runs that are as far from the others as the candidate's, to the same side, and
    more of them than ``p`` leaves to chance, then the runs are what is exchangeable, and the
    candidate's is one of those: 2 (k + 1) / (R + 1) with k such runs among R earlier ones. Runs of
    less than half the evals are left out.

    Args:
        table: Evals with outcomes on both sides.
        p: The p-value of the test that takes the clusters to be independent.
    """
    import numpy as np

    if table.is_after.sum() != 1:
        return 0.0
    far = _far_from_others(table)
    candidate = float(far[table.is_after][0])
    whole = (table.outcomes > 0).mean(axis=0) >= 0.5
    history = far[whole & ~table.is_after] * np.sign(candidate)
    runs, as_far = len(history), int((history >= abs(candidate) - 1e-9).sum())
    if not as_far or _at_least(as_far, runs, p / 2) > _UNUSUAL:
        return 0.0
    return min(1.0, 2 * (as_far + 1) / (runs + 1))


def _far_from_others(table: OutcomeTable) -> NDArray[np.float64]:
    """For each run, the mean over its evals of (its pass rate - that of all the other runs)."""
    import numpy as np

    rest = table.outcomes.sum(axis=1, keepdims=True) - table.outcomes
    rest_passes = table.passes.sum(axis=1, keepdims=True) - table.passes
    both = (table.outcomes > 0) & (rest > 0)
    own = table.passes / np.maximum(table.outcomes, 1)
    gaps = np.where(both, own - rest_passes / np.maximum(rest, 1), 0.0)
    means: NDArray[np.float64] = gaps.sum(axis=0) / np.maximum(both.sum(axis=0), 1)
    return means


def _at_least(k: int, n: int, chance: float) -> float:
    """The probability of at least ``k`` hits among ``n`` tries."""
    return 1 - math.fsum(binomial(i, n, chance) for i in range(k))
