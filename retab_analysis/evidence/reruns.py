"""How many reruns will be needed: the posterior predictive of a sequence that stops when decided.

After i further passes and j further failures the probability that an eval got worse is

    p(i, j) = Σ W e₊^i e₋^j / Σ A e₊^i e₋^j,

with W and A as in :mod:`retab_analysis.evidence.since`, and the next outcome is a pass with the
probability Σ A e₊^(i+1) e₋^j / Σ A e₊^i e₋^j. With r reruns left, a sequence of reruns stops once p
is at least 0.95 or at most 0.05, and where whatever came of them would leave the eval in its group:
broken (p at least 0.5), suspect, or cleared (p at most 0.05). As p falls with each pass and rises
with each failure, r passes in a row and r failures in a row tell that. It is a walk on a small grid
of (i, j), which is followed exactly; A. Wald, "Sequential tests of statistical hypotheses", Annals
of Mathematical Statistics 16 (1945) 117-186, has the first rule with fixed hypotheses, and the
second is what clinical trials call curtailment.
"""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.inference import Posterior
from retab_analysis.evidence.rates import HOUR_RATES, HOURS, Bools, Floats, Ints
from retab_analysis.vocabulary import LIKELY, SURE, UNLIKELY

MOST_RERUNS = 5
"""So many equal outcomes in a row are looked ahead by who asks what decides."""
ROUNDS = 8
"""So many rounds are looked ahead."""
BAD_HOUR_ROUNDS = 2
"""So often an eval is run again in what is probably a bad hour: further reruns would confirm it."""
Grid = dict[tuple[int, int], Floats]


def expect_reruns(posterior: Posterior, after: Ints, decided: Bools) -> Floats:
    """How many reruns each eval will get in the mean, if it gets at most so many.

    ``after`` is as of :func:`predict`. Those that are not ``decided`` have no outcome on the
    candidate's side, and are run again whatever is said of them: without one there is no verdict.

    Returns:
        Shape (ROUNDS + 1, n): with at most 0, 1, … reruns. It is 0 where not even one is worth
        while, and else at least 1.
    """
    p, fails = predict(posterior, after)
    expected = np.zeros((ROUNDS + 1, 2, after.size))
    following: Grid = dict.fromkeys(p, np.zeros(after.size))
    for left in range(1, ROUNDS + 1):
        # Without a verdict a pass ends it, and a failure is the first of the sequence.
        expected[left, 1] = 1 + fails[0, 0] * following[0, 1]
        following = {
            (i, j): np.where(
                _may_change(p, i, j, left),
                1 + (1 - fails[i, j]) * following[i + 1, j] + fails[i, j] * following[i, j + 1],
                0.0,
            )
            for i, j in p
            if i + j + left <= ROUNDS
        }
        expected[left, 0] = following[0, 0]
    return np.where(decided, expected[:, 0], expected[:, 1])


def predict(posterior: Posterior, after: Ints) -> tuple[Grid, Grid]:
    """What is said after i further passes and j further failures, by (i, j).

    ``after`` is the row after which a worsening counts, shape (n,).

    Returns:
        The probability that each eval got worse, and that its next outcome is a failure.
    """
    worse, present = posterior.worse_by_rate(after), posterior.present
    rates = HOURS @ HOUR_RATES
    p: Grid = {}
    fails: Grid = {}
    for i, j in np.argwhere(np.add.outer(np.arange(ROUNDS + 1), np.arange(ROUNDS + 1)) <= ROUNDS):
        weight = (1 - rates) ** i * rates**j
        total = weight @ present
        p[i, j] = np.clip(weight @ worse / total, 0.0, 1.0)
        fails[i, j] = (weight * rates) @ present / total
    return p, fails


def count_reruns(p: Grid, *, clear: bool) -> Ints:
    """How many further passes in a row clear each eval, or failures confirm it; -1 for above 5."""
    further = range(MOST_RERUNS + 1)
    decides = np.array([p[k, 0] <= UNLIKELY if clear else p[0, k] >= SURE for k in further])
    return np.where(decides.any(axis=0), decides.argmax(axis=0), -1)


def _may_change(p: Grid, passed: int, failed: int, left: int) -> Bools:
    """Whether an eval is undecided, and so many more reruns may bring it to another group."""
    now, best, worst = p[passed, failed], p[passed + left, failed], p[passed, failed + left]
    is_undecided = (now > UNLIKELY) & (now < SURE)
    may_be_called = (best < LIKELY) & (worst >= LIKELY)
    return np.asarray(is_undecided & (may_be_called | (best <= UNLIKELY)))
