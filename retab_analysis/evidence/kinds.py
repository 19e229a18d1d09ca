"""What kind of eval each is, over its whole history: broken, flaky, mended, steady."""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.histories import Histories
from retab_analysis.evidence.inference import Posterior
from retab_analysis.evidence.rates import EDITED, Bools, Ints
from retab_analysis.evidence.since import CLEARED, Words, find_since, first_row, last_row

_LIKELY = 0.5
_FLAKY_RATE = 0.03
_OFTEN = 0.1


def find_kinds(histories: Histories, posterior: Posterior) -> Words:
    """What kind of eval each is, over its whole comparable history, shape (n,).

    ``never_passed``: no outcome passed.

    ``broken``: a lasting worsening is likelier than not, as far as its own outcomes reach; it may
    pass now and then. Also an eval that may have got worse (see below), does not come and go, and
    probably fails more often than it passes now.

    ``episode``: it had passed, failed for a while and was mended for good, as far as is known, and
    fails less than once in ten since.

    ``flaky``: it comes and goes, fails at least 3 times in 100, and is not one that may have got
    worse.

    ``steady``: the others. One that changed once, by an edit or by itself, is among them as long as
    it is not known whether that lasts. Empty where there is no outcome.

    To *come and go* is to change twice between passing and failing, without an edit of the block in
    between, since its rate last changed. An eval *may have got worse* where it does not pass now
    and the probability of that is above .05, which a comparison calls at least suspect.
    """
    seen = histories.observed
    passed, failed = (histories.passes > 0) & seen, (histories.fails > 0) & seen
    better = posterior.better
    rows = np.arange(histories.shape[1])[None, :]
    # What other evals of its block suggest for later runs, it has not shown itself.
    newest = last_row(seen)
    worse = np.where(rows <= newest[:, None], posterior.worse, 0.0)
    p_worse = worse.sum(axis=1)
    mended = better.sum(axis=1) > _LIKELY
    changed = find_since(np.maximum(worse, better), np.asarray(seen.any(axis=1)))
    jumped = mended | (p_worse > _LIKELY)
    current = rows >= np.where(jumped, changed, 0)[:, None]
    ended = mended & (first_row(passed) < last_row(failed & ~current))
    suspect = (p_worse > CLEARED) & (last_row(failed) == newest)
    comes_and_goes = _comes_and_goes(passed & current, failed & current, histories.edited == EDITED)
    flaky = comes_and_goes & (posterior.rate >= _FLAKY_RATE) & ~suspect
    broken = suspect & ~comes_and_goes & (posterior.rate >= _LIKELY)
    broken |= p_worse >= _LIKELY
    ended &= (posterior.rate < _OFTEN) | ~flaky
    kinds = np.where(ended, "episode", np.where(flaky, "flaky", "steady"))
    kinds = np.where(broken, "broken", kinds)
    kinds = np.where(passed.any(axis=1), kinds, "never_passed")
    return np.where(seen.any(axis=1), kinds, "")


def _comes_and_goes(passed: Bools, failed: Bools, edited: Bools) -> Bools:
    """Which evals change twice between passing and failing without an edit in between, (n,)."""

    def find_last(mask: Bools) -> Ints:
        rows = np.where(mask, np.arange(mask.shape[1])[None, :], -1)
        return np.maximum.accumulate(rows, axis=1)

    begin = np.maximum(find_last(edited), 0)
    fails_again = failed & (find_last(passed) >= begin)
    passes_again = passed & (find_last(failed) >= begin)
    twice = passed & (find_last(fails_again) >= begin)
    twice |= failed & (find_last(passes_again) >= begin)
    return np.asarray(twice.any(axis=1))
