"""Who is in a simulated suite: evals, their blocks and documents, and how often each fails.

Nothing here is on a grid, and no share is taken from the library's model: failing rates come from
Beta distributions whose shape differs from suite to suite. How many evals are shaky was chosen with
the naive rule alone, so that of what it calls in an edited suite about half did break.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SMALLEST, LARGEST = 30, 500
SOLID_MEAN, SHAKY_MEAN = 0.035, 0.27
SEEN = 10


@dataclass(frozen=True)
class Suite:
    """The evals of one workflow before anything breaks; arrays have one entry an eval.

    Attributes:
        block: Which block the eval is of, 0 to ``blocks`` − 1.
        document: Which document it reads; −1 where it reads none.
        rate: How often it fails while nothing is wrong; 1 for a known gap.
        gap: Whether it is a known gap, which never passes.
        document_luck: The share of a run's luck that evals of one document have in common.
        block_luck: The same for the evals of one block.
        edit_rate: How likely a run is the first on newly edited code.
        added_at: The first run that has the eval; 0 where all have.
        removed_at: The first run that does not have it any more; ``rows`` where none.
        changed_at: The run from which its definition is another; 0 where it never changes.
        changed_rate: How often it fails from then on.
        changed_inputs: Whether its inputs were edited, else its expected value.
    """

    rows: int
    blocks: int
    block: Ints
    document: Ints
    rate: Floats
    gap: Bools
    document_luck: float
    block_luck: float
    edit_rate: float
    added_at: Ints
    removed_at: Ints
    changed_at: Ints
    changed_rate: Floats
    changed_inputs: Bools

    @property
    def size(self) -> int:
        """How many evals there are, counting those that come and go."""
        return len(self.block)

    def scheduled(self) -> Bools:
        """Which eval a whole run has, ``rows × size``."""
        row = np.arange(self.rows)[:, None]
        return (row >= self.added_at) & (row < self.removed_at)

    def redefined(self) -> Bools:
        """Whether an eval has its later definition in a run, ``rows × size``."""
        row = np.arange(self.rows)[:, None]
        return (self.changed_at > 0) & (row >= self.changed_at)


def draw_suite(rng: np.random.Generator, rows: int, *, uniform: bool = False) -> Suite:
    """A suite of 30 to 500 evals that is run ``rows`` times, small ones more often than large.

    ``uniform``: a hundred that each fail one time in five.
    """
    size = int(SMALLEST * (LARGEST / SMALLEST) ** (rng.random() ** 1.6))
    size = 100 if uniform else size
    blocks = int(rng.integers(3, 10))
    gap = (rng.random(size) < rng.uniform(0, 0.06)) & (not uniform)
    changed_at = _moment(rng, size, rows, rng.uniform(0, 0.05), never=0)
    fails_when_changed = rng.random(size) < 0.4
    return Suite(
        rows=rows,
        blocks=blocks,
        block=_draw_blocks(rng, size, blocks),
        document=_draw_documents(rng, size),
        rate=np.full(size, 0.2) if uniform else np.where(gap, 1.0, draw_rates(rng, size)),
        gap=gap,
        document_luck=rng.uniform(0.05, 0.35),
        block_luck=rng.uniform(0.0, 0.1),
        edit_rate=rng.uniform(0.1, 0.5),
        added_at=_moment(rng, size, rows, rng.uniform(0, 0.05), never=0),
        removed_at=_moment(rng, size, rows, rng.uniform(0, 0.03), never=rows),
        changed_at=changed_at,
        changed_rate=np.where(fails_when_changed, rng.uniform(0.9, 1, size), rng.beta(1, 20, size)),
        changed_inputs=rng.random(size) < 0.5,
    )


def draw_rates(rng: np.random.Generator, size: int) -> Floats:
    """Failing rates: most evals solid, with a mean of 3.5 %, some shaky, with one of 27 %."""
    shaky = rng.random(size) < rng.uniform(0.01, 0.07)
    weight = np.where(shaky, rng.uniform(3, 8), np.exp(rng.uniform(0, np.log(10))))
    mean = np.where(shaky, SHAKY_MEAN, SOLID_MEAN)
    return rng.beta(mean * weight, (1 - mean) * weight)


def _draw_blocks(rng: np.random.Generator, size: int, blocks: int) -> Ints:
    """Blocks of unequal size, each with three evals at least."""
    block = rng.choice(blocks, size, p=rng.dirichlet(np.full(blocks, 3.0)))
    block[rng.permutation(size)[: 3 * blocks]] = np.arange(3 * blocks) % blocks
    return block


def _draw_documents(rng: np.random.Generator, size: int) -> Ints:
    """One to eight evals a document in the mean; one eval in twenty reads no document."""
    documents = max(2, int(size / rng.uniform(1, 8)))
    return np.where(rng.random(size) < 0.05, -1, rng.integers(documents, size=size))


def _moment(rng: np.random.Generator, size: int, rows: int, share: float, *, never: int) -> Ints:
    """For a share of the evals a run after the first, for the others ``never``.

    In ten runs it happens to the whole share; in fewer to less of it, so that what happens in one
    run does not depend on how many there are.
    """
    share *= min(1.0, (rows - 1) / SEEN)
    return np.where(rng.random(size) < share, rng.integers(1, rows, size), never)
