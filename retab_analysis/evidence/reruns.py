"""How many further rows decide, and whether a rerun is worthwhile: the posterior predictive.

After i further passes and j further failures the probability that an eval got worse is

    p(i, j) = Σ W e₊^i e₋^j / Σ A e₊^i e₋^j,

with W and A as in :mod:`retab_analysis.evidence.since`. Passes alone and failures alone show how
far it can still move.
"""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.inference import Posterior
from retab_analysis.evidence.rates import HOUR_RATES, HOURS, Bools, Floats, Ints
from retab_analysis.vocabulary import CERTAIN_ENOUGH, LIKELY, SURE, UNLIKELY

MOST_RERUNS = 5
"""How many equal outcomes in a row ``count_reruns`` looks ahead."""
ROUNDS = 8
"""How many rounds ``predict`` looks ahead."""
CLEARED_BY_PASS = 0.1
"""An eval that passed in its newest row is cleared up to this probability."""


def predict(posterior: Posterior, after: Ints) -> tuple[Floats, Floats]:
    """The probability that each eval got worse, after so many further passes or failures in a row.

    ``after`` is the row after which a worsening counts, shape (n,). Returns two arrays of the shape
    (ROUNDS + 1, n).
    """
    worse, present = posterior.worse_by_rate(after), posterior.present
    fails = (HOURS @ HOUR_RATES)[None, :] ** np.arange(ROUNDS + 1)[:, None]
    passes = (1 - HOURS @ HOUR_RATES)[None, :] ** np.arange(ROUNDS + 1)[:, None]
    found = [np.clip(weight @ worse / (weight @ present), 0.0, 1.0) for weight in (passes, fails)]
    return found[0], found[1]


def count_reruns(p: Floats, *, clear: bool) -> Ints:
    """How many further passes in a row clear each eval, or failures confirm it; -1 for above 5.

    ``p`` are the probabilities of :func:`predict` for passes, or for failures.
    """
    decides = p[: MOST_RERUNS + 1] <= UNLIKELY if clear else p[: MOST_RERUNS + 1] >= SURE
    return np.where(decides.any(axis=0), decides.argmax(axis=0), -1)


def count_rounds(passes: Floats, fails: Floats, by_edit: Bools, passed_last: Bools) -> Ints:
    """The number of rounds in which reruns may change each eval's transition; -1 for above 8.

    All passes, or all failures, bring its probability across the threshold of a break (0.5 by an
    edit, else 0.8), or all passes clear it.
    """
    now, limit = passes[0], np.where(passed_last, CLEARED_BY_PASS, UNLIKELY)
    called = np.where(by_edit, LIKELY, CERTAIN_ENOUGH)
    may_change = (now < called) & (fails >= called)
    may_change |= (now >= called) & (passes < called)
    may_change |= (now > limit) & (passes <= limit)
    may_change[0] = False
    return np.where(may_change.any(axis=0), may_change.argmax(axis=0), -1)
