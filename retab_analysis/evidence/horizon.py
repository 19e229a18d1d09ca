"""The rows on which it is decided whether an eval is red: those of the newest 30 whole runs.

What lies before them says only since when. An eval that did not pass in them would look like one
that never passed, so its last passes are carried as their first row: those that no failure divides.
Of an eval of which nothing but one pass is known before, that pass counts twice; otherwise a break
that nobody mended would fade while it lasts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retab_analysis.evidence.inference import Histories, Posterior, infer, last_row
from retab_analysis.evidence.rates import SAME, Bools, Floats, Ints


def infer_within(histories: Histories, is_inside: Bools) -> Posterior:
    """What the model makes of the rows that decide, of which ``is_inside`` is true, shape (n, T).

    They are the newest rows of each eval. Probabilities are at their places among all rows: of an
    eval whose last passes are carried, those of its first row inside are at its first failure
    after them.
    """
    if is_inside.all():
        return infer(histories)
    n_rows = histories.shape[1]
    first = np.where(is_inside.any(axis=1), is_inside.argmax(axis=1), n_rows)
    last_pass = last_row(histories.passed)
    carried = np.flatnonzero((last_pass >= 0) & (last_pass < first) & (first < n_rows))
    window = _carry(histories, is_inside, carried, first)
    older = max(int(first.min(initial=n_rows)) - 1, 0)
    cut = {name: getattr(window, name)[:, older:] for name in _BY_ROW}
    found = infer(replace(window, candidate=window.candidate - older, **cut))
    rows = np.arange(n_rows)
    fails = histories.failed[carried] & (rows > last_pass[carried, None])
    begins = np.where(fails.any(axis=1), fails.argmax(axis=1), first[carried])

    def widen(change: Floats) -> Floats:
        whole = np.zeros((n_rows, *change.shape[1:]))
        whole[older:] = change
        moved = whole[first[carried], ..., carried].copy()
        whole[first[carried], ..., carried] = 0.0
        whole[begins, ..., carried] += moved
        return whole

    return replace(found, up=widen(found.up), down=widen(found.down))


_BY_ROW = ("passes", "fails", "edited", "jumps")


def _carry(histories: Histories, is_inside: Bools, carried: Ints, first: Ints) -> Histories:
    """The outcomes inside, and before them the last passes of some evals, as one row.

    The row after it has an edit if the code was edited since.
    """
    passes, fails = (np.where(is_inside, each, 0) for each in (histories.passes, histories.fails))
    edited, jumps = histories.edited.copy(), histories.jumps.copy()
    rows, at, last = (
        np.arange(histories.shape[1]),
        first[carried],
        last_row(histories.passed)[carried],
    )
    since = (rows > last[:, None]) & (rows <= at[:, None])
    until = rows <= last[:, None]
    failed = last_row(histories.failed[carried] & until)[:, None]
    streak = (histories.passed[carried] & until & (rows >= failed)).sum(axis=1)
    passes[carried, at - 1] = np.where(failed[:, 0] < 0, np.maximum(streak, 2), streak)
    edited[carried, at] = np.where(since, histories.edited[carried], SAME).max(axis=1)
    jumps[carried, at] = True
    return replace(histories, passes=passes, fails=fails, edited=edited, jumps=jumps)
