"""The model solved exactly, by summing over all states, shares and hours of a small block."""

from __future__ import annotations

import numpy as np
from support.inside import (
    BREAKS,
    CAN_BREAK,
    CAN_MEND,
    HOUR_RATES,
    HOURS,
    MENDS,
    PAIRS,
    RATES,
    SHARE_PRIORS,
    Answers,
    Bools,
    Floats,
    Histories,
    Ints,
    Posterior,
    answer,
    find_age,
    infer,
)

N = RATES.size


def histories(
    rows: list[str],
    edited: str = "",
    candidate: int = -1,
    block=None,
    later: int = 0,
    document=None,
) -> Histories:
    """P passed, F failed, anything else no outcome; ``edited`` has an ``e`` where code was edited.

    The candidate is the last row, or counted from the end; what follows is run again within a day,
    the last ``later`` rows later.
    """
    n_rows = len(rows[0]) if rows else 0
    passes = np.array([[int(c == "P") for c in row] for row in rows]).reshape(-1, n_rows)
    fails = np.array([[int(c == "F") for c in row] for row in rows]).reshape(-1, n_rows)
    code = np.array([{"e": 2, "?": 1}.get(c, 0) for c in edited.ljust(n_rows)], dtype=np.int64)
    return Histories(
        passes=passes,
        fails=fails,
        block=np.zeros(len(rows), dtype=np.int64) if block is None else np.asarray(block),
        document=np.arange(len(rows)) if document is None else np.asarray(document),
        edited=np.tile(code, (len(rows), 1)),
        codes=np.tile(1 + np.cumsum(code == 2), (len(rows), 1)),
        candidate=n_rows + candidate,
        jumps=np.tile(may_jump(n_rows, n_rows + candidate, later), (len(rows), 1)),
        again=np.tile(np.arange(n_rows) > n_rows + candidate, (len(rows), 1)),
    )


def ask(given: Histories, posterior: Posterior | None = None, after: int | Ints = -1) -> Answers:
    """What is said of the evals that have an outcome both before the candidate and on its side."""
    later = np.broadcast_to(after, given.shape[:1])
    return answer(given, posterior or infer(given), later, given.decided)


def may_jump(n_rows: int, candidate: int, later: int = 0) -> Bools:
    """Whether a rate may jump to a row: not to those that are run again within a day."""
    row = np.arange(n_rows)
    return (row <= candidate) | (row >= n_rows - later)


def moves(up: float, down: float) -> Floats:
    """One step of a rate, shape (13, 13)."""
    return np.diag(1 - up * CAN_BREAK - down * CAN_MEND) + up * BREAKS + down * MENDS


def labelled_moves(up: float, down: float) -> Floats:
    """The same with a label, whether the last jump was upward, shape (26, 26)."""
    found = np.zeros((2 * N, 2 * N))
    stay = np.diag(1 - up * CAN_BREAK - down * CAN_MEND)
    found[:N, :N] = stay + down * MENDS
    found[:N, N:] = up * BREAKS
    found[N:, N:] = stay + up * BREAKS
    found[N:, :N] = down * MENDS
    return found


def likelihood(given: Histories, e: int, row: int, hour: int) -> Floats:
    rates = HOUR_RATES[hour]
    return rates ** given.fails[e, row] * (1 - rates) ** given.passes[e, row]


def exact_worse(given: Histories, first: Floats) -> Floats:
    """P(the last jump was upward) of each eval of one block whose histories all begin at row 0."""
    n = given.shape[0]
    return np.array([_exact(given, first, [e, *(i for i in range(n) if i != e)]) for e in range(n)])


def _exact(given: Histories, first: Floats, order: list[int]) -> float:
    joint = first
    for _ in order[1:]:
        joint = np.multiply.outer(joint, first)
    joint = np.concatenate([joint, np.zeros_like(joint)])
    for row in range(given.shape[1]):
        moved = _move(given, joint, row) if row and given.jumps[0, row] else joint
        joint = sum(HOURS[hour] * _weigh(given, moved, row, hour, order) for hour in (0, 1))
    return float(joint[N:].sum() / joint.sum())


def _move(given: Histories, joint: Floats, row: int) -> Floats:
    prior = SHARE_PRIORS[find_age(row, given.candidate), given.edited[0, row]]
    total = np.zeros_like(joint)
    for (up, down), weight in zip(PAIRS, prior, strict=True):
        moved = np.tensordot(labelled_moves(up, down).T, joint, 1)
        for axis in range(1, joint.ndim):
            step = moves(up, down).T
            moved = np.moveaxis(np.tensordot(step, moved, (1, axis)), 0, axis)
        total += weight * moved
    return total


def _weigh(given: Histories, joint: Floats, row: int, hour: int, order: list[int]) -> Floats:
    for axis, e in enumerate(order):
        factor = likelihood(given, e, row, hour)
        factor = np.tile(factor, 2) if axis == 0 else factor
        joint = joint * factor.reshape([-1 if i == axis else 1 for i in range(joint.ndim)])
    return joint
