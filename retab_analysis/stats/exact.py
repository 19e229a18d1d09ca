"""Exact tests: no approximation, however few results there are."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

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


def chance_of_flip(failed: int, n: int, passing_n: int, failing_n: int) -> float:
    """How likely a flip is by luck alone, given how often the same code failed elsewhere.

    One side passed ``passing_n`` times of as many, the other failed ``failing_n`` times of as many,
    and ``failed`` of ``n`` other runs failed. If all these runs are alike, each way to lay out the
    failures over them is equally likely; this is the share of the ways in which one side has none
    of them and the other nothing else. It does not change when the sides change places.

    Source: the permutation argument of R. A. Fisher, "The Design of Experiments" (1935), ch. 3.

    Raises:
        ValueError: The counts contradict one another.

    Example:
        >>> round(chance_of_flip(3, 10, 1, 1), 3)
        0.242
    """
    if not 0 <= failed <= n or passing_n < 0 or failing_n < 0:
        raise ValueError(f"counts cannot be {failed} of {n}, {passing_n} and {failing_n}")
    every = n + passing_n + failing_n, failed + failing_n
    if every[0] <= _EXACT:
        return math.comb(n, failed) / math.comb(*every)
    return math.exp(log_choose(n, failed) - log_choose(*every))


def chance_of_one_step(failed: int, n: int) -> float:
    """How likely it is that ``failed`` failures among ``n`` runs stand together at one end.

    Small where a single step explains a history better than flakiness does.

    Source: A. Wald and J. Wolfowitz, "On a test whether two samples are from the same population",
    Annals of Mathematical Statistics 11 (1940) 147-162: the probability of exactly two runs.

    Raises:
        ValueError: ``failed`` is not from 0 to ``n``.

    Example:
        >>> round(chance_of_one_step(4, 8), 4)
        0.0286
    """
    if not 0 <= failed <= n:
        raise ValueError(f"counts cannot be {failed} of {n}")
    if failed in (0, n):
        return 1.0
    return min(
        1.0, 2 / math.comb(n, failed) if n <= _EXACT else 2 * math.exp(-log_choose(n, failed))
    )


def fisher_exact_over(passed_1: str, n_1: str, passed_2: str, n_2: str) -> pl.Expr:
    """:func:`fisher_exact` over columns; null where one of them is null."""
    return _over(fisher_exact, passed_1, n_1, passed_2, n_2)


def flip_chance_over(failed: str, n: str, passing_n: str, failing_n: str) -> pl.Expr:
    """:func:`chance_of_flip` over columns; null where one of them is null."""
    return _over(chance_of_flip, failed, n, passing_n, failing_n)


def one_step_chance_over(failed: str, n: str) -> pl.Expr:
    """:func:`chance_of_one_step` over columns; null where one of them is null."""
    return _over(chance_of_one_step, failed, n)


def _over(function: Callable[..., float], *columns: str) -> pl.Expr:
    """A function of counts over columns, called once for each combination that there is."""

    def values(batch: pl.Series) -> pl.Series:
        rows = batch.struct.unnest()
        distinct = rows.drop_nulls().unique()
        p = pl.Series("p", [function(*row) for row in distinct.iter_rows()], pl.Float64)
        found = rows.join(
            distinct.with_columns(p), on=rows.columns, how="left", maintain_order="left"
        )
        return found["p"]

    counts = pl.struct(
        [pl.col(name).cast(pl.Int64).alias(str(at)) for at, name in enumerate(columns)]
    )
    return counts.map_batches(values, return_dtype=pl.Float64(), is_elementwise=True)


def log_choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose ``k`` of ``n``."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
