"""Ids, fingerprints and random numbers that follow from the seed, the same on every Python."""

import hashlib
import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fingerprint(*parts: object) -> str:
    return _digest(parts).hex()[:32]


def token(*parts: object) -> str:
    value = int.from_bytes(_digest(parts), "big")
    letters = []
    for _ in range(21):
        value, rest = divmod(value, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


def _digest(parts: tuple[object, ...]) -> bytes:
    return hashlib.sha256(_joined(parts).encode()).digest()


def _joined(parts: tuple[object, ...]) -> str:
    # The separator is in no part: ("a", "bc") and ("ab", "c") differ.
    return "\x1f".join(map(str, parts))


class SeededRandom:
    """Random numbers for one purpose, named by its parts.

    Each purpose has its own sequence: the draws for one run change nothing in another. It only uses
    `random.random`, because Python promises its sequence for a seed, and no other method's.
    """

    def __init__(self, *parts: object) -> None:
        self.random = random.Random(_joined(parts)).random

    def integer(self, low: int, high: int) -> int:
        return low + int(self.random() * (high - low + 1))

    def choice(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        ranked = sorted((self.random(), index) for index in range(len(items)))
        return [items[index] for _, index in ranked[:count]]

    def lognormal(self, median: float, spread: float) -> float:
        """Draw from a log-normal distribution; `spread` is the logarithm's standard deviation.

        The normal number comes from the transform of Box and Muller (1958).
        """
        radius = math.sqrt(-2 * math.log(1 - self.random()))
        return median * math.exp(spread * radius * math.cos(math.tau * self.random()))
