"""What the clusters of a suite would come to if other runs had been the candidate's.

If nothing changed, any of a cluster's runs could as well have been the candidate's. So each
cluster's sum of differences, pass rate after minus pass rate before, gets a null distribution:

- Where every eval has as many outcomes after as before, the two sides change places, which flips
  the sign of the sum.
- Else (one run held against the mean of many) a flip is not symmetric: the rare failure of a flaky
  eval would count ten times as much on the one side as on the other. There the runs of the cluster
  are put into a random order, and each eval takes as the candidate's as many of the first outcomes
  that it has in that order as it has after the change. Evals of a cluster share the order, because
  they share the document and so their good and bad runs.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retab_analysis.stats.null_sums import NullPart
from retab_analysis.stats.outcome_table import OutcomeTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_MAX_UNIT = 2**32  # 10,000 evals' sums of such units fit into 64 bits
_ORDERS = 1024  # how many orders of a cluster's runs are looked at: all, or else drawn ones
_SEED = 20_240_229


@dataclass(frozen=True, slots=True)
class Relabelling:
    """The observed sum of the clusters, and what the clusters might have added to it.

    Attributes:
        observed: Σ over evals of (pass rate after - pass rate before), in units.
        parts: The null distributions of the clusters that can vary, and how many have each.
        unit: How many units make a difference of one eval by 1.
        tolerance: By how many units equal sums may differ through rounding.
    """

    observed: int
    parts: Counter[NullPart]
    unit: int
    tolerance: int

    @property
    def variance(self) -> float:
        """The variance of the sum if nothing changed, in evals²."""
        total = math.fsum(part.variance * count for part, count in sorted(self.parts.items()))
        return total / self.unit**2


@dataclass(frozen=True, slots=True)
class _Rows:
    """Evals that both passed and did not: their outcomes after, before, and in all."""

    after: Ints
    before: Ints
    passes: Ints
    unit: int

    def shifts(self, passes_after: Ints) -> Ints:
        """Rate after minus rate before, in units, if so many of the passes were after."""
        import numpy as np

        after = passes_after / self.after
        before = (self.passes - passes_after) / self.before
        return np.rint(self.unit * (after - before)).astype(np.int64)

    def take(self, rows: Ints) -> _Rows:
        return _Rows(self.after[rows], self.before[rows], self.passes[rows], self.unit)


def relabel(table: OutcomeTable, clusters: Ints) -> Relabelling:
    """The null distributions of a table's clusters; each eval must have outcomes on both sides.

    An eval that always passes, or never, adds nothing whichever run is the candidate's.
    """
    import numpy as np

    total = table.passes.sum(axis=1)
    varies = (total > 0) & (total < table.outcomes.sum(axis=1))
    table, clusters = table.take(varies), np.unique(clusters[varies], return_inverse=True)[1]
    after, before = table.side(True), table.side(False)
    unit, tolerance = _unit({*after[1].tolist(), *before[1].tolist()}, len(clusters))
    rows = _Rows(after[1], before[1], total[varies], unit)
    shifts = rows.shifts(after[0])
    parts = _parts(rows, table, clusters.reshape(-1), shifts)
    return Relabelling(int(shifts.sum()), parts, unit, tolerance)


def _parts(rows: _Rows, table: OutcomeTable, clusters: Ints, shifts: Ints) -> Counter[NullPart]:
    """The null distributions of clusters, which are numbered from 0."""
    import numpy as np

    sizes = np.bincount(clusters)
    flips = np.bincount(clusters, rows.after != rows.before, len(sizes)) == 0
    sums = np.zeros(len(sizes), dtype=np.int64)
    np.add.at(sums, clusters, shifts)
    found = [_flip(total) for total in abs(sums[flips]).tolist()]
    alone = (sizes == 1) & ~flips
    parts = Counter(found) + _single_evals(rows.take(np.flatnonzero(alone[clusters])))
    order = np.argsort(clusters, kind="stable")
    groups = np.split(order, np.cumsum(sizes)[:-1])
    for cluster in np.flatnonzero(~flips & ~alone):
        group = groups[cluster]
        parts[_many_evals(rows.take(group), table.take(group))] += 1
    return Counter({part: count for part, count in parts.items() if part is not None})


def _single_evals(rows: _Rows) -> Counter[NullPart | None]:
    """Evals that are each a cluster of their own; equal ones are looked at once."""
    import numpy as np

    kinds = np.stack([rows.after, rows.before, rows.passes], axis=1)
    distinct, counts = np.unique(kinds, axis=0, return_counts=True)
    parts: Counter[NullPart | None] = Counter()
    for (after, before, passes), count in zip(distinct[:, :, None], counts.tolist(), strict=True):
        parts[_one_eval(_Rows(after, before, passes, rows.unit))] += count
    return parts


def _unit(counts: set[int], n: int) -> tuple[int, int]:
    """The unit in which all rates are whole, or else a very small one with a tolerance."""
    unit = math.lcm(*counts)
    return (unit, 0) if unit <= _MAX_UNIT else (_MAX_UNIT, 2 * n)


def _flip(total: int) -> NullPart | None:
    return NullPart((-total, total), (0.5, 0.5)) if total else None


def _one_eval(row: _Rows) -> NullPart | None:
    """One eval: how many of its passes fall on the candidate's side is hypergeometric."""
    import numpy as np

    after, passes = int(row.after[0]), int(row.passes[0])
    n = after + int(row.before[0])
    ks = range(max(0, after + passes - n), min(after, passes) + 1)
    ways = [math.comb(passes, k) * math.comb(n - passes, after - k) for k in ks]
    chances = [way / math.comb(n, after) for way in ways]
    return _part(row.shifts(np.array(ks)), np.array(chances))


def _part(values: Ints, weights: NDArray[np.float64]) -> NullPart | None:
    import numpy as np

    distinct, at = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        return None
    chances = np.bincount(at.reshape(-1), weights)
    return NullPart(tuple(distinct.tolist()), tuple(chances.tolist()))


def _many_evals(rows: _Rows, table: OutcomeTable) -> NullPart | None:
    """Several evals of one cluster, whose runs are reordered together."""
    import numpy as np

    passed, present = _slots(table)
    order = np.lexsort(np.hstack([passed, present]).T)  # the order of the evals does not matter
    rows, passed, present = rows.take(order), passed[order], present[order]
    orders = _orders(rows, present)
    values = np.zeros(len(orders), dtype=np.int64)
    for at in range(len(passed)):
        passes_after = _passes_of_first(int(rows.after[at]), passed[at], present[at], orders)
        values += rows.take(np.array([at])).shifts(passes_after)
    return _part(values, np.full(len(values), 1 / len(values)))


def _passes_of_first(
    k: int, passed: NDArray[np.bool_], present: NDArray[np.bool_], orders: Ints
) -> Ints:
    """How many of an eval's first ``k`` outcomes in each order are passes."""
    import numpy as np

    there = present[orders]
    if k == 1:
        chosen = orders[np.arange(len(orders)), there.argmax(axis=1)]
        found: Ints = passed[chosen].astype(np.int64)
    else:
        found = np.sum(there & (there.cumsum(axis=1) <= k) & passed[orders], axis=1)
    return found


def _slots(table: OutcomeTable) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """One column for each outcome of a run: whether the eval passed, and whether it was there.

    Of an eval that a run tried several times only the counts are known. Its passes come first, so
    that the failures of a cluster's evals in one run fall together, which is the careful guess.
    """
    import numpy as np

    widths = table.outcomes.max(axis=0)
    run = np.repeat(np.arange(len(widths)), widths)
    place = np.concatenate([np.arange(width) for width in widths])
    return table.passes[:, run] > place, table.outcomes[:, run] > place


def _orders(rows: _Rows, present: NDArray[np.bool_]) -> Ints:
    """The orders of runs (columns of the result) to look at; what comes last may be left out.

    All ways to choose the candidate's runs, where each run has every eval and there are few ways.
    """
    n, k = present.shape[1], int(rows.after[0])
    if present.all() and (rows.after == k).all() and math.comb(n, k) <= _ORDERS:
        return _all_choices(n, k)
    return _random_orders(n)


@functools.lru_cache(maxsize=64)
def _all_choices(n: int, k: int) -> Ints:
    import numpy as np

    return np.array(list(itertools.combinations(range(n), k)))


@functools.lru_cache(maxsize=64)
def _random_orders(n: int) -> Ints:
    """Seeded orders of ``n`` runs, in which each run comes first equally often."""
    import numpy as np

    keys = np.random.default_rng(_SEED).random((n * math.ceil(_ORDERS / n), n))
    keys[np.arange(len(keys)), np.arange(len(keys)) % n] = -1.0
    return keys.argsort(axis=1)
