"""What the model reads: the rows that decide, in the order of time or in that of codes.

Where a code of a block lies in two stretches of its rows, somebody put it back. Then the rows are
read twice: in time, and in the order in which their code was last in use. For that the earlier
stretches of a code move to its last one. What happens in a moved stretch is dated by the first row
of the last. Each eval has the reading by which its outcomes are more probable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from retab_analysis.evidence.inference import Histories, Posterior, infer, last_row
from retab_analysis.evidence.rates import EDITED, SAME, Bools, Floats, Ints

ENOUGH_PASSES = 3
"""How often an eval passed on a code, if a stretch of passes on it ends a break."""
_TIE = 1e-9  # of two logarithms


@dataclass(frozen=True, eq=False)
class Stretches:
    """The stretches of rows in which a block had one code.

    A row whose code is not known belongs to the stretch before it; rows before the first known code
    are one.
    """

    block: int
    codes: Ints  # of each row, filled, shape (T,)
    begins: Ints  # the first row of each stretch

    @classmethod
    def list(cls, histories: Histories) -> Iterator[Stretches]:
        """The stretches of each block with more than one."""
        rows = np.arange(histories.shape[1])
        for block in np.unique(histories.block).tolist():
            codes = histories.codes[histories.block == block].max(axis=0)
            known = np.maximum.accumulate(np.where(codes > 0, rows, 0)) if rows.size else rows
            filled = codes[known]
            begins = np.flatnonzero(np.diff(filled, prepend=-1))
            if begins.size > 1:
                yield cls(block, filled, begins)

    @property
    def of(self) -> Ints:
        """The code of each stretch."""
        return self.codes[self.begins]

    @property
    def last(self) -> dict[int, int]:
        """The first row of each code's last stretch."""
        return dict(zip(self.of.tolist(), self.begins.tolist(), strict=True))

    @property
    def returns(self) -> Ints:
        """The stretches whose code was there before."""
        _, first = np.unique(self.of, return_index=True)
        return np.setdiff1d(np.arange(self.begins.size), first)

    def sort(self, histories: Histories) -> tuple[Histories, Ints]:
        """The block's histories in the order of codes, and the row that dates each row of them.

        A code begins with an edit. The candidate's rows stay the last ones.
        """
        its, candidate = histories.block == self.block, histories.candidate
        rows, told = np.arange(self.codes.size), histories.take(its, slice(None))
        last = np.array([self.last[code] for code in self.codes.tolist()])
        is_now = rows >= candidate
        key = np.where(is_now, np.maximum(last, candidate), np.minimum(last, candidate))
        for code in np.unique(self.of[self.returns]).tolist():
            begins = self.begins[self.of == code]
            told.edited[:, begins], told.edited[:, begins[0]] = SAME, EDITED
        order = np.lexsort((rows, key))
        return told.take(slice(None), order), np.maximum(rows, last)[order]


def mark_returns(histories: Histories) -> Histories:
    """The same, where a return to code on which an eval has passed is no edit for it."""
    edited = histories.edited.copy()
    for each in Stretches.list(histories):
        its = np.flatnonzero(histories.block == each.block)
        for at in each.returns:
            row = each.begins[at]
            is_earlier = each.codes[:row] == each.of[at]
            passed = histories.passed[its, :row][:, is_earlier].any(axis=1)
            edited[its[passed], row] = SAME
    return replace(histories, edited=edited)


def infer_both(histories: Histories) -> Posterior:
    """The model's answer, for each eval by the reading that makes its outcomes more probable."""
    found = infer(histories)
    for each in Stretches.list(histories):
        if each.returns.size:
            told, dates = each.sort(histories)
            by_code = infer(told, found.first)
            its = np.flatnonzero(histories.block == each.block)
            takes = by_code.evidence >= found.evidence[its] - _TIE
            evals = its[takes]
            for in_time, sorted_ in ((found.up, by_code.up), (found.down, by_code.down)):
                dated = np.zeros((len(dates), *in_time.shape[1:-1], evals.size))
                np.add.at(dated, dates, sorted_[..., takes])
                in_time[..., evals] = dated
            found.present[:, evals] = by_code.present[:, takes]
    return found


def date_after_passes(histories: Histories, since: Ints) -> Ints:
    """The row since which each eval is worse, moved behind a later stretch of passes alone.

    That is a whole stretch of one code, on which the eval passed three times at least in all. The
    row is the first failure after the newest such stretch.
    """
    found, rows = since.copy(), np.arange(histories.shape[1])
    for each in Stretches.list(histories):
        its = np.flatnonzero((histories.block == each.block) & (since >= 0))
        passed, failed = histories.passed[its], histories.failed[its]
        ends = [*each.begins[1:].tolist(), rows.size]
        for begin, end, code in zip(each.begins.tolist(), ends, each.of.tolist(), strict=True):
            often = passed[:, each.codes == code].sum(axis=1) >= ENOUGH_PASSES
            holds = passed[:, begin:end].any(axis=1) & ~failed[:, begin:end].any(axis=1)
            later = failed & (rows >= end)
            moves = often & holds & (begin > since[its]) & later.any(axis=1)
            found[its[moves]] = later[moves].argmax(axis=1)
    return found


def infer_within(histories: Histories, is_inside: Bools) -> Posterior:
    """The model's answer for the rows that decide, where ``is_inside`` is true, shape (n, T).

    They are the newest rows of each eval: within the horizon, the newest 24 whole runs. Older rows
    only tell since when, with one exception. The passes before a lasting failure are one streak. If
    the horizon cuts it, the older passes are carried as one more row: a break must not fade while
    it lasts.

    Probabilities are at their places among all rows. If an eval did not pass inside, its first
    row's probabilities are at its first failure after its passes.
    """
    if is_inside.all():
        return infer_both(histories)
    n_rows = histories.shape[1]
    rows = np.arange(n_rows)
    first = np.where(is_inside.any(axis=1), is_inside.argmax(axis=1), n_rows)
    streak = _find_streak(histories) & (rows < first[:, None])
    carried = np.flatnonzero(streak.any(axis=1) & (first < n_rows))
    window = _carry(histories, is_inside, carried, first, streak)
    older = max(int(first.min(initial=n_rows)) - 1, 0)
    newest = window.take(slice(None), slice(older, None))
    found = infer_both(replace(newest, candidate=window.candidate - older))
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
    codes = np.where(is_inside, histories.codes, 0)
    return replace(histories, passes=passes, fails=fails, edited=edited, codes=codes, jumps=jumps)
