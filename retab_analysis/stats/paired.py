"""The interval of a difference of two shares, measured on the same evals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from retab_analysis.stats.exact import half_binomial_tail

_STEPS = 400
_HALVINGS = 24
_REACH = 12  # standard deviations to either side of the mean; beyond lies nothing that counts


def paired_interval(worse: int, better: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """An interval for the difference of two shares over the same pairs, better minus worse.

    It is the interval that goes with the exact McNemar test: it excludes 0 if and only if that test
    is significant at ``alpha``. Newcombe's and Tango's intervals do not, which would show a
    difference "from 1 to 9 points" beside a p-value of 0.06; and with few flips, all one way,
    their coverage falls to 0.92 and below, where this one's stays above 0.95.

    The share of flips that go one way has a beta distribution on either side (Clopper and Pearson),
    and so has the share of pairs that flip at all; the limit is a quantile of their product.

    Source: M. P. Fay and K. Lumbard, "Confidence intervals for difference in proportions for
    matched pairs compatible with exact McNemar's or sign tests", Statistics in Medicine 40 (2021)
    1147-1159.

    Args:
        worse: How many pairs flipped from passing to not passing.
        better: How many flipped the other way.
        n: How many pairs there are, those that did not flip included.
        alpha: One minus the confidence level.

    Returns:
        The lower and the upper limit, from -1 to 1.

    Raises:
        ValueError: The counts contradict one another, there are no pairs, or ``alpha`` is not
            between 0 and 1.

    Example:
        >>> low, high = paired_interval(6, 0, 60)
        >>> round(low, 3), round(high, 3)
        (-0.205, -0.006)
    """
    if worse < 0 or better < 0 or n < 1 or worse + better > n:
        raise ValueError(f"there cannot be {worse} and {better} flips among {n} pairs")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    return _lower(better, worse, n, alpha), -_lower(worse, better, n, alpha)


def _lower(up: int, down: int, n: int, alpha: float) -> float:
    """The lower limit of (up - down) / n: where (2 w - 1) f is below with probability alpha / 2.

    The share w of the flips that go up has its lower distribution; the share f of pairs that flip
    has its lower one where that makes the product small, its upper one where that is negative. On
    which side of 0 the limit is, the exact test says.
    """
    flips = up + down
    ways = _Beta.make(up, down + 1).points
    if up > down and 2 * half_binomial_tail(down, flips) <= alpha:
        share = _Beta.make(flips, n - flips + 1)
        parts = [(2 * way - 1, weight) for way, weight in ways if way > 0.5]
        return _solve(lambda limit: _above(limit, parts, share) > 1 - alpha / 2, 0.0, 1.0)
    share = _Beta.make(flips + 1, n - flips)
    parts = [(2 * way - 1, weight) for way, weight in ways if way < 0.5]
    return _solve(lambda limit: _above(limit, parts, share) < alpha / 2, -1.0, 0.0)


def _above(limit: float, parts: list[tuple[float, float]], share: _Beta) -> float:
    """The weight of what lies beyond a limit, seen from 0."""
    return sum(weight * share.above(limit / part) for part, weight in parts)


def _solve(is_low: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_low(middle):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class _Beta:
    """A beta distribution on a grid; both parameters are whole, and 0 means all at one end."""

    start: float
    step: float
    weights: list[float]
    cumulated: list[float]

    @classmethod
    def make(cls, a: int, b: int) -> _Beta:
        if a == 0 or b == 0:
            return cls(0.0 if a == 0 else 1.0, 0.0, [1.0], [0.0, 1.0])
        mean = a / (a + b)
        reach = _REACH * math.sqrt(mean * (1 - mean) / (a + b + 1))
        start, end = max(0.0, mean - reach), min(1.0, mean + reach)
        step = (end - start) / _STEPS
        middles = [start + (at + 0.5) * step for at in range(_STEPS)]
        logs = [(a - 1) * math.log(x) + (b - 1) * math.log1p(-x) for x in middles]
        top = max(logs)
        heights = [math.exp(each - top) for each in logs]
        total = sum(heights)
        weights = [height / total for height in heights]
        return cls(start, step, weights, [0.0, *itertools.accumulate(weights)])

    @property
    def points(self) -> list[tuple[float, float]]:
        return [
            (self.start + (at + 0.5) * self.step, weight) for at, weight in enumerate(self.weights)
        ]

    def above(self, value: float) -> float:
        """The probability to be at or above a value."""
        if self.step == 0:
            return float(self.start >= value)
        place = (value - self.start) / self.step
        if place <= 0:
            return 1.0
        if place >= _STEPS:
            return 0.0
        at = int(place)
        return 1 - self.cumulated[at] - (place - at) * self.weights[at]
