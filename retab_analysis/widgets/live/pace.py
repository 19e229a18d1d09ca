"""How fast a run goes and how long it will take: plain functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

# Fewer finished evals say too little about those to come.
LEAST_DONE = 3
# The two-sided 80 % quantile of the normal distribution.
Z80 = 1.2816


def rate_per_minute(done: int, seconds: float) -> float | None:
    """Finished evals per minute of running, or None where nothing has finished."""
    return 60 * done / seconds if done and seconds > 0 else None


def time_left(
    done_ms: Sequence[tuple[int, int | None]], left_ms: Sequence[int | None], ran_seconds: float
) -> tuple[float, float] | None:
    """Seconds until the last eval ends, as an 80 % range.

    The evals run one after the other. What is left is expected to take what each of them usually
    takes, as much faster or slower as the finished ones were, or else the mean of this run; and
    with the pauses between evals that this run has had. The width is that of a prediction of the
    sum of k further draws after n: k s² (1 + k/n) is its variance (Hahn and Meeker, "Statistical
    Intervals", 1991, section 4.8).

    Args:
        done_ms: How long each finished eval took, and usually takes, n of them.
        left_ms: How long each of the others usually takes, k of them; None where that is unknown.
        ran_seconds: How long the run has been going.

    Returns:
        The low and the high end, or None where too few have finished.
    """
    took = [each for each, _ in done_ms]
    n, k = len(took), len(left_ms)
    if n < LEAST_DONE or sum(took) <= 0 or ran_seconds <= 0:
        return None
    pace = ran_seconds / sum(took)
    mean, speed = fmean(took), _speed(done_ms)
    expected = pace * sum(mean if each is None else speed * each for each in left_ms)
    width = pace * _t80(n - 1) * stdev(took) * math.sqrt(k * (1 + k / n))
    return max(0.0, expected - width), expected + width


def _speed(done_ms: Sequence[tuple[int, int | None]]) -> float:
    """What the finished evals took, as a share of what they usually take."""
    known = [(took, usual) for took, usual in done_ms if usual]
    return sum(took for took, _ in known) / sum(usual for _, usual in known) if known else 1.0


def _t80(freedom: int) -> float:
    """The same quantile of Student's t.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, formula 26.7.5.
    """
    return Z80 + (Z80**3 + Z80) / (4 * freedom)
