"""How large a fall must be for the suite's test and interval to find it."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from retab_analysis.stats.interval import t_quantile
from retab_analysis.stats.outcomes import OutcomeTable, gaps_of_whole_runs

Ints = NDArray[np.int64]

POWER = 0.8
_HALVINGS = 30
_NORMAL = NormalDist()


def detectable_fall(table: OutcomeTable, clusters: Ints, alpha: float) -> float | None:
    """The fall of the pass rate that test *and* interval find with 80 % power.

    None if even the failure of every eval would not do. Only what was before is looked at. With n
    evals in clusters of m, the variance V of the sum of failures (see :func:`_noise`), F = Σ m / (1
    - m / n)² / n, M = Σ m² / n, the mean q of the evals' pass rates and h = the mean of their
    squares / q, a fall by x evals is as wide as its own interval where

        x = t(G - 1) √(F (V (1 - x / (n q)) + x h - x² / n) + M),

    a quadratic equation. The test asks for as many broken clusters as make a pattern rare enough,
    and for a candidate that is worse than the worst whole run before. If each eval breaks with
    probability β, the fall is q β, and β is the smallest at which

        Σ over k of Binomial(k; n, β) Φ((k q - x) / √(V (1 - x / (n q)) + k q (h - q))) ≥ 0.8.
    """
    sizes, n = np.bincount(clusters), len(clusters)
    rates = table.rates(after=False)
    q = float(rates.mean())
    if len(sizes) < 2 or q == 0:
        return None
    h = float((rates**2).mean()) / q
    noise = _noise(table, clusters)
    square = t_quantile(alpha, len(sizes) - 1) ** 2
    inflation = float((sizes / (1 - sizes / n) ** 2).sum()) / n
    a = 1 + square * inflation / n
    b = square * inflation * (h - noise / (n * q))
    c = square * (inflation * noise + float((sizes**2).sum()) / n)
    by_interval = (b + math.sqrt(b * b + 4 * a * c)) / (2 * a)
    before = table.outcomes[:, ~table.is_after]
    runs = float((before > 0).sum(axis=1).mean())
    sides = 2 if runs == 1 else 1  # where signs flip, the opposite pattern is as far from 0
    by_test = math.ceil(math.log(sides / alpha) / math.log1p(runs) - 1e-9)
    gaps = gaps_of_whole_runs(table.passes[:, ~table.is_after], before)
    least = max(by_interval, by_test, -n * np.nanmin(gaps, initial=0))
    if least > n * q:
        return None
    broken = np.arange(n + 1)
    spread = np.sqrt(noise * (1 - least / (n * q)) + broken * q * max(h - q, 0.0))
    # Without any spread a fall that is just large enough is found.
    distances = (broken * q - least + 1e-9) / np.maximum(spread, 1e-12)
    found = np.array([_NORMAL.cdf(each) for each in distances.tolist()])
    factorials = np.concatenate([[0.0], np.log(broken[1:]).cumsum()])
    ways = factorials[n] - factorials - factorials[::-1]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        odds = broken * math.log(middle) + (n - broken) * math.log1p(-middle)
        is_found = float(np.exp(ways + odds) @ found) >= POWER
        low, high = (low, middle) if is_found else (middle, high)
    return q * high


def _noise(table: OutcomeTable, clusters: Ints) -> float:
    """The variance of Σ (rate after - rate before) over the evals if nothing changed, in evals².

    It is the sum over clusters of the variance over the earlier runs of the cluster's sum of
    failures, times 1 + 1 / R. Of one earlier run it cannot be known: there it is twice the sum of
    the squared deviations of the clusters from their mean.
    """
    passes, outcomes = (each[:, ~table.is_after] for each in (table.passes, table.outcomes))
    rates = passes.sum(axis=1, keepdims=True) / outcomes.sum(axis=1, keepdims=True)
    groups = np.zeros((int(clusters.max()) + 1, outcomes.shape[1]))
    np.add.at(groups, clusters, np.where(outcomes > 0, passes / np.maximum(outcomes, 1) - rates, 0))
    present = np.zeros(groups.shape, dtype=bool)
    np.logical_or.at(present, clusters, outcomes > 0)
    runs = present.sum(axis=1)
    several = runs > 1
    variances = (groups**2).sum(axis=1) / np.maximum(runs - 1, 1)
    noise = float((variances * (1 + 1 / runs))[several].sum())
    failures = np.bincount(clusters, 1 - rates[:, 0])[~several]
    return noise + 2 * float(failures.var() * len(failures) if len(failures) else 0.0)
