"""How many reruns will be needed: the posterior predictive of a sequence that stops when decided.

After i further passes and j further failures the probability that an eval got worse is

    p(i, j) = Σ W e₊^i e₋^j / Σ A e₊^i e₋^j,

with W and A as in :mod:`retab_analysis.evidence.answers`, and the next outcome is a pass with the
probability Σ A e₊^(i+1) e₋^j / Σ A e₊^i e₋^j. A sequence of reruns stops once p is at least 0.95 or
at most 0.05. That is a walk on a small grid of (i, j), which is followed exactly; A. Wald,
"Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16 (1945) 117-186,
has the same rule with fixed hypotheses.
"""

from __future__ import annotations

import numpy as np

from retab_analysis.evidence.answers import CLEARED, CONFIRMED
from retab_analysis.evidence.inference import Posterior
from retab_analysis.evidence.rates import HOUR_RATES, HOURS, Floats, Ints

ROUNDS = 8
"""So many rounds are looked ahead."""


def still_undecided(posterior: Posterior, after: Ints) -> Floats:
    """The probability that an eval is still undecided after so many further results.

    Args:
        posterior: What the model says.
        after: The row after which a worsening counts, shape (n,).

    Returns:
        Shape (ROUNDS, n): after 0, 1, … results. The first is 1 where the eval is undecided now and
        else 0; their sum over the first k is how many of k reruns will be needed in the mean.
    """
    alone, after, which = posterior.each_once(after)
    worse = alone.worse_by_rate(after)
    present = alone.present[:, alone.pattern]
    fails = (HOURS @ HOUR_RATES)[:, None]
    reach = {(0, 0): np.ones(after.size)}
    waiting = np.empty((ROUNDS, after.size))
    for done in range(ROUNDS):
        following: dict[tuple[int, int], Floats] = {}
        waiting[done] = 0.0
        for (passed, failed), probability in reach.items():
            weight = (1 - fails) ** passed * fails**failed
            total = (weight * present).sum(axis=0)
            p = (weight * worse).sum(axis=0) / total
            going = np.where((p > CLEARED) & (p < CONFIRMED), probability, 0.0)
            waiting[done] += going
            next_fails = (weight * fails * present).sum(axis=0) / total
            for key, part in (
                ((passed + 1, failed), going * (1 - next_fails)),
                ((passed, failed + 1), going * next_fails),
            ):
                following[key] = following.get(key, 0.0) + part
        reach = following
    return waiting[:, which]
