"""Worlds in which codes come back: somebody edits every second day, and puts edits back.

*D*: nine evals in ten always do the same. A run a day; of the edits some break evals, until they
are put back (the old code) or mended (a new one). A broken code may come again. *G*: edits break
nothing and are put back as often as not, while 1 to 4 evals get worse whatever the code. *H*: an
edit breaks 1 to 4 evals, and then an edit without effect comes with every second run. *I*: two
versions take turns, and one of them is broken.

Nothing here was tuned to the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from simulation.clocked import Drawn
from simulation.population import Bools, Floats, Ints

WORLDS = ("D", "G", "H", "I")
ROWS = {"D": 40, "G": 40, "H": 30, "I": 24}
HARD = 0.9
"""An eval that fails so often after a break broke hard."""


@dataclass(frozen=True, eq=False)
class Returning:
    """A suite whose codes come back, and which evals are broken in each run, by an edit or not."""

    drawn: Drawn
    is_broken: Bools  # rows × evals

    @property
    def since(self) -> Ints:
        """The run since which an eval is broken, rows × evals; −1 where it is not."""
        found = np.full(self.is_broken.shape, -1)
        for row in range(len(found)):
            before = found[row - 1] if row else np.full(found.shape[1], -1)
            found[row] = np.where(self.is_broken[row], np.where(before < 0, row, before), -1)
        return found

    @property
    def is_repeated(self) -> Bools:
        """Whether an eval was broken before that, too, and mended."""
        since = self.since
        first = np.where(self.is_broken.any(axis=0), self.is_broken.argmax(axis=0), len(since))
        return np.asarray((since >= 0) & (since > first))


def draw_returning(world: str, *, seed: Sequence[int]) -> Returning:
    drawn_from = (4, *seed, WORLDS.index(world))
    rng = np.random.default_rng([*drawn_from, 0])
    rows, size, blocks = ROWS[world], round(20 * 8 ** rng.random()), int(rng.integers(2, 6))
    block = rng.permutation(np.arange(size) % blocks)
    is_solid = rng.random(size) < 0.9
    base = np.where(is_solid, rng.choice([1e-4, 0.002], size), rng.uniform(0.02, 0.4, size))
    past = _Past(rng, rows, block, is_solid)
    {"D": past.break_and_mend, "G": past.drift, "H": past.edit_on, "I": past.take_turns}[world]()
    drawn = Drawn(
        at=rows - 1,
        block=block,
        document=rng.integers(max(2, size // 3), size=size),
        rates=np.where(past.is_broken, past.broken_rates, base),
        code=past.code,
        hours=24.0 * np.arange(rows) + rng.uniform(0, 3, rows),
        bad=np.zeros((3, 0)),
        noise=0.1,
        repeats=0.0,
        repeats_for=0.0,
        documents_fail=0.0,
        seed=drawn_from,
    )
    return Returning(drawn, past.is_broken)


@dataclass
class _Past:
    """The codes of each block, run by run, and the evals that are broken meanwhile."""

    rng: Generator
    rows: int
    block: Ints
    is_solid: Bools
    code: Ints = field(init=False)
    is_broken: Bools = field(init=False)
    broken_rates: Floats = field(init=False)

    def __post_init__(self) -> None:
        size = self.block.size
        self.code = np.zeros((self.rows, int(self.block.max()) + 1), dtype=np.int64)
        self.is_broken = np.zeros((self.rows, size), dtype=bool)
        self.broken_rates = np.full(size, 0.0) + self.rng.uniform(0.97, 1.0, size)

    def _choose(self, block: int, most: int) -> Ints:
        """Some evals of a block that hardly ever fail."""
        pool = np.flatnonzero((self.block == block) & self.is_solid)
        return self.rng.choice(pool, min(len(pool), int(self.rng.integers(1, most + 1))), False)

    def break_and_mend(self) -> None:
        """World D."""
        rng, blocks = self.rng, self.code.shape[1]
        breaks: list[dict[int, Ints]] = [{0: np.zeros(0, dtype=int)} for _ in range(blocks)]
        now, good = [0] * blocks, [0] * blocks
        for row in range(1, self.rows):
            if rng.random() < 0.5:
                at = int(rng.integers(blocks))
                its, dice = breaks[at], rng.random()
                bad = [code for code, evals in its.items() if len(evals)]
                if len(its[now[at]]):
                    if dice < 0.5:
                        now[at] = good[at]
                    else:
                        now[at] = good[at] = len(its)
                        its[now[at]] = np.zeros(0, dtype=int)
                elif bad and dice < 0.3:
                    now[at] = int(rng.choice(bad))
                else:
                    now[at] = len(its)
                    broken = self._choose(at, 6) if dice < 0.65 else np.zeros(0, dtype=int)
                    its[now[at]] = its[bad[-1]] if bad and dice < 0.4 else broken
                    good[at] = good[at] if len(its[now[at]]) else now[at]
            for at in range(blocks):
                self.code[row, at] = now[at]
                self.is_broken[row, breaks[at][now[at]]] = True

    def drift(self) -> None:
        """World G."""
        self._edit_benignly(0.5, returns=0.5)
        start = int(self.rng.integers(self.rows // 3, self.rows - 8))
        here = int(self.rng.integers(self.code.shape[1]))
        self.is_broken[start:, self._choose(here, 4)] = True

    def edit_on(self) -> None:
        """World H."""
        start, here = int(self.rng.integers(8, 16)), int(self.rng.integers(self.code.shape[1]))
        evals = self._choose(here, 4)
        self.is_broken[start:, evals] = True
        is_soft = self.rng.random(self.block.size) < 0.7
        soft = self.rng.uniform(0.3, 0.9, self.block.size)
        self.broken_rates = np.where(is_soft, soft, self.broken_rates)
        self._edit_benignly(0.1, returns=0.0)
        self.code[start:] += np.arange(self.code.shape[1]) == here
        for row in range(start + 2, self.rows, 2):
            self.code[row:, here] += 1

    def _edit_benignly(self, often: float, returns: float) -> None:
        for row in range(1, self.rows):
            self.code[row] = self.code[row - 1]
            if self.rng.random() < often:
                at = int(self.rng.integers(self.code.shape[1]))
                known = np.unique(self.code[:row, at])
                others = known[known != self.code[row - 1, at]]
                is_back = len(others) and self.rng.random() < returns
                self.code[row, at] = self.rng.choice(others) if is_back else known.max() + 1

    def take_turns(self) -> None:
        """World I."""
        start, here = int(self.rng.integers(5, 12)), int(self.rng.integers(self.code.shape[1]))
        evals, row, is_bad = self._choose(here, 6), start, True
        while row < self.rows:
            lasts = int(self.rng.integers(1, 4))
            self.code[row : row + lasts, here] = int(is_bad)
            if is_bad:
                self.is_broken[row : row + lasts, evals] = True
            row, is_bad = row + lasts, not is_bad
