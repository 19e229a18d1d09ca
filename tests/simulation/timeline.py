"""What happens to a suite from run to run: edits, breaks, mends, and the rates that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from simulation.population import Bools, Floats, Ints, Suite

HARD = 0.85
BREAKABLE = 0.2
RESHUFFLE = 0.1


@dataclass(frozen=True)
class Break:
    """Some evals of one block get worse in run ``start`` and are mended in run ``stop``.

    Attributes:
        evals: Their indexes.
        start: The first run that shows it.
        stop: The first run in which they are mended; the number of runs where they are not.
        rates: How often each fails meanwhile: most nine times in ten and more, the others 0.3 to
            0.6 more often.
        blocked: Whether a failure mostly shows as ``blocked``.
    """

    evals: Ints
    start: int
    stop: int
    rates: Floats
    blocked: bool


def break_rates(base: Floats, breaks: Sequence[Break]) -> Floats:
    """How often each eval fails in each run, ``rows × evals``, given how often it does unbroken."""
    rates = base.copy()
    for each in breaks:
        rates[each.start : each.stop, each.evals] = each.rates
    return rates


def find_blocked(base: Floats, breaks: Sequence[Break]) -> Bools:
    """Where a failure mostly shows as ``blocked``, ``rows × evals``."""
    blocked = np.zeros(base.shape, dtype=bool)
    for each in breaks:
        blocked[each.start : each.stop, each.evals] = each.blocked
    return blocked


class Timeline:
    """The rates and the code of every run, as edits and breaks are put in one after the other.

    Attributes:
        base: How often each eval fails in each run while nothing is broken, ``rows × evals``.
        code: How often a block had been edited by then, ``rows × blocks``.
        breaks: What broke.
    """

    def __init__(self, rng: np.random.Generator, suite: Suite) -> None:
        self.rng = rng
        self.suite = suite
        self.base = np.where(suite.redefined(), suite.changed_rate, suite.rate)
        self.code = np.zeros((suite.rows, suite.blocks), dtype=np.int64)
        self.breaks: list[Break] = []
        # From which run on, and up to which, an eval has no other break.
        self._free_from = np.zeros(suite.size, dtype=np.int64)
        self._free_until = np.full(suite.size, suite.rows, dtype=np.int64)

    def edit_history(self, stop: int) -> None:
        """Benign edits before run ``stop``: the code changes, and rates hardly."""
        edited = self.rng.random(stop) < self.suite.edit_rate
        for row in np.flatnonzero(edited):
            if row > 0:
                self.edit(int(row), self.draw_blocks())

    def draw_blocks(self) -> Ints:
        """One or two blocks."""
        count = 1 + int(self.rng.random() < 0.4)
        return self.rng.choice(self.suite.blocks, min(count, self.suite.blocks), replace=False)

    def edit(self, row: int, blocks: Ints) -> None:
        """Change the code of some blocks; half of the edits reshuffle rates by less than 0.1."""
        self.code[row:, blocks] += 1
        if self.rng.random() < 0.5:
            moved = np.flatnonzero(np.isin(self.suite.block, blocks))
            shift = self.rng.normal(0, self.rng.uniform(0, 0.25), len(moved))
            before = self.base[row, moved]
            after = ndtr(ndtri(before) + shift)
            after = np.clip(after, before - RESHUFFLE, before + RESHUFFLE)
            self.base[row:, moved] = self._keep_definition(row, moved, after)

    def _keep_definition(self, row: int, moved: Ints, after: Floats) -> Floats:
        """The new rates for all later runs; an eval that is changed later has another then."""
        later = np.arange(row, self.suite.rows)[:, None] >= self.suite.changed_at[moved]
        changes = (self.suite.changed_at[moved] > row) & later
        return np.where(changes, self.base[row:, moved], after)

    def break_blocks(
        self, blocks: Sequence[int], start: int, stop: int, cause: str, most: float
    ) -> None:
        """Break up to a share ``most`` of the evals of some blocks, at least one in each.

        An edit may break a single eval, in some corner of a prompt, and breaks 2 in 100 of those
        that could break at least; drift is another model behind the same name, and breaks 15 in
        100 at least.
        """
        least = 0.02 if cause == "edit" else 0.15
        if cause == "edit":
            touched = np.asarray(blocks)
            self.code[start:, touched] += 1
            self.code[stop:, touched] += 1
        for block in blocks:
            evals = self._draw_broken(int(block), start, stop, self.rng.uniform(least, most))
            if len(evals):
                self._break(evals, start, stop)

    def _draw_broken(self, block: int, start: int, stop: int, share: float) -> Ints:
        """Some evals that mostly passed until now; sometimes all those of a few documents."""
        pool = np.flatnonzero(self._breakable(start, stop) & (self.suite.block == block))
        count = min(len(pool), max(1, round(share * len(pool))))
        if self.rng.random() < 0.3:
            alone = self.suite.size + pool
            document = np.where(self.suite.document[pool] < 0, alone, self.suite.document[pool])
            order = self.rng.permutation(2 * self.suite.size)
            return pool[np.argsort(order[document])][:count]
        return self.rng.choice(pool, count, replace=False)

    def _breakable(self, start: int, stop: int) -> Bools:
        suite = self.suite
        defined = np.maximum(suite.added_at, suite.changed_at)
        lasts = (suite.removed_at == suite.rows) & (defined < start)
        free = (self._free_from < start) & (stop <= self._free_until)
        return lasts & free & (self.base[start - 1] <= BREAKABLE) & ~suite.gap

    def _break(self, evals: Ints, start: int, stop: int) -> None:
        hard = self.rng.random(len(evals)) < HARD
        before = self.base[start, evals]
        soft_rates = np.minimum(before + self.rng.uniform(0.3, 0.6, len(evals)), 0.98)
        rates = np.where(hard, self.rng.uniform(0.9, 1, len(evals)), soft_rates)
        blocked = bool(self.rng.random() < 0.2)
        self.breaks.append(Break(evals, start, stop, rates, blocked))
        if stop < self.suite.rows:
            self._free_from[evals] = stop
        else:
            self._free_until[evals] = start - 1

    def add_episodes(self) -> None:
        """Incidents of the past: most were mended at least two runs before the baseline.

        One in eight lasts. Their number grows with the history, and an eval may have several.
        """
        last = self.suite.rows - 4
        starts = np.sort(self.rng.integers(1, last - 3, self.rng.poisson(self.suite.rows / 20)))
        for start in starts.tolist():
            lasting = self.rng.random() < 0.125
            stop = min(start + int(self.rng.integers(3, 16)), last)
            cause = "edit" if self.rng.random() < 0.6 else "drift"
            blocks = [int(self.rng.integers(self.suite.blocks))]
            self.break_blocks(blocks, start, self.suite.rows if lasting else stop, cause, 0.4)

    def mend_some(self, row: int, blocks: Ints) -> None:
        """A third of the edits also mend one to three evals of their blocks that never passed."""
        here = np.isin(self.suite.block, blocks) & (self.base[row - 1] > 0.6)
        pool = np.flatnonzero(here & (self.suite.removed_at == self.suite.rows))
        if len(pool) and self.rng.random() < 0.33:
            count = min(len(pool), int(self.rng.integers(1, 4)))
            fixed = self.rng.choice(pool, count, replace=False)
            self.base[row:, fixed] = self.rng.uniform(0, 0.1, count)
