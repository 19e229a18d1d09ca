"""The nature of an eval, whatever it does today: whether it comes and goes by itself."""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.inference import Histories, Posterior, find_likeliest
from retab_analysis.evidence.rates import EDITED, Bools, Ints
from retab_analysis.vocabulary import CERTAIN_ENOUGH


def comes_and_goes(
    histories: Histories, posterior: Posterior, is_inside: Bools, before: Ints | None = None
) -> Bools:
    """Whether each eval failed in two rows with a pass between them, shape (n,).

    The pass is in a row between, or in the first of the two. No edit of the block lies between the
    first and the last of the three. Only deciding rows count (``is_inside``, shape (n, T)), since
    the eval's rate last changed for certain. With ``before``, shape (n,), only rows before that row
    of each eval count.
    """
    rows = np.arange(histories.shape[1])[None, :]
    counts = is_inside & (rows >= _find_change(posterior)[:, None])
    if before is not None:
        counts &= rows < before[:, None]
    passed, failed = histories.passed & counts, histories.failed & counts
    edit = np.maximum.accumulate(np.where(histories.edited == EDITED, rows, 0), axis=1)
    last_pass = _find_last(passed)
    earlier = np.pad(last_pass, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    first = np.take_along_axis(_find_last(failed), np.maximum(earlier, 0), axis=1)
    return np.asarray((failed & (earlier >= 0) & (first >= edit)).any(axis=1))


def _find_change(posterior: Posterior) -> Ints:
    """The row since which each eval's rate is certainly another; -1 if there is none."""
    worse, better = posterior.worse, posterior.better
    sums = np.maximum(worse.sum(axis=1), better.sum(axis=1))
    return find_likeliest(np.maximum(worse, better), sums >= CERTAIN_ENOUGH)


def _find_last(mask: Bools) -> Ints:
    """The last row up to each row at which an eval's mask holds; -1 if none does, shape (n, T)."""
    rows = np.where(mask, np.arange(mask.shape[1])[None, :], -1)
    return np.maximum.accumulate(rows, axis=1)
