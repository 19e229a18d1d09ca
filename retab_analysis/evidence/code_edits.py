"""Whether the code of an eval's block is another than in the row before.

All arrays here are of n evals over T rows, as in :mod:`retab_analysis.evidence.inference`. Codes,
versions and blocks are numbers from 1 on; 0 stands where none is known.
"""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN, Bools, Ints

_NOT_TOLD = -1


def find_edits(
    codes: Ints,
    versions: Ints,
    blocks: Ints,
    has_results: Bools,
    candidate: int,
    told: Bools | None,
) -> Ints:
    """Whether the code of an eval's block in a row is another than in the row before.

    It is told of where an eval has results, but for the first of these rows. The block's code says
    so where both are known. Where neither that nor an equal version does, a version diff says it of
    the candidate, and of others that the version is another. Where a code is not known, but is
    before and after, nothing is told if these are equal, and it is not known if they differ. A
    block was edited where that is so for at least half of its evals; and so it is for an eval whose
    own results say it, however long ago its result before was. Codes of two blocks say nothing of
    either: where an eval was moved to another block, it is not known, unless most of that block's
    evals say that it was edited.

    Args:
        codes: The code of each eval's block, shape (n, T).
        versions: The version, shape (n, T).
        blocks: Which block an eval is of, shape (n, T).
        has_results: Where there are results, shape (n, T).
        candidate: The candidate's row.
        told: Of which evals' blocks a version diff says that the candidate has other code, shape
            (n,); None where there is no such diff.

    Returns:
        ``SAME``, ``UNKNOWN`` or ``EDITED``, shape (n, T).
    """
    by_version = _compare(versions, np.full_like(versions, UNKNOWN))
    if told is not None:
        is_other = by_version[:, candidate] != SAME
        by_version[:, candidate] = np.where(is_other & told, EDITED, SAME)
    before, after = _last_known(codes), _last_known(codes[:, ::-1])[:, ::-1]
    is_between = (codes == 0) & (before > 0) & (after > 0)
    blocks = _fill(blocks)
    of_codes = _last_known(np.where(codes > 0, blocks, 0))
    is_moved = _differ(blocks, _last_known(blocks)) | _differ(blocks, of_codes)
    own = np.where(is_moved | is_between, UNKNOWN, _compare(codes, by_version))
    is_first = np.arange(codes.shape[1]) == has_results.argmax(axis=1)[:, None]
    is_told = has_results & ~is_first & ~(is_between & (before == after))
    own = np.where(is_told, own, _NOT_TOLD)
    flags = np.where(own == EDITED, EDITED, _of_most(own, blocks))
    return np.where(is_moved, np.maximum(flags, UNKNOWN), flags)


def _compare(numbers: Ints, otherwise: Ints) -> Ints:
    """Whether each is another than the last before; ``otherwise`` where one is not known."""
    before = _last_known(numbers)
    changed = np.where(_differ(numbers, before), EDITED, SAME)
    return np.where((numbers > 0) & (before > 0), changed, otherwise)


def _differ(numbers: Ints, others: Ints) -> Bools:
    """Where both are known and differ."""
    return np.asarray((numbers > 0) & (others > 0) & (numbers != others))


def _fill(numbers: Ints) -> Ints:
    """The numbers; where one is not known the last before it, or else the next."""
    filled = np.where(numbers > 0, numbers, _last_known(numbers))
    return np.where(filled > 0, filled, _last_known(filled[:, ::-1])[:, ::-1])


def _last_known(numbers: Ints) -> Ints:
    """The last number above 0 in the rows before each row; 0 where there is none."""
    places = np.where(numbers > 0, np.arange(numbers.shape[1]), 0)
    last = np.maximum.accumulate(places, axis=1)
    found = np.zeros_like(numbers)
    found[:, 1:] = np.take_along_axis(numbers, last, axis=1)[:, :-1]
    return found


def _of_most(own: Ints, blocks: Ints) -> Ints:
    """What is said of most of a block's evals in each row, for each eval."""
    cell = blocks * own.shape[1] + np.arange(own.shape[1])
    size = int(cell.max(initial=-1)) + 1
    same, unknown, edited = (
        np.bincount(cell[own == flag], minlength=size) for flag in (SAME, UNKNOWN, EDITED)
    )
    known = np.where(edited >= same, EDITED, SAME)
    flags = np.where(same + edited > 0, known, np.where(unknown > 0, UNKNOWN, SAME))
    return np.asarray(flags[cell])
