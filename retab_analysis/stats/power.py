"""How large a change must be for the suite's test to find it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from retab_analysis.stats.null_sums import binomial

_HALVINGS = 48


@dataclass(frozen=True, slots=True)
class Design:
    """What the power of the suite's test depends on.

    Attributes:
        sizes: How many clusters there are of each number of evals.
        noise: The variance of Σ (rate after - rate before) if nothing changed, in evals².
        surprise: How likely a cluster of solid evals, all of which fail after the change, is to
            have its failures on the candidate's side, if they fell at random: 1/2 for one run
            against one, 1/(R + 1) for one run against R.
        spread: The variance of what such an eval adds to the sum under that null distribution: 1
            for one run against one, 1/R for one against R.
        mirrored: Whether the opposite pattern is as far from 0, as it is with sign flips.
    """

    sizes: Mapping[int, int]
    noise: float
    surprise: float
    spread: float
    mirrored: bool


def detectable_change(design: Design, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The fall of the pass rate that the suite's test finds with the power asked for.

    The fall is made up of evals that break, each with the same probability, independently of the
    others, on top of the noise that the suite has. If nothing was broken the sum has the variance V
    = noise, and with a share δ of the n evals broken it has V + n δ (1 - δ), while the test
    compares it with a null variance of V + spread · Σ (m δ (1 - δ) + m² δ²), m being the evals of
    a cluster. So δ solves

        n δ = z(1 - α/2) √(null variance) + z(power) √(variance),

    which for one run against one and no clusters is Connor's equation for McNemar's test. Where
    there is little noise the null distribution is coarse, and what counts is that enough clusters
    break for the test to be significant at all; the larger of the two is given.

    Source: R. J. Connor, "Sample size for testing differences in proportions for the paired-sample
    design", Biometrics 43 (1987) 207-211, equation 1.

    Returns:
        The fall, above 0 and at most 1, or None if even the failure of every eval would not do.

    Raises:
        ValueError: ``alpha`` or ``power`` is not between 0 and 1.
    """
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power must be between 0 and 1, got {alpha!r} and {power!r}")
    needed = least_broken_clusters(design, alpha)
    large = _solve(lambda share: _excess(design, share, alpha, power) >= 0)
    coarse = _solve(lambda share: _chance_of_hits(design.sizes, share, needed) >= power)
    return None if large is None or coarse is None else max(large, coarse)


def least_broken_clusters(design: Design, alpha: float) -> int:
    """How many clusters must break, with no noise at all, for the test to be significant."""
    sides = 2 if design.mirrored else 1
    return max(1, math.ceil(math.log(sides / alpha) / -math.log(design.surprise) - 1e-9))


def _excess(design: Design, share: float, alpha: float, power: float) -> float:
    """By how much the sum is larger than it must be."""
    normal, sizes = NormalDist(), design.sizes.items()
    n = sum(m * count for m, count in sizes)
    squares = sum(count * (m * share * (1 - share) + (m * share) ** 2) for m, count in sizes)
    null = math.sqrt(design.noise + design.spread * squares)
    actual = math.sqrt(design.noise + n * share * (1 - share))
    return n * share - normal.inv_cdf(1 - alpha / 2) * null - normal.inv_cdf(power) * actual


def _chance_of_hits(sizes: Mapping[int, int], share: float, needed: int) -> float:
    """The probability that in at least ``needed`` clusters an eval breaks."""
    fewer = [1.0] + [0.0] * (needed - 1)  # the probability of 0, 1, … hits so far
    for m, count in sizes.items():
        hit = 1 - (1 - share) ** m
        hits = [binomial(k, count, hit) for k in range(needed)]
        fewer = [math.fsum(fewer[i] * hits[k - i] for i in range(k + 1)) for k in range(needed)]
    return 1 - math.fsum(fewer)


def _solve(is_enough: Callable[[float], bool]) -> float | None:
    """The smallest share from 0 to 1 that is enough, given that more is."""
    if not is_enough(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
