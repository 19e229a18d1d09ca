"""What goes into the model: outcomes as arrays, cut to a window, equal histories counted once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.rates import EDITED, HOUR_RATES, SAME, Bools, Floats, Ints

_LEAST_LIKELIHOOD = 1e-100  # of a row's outcomes, against the likeliest rate; keeps sums above 0

_CARRIED = 10  # rows with an outcome that are carried into a window


@dataclass(frozen=True, eq=False)
class Histories:
    """The outcomes of n evals over T rows, which are runs in the order of time.

    The rows from ``candidate`` on are the candidate: its run, and after it each round of reruns.
    No rate jumps between those. Only outcomes count that are comparable with the candidate's;
    an eval's history begins with its row ``start``, where its rate has the prior of a first rate.

    Attributes:
        passes: How many outcomes passed, shape (n, T).
        fails: How many did not, shape (n, T). Both are 0 where there was no outcome.
        block: A number for each eval's block, shape (n,); which numbers does not matter.
        edited: Whether the block's code differs from the code at the row before, shape (n, T):
            ``rates.SAME``, ``rates.UNKNOWN`` or ``rates.EDITED``. What is said of a row up to
            ``start``, or after ``candidate``, is not looked at.
        start: The first row of each eval's comparable history, shape (n,); T where there is none.
        candidate: The candidate's first row; T where all rows are history.

    Raises:
        ValueError: Shapes that do not fit, counts below 0, or rows that are not there.
    """

    passes: npt.NDArray[np.integer]
    fails: npt.NDArray[np.integer]
    block: npt.NDArray[np.integer]
    edited: npt.NDArray[np.integer]
    start: npt.NDArray[np.integer]
    candidate: int

    def __post_init__(self) -> None:
        shape = self.passes.shape
        if len(shape) != 2 or self.fails.shape != shape or self.edited.shape != shape:
            raise ValueError(
                "passes, fails and edited must have one shape (evals, rows), got "
                f"{shape}, {self.fails.shape} and {self.edited.shape}"
            )
        if self.block.shape != shape[:1] or self.start.shape != shape[:1]:
            raise ValueError(
                f"block and start must have the shape {shape[:1]}, got "
                f"{self.block.shape} and {self.start.shape}"
            )
        if not 0 <= self.candidate <= shape[1]:
            raise ValueError(f"candidate must be from 0 to {shape[1]}, got {self.candidate}")
        if not shape[0] or not shape[1]:
            return
        if self.passes.min() < 0 or self.fails.min() < 0:
            raise ValueError("counts must not be below 0")
        if self.edited.min() < SAME or self.edited.max() > EDITED:
            raise ValueError(f"edited must be from {SAME} to {EDITED}")
        if self.start.min() < 0 or self.start.max() > shape[1]:
            raise ValueError(f"start must be from 0 to {shape[1]}")

    @property
    def shape(self) -> tuple[int, int]:
        """How many evals and how many rows there are."""
        return self.passes.shape[0], self.passes.shape[1]

    @property
    def comparable(self) -> Bools:
        """Which rows belong to an eval's comparable history, shape (n, T)."""
        return np.asarray(np.arange(self.shape[1])[None, :] >= self.start[:, None])

    @property
    def observed(self) -> Bools:
        """Where there is a comparable outcome, shape (n, T)."""
        return np.asarray(((self.passes > 0) | (self.fails > 0)) & self.comparable)

    @property
    def decided(self) -> Bools:
        """Which evals have an outcome both before the candidate and on its side, shape (n,)."""
        observed = self.observed
        before, on = observed[:, : self.candidate], observed[:, self.candidate :]
        return np.asarray(before.any(axis=1) & on.any(axis=1))


@dataclass(frozen=True, eq=False)
class Window:
    """The last rows of :class:`Histories`, into which some outcomes from before may be carried.

    Attributes:
        histories: What is left. If rows were dropped, its first row holds what was carried alone.
        dropped: How many rows of the original are not in it.
        resumed: For an eval that passed before the window and not in it, the original row of its
            first outcome after that pass, -1 for the others, shape (n,).
    """

    histories: Histories
    dropped: int
    resumed: Ints

    @property
    def offset(self) -> int:
        """The original row of the window's row 0, which may be a row of carried outcomes."""
        return self.dropped - 1 if self.dropped else 0


def cut_window(histories: Histories, max_rows: int) -> Window:
    """The last ``max_rows`` rows before the candidate, and all of the candidate's.

    Each eval's last ten outcomes from before are carried as its first row. Where an eval has no
    pass in the window, before the candidate, but had one earlier, these are the ten that end with
    its last pass, with an edit after them if there was one on any row since: without them the
    model would take an eval that broke long ago for one that never passed.
    """
    dropped = max(0, histories.candidate - max_rows)
    if not dropped:
        return Window(histories, 0, np.full(histories.shape[0], -1, dtype=np.int64))
    passed = (histories.passes > 0) & histories.comparable
    earlier, within = passed[:, :dropped], passed[:, dropped : histories.candidate]
    lost = earlier.any(axis=1) & ~within.any(axis=1)
    last = dropped - 1 - np.where(lost, np.argmax(earlier[:, ::-1], axis=1), 0)
    since = np.arange(histories.shape[1])[None, :] > last[:, None]
    resumed = np.where(lost, np.argmax(histories.observed & since, axis=1), -1)
    return Window(_carry(histories, dropped, since), dropped, resumed)


def _carry(histories: Histories, dropped: int, since: Bools) -> Histories:
    """The histories without their first rows, in whose place is what comes before ``since``."""
    ended = histories.observed & ~since
    kept = ended & (np.cumsum(ended[:, ::-1], axis=1)[:, ::-1] <= _CARRIED)
    carried = kept.any(axis=1)
    passes = histories.passes[:, dropped - 1 :].copy()
    fails = histories.fails[:, dropped - 1 :].copy()
    edited = histories.edited[:, dropped - 1 :].copy()
    passes[:, 0] = np.where(kept, histories.passes, 0).sum(axis=1)
    fails[:, 0] = np.where(kept, histories.fails, 0).sum(axis=1)
    edited[:, 1] = np.where(since, histories.edited, SAME)[:, : dropped + 1].max(axis=1)
    start = np.where(carried, 0, np.maximum(histories.start - dropped + 1, 1))
    candidate = histories.candidate - dropped + 1
    return Histories(passes, fails, histories.block, edited, start, candidate)


@dataclass(frozen=True, eq=False)
class Patterns:
    """Histories of some blocks in which equal ones are counted once: G patterns, sorted by block.

    Attributes:
        count: How many evals have each pattern, shape (G,).
        first: The first pattern of each block, shape (B,).
        block: The place of each pattern's block in ``first``, shape (G,).
        outcome: Which column of ``likelihoods`` belongs to a row's outcomes, shape (T, G).
        likelihoods: How probable outcomes are by hour and rate, the largest 1, shape (2, 13, K).
        passed: Whether there was a pass before a row, shape (T, G).
        jumps: Whether a rate may jump to a row from the one before, shape (T, G).
        edited: What is known of an edit there, shape (T, G).
        evident: Which patterns have an outcome before the candidate, shape (G,).
        candidate: The candidate's first row.
    """

    count: Floats
    first: Ints
    block: Ints
    outcome: Ints
    likelihoods: Floats
    passed: Bools
    jumps: Bools
    edited: Ints
    evident: Bools
    candidate: int

    @property
    def n_rows(self) -> int:
        """T."""
        return int(self.outcome.shape[0])

    @property
    def size(self) -> int:
        """G."""
        return int(self.outcome.shape[1])

    @property
    def one_edit(self) -> Bools:
        """At which rows the same is known of an edit for all patterns of a block, shape (T,)."""
        return np.asarray((self.edited == self.edited[:, self.first][:, self.block]).all(axis=1))


def group_equal(histories: Histories) -> tuple[Patterns, Ints]:
    """Find equal histories of a block; the order of the evals does not change what comes out.

    Returns:
        The patterns, and which of them each eval has, shape (n,).
    """
    _, block = np.unique(histories.block, return_inverse=True)
    jumps = may_jump(histories)
    edited = collect_edits(histories, jumps)
    outcome, likelihoods = index_outcomes(histories)
    key = np.column_stack([block, (outcome * 2 + jumps) * 3 + edited]).astype(np.int32)
    chosen, pattern, count = find_equal_rows(key)
    changes = np.diff(block[chosen], prepend=-1) != 0
    first, place = np.flatnonzero(changes), np.cumsum(changes) - 1
    passes = (histories.passes > 0) & histories.comparable
    passed = np.asarray(np.cumsum(passes, axis=1) - passes > 0)
    seen = np.asarray(histories.observed[chosen, : histories.candidate].any(axis=1))
    jumps, edited = jumps[chosen].T.copy(), edited[chosen].T.copy()
    # Where a rate cannot jump, the edit says what to expect of the rest of the block.
    edited = np.where(jumps, edited, np.maximum.reduceat(edited, first, axis=1)[:, place])
    patterns = Patterns(
        count=count.astype(np.float64),
        first=first,
        block=place,
        outcome=outcome[chosen].T.copy(),
        likelihoods=likelihoods,
        passed=passed[chosen].T.copy(),
        jumps=jumps,
        edited=edited,
        evident=seen,
        candidate=histories.candidate,
    )
    return patterns, pattern


def find_equal_rows(key: npt.NDArray[np.int32]) -> tuple[Ints, Ints, Ints]:
    """For each different row of ``key``: an index, which one each row is, and how many there are.

    Rows with the same first number come together.
    """
    as_bytes = np.ascontiguousarray(key).view(np.dtype((np.void, key.itemsize * key.shape[1])))
    _, chosen, which, count = np.unique(
        as_bytes.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    return chosen, which, count


def split_blocks(patterns: Patterns, width: int) -> list[Patterns]:
    """Patterns in parts of whole blocks, of at most ``width`` patterns where a block is not larger.

    Arrays of that width stay in the processor's cache.
    """
    ends = np.append(patterns.first[1:], patterns.size)
    parts, begin, low = [], 0, 0
    for place, end in enumerate(ends):
        if place + 1 == ends.size or ends[place + 1] - begin > width:
            parts.append(_take(patterns, slice(begin, int(end)), slice(low, place + 1)))
            begin, low = int(end), place + 1
    return parts


def _take(patterns: Patterns, columns: slice, blocks: slice) -> Patterns:
    return Patterns(
        count=patterns.count[columns],
        first=patterns.first[blocks] - columns.start,
        block=patterns.block[columns] - blocks.start,
        outcome=patterns.outcome[:, columns],
        likelihoods=patterns.likelihoods,
        passed=patterns.passed[:, columns],
        jumps=patterns.jumps[:, columns],
        edited=patterns.edited[:, columns],
        evident=patterns.evident[columns],
        candidate=patterns.candidate,
    )


def may_jump(histories: Histories) -> Bools:
    """Whether a rate may jump to a row from the one before, shape (n, T).

    Not to the first row of a history, and not between the candidate and its reruns. Where an eval
    has no outcome it may if at least half of its block has: a run of a few evals alone is not a
    moment at which the others had a chance to break unseen.
    """
    comparable, observed = histories.comparable, histories.observed
    labels, block = np.unique(histories.block, return_inverse=True)
    tested = np.zeros((labels.size, histories.shape[1]), dtype=np.int64)
    np.add.at(tested, block, np.where(observed, 1, -1) * comparable)
    majority = tested >= 0
    rows = np.arange(histories.shape[1])[None, :]
    lively = observed | majority[block] | (rows == histories.candidate)
    inside = (rows > histories.start[:, None]) & (rows <= histories.candidate)
    return np.asarray(lively & inside)


def collect_edits(histories: Histories, jumps: Bools) -> Ints:
    """What is known of edits since the last row to which a rate could jump, shape (n, T)."""
    found = np.zeros(histories.shape, dtype=np.int64)
    known = np.zeros(histories.shape[0], dtype=np.int64)
    after_start = np.arange(histories.shape[1])[None, :] > histories.start[:, None]
    edited = np.where(after_start, histories.edited, SAME)
    for row in range(histories.shape[1]):
        known = np.maximum(known, edited[:, row])
        found[:, row] = known
        known = np.where(jumps[:, row], SAME, known)
    return np.where(jumps, found, SAME)


def index_outcomes(histories: Histories) -> tuple[Ints, Floats]:
    """Number the different outcomes of a row, none first, and say how probable each is.

    Returns:
        The number of each eval's outcomes at each row, shape (n, T), and their likelihoods by hour
        and rate, the largest of each 1, shape (2, 13, number of different outcomes).
    """
    passes = np.where(histories.comparable, histories.passes, 0).astype(np.int64)
    fails = np.where(histories.comparable, histories.fails, 0).astype(np.int64)
    width = int(fails.max(initial=0)) + 1
    outcomes = passes * width + fails
    codes = np.unique(np.append(outcomes, 0))
    logs = np.log1p(-HOUR_RATES)[:, :, None] * (codes // width)
    logs = logs + np.log(HOUR_RATES)[:, :, None] * (codes % width)
    likelihoods = np.exp(logs - logs.max(axis=(0, 1)))
    return np.searchsorted(codes, outcomes), np.maximum(likelihoods, _LEAST_LIKELIHOOD)
