"""The suite as a whole: how its pass rate changed, and one standard error for that."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retab_analysis.stats.student import t_inside, t_quantile

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

_POWER = 0.84  # standard errors above the limit at which a change is found four times in five
_PRIOR_RUNS = 5  # how many runs the documents' own variance is worth
_WHOLE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class SuiteRates:
    """The pass rate of each of n evals in each of T rows of time."""

    rates: Floats  # 0, ½ or 1, NaN if the eval was not decided, shape (n, T)
    is_after: Flags  # which rows are the candidate's, shape (T,)
    is_before: Flags  # the other rows that make an eval's rate before, shape (n, T)

    def is_comparable(self) -> Flags:
        """Which evals have a rate on both sides, shape (n,)."""
        present = ~np.isnan(self.rates)
        after, before = (present & each for each in (self.is_after, self.is_before))
        return np.asarray(after.any(axis=1) & before.any(axis=1))

    def take(self, evals: NDArray[np.bool_ | np.signedinteger]) -> SuiteRates:
        return SuiteRates(self.rates[evals], self.is_after, self.is_before[evals])


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """How the pass rate of a suite changed: fields are columns of ``Comparison.summary``.

    An unknown value is None.
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
    se: float | None = None  # the standard error of ``delta``
    df: int = 0  # its degrees of freedom
    runs: int = 0  # how many whole runs the candidate has

    def limits(self, alpha: float) -> tuple[float, float] | None:
        """The interval of ``delta`` that leaves out ``alpha``, within -1 and 1."""
        if self.delta is None or self.se is None:
            return None
        half = t_quantile(alpha, self.df) * self.se
        return max(-1.0, self.delta - half), min(1.0, self.delta + half)


def suite_change(suite: SuiteRates, documents: Ints, alpha: float = 0.05) -> SuiteChange:
    """Compare a suite before and after: the fall against the differences between its own runs.

    Let d be the mean over n evals of (rate after - rate before). There are G documents of m evals,
    R earlier whole runs (of at least half of the evals) and C of the candidate. Then::

        V_doc = Σ over documents of (the variance of their failures over their R_doc earlier rows)
                · (1/C + 1/R_doc); of those with one earlier row together (1 + 1/C) · the sum of the
                squared deviations of their failures from their mean,
        V_run = (the variance of the earlier whole runs' failures) · (1/C + 1/R) · R/(R - 1),
        V     = max(V_doc, (6 V_doc + (R - 1) V_run) / (5 + R)),
        Floor = max(Σ m²/n, the largest squared change of one document / R),

    The standard error of d is √(V + Floor)/n with min(G - 1, 5 + R) degrees of freedom. A change of
    (t(alpha) + 0.84) · √(V + Σ m²/n)/n is found four times in five. Variances are over all earlier
    rows. If a run lacks evals, its failures are scaled to all of them. Floor is the effect of one
    more document if it flipped: no change may be certain only because nothing varied.

    ``documents`` numbers each eval's document from 0, shape (n,); every eval must be comparable.

    Example:
        >>> import numpy as np
        >>> rates = np.ones((40, 6))
        >>> rates[:10, 5] = 0
        >>> after = np.arange(6) == 5
        >>> change = suite_change(SuiteRates(rates, after, np.tile(~after, (40, 1))), np.arange(40))
        >>> change.delta, change.p_value < 1e-5
        (-0.25, True)
    """
    n = len(suite.rates)
    if not n:
        return SuiteChange()
    before = _mean(suite.rates, suite.is_before)
    after = _mean(suite.rates, np.broadcast_to(suite.is_after, suite.rates.shape))
    was, now = math.fsum(before) / n, math.fsum(after) / n
    sizes = np.bincount(documents)
    is_whole = (~np.isnan(suite.rates)).mean(axis=0) >= _WHOLE
    earlier = int((is_whole & ~suite.is_after).sum())
    candidates = int((is_whole & suite.is_after).sum())
    change = SuiteChange(was, now, now - was, n_evals=n, n_documents=len(sizes), runs=candidates)
    if len(sizes) < 2 or not earlier or not candidates:
        return change
    noise = _variance(suite, documents, is_whole, candidates)
    one_more = float((sizes**2).sum()) / n
    largest = float((np.bincount(documents, after - before) ** 2).max()) / earlier
    df = min(len(sizes) - 1, 5 + earlier)
    se = math.sqrt(noise + max(one_more, largest)) / n
    found = (t_quantile(alpha, df) + _POWER) * math.sqrt(noise + one_more) / n
    tested = replace(
        change,
        p_value=1 - t_inside((now - was) / se, df),
        detectable=found if found <= was else None,
        se=se,
        df=df,
    )
    low, high = tested.limits(alpha) or (None, None)
    return replace(tested, delta_low=low, delta_high=high)


def _variance(suite: SuiteRates, documents: Ints, is_whole: Flags, candidates: int) -> float:
    """The variance of the sum of failures after, less that before, if nothing changed (``V``)."""
    n, is_earlier = len(suite.rates), ~suite.is_after
    rates = suite.rates[:, is_earlier]
    present = ~np.isnan(rates)
    means = _mean(suite.rates, np.broadcast_to(is_earlier, suite.rates.shape))
    gaps = np.where(present, means[:, None] - rates, 0.0)
    n_documents = int(documents.max()) + 1
    groups = np.zeros((n_documents, rates.shape[1]))
    np.add.at(groups, documents, gaps)
    has = np.zeros(groups.shape, dtype=np.bool_)
    np.logical_or.at(has, documents, present)
    rows = has.sum(axis=1)
    several = rows > 1
    spread = (groups**2).sum(axis=1) / np.maximum(rows - 1, 1)
    of_documents = float((spread * (1 / candidates + 1 / rows))[several].sum())
    failures = np.bincount(documents, 1 - means)[~several]
    if failures.size:
        of_documents += (1 + 1 / candidates) * float(((failures - failures.mean()) ** 2).sum())
    whole = is_whole[is_earlier]
    runs = int(whole.sum())
    if runs < 2:
        return of_documents
    of_runs = n * gaps[:, whole].sum(axis=0) / present[:, whole].sum(axis=0)
    of_run = float(of_runs.var(ddof=1)) * (1 / candidates + 1 / runs) * runs / (runs - 1)
    weight = _PRIOR_RUNS + 1
    return max(of_documents, (weight * of_documents + (runs - 1) * of_run) / (_PRIOR_RUNS + runs))


def _mean(rates: Floats, where: Flags) -> Floats:
    """The mean of each eval's known rates in some rows, shape (n,)."""
    counted = where & ~np.isnan(rates)
    total: Floats = np.where(counted, rates, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return total
