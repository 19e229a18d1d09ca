"""The rows that decide whether an eval is red: the rows of the newest 30 whole runs.

Older rows only tell since when, with one exception. The passes before a lasting failure are one
streak. If the horizon cuts it, the older passes are carried as one more row: a break must not fade
while it lasts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retab_analysis.evidence.inference import Histories, Posterior, infer, last_row
from retab_analysis.evidence.rates import SAME, Bools, Floats, Ints

_BY_ROW = ("passes", "fails", "edited", "jumps")


def infer_within(histories: Histories, is_inside: Bools) -> Posterior:
    """The model's answer for the rows that decide, where ``is_inside`` is true, shape (n, T).

    They are the newest rows of each eval. Probabilities are at their places among all rows. If an
    eval did not pass inside, its first row's probabilities are at its first failure after its
    passes.
    """
    if is_inside.all():
        return infer(histories)
    n_rows = histories.shape[1]
    rows = np.arange(n_rows)
    first = np.where(is_inside.any(axis=1), is_inside.argmax(axis=1), n_rows)
    streak = _find_streak(histories) & (rows < first[:, None])
    carried = np.flatnonzero(streak.any(axis=1) & (first < n_rows))
    window = _carry(histories, is_inside, carried, first, streak)
    older = max(int(first.min(initial=n_rows)) - 1, 0)
    cut = {name: getattr(window, name)[:, older:] for name in _BY_ROW}
    found = infer(replace(window, candidate=window.candidate - older, **cut))
    passed, at = last_row(histories.passed)[carried], first[carried]
    fails = histories.failed[carried] & (rows > passed[:, None])
    begins = np.where(passed < at, fails.argmax(axis=1), at)

    def widen(change: Floats) -> Floats:
        whole = np.zeros((n_rows, *change.shape[1:]))
        whole[older:] = change
        moved = whole[at, ..., carried].copy()
        whole[at, ..., carried] = 0.0
        whole[begins, ..., carried] += moved
        return whole

    return replace(found, up=widen(found.up), down=widen(found.down))


def _find_streak(histories: Histories) -> Bools:
    """The passes after which an eval only failed, back to the failure before, shape (n, T)."""
    rows = np.arange(histories.shape[1])
    last = last_row(histories.passed)[:, None]
    before = last_row(histories.failed & (rows <= last))[:, None]
    fails_since = (histories.failed & (rows > last)).any(axis=1, keepdims=True)
    return np.asarray(histories.passed & fails_since & (rows >= before))


def _carry(
    histories: Histories, is_inside: Bools, carried: Ints, first: Ints, streak: Bools
) -> Histories:
    """The outcomes inside, and before them the streaks of some evals, as one row.

    The row after it has an edit if the code was edited since.
    """
    passes, fails = (np.where(is_inside, each, 0) for each in (histories.passes, histories.fails))
    edited, jumps = histories.edited.copy(), histories.jumps.copy()
    rows, at = np.arange(histories.shape[1]), first[carried]
    last = last_row(streak)[carried]
    since = (rows > last[:, None]) & (rows <= at[:, None])
    passes[carried, at - 1] = streak[carried].sum(axis=1)
    edited[carried, at] = np.where(since, histories.edited[carried], SAME).max(axis=1)
    jumps[carried, at] = True
    return replace(histories, passes=passes, fails=fails, edited=edited, jumps=jumps)
