"""The quantiles of Student's t, without scipy."""

from __future__ import annotations

import functools
import math

_TINY = 1e-300  # stands for 0 in a continued fraction, where a division would fail
_TERMS = 1000  # about √df are needed: 1,000 are enough for any suite
_CLOSE = 1e-16


@functools.lru_cache(maxsize=256)
def t_quantile(alpha: float, df: int) -> float:
    """How far from 0 Student's t is with probability ``alpha``, both sides together.

    The tail is found with the incomplete beta function, and the quantile by halving an interval
    of the logarithm until it does not get smaller.

    Source: NIST Digital Library of Mathematical Functions, 8.17.22 (the continued fraction), and
    Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.1.

    Args:
        alpha: The probability that is left outside.
        df: The degrees of freedom.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1, or ``df`` is below 1.

    Example:
        >>> round(t_quantile(0.05, 10), 6)
        2.228139
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df!r}")
    low, high = -700.0, 700.0  # logarithms: of what a float can hold
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return math.exp(middle)
        if t_tails(math.exp(middle), df) > alpha:
            low = middle
        else:
            high = middle


def t_tails(t: float, df: int) -> float:
    """The probability that Student's t is at least ``t`` from 0, on either side.

    Example:
        >>> round(t_tails(1.0, 1), 12)
        0.5
    """
    ratio = t / math.sqrt(df)
    square = ratio * ratio
    if square == math.inf:
        return 0.0
    return _incomplete_beta(df / 2, 0.5, 1 / (1 + square), square / (1 + square))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function at ``x``, ``rest`` being 1 - ``x`` unrounded."""
    if x == 0 or rest == 0:
        return float(rest == 0)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log(rest))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by the modified Lentz method."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            value *= c * d
        if abs(value - before) <= _CLOSE * abs(value):
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
