"""Whether the code of an eval's block is another than in the row before.

All arrays here are of n evals over T rows, as in :mod:`retab_analysis.evidence.histories`. Codes
and versions are numbered from 1 on, because their names are long, many and mostly the same; 0
stands where none is known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.rates import EDITED, SAME, UNKNOWN
from retab_analysis.vocabulary import BLOCK_CODE

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_NOT_TOLD = -1


def find_edits(
    results: pl.DataFrame,
    evals: pl.DataFrame,
    shape: tuple[int, int],
    candidate: int,
    changed_blocks: frozenset[str] | None,
) -> Counts:
    """Whether the code of an eval's block in a row is another than in the row before.

    The block's fingerprint says so where both have one. Where neither that nor an equal version
    does, a version diff says it of the candidate, and of others that the version is another. A
    block was edited where that is so for at least half of its evals; and so it is for an eval whose
    own results say it, however long ago its result before was.

    Args:
        results: All results: ``at, eval, row``, the block's code and the version.
        evals: ``block_id, block`` of each eval.
        shape: How many evals and rows there are.
        candidate: The candidate's first row; those after it are reruns of the same code.
        changed_blocks: The blocks in which the candidate's version differs from what was before,
            for blocks whose results do not say it; None where that is not known.

    Returns:
        ``SAME``, ``UNKNOWN`` or ``EDITED``, shape (n, T).
    """
    at, size = results["at"].to_numpy(), shape[0] * shape[1]
    row = np.minimum(results["row"].to_numpy(), candidate)
    cell = results["eval"].to_numpy() * shape[1] + row
    codes, versions = (
        find_newest(_number(results[name]), at, cell, size).fill_null(0).to_numpy().reshape(shape)
        for name in (BLOCK_CODE, "workflow_version_id")
    )
    has_results = np.bincount(cell, minlength=size).reshape(shape) > 0
    told = None
    if changed_blocks is not None:
        told = evals["block_id"].is_in(sorted(changed_blocks)).fill_null(False).to_numpy()
    by_version = _compare_versions(versions, candidate, told)
    own = np.where(_is_told(codes, has_results), _compare_codes(codes, by_version), _NOT_TOLD)
    return np.where(own == EDITED, EDITED, _of_most(own, evals["block"].to_numpy()))


def find_newest(values: pl.Series, at: Counts, group: Counts, n_groups: int) -> pl.Series:
    """The newest value of each group that is known; null where none is.

    Args:
        values: The values.
        at: When each is from; no two are equal.
        group: The group of each.
        n_groups: How many groups there are.
    """
    rows = np.flatnonzero(values.is_not_null().to_numpy())
    if rows.size < at.size:
        at, group = at[rows], group[rows]
    newest = np.full(n_groups, -1)
    np.maximum.at(newest, group, at)
    is_newest = newest[group] == at
    row = np.full(n_groups, -1)
    row[group[is_newest]] = rows[is_newest]
    return values.gather(pl.select(pl.when(pl.lit(row) >= 0).then(pl.lit(row))).to_series())


def _number(names: pl.Series) -> pl.Series:
    """The names as numbers from 1 on, null where none is known."""
    distinct = pl.Enum(names.drop_nulls().unique())
    return names.cast(distinct).to_physical().cast(pl.Int64) + 1


def _last_known(numbers: Counts) -> Counts:
    """The last number above 0 in the rows before each row; 0 where there is none."""
    places = np.where(numbers > 0, np.arange(numbers.shape[1]), -1)
    last = np.maximum.accumulate(places, axis=1)
    found = np.zeros_like(numbers)
    found[:, 1:] = np.take_along_axis(numbers, np.maximum(last, 0), axis=1)[:, :-1]
    return found


def _is_told(codes: Counts, has_results: Flags) -> Flags:
    """Where it is told of: where an eval has results, but for the first of these rows.

    Where a code is not known, but is before and after, it is told of at the one after.
    """
    after = _last_known(codes[:, ::-1])[:, ::-1]
    is_between = (codes == 0) & (_last_known(codes) > 0) & (after > 0)
    is_first = np.arange(codes.shape[1]) == has_results.argmax(axis=1)[:, None]
    return np.asarray(has_results & ~is_between & ~is_first)


def _compare_codes(codes: Counts, otherwise: Counts) -> Counts:
    """Whether a code is another than the one before; ``otherwise`` where one is not known."""
    before = _last_known(codes)
    changed = np.where(codes != before, EDITED, SAME)
    return np.where((codes > 0) & (before > 0), changed, otherwise)


def _compare_versions(versions: Counts, candidate: int, told: Flags | None) -> Counts:
    """What versions say of the code: an equal one is the same code, another may be.

    Args:
        versions: The version of each eval in each row.
        candidate: The candidate's first row.
        told: Of which evals' blocks it is known that the candidate's version has other code, or
            None.
    """
    found = _compare_codes(versions, np.full_like(versions, UNKNOWN))
    if told is not None:
        is_other = found[:, candidate] != SAME
        found[:, candidate] = np.where(is_other & told, EDITED, SAME)
    return found


def _of_most(own: Counts, block: Counts) -> Counts:
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
