"""How the runs of a suite turn out, given how often each eval fails in each of them.

Luck is a Gaussian copula: part of it is shared by the evals of a document in one run, part by
those of a block, and every eval still fails exactly as often as its rate says. A provider's bad
hour moves the threshold of one block, or of all, for one run.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from simulation.population import Bools, Floats, Ints, Suite

STATES = ("passed", "failed", "blocked", "error", "cancelled", "unscored")
PASSED, FAILED, BLOCKED, ERROR, CANCELLED, UNSCORED = range(len(STATES))

BAD_HOUR, BURST, CANCEL = 0.04, 0.03, 0.03


def draw_states(
    rng: np.random.Generator, suite: Suite, rates: Floats, blocked: Bools, hours: Floats
) -> Ints:
    """What each eval ended with, an index into ``STATES``.

    Args:
        rng: Where the luck comes from.
        suite: The evals.
        rates: How often each fails, ``runs × evals``.
        blocked: Where a failure mostly shows as ``blocked``, ``runs × evals``.
        hours: How bad the hour of each run is for each eval, from ``draw_bad_hours``.
    """
    runs = len(rates)
    fails = _draw_luck(rng, suite, runs) < ndtri(rates) + hours
    shown = rng.random(rates.shape) < np.where(blocked, 0.85, 0.02)
    states = np.where(fails, np.where(shown, BLOCKED, FAILED), PASSED)
    states[rng.random(rates.shape) < _draw_error_rates(rng, suite, runs)] = ERROR
    states[rng.random(rates.shape) < 0.001] = UNSCORED
    states[_draw_cancelled(rng, rates.shape)] = CANCELLED
    return states


def _draw_luck(rng: np.random.Generator, suite: Suite, runs: int) -> Floats:
    """Standard normal numbers, ``runs × evals``, alike within a document and within a block."""
    alone = suite.size + np.arange(suite.size)
    document = np.where(suite.document < 0, alone, suite.document)
    by_document = rng.standard_normal((runs, 2 * suite.size))[:, document]
    by_block = rng.standard_normal((runs, suite.blocks))[:, suite.block]
    own = rng.standard_normal((runs, suite.size))
    rest = 1 - suite.document_luck - suite.block_luck
    return (
        np.sqrt(suite.document_luck) * by_document
        + np.sqrt(suite.block_luck) * by_block
        + np.sqrt(rest) * own
    )


def _draw_hit(rng: np.random.Generator, suite: Suite, runs: int, rate: float) -> Bools:
    """Which evals an incident of the provider hits: in some runs, all blocks or one."""
    everywhere = rng.random(runs) < 0.5
    chosen = rng.integers(suite.blocks, size=runs)
    hit = everywhere[:, None] | (chosen[:, None] == suite.block)
    return hit & (rng.random(runs) < rate)[:, None]


def draw_bad_hours(rng: np.random.Generator, suite: Suite) -> Floats:
    """By how much the threshold of each eval moves in each run, ``rows × evals``: mostly 0."""
    hit = _draw_hit(rng, suite, suite.rows, BAD_HOUR)
    return np.where(hit, rng.uniform(0.3, 1.3, suite.rows)[:, None], 0.0)


def _draw_error_rates(rng: np.random.Generator, suite: Suite, runs: int) -> Floats:
    hit = _draw_hit(rng, suite, runs, BURST)
    return np.where(hit, rng.uniform(0.03, 0.5, runs)[:, None], 0.002)


def _draw_cancelled(rng: np.random.Generator, shape: tuple[int, ...]) -> Bools:
    """In some runs somebody cancelled what was still waiting."""
    share = np.where(rng.random(shape[0]) < CANCEL, rng.uniform(0.05, 0.6, shape[0]), 0.0)
    return rng.random(shape) < share[:, None]
