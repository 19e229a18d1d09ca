"""What goes into the model: outcomes as arrays, cut to a window, equal histories counted once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.rates import EDITED, HOUR_RATES, SAME, UNKNOWN, Bools, Floats, Ints

_LEAST_LIKELIHOOD = 1e-100  # of a row's outcomes, against the likeliest rate; keeps sums above 0

_GROUPED = 10  # of so many rows of a window, one is a group of older rows

_EDIT_GAIN = 2.3  # the log of how much likelier an eval breaks where its block was edited


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
    """:class:`Histories` in which the older rows are put together in a few groups.

    Attributes:
        histories: What the model looks at: first one row for each group, then the newer rows.
        older: How many rows of the original are in groups.
        broke: The original row that stands for each group where a worsening began in it: the first
            at which the eval failed or its block was edited, else the group's first, shape
            (n, groups).
        mended: Likewise for an improvement: the first at which it passed or its block was edited.
    """

    histories: Histories
    older: int
    broke: Ints
    mended: Ints


def cut_window(histories: Histories, max_rows: int) -> Window:
    """Cut the rows before the candidate to ``max_rows``, by putting the oldest together in groups.

    Nine tenths of ``max_rows`` are left to the newest rows, one tenth are groups. No outcome is
    dropped, so that an eval that passed and broke long ago is not taken for one that always failed
    now and then. A group is one row to the model, within which no rate jumps. So that a break is
    not blurred, each eval has groups of its own: where it passed and failed in a group, the next
    one begins at the row at which its rate changed most.

    Args:
        histories: All rows.
        max_rows: At least 1. Histories with no more rows before the candidate stay as they are.
    """
    groups = -(-max_rows // _GROUPED)
    older = histories.candidate - max_rows + groups
    if histories.candidate <= max_rows:
        none = np.zeros((histories.shape[0], 0), dtype=np.int64)
        return Window(histories, 0, none, none)
    passes, fails = (
        np.where(histories.comparable, outcomes, 0)[:, :older]
        for outcomes in (histories.passes, histories.fails)
    )
    edits = histories.edited[:, :older]
    ends = np.linspace(0, older, groups, dtype=np.int64)[1:]
    borders = _find_borders(_count_before(passes), _count_before(fails), edits == EDITED, ends)
    place = (borders[:, 1:] <= histories.start[:, None]).sum(axis=1)
    grouped = Histories(
        passes=np.hstack([_sum_groups(passes, borders), histories.passes[:, older:]]),
        fails=np.hstack([_sum_groups(fails, borders), histories.fails[:, older:]]),
        block=histories.block,
        edited=np.hstack(
            [_find_edits(edits, borders, histories.block), histories.edited[:, older:]]
        ),
        start=np.where(histories.start < older, place, histories.start - older + groups),
        candidate=histories.candidate - older + groups,
    )
    broke, mended = (
        _find_first((outcomes > 0) | (edits == EDITED), borders) for outcomes in (fails, passes)
    )
    return Window(grouped, older, broke, mended)


def _find_borders(passed: Ints, failed: Ints, edited: Bools, ends: Ints) -> Ints:
    """Where each eval's groups begin, and the last one ends, shape (n, groups + 1).

    The last group has only what the one before leaves to it.

    Args:
        passed: How many outcomes passed before each of the older rows, and in all, (n, older + 1).
        failed: How many did not, likewise.
        edited: Whether the block was edited at a row, shape (n, older).
        ends: Where groups end in which an eval only passed or only failed.
    """
    n, older = edited.shape
    borders = [np.zeros(n, dtype=np.int64)]
    for end in ends:
        parts = [
            np.maximum(before[:, : end + 1], np.take_along_axis(before, borders[-1][:, None], 1))
            for before in (passed, failed)
        ]
        mixed = np.all([part[:, -1] > part[:, 0] for part in parts], axis=0)
        first = [part[mixed] - part[mixed, :1] for part in parts]
        second = [part[mixed, -1:] - part[mixed] for part in parts]
        gain = _explain(*first) + _explain(*second)
        gain[:, :end] += _EDIT_GAIN * edited[mixed, :end]
        gain[np.arange(end + 1) <= borders[-1][mixed, None]] = -np.inf
        border = np.full(n, end)
        border[mixed] = np.argmax(gain, axis=1)
        borders.append(border)
    return np.stack([*borders, np.full(n, older)], axis=1)


def _explain(passes: Ints, fails: Ints) -> Floats:
    """The log likelihood of outcomes, given the rate that explains them best."""
    total = np.maximum(passes + fails, 1)
    logs = [counts * np.log(np.maximum(counts, 1) / total) for counts in (passes, fails)]
    return np.asarray(logs[0] + logs[1])


def _count_before(counts: npt.NDArray[np.integer] | Bools) -> Ints:
    """The sum of what is before each row, and of all rows, shape (n, rows + 1)."""
    return np.pad(np.cumsum(counts, axis=1, dtype=np.int64), ((0, 0), (1, 0)))


def _sum_groups(counts: npt.NDArray[np.integer] | Bools, borders: Ints) -> Ints:
    return np.diff(np.take_along_axis(_count_before(counts), borders, axis=1), axis=1)


def _find_edits(
    edits: npt.NDArray[np.integer], borders: Ints, block: npt.NDArray[np.integer]
) -> Ints:
    """What is known of edits in each group: the most of all evals of a block, shape (n, groups)."""
    found = np.zeros((block.size, borders.shape[1] - 1), dtype=np.int64)
    for kind in (UNKNOWN, EDITED):
        found[_sum_groups(edits == kind, borders) > 0] = kind
    labels, place = np.unique(block, return_inverse=True)
    most = np.zeros((labels.size, found.shape[1]), dtype=np.int64)
    np.maximum.at(most, place, found)
    return most[place]


def _find_first(mask: Bools, borders: Ints) -> Ints:
    """The first row of each group at which the mask holds, else its first, shape (n, groups)."""
    older = mask.shape[1]
    rows = np.where(mask, np.arange(older), older)
    following = np.minimum.accumulate(rows[:, ::-1], axis=1)[:, ::-1]
    begin, end = borders[:, :-1], borders[:, 1:]
    found = np.take_along_axis(np.pad(following, ((0, 0), (0, 1))), begin, axis=1)
    return np.where((begin < end) & (found < end), found, begin)


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
