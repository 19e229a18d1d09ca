"""How probably a break would be found, before the runs that could find it are made.

A break that leaves an eval failing at the rate f shows k failures in r runs with the probability
Binomial(k; r, f). What would be said then is asked of the model itself: a row with these outcomes
is put behind each eval's history, on edited code. Where the eval is undecided after it, it is run
again as ``settle`` does, each time failing with the probability f; the break counts as found where
the eval is called worse in the end. Each eval is asked alone, as a block of its own, since what
else breaks with it is not known before; evals of a block that break together are found sooner.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from retab_analysis.evidence.inference import Histories, infer
from retab_analysis.evidence.rates import EDITED, Floats
from retab_analysis.evidence.reruns import follow_reruns


def find_power(histories: Histories, rate: float, repeats: int, rounds: int) -> Floats:
    """The probability that a break to a failing rate is called, by how often each eval is run.

    Args:
        histories: The outcomes so far.
        rate: How often an eval fails once it is broken, from 0 to 1.
        repeats: Up to how many runs.
        rounds: How often what is undecided after them is run again at most.

    Returns:
        Shape (repeats, n): by 1, 2, … runs.
    """
    power = np.zeros((repeats, histories.shape[0]))
    for runs in range(1, repeats + 1):
        for failures in range(1, runs + 1):
            chance = comb(runs, failures) * rate**failures * (1 - rate) ** (runs - failures)
            posterior = infer(_add_row(histories, runs - failures, failures), learns_late=False)
            power[runs - 1] += chance * follow_reruns(posterior, rate, rounds)
    return power


def _add_row(histories: Histories, passes: int, fails: int) -> Histories:
    """The histories with one more row of the same outcomes for each eval, on edited code."""
    n, n_rows = histories.shape

    def add(columns: npt.NDArray[Any], value: int) -> npt.NDArray[Any]:
        return np.concatenate([columns, np.full((n, 1), value, dtype=columns.dtype)], axis=1)

    return Histories(
        passes=add(histories.passes, passes),
        fails=add(histories.fails, fails),
        edited=add(histories.edited, EDITED),
        jumps=add(histories.jumps, True),
        block=np.arange(n),
        candidate=n_rows,
    )
