"""Exact tests: no approximation, however few results there are."""

from __future__ import annotations

import math

_EXACT = 1000  # up to so many results are counted in whole numbers, more in logarithms
_ROUNDING = 1 + 1e-7  # in logarithms, two tables that are equally likely may differ by rounding


def mcnemar_exact(worse: int, better: int) -> float:
    """The two-sided p-value of the exact McNemar test, which is the sign test on the flips.

    Sources: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947) 153-157; in its exact, binomial form:
    F. Mosteller, "Some statistical problems in measuring the subjective response to drugs",
    Biometrics 8 (1952) 220-226.

    Args:
        worse: How many pairs flipped one way.
        better: How many flipped the other way.

    Raises:
        ValueError: A count below 0.

    Example:
        >>> mcnemar_exact(6, 0)
        0.03125
    """
    if worse < 0 or better < 0:
        raise ValueError(f"counts must not be below 0, got {worse} and {better}")
    return min(1.0, 2 * half_binomial_tail(min(worse, better), worse + better))


def half_binomial_tail(k: int, n: int) -> float:
    """The probability of at most ``k`` heads among ``n`` throws of a fair coin."""
    if k >= n:
        return 1.0
    term = math.exp(log_choose(n, k) - n * math.log(2)) if n > _EXACT else math.comb(n, k) / 2**n
    total = term
    for i in range(k, 0, -1):
        term *= i / (n - i + 1)
        total += term
        if term < total * 1e-18:
            break
    return min(1.0, total)


def least_flips(alpha: float = 0.05) -> int:
    """The smallest number of flips, all one way, that :func:`mcnemar_exact` finds significant.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1.

    Example:
        >>> least_flips(0.05)
        6
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
    flips = 1
    while mcnemar_exact(flips, 0) > alpha:
        flips += 1
    return flips


def fisher_exact(passed_1: int, n_1: int, passed_2: int, n_2: int) -> float:
    """The two-sided p-value of Fisher's exact test on two shares.

    All tables with the same margins that are no more likely than the one seen count as extreme.

    Source: R. A. Fisher, "The logic of inductive inference", Journal of the Royal Statistical
    Society 98 (1935) 39-82.

    Args:
        passed_1: How many passed on the one side.
        n_1: Of how many.
        passed_2: How many passed on the other side.
        n_2: Of how many.

    Raises:
        ValueError: The counts contradict one another.

    Example:
        >>> round(fisher_exact(10, 10, 2, 10), 5)
        0.00071
    """
    if not (0 <= passed_1 <= n_1 and 0 <= passed_2 <= n_2):
        raise ValueError(f"counts cannot be {passed_1} of {n_1} and {passed_2} of {n_2}")
    total, passed = n_1 + n_2, passed_1 + passed_2
    tables = range(max(0, passed - n_2), min(n_1, passed) + 1)
    if total <= _EXACT:
        ways = [math.comb(n_1, k) * math.comb(n_2, passed - k) for k in tables]
        seen = ways[passed_1 - tables.start]
        return sum(each for each in ways if each <= seen) / math.comb(total, passed)
    every = log_choose(total, passed)
    chances = [math.exp(log_choose(n_1, k) + log_choose(n_2, passed - k) - every) for k in tables]
    limit = chances[passed_1 - tables.start] * _ROUNDING
    return min(1.0, math.fsum(each for each in chances if each <= limit))


def log_choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose ``k`` of ``n``."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
