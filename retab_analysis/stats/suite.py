"""The suite as a whole: the change of its pass rate, its test, its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retab_analysis.stats.interval import cluster_interval
from retab_analysis.stats.outcomes import OutcomeTable, gaps_of_whole_runs
from retab_analysis.stats.permutations import permutation_p
from retab_analysis.stats.power import detectable_fall

_UNUSUAL = 0.05  # how unlikely runs must be, if documents are independent, to be called bad hours


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """How the pass rate of a suite changed: fields are columns of ``Comparison.summary``.

    The rates are means over the evals with outcomes on both sides, ``n_documents`` counts their
    clusters. The interval is None with fewer than two clusters, ``detectable`` where there is no
    fall that test and interval would find with 80 % power.
    """

    baseline_pass_rate: float | None = None
    candidate_pass_rate: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    p_value: float | None = None
    n_evals: int = 0
    n_documents: int = 0
    detectable: float | None = None


def suite_change(
    table: OutcomeTable, clusters: NDArray[np.int64], alpha: float = 0.05
) -> SuiteChange:
    """Compare a suite of evals before and after, held together by document.

    The test (:mod:`retab_analysis.stats.permutations`) takes the clusters to be independent, which
    a bad hour of the provider's contradicts: it makes a whole run bad. What the history can say
    about that is heeded (:func:`_whole_run_p`); with one earlier run it says nothing, and a bad
    hour cannot be told from a regression. Every eval of the table has outcomes on both sides;
    ``alpha`` is the level of the test, and one minus that of the interval.

    Example:
        >>> import numpy as np
        >>> passes = np.array([[1, 0]] * 6 + [[1, 1]] * 34)
        >>> table = OutcomeTable(passes, np.ones_like(passes), np.array([False, True]))
        >>> change = suite_change(table, np.arange(40))
        >>> round(change.delta, 12), change.p_value
        (-0.15, 0.03125)
    """
    n = len(table.passes)
    if not n:
        return SuiteChange()
    before, after = table.rates(after=False), table.rates(after=True)
    baseline, candidate = math.fsum(before) / n, math.fsum(after) / n
    p = permutation_p(table, clusters)
    low, high = cluster_interval(after - before, clusters, alpha) or (None, None)
    return SuiteChange(
        baseline_pass_rate=baseline,
        candidate_pass_rate=candidate,
        delta=candidate - baseline,
        delta_low=low,
        delta_high=high,
        p_value=max(p, _whole_run_p(table, candidate - baseline, p)),
        n_evals=n,
        n_documents=int(np.max(clusters)) + 1,
        detectable=detectable_fall(table, clusters, alpha),
    )


def _whole_run_p(table: OutcomeTable, delta: float, p: float) -> float:
    """The p-value of the candidate's one run among whole runs; 0 where there is no reason to ask.

    A bad hour makes a whole run bad, in all its documents, so that these are not independent. If
    the history has runs that are as far from the others as the candidate's, to the same side, and
    more of them than ``p`` leaves to chance, then the runs are what is exchangeable, and the
    candidate's is one of those: 2 (k + 1) / (R + 1) with k such runs among R earlier ones.

    ``delta`` is how far the candidate's run is from the others, ``p`` the p-value of the test that
    takes the clusters to be independent.
    """
    if ((table.outcomes > 0) & table.is_after).sum(axis=1).max() > 1:
        return 0.0
    gaps = gaps_of_whole_runs(table.passes, table.outcomes)[~table.is_after]
    runs = int(np.isfinite(gaps).sum())
    as_far = int((gaps * np.sign(delta) >= abs(delta) - 1e-9).sum())
    chance = min(1.0, p / 2)
    fewer = (math.comb(runs, k) * chance**k * (1 - chance) ** (runs - k) for k in range(as_far))
    if not as_far or 1 - math.fsum(fewer) > _UNUSUAL:
        return 0.0
    return min(1.0, 2 * (as_far + 1) / (runs + 1))
