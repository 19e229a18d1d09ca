"""The two-sided p-value of a sum of independent parts, each with a known null distribution.

The parts are the clusters of a suite, and what each may add to the sum is a whole number of some
unit, so that two equal sums are equal, whatever the order in which they were added.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_PATTERNS = 2**20
DRAWS = 20_000
_SEED = 20_240_229
_MAX_WORK = 1e6  # places on the grid times foldings: beyond, draws are faster
_DIRECT = 2e6  # multiplications, up to which two distributions are folded without Fourier


@dataclass(frozen=True, slots=True, order=True)
class NullPart:
    """What one part of a sum may be if nothing changed.

    Attributes:
        values: The possible values, ascending, in whole units.
        weights: Their probabilities.
    """

    values: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def variance(self) -> float:
        """The variance around the mean."""
        pairs = list(zip(self.values, self.weights, strict=True))
        mean = math.fsum(value * weight for value, weight in pairs)
        return math.fsum(weight * (value - mean) ** 2 for value, weight in pairs)

    @property
    def step(self) -> int:
        """The largest unit of which all the differences between values are multiples."""
        return math.gcd(*(value - self.values[0] for value in self.values))

    @property
    def span(self) -> int:
        """The largest value minus the smallest."""
        return self.values[-1] - self.values[0]


def two_sided_p(observed: int, parts: Counter[NullPart], tolerance: int = 0) -> float:
    """The probability of a sum at least as far from 0 as the one observed.

    It is exact where the sums lie on a grid that is small enough to fold the distributions on, and
    where there are at most 2^20 patterns, which are all looked at; else it is the share of 20,000
    seeded draws, the observed pattern counted among them. The parts are sorted first, so that
    neither their order nor what they are called matters.

    Source: R. A. Fisher, "The Design of Experiments" (1935), ch. 3; for draws, B. Phipson and G. K.
    Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
    Molecular Biology 9 (2010) 39.

    Args:
        observed: The sum, in the units of the parts.
        parts: The distributions, and how many parts have each.
        tolerance: Sums that are nearer to 0 than the observed one by this much count as equal.
    """
    ordered = sorted(parts.items())
    if not ordered:
        return 1.0
    limit = abs(observed) - tolerance
    if limit <= 0:
        return 1.0
    if _is_on_small_grid(ordered):
        sums, weights = _folded(ordered)
    elif math.prod(len(part.values) ** count for part, count in ordered) <= MAX_PATTERNS:
        sums, weights = _all_patterns(ordered)
    else:
        extreme = int((abs(_drawn(ordered)) >= limit).sum())
        return (1 + extreme) / (1 + DRAWS)
    p = math.fsum(weights[abs(sums) >= limit])
    return min(1.0, max(p, _least_chance(ordered)))


def _least_chance(ordered: Sequence[tuple[NullPart, int]]) -> float:
    """The probability of the rarest pattern: no p-value is smaller, whatever was rounded."""
    logs = math.fsum(count * math.log(min(part.weights)) for part, count in ordered)
    return math.exp(max(logs, -700.0))


def _is_on_small_grid(ordered: Sequence[tuple[NullPart, int]]) -> bool:
    step = math.gcd(*(part.step for part, _ in ordered))
    places = sum(part.span * count for part, count in ordered) / max(step, 1)
    return places * (len(ordered) + math.log2(2 + sum(n for _, n in ordered))) <= _MAX_WORK


def _folded(ordered: Sequence[tuple[NullPart, int]]) -> tuple[Ints, Floats]:
    """Every sum on a grid and its probability: the distributions folded one into the other."""
    import numpy as np

    step = max(1, math.gcd(*(part.step for part, _ in ordered)))
    powers = [_power(_dense(part, step), count) for part, count in ordered]
    weights = functools.reduce(_fold, sorted(powers, key=len))
    start = sum(part.values[0] * count for part, count in ordered)
    return start + step * np.arange(len(weights), dtype=np.int64), weights


def _dense(part: NullPart, step: int) -> Floats:
    import numpy as np

    dense = np.zeros(part.span // step + 1)
    dense[[(value - part.values[0]) // step for value in part.values]] = part.weights
    return dense


def _power(weights: Floats, count: int) -> Floats:
    """The distribution of the sum of ``count`` equal parts, by squaring."""
    half = _power(weights, count // 2) if count > 1 else None
    if half is None:
        return weights
    square = _fold(half, half)
    return _fold(square, weights) if count % 2 else square


def _fold(first: Floats, second: Floats) -> Floats:
    import numpy as np

    if len(first) * len(second) <= _DIRECT:
        return np.convolve(first, second)
    length = len(first) + len(second) - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(first, size) * np.fft.rfft(second, size)
    return np.maximum(np.fft.irfft(product, size)[:length], 0.0)


def _all_patterns(ordered: Sequence[tuple[NullPart, int]]) -> tuple[Ints, Floats]:
    import numpy as np

    sums, weights = np.zeros(1, dtype=np.int64), np.ones(1)
    for part, count in ordered:
        for _ in range(count):
            sums = np.add.outer(sums, np.array(part.values)).ravel()
            weights = np.multiply.outer(weights, np.array(part.weights)).ravel()
    return sums, weights


def _drawn(ordered: Sequence[tuple[NullPart, int]]) -> Ints:
    """Seeded draws of the sum."""
    import numpy as np

    dice = np.random.default_rng(_SEED)
    sums = np.zeros(DRAWS, dtype=np.int64)
    for part, count in ordered:
        values, weights = np.array(part.values), np.array(part.weights)
        weights = weights / weights.sum()
        if len(values) < count:
            sums += dice.multinomial(count, weights, size=DRAWS) @ values
            continue
        for _ in range(count):  # how often each value comes, and then when: faster than one by one
            sums += dice.permutation(values.repeat(dice.multinomial(DRAWS, weights)))
    return sums


def binomial(k: int, n: int, chance: float) -> float:
    """The probability of exactly ``k`` hits among ``n`` tries."""
    if k > n or chance in (0, 1):
        return float(k == n * chance)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(chance) + (n - k) * math.log1p(-chance))
