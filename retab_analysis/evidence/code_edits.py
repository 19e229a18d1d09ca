"""Whether the code of an eval's block is another than in the row before.

All arrays here are of n evals over T rows, as in :mod:`retab_analysis.evidence.histories`. Codes
and versions are numbers from 1 on; 0 stands where none is known.
"""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN, Bools, Ints

_NOT_TOLD = -1


def find_edits(
    codes: Ints, versions: Ints, has_results: Bools, block: Ints, candidate: int, told: Bools | None
) -> Ints:
    """Whether the code of an eval's block in a row is another than in the row before.

    It is told of where an eval has results, but for the first of these rows. The block's code says
    so where both are known. Where neither that nor an equal version does, a version diff says it of
    the candidate, and of others that the version is another. Where a code is not known, but is
    before and after, nothing is told if these are equal, and it is not known if they differ. A
    block was edited where that is so for at least half of its evals; and so it is for an eval whose
    own results say it, however long ago its result before was.

    Args:
        codes: The code of each eval's block, shape (n, T).
        versions: The version, shape (n, T).
        has_results: Where there are results, shape (n, T).
        block: The number of each eval's block, from 0, shape (n,).
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
    own = np.where(is_between, UNKNOWN, _compare(codes, by_version))
    is_first = np.arange(codes.shape[1]) == has_results.argmax(axis=1)[:, None]
    is_told = has_results & ~is_first & ~(is_between & (before == after))
    own = np.where(is_told, own, _NOT_TOLD)
    return np.where(own == EDITED, EDITED, _of_most(own, block))


def _compare(numbers: Ints, otherwise: Ints) -> Ints:
    """Whether each is another than the last before; ``otherwise`` where one is not known."""
    before = _last_known(numbers)
    changed = np.where(numbers != before, EDITED, SAME)
    return np.where((numbers > 0) & (before > 0), changed, otherwise)


def _last_known(numbers: Ints) -> Ints:
    """The last number above 0 in the rows before each row; 0 where there is none."""
    places = np.where(numbers > 0, np.arange(numbers.shape[1]), 0)
    last = np.maximum.accumulate(places, axis=1)
    found = np.zeros_like(numbers)
    found[:, 1:] = np.take_along_axis(numbers, last, axis=1)[:, :-1]
    return found


def _of_most(own: Ints, block: Ints) -> Ints:
    """What is said of most of a block's evals in each row, for each eval."""
    n_rows = own.shape[1]
    cell = block[:, None] * n_rows + np.arange(n_rows)
    size = (int(block.max(initial=-1)) + 1) * n_rows
    same, unknown, edited = (
        np.bincount(cell[own == flag], minlength=size).reshape(-1, n_rows)
        for flag in (SAME, UNKNOWN, EDITED)
    )
    known = np.where(edited >= same, EDITED, SAME)
    flags = np.where(same + edited > 0, known, np.where(unknown > 0, UNKNOWN, SAME))
    return np.asarray(flags[block])
