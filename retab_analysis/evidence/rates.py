"""The constants of the model of failing rates that jump: its states, jumps, shares and hours.

An eval has a hidden *failing rate*, one of :data:`RATES`. From one run to the next it stays, jumps
up (something broke) or jumps down (it was mended). A jump is of at least :data:`LEAST_JUMP`: every
jump matters. The rate after a jump comes from the usual rates after a break or a mend, whatever the
rate before, cut to jumps that are large enough.

Jumps are shared: at each run an unknown share of a block's evals jumps up, and another down. The
expected share depends on whether the block's code was edited between the runs. And a run may be a
*bad hour* for a block, which adds :data:`HOUR_SHIFT` to the log odds of failing, for that run
alone. It shows in shaky evals and hardly in solid ones.

The values were fitted to simulated suites; ``inference`` uses them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.str_]

SAME, UNKNOWN, EDITED = 0, 1, 2
"""Whether a block's code differs from the row before; the largest of several counts."""

RATES: Floats = np.array(
    [0.0005, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.995]
)
FIRST: Floats = np.array(
    [0.632, 0.08, 0.06, 0.045, 0.045, 0.038, 0.028, 0.021, 0.016, 0.01, 0.01, 0.0075, 0.0075]
)
FIRST_WEIGHT = 20.0
"""How many evals the prior of the first rate is worth when it is fitted to a suite."""
FEW_ROWS = 5
"""If no eval has so many earlier rows, the candidate's outcomes take part in that fit: this
recognises a suite that is flaky as a whole. From so many rows on they do not: one more failure must
not make a break less probable."""

LEAST_JUMP = 0.14
AFTER_BREAK: Floats = np.array([0.0] * 5 + [0.02, 0.06, 0.10, 0.10, 0.10, 0.12, 0.25, 0.25])
AFTER_MEND: Floats = np.array([0.72, 0.10, 0.06, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01] + [0.0] * 4)
BROKEN = 5
"""The first state that a break can lead to; those below it have no weight in ``AFTER_BREAK``."""

SHARES: Floats = np.array([0.0, 0.005, 0.02, 0.06, 0.15, 0.35, 0.70])
UP_SHARES = {
    EDITED: (0.22, 0.095, 0.173, 0.228, 0.150, 0.089, 0.045),
    SAME: (0.88, 0.044, 0.030, 0.020, 0.014, 0.008, 0.004),
}
"""The prior probability that such a share of a block's evals breaks."""
DOWN_SHARES = {
    EDITED: (0.45, 0.05, 0.10, 0.10, 0.15, 0.10, 0.05),
    SAME: (0.90, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01),
}
UNKNOWN_IS_EDITED = 0.25
"""How often a code that is not known to be the same was in fact edited."""
AGE_FACTORS: Floats = np.array([1.0, 0.8, 0.65, 0.5])
"""Factors for the weights of breaks at the candidate, at the row before it, and so on; the last
holds for all older rows. Older breaks were seen and mostly mended; breaks at the candidate were not
seen yet. The factors fall slowly: a break that is still there must not look less probable one run
later."""

HOUR_SHIFT = 2.5
HOURS: Floats = np.array([0.96, 0.04])
"""The probabilities of a normal and a bad hour."""


def jump_kernel(target: Floats, sign: int) -> Floats:
    """The probabilities of the rate after a jump, the rate before it in the rows.

    They are ``target``, cut to jumps of at least :data:`LEAST_JUMP` in the direction of ``sign``
    and normalised; zeros if no such jump leads from the rate.
    """
    step = sign * (RATES[None, :] - RATES[:, None])
    kernel = np.where(step >= LEAST_JUMP, target[None, :], 0.0)
    total = kernel.sum(axis=1, keepdims=True)
    return np.asarray(kernel / np.where(total > 0, total, 1.0))


def find_age(row: Ints, candidate: int) -> Ints:
    """How many rows a row lies before the candidate, up to the last factor."""
    return np.clip(candidate - row, 0, AGE_FACTORS.size - 1)


def share_weights(edited: int, *, up: bool, age: int) -> Floats:
    """The prior of each of :data:`SHARES` at a row of that age."""
    if edited == UNKNOWN:
        same, changed = (share_weights(kind, up=up, age=age) for kind in (SAME, EDITED))
        return (1 - UNKNOWN_IS_EDITED) * same + UNKNOWN_IS_EDITED * changed
    weights = np.array((UP_SHARES if up else DOWN_SHARES)[edited])
    if up:
        weights *= AGE_FACTORS[age]
    weights[0] = 1 - weights[1:].sum()
    return weights


def _share_prior(age: int, edited: int) -> Floats:
    """The prior of each of :data:`PAIRS`."""
    up, down = (share_weights(edited, up=up, age=age) for up in (True, False))
    weights = np.outer(up, down)[_POSSIBLE]
    return np.asarray(weights / weights.sum())


_POSSIBLE = np.add.outer(SHARES, SHARES) <= 1  # no more than all evals can jump
PAIRS: Floats = SHARES[np.argwhere(_POSSIBLE)]
"""All possible pairs of the share that jumps up and the share that jumps down."""
SHARE_PRIORS: Floats = np.array(
    [[_share_prior(age, kind) for kind in range(3)] for age in range(AGE_FACTORS.size)]
)
"""The prior of pairs by age and kind of edit, shape (4, 3, pairs)."""
_BAD_ODDS = RATES / (1 - RATES) * np.exp(HOUR_SHIFT)
HOUR_RATES: Floats = np.stack([RATES, _BAD_ODDS / (1 + _BAD_ODDS)])
"""The failing rates in a normal and in a bad hour, shape (2, number of rates)."""
BREAKS = jump_kernel(AFTER_BREAK, 1)
MENDS = jump_kernel(AFTER_MEND, -1)
CAN_BREAK = BREAKS.sum(axis=1).round()
CAN_MEND = MENDS.sum(axis=1).round()
