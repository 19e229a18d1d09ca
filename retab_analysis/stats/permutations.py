"""The suite's test: could any other of the runs as well have been the candidate's?

If nothing changed, any of a cluster's runs could as well have been the candidate's. So each
cluster's sum of differences, pass rate after minus pass rate before, has a null distribution:

- Where every eval has as many runs after as before, the two sides change places, which flips the
  sign of the sum.
- Else (one run held against the mean of many) a flip is not symmetric: the rare failure of a flaky
  eval would count ten times as much on the one side as on the other. There the runs of the cluster
  are put into a random order, and each eval takes as the candidate's as many of the first runs that
  it has in that order as it has after the change. Evals of a cluster share the order, because they
  share the document and so their good and bad runs.

Clusters are independent of one another. What a cluster may add is a whole number of some unit, so
that two equal sums are equal, whatever the order in which they were added.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from retab_analysis.stats.outcomes import OutcomeTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Part = tuple[tuple[int, ...], tuple[float, ...]]
"""What a cluster may add to the sum, ascending, and the probability of each."""

MAX_PATTERNS = 2**20
DRAWS = 20_000
_ORDERS = 1024  # how many orders of a cluster's runs are looked at: all, or else drawn ones
_SEED = 20_240_229
_MAX_UNIT = 2**32  # 10,000 evals' sums of such units fit into 64 bits


def permutation_p(table: OutcomeTable, clusters: Ints) -> float:
    """The two-sided p-value of no change at all, from the null distributions of the clusters.

    Every eval of the table has outcomes on both sides.

    Source: R. A. Fisher, "The Design of Experiments" (1935), ch. 3.
    """
    # An eval that always passes, or never, adds nothing whichever run is the candidate's.
    passes, outcomes = table.passes.sum(axis=1), table.outcomes.sum(axis=1)
    varies = (passes > 0) & (passes < outcomes)
    table, clusters = table.take(varies), clusters[varies]
    counts = {*table.outcomes[:, ~table.is_after].sum(axis=1).tolist()}
    unit = math.lcm(*counts, *table.outcomes[:, table.is_after].sum(axis=1).tolist())
    tolerance = 0
    if unit > _MAX_UNIT:
        unit, tolerance = _MAX_UNIT, 2 * len(clusters)
    shifts = np.rint(unit * (table.rates(after=True) - table.rates(after=False)))
    parts: Counter[Part] = Counter()
    order = np.argsort(clusters, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        if len(group):
            parts[_relabel(table.take(group), int(shifts[group].sum()), unit)] += 1
    return two_sided_p(int(shifts.sum()), parts, tolerance)


def two_sided_p(observed: int, parts: Counter[Part], tolerance: int = 0) -> float:
    """The probability of a sum at least as far from 0 as the one observed.

    It is exact where there are at most 2^20 patterns, or so many equal ones that to add them up
    takes no longer; else it is the share of 20,000 seeded draws, the observed pattern counted among
    them. The parts are sorted first, so that neither their order nor what they are called matters.
    Sums that are nearer to 0 than the observed one by ``tolerance`` count as equal.

    Source: for draws, B. Phipson and G. K. Smyth, "Permutation p-values should never be zero",
    Statistical Applications in Genetics and Molecular Biology 9 (2010) 39.
    """
    ordered = sorted(parts.elements())
    limit = abs(observed) - tolerance
    if limit <= 0 or not ordered:
        return 1.0
    exact = _add_up(ordered)
    if exact is None:
        return (1 + int((abs(_draw(ordered)) >= limit).sum())) / (1 + DRAWS)
    sums, weights = exact
    # However many clusters there are, their most extreme pattern is not impossible.
    return max(sys.float_info.min, min(1.0, math.fsum(weights[abs(sums) >= limit])))


def _relabel(table: OutcomeTable, observed: int, unit: int) -> Part:
    """What the evals of one cluster may add to the sum."""
    # One column for each outcome. Of an eval that a run tried several times only the counts are
    # known: its passes come first, so that the failures of a cluster's evals in one run fall
    # together, which is the careful guess.
    widths = table.outcomes.max(axis=0)
    run = np.repeat(np.arange(len(widths)), widths)
    place = np.concatenate([np.arange(width) for width in widths])
    passed, present = table.passes[:, run] > place, table.outcomes[:, run] > place
    after = present[:, table.is_after[run]].sum(axis=1)
    if (after == present[:, ~table.is_after[run]].sum(axis=1)).all():
        return ((-abs(observed), abs(observed)), (0.5, 0.5)) if observed else ((0,), (1.0,))
    n, k = len(run), int(after[0])
    is_whole = present.all() and (after == k).all() and math.comb(n, k) <= _ORDERS
    orders = _all_choices(n, k) if is_whole else _random_orders(n)
    sums = np.zeros(len(orders), dtype=np.int64)
    for passes, decided, taken in zip(passed, present, after.tolist(), strict=True):
        there = decided[orders]
        chosen = there & (there.cumsum(axis=1) <= taken)
        passes_after = (passes[orders] & chosen).sum(axis=1)
        before = (passes.sum() - passes_after) / (decided.sum() - taken)
        sums += np.rint(unit * (passes_after / taken - before)).astype(np.int64)
    values, counts = np.unique(sums, return_counts=True)
    return tuple(values.tolist()), tuple((counts / len(sums)).tolist())


@functools.lru_cache(maxsize=64)
def _all_choices(n: int, k: int) -> Ints:
    return np.array(list(itertools.combinations(range(n), k)))


@functools.lru_cache(maxsize=64)
def _random_orders(n: int) -> Ints:
    """Seeded orders of ``n`` runs, in which each run comes first equally often."""
    keys = np.random.default_rng(_SEED).random((n * math.ceil(_ORDERS / n), n))
    keys[np.arange(len(keys)), np.arange(len(keys)) % n] = -1.0
    return keys.argsort(axis=1)


def _add_up(ordered: list[Part]) -> tuple[Ints, Floats] | None:
    """Every sum and its probability; None if that takes more than all of 2^20 patterns."""
    sums: Ints = np.zeros(1, dtype=np.int64)
    weights: Floats = np.ones(1)
    additions = 0
    for values, chances in ordered:
        additions += len(sums) * len(values)
        if additions > 2 * MAX_PATTERNS:
            return None
        sums, at = np.unique(np.add.outer(sums, values), return_inverse=True)
        added = np.multiply.outer(weights, chances)
        weights = np.asarray(np.bincount(at.reshape(-1), added.reshape(-1)), dtype=np.float64)
    return sums, weights


def _draw(ordered: list[Part]) -> Ints:
    dice = np.random.default_rng(_SEED)
    sums = np.zeros(DRAWS, dtype=np.int64)
    for values, chances in ordered:
        # How often each value comes, and then in which draws: faster than one by one.
        share = np.array(chances) / math.fsum(chances)
        sums += dice.permutation(np.repeat(values, dice.multinomial(DRAWS, share)))
    return sums
