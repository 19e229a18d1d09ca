"""Student's t distribution, for whole degrees of freedom."""

from __future__ import annotations

import functools
import math

import numpy as np

_HALVINGS = 60  # after which an angle is as exact as a float can be


def t_inside(distance: float, df: int) -> float:
    """The probability that Student's t is at most so far from 0, on either side.

    Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and
    26.7.4: for whole degrees of freedom it is a finite sum of powers of the cosine of the angle
    arctan(t / √df).

    Raises:
        ValueError: ``df`` is below 1.

    Example:
        >>> round(t_inside(2.228139, 10), 6)
        0.95
    """
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df!r}")
    return _inside(math.atan(abs(distance) / math.sqrt(df)), df)


@functools.lru_cache(maxsize=256)
def t_quantile(alpha: float, df: int) -> float:
    """The distance from 0 that Student's t exceeds with probability ``alpha``, on either side.

    Bisection finds the angle of :func:`t_inside`.

    Raises:
        ValueError: ``alpha`` is not above 0 and at most 1, or ``df`` is below 1.

    Example:
        >>> round(t_quantile(0.05, 10), 6)
        2.228139
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha!r}")
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df!r}")
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - _inside(middle, df) > alpha else (low, middle)
    return math.sqrt(df) * math.tan(low)


def _inside(angle: float, df: int) -> float:
    is_odd = df % 2 == 1
    j = np.arange(2, df - 1, 2)
    ratios = j / (j + 1) if is_odd else (j - 1) / j
    sine, cosine = math.sin(angle), math.cos(angle)
    powers = 1 + float(np.cumprod(ratios * cosine**2).sum())
    if not is_odd:
        return sine * powers
    return (angle + (sine * cosine * powers if df > 1 else 0.0)) * 2 / math.pi
