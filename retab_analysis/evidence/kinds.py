"""What kind of eval each is, over its whole history, beside being broken: flaky, mended, steady."""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.inference import Histories, Posterior, find_likeliest, last_row
from retab_analysis.evidence.rates import EDITED, Bools, Ints, Words
from retab_analysis.vocabulary import LIKELY, UNLIKELY

_FLAKY_RATE = 0.03
_OFTEN = 0.1
_MANY_PASSES = 5


def find_kinds(histories: Histories, posterior: Posterior) -> Words:
    """What kind of eval each is, over its whole comparable history, shape (n,).

    ``never_passed``: no outcome passed.

    ``episode``: it had passed, failed for a while and was mended for good, as far as is known, and
    fails less than once in ten since.

    ``flaky``: it comes and goes, and fails at least 3 times in 100 or probably got worse; and what
    may be called flaky in a comparison, see :func:`may_be_flaky`.

    ``steady``: the others. One that changed once, by an edit or by itself, is among them: whether
    it is broken is not said here. Empty where there is no outcome.
    """
    passed, failed = histories.passed, histories.failed
    p_worse = posterior.worse.sum(axis=1)
    mended = posterior.better.sum(axis=1) > LIKELY
    fails_now = last_row(failed) == last_row(histories.observed)
    came = comes_and_goes(histories, posterior)
    is_luck = fails_now & (p_worse <= UNLIKELY) & may_be_flaky(histories, posterior)
    flaky = is_luck | (came & (posterior.rate >= _FLAKY_RATE))
    may_be_broken = fails_now & (p_worse > UNLIKELY) & ~came & (posterior.rate >= LIKELY)
    may_be_broken |= p_worse >= LIKELY
    failed_before = failed & ~_is_current(posterior)
    had_passed = np.cumsum(passed, axis=1) > 0
    ended = mended & (failed_before & had_passed).any(axis=1) & ~may_be_broken
    ended &= (posterior.rate < _OFTEN) | ~flaky
    flaky |= came & may_be_broken
    kinds = np.where(ended, "episode", np.where(flaky, "flaky", "steady"))
    kinds = np.where(passed.any(axis=1), kinds, "never_passed")
    return np.where(histories.observed.any(axis=1), kinds, "")


def may_be_flaky(histories: Histories, posterior: Posterior) -> Bools:
    """Whether an eval that does not pass now, and did not get worse, is flaky, shape (n,).

    It is where it comes and goes, or where this is its first failure after five passes or more; but
    two failures in a row with no pass between are more than luck may explain. That it was run again
    and passed in the same hour does not count against it.
    """
    passes, fails = histories.passes.sum(axis=1), histories.fails.sum(axis=1)
    is_first = (passes >= _MANY_PASSES) & (fails == 1)
    is_alone = count_failing(histories) <= 1
    return np.asarray((comes_and_goes(histories, posterior) | is_first) & is_alone)


def count_failing(histories: Histories) -> Ints:
    """How many outcomes in a row, the newest among them, did not pass, shape (n,)."""
    rows = np.arange(histories.shape[1])[None, :]
    after = rows > last_row(histories.passed)[:, None]
    return np.asarray(np.where(after, histories.fails, 0).sum(axis=1, dtype=np.int64))


def comes_and_goes(histories: Histories, posterior: Posterior) -> Bools:
    """Whether an eval changes twice between passing and failing, shape (n,).

    It has to do so without an edit of its block in between, and since its rate last changed.
    """
    current = _is_current(posterior)
    passed, failed = histories.passed & current, histories.failed & current

    def find_last(mask: Bools) -> Ints:
        rows = np.where(mask, np.arange(mask.shape[1])[None, :], -1)
        return np.maximum.accumulate(rows, axis=1)

    begin = np.maximum(find_last(histories.edited == EDITED), 0)
    fails_again = failed & (find_last(passed) >= begin)
    passes_again = passed & (find_last(failed) >= begin)
    twice = passed & (find_last(fails_again) >= begin)
    twice |= failed & (find_last(passes_again) >= begin)
    return np.asarray(twice.any(axis=1))


def _is_current(posterior: Posterior) -> Bools:
    """The rows since each eval's rate last changed, where that is likely, else all, (n, T)."""
    worse, better = posterior.worse, posterior.better
    likely = (worse.sum(axis=1) > LIKELY) | (better.sum(axis=1) > LIKELY)
    change = find_likeliest(np.maximum(worse, better), likely)
    return np.asarray(np.arange(worse.shape[1])[None, :] >= change[:, None])
