"""Ids, fingerprints and chance, all following from the seed and the same on every Python."""

import hashlib
import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fingerprint(*parts: object) -> str:
    """Hash the parts to 32 hexadecimal digits."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def token(*parts: object, length: int = 21) -> str:
    """Hash the parts to a short word of letters and digits, for ids."""
    value = int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest(), "big")
    letters = []
    for _ in range(length):
        value, rest = divmod(value, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


class Dice:
    """A source of chance for one purpose, named by its parts.

    Only `random.random` is used: Python promises its sequence for a seed, and no other method's.
    """

    def __init__(self, *parts: object) -> None:
        self.random = random.Random("\x1f".join(map(str, parts))).random

    def between(self, low: int, high: int) -> int:
        """Draw a whole number, both ends inclusive."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[int(self.random() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Draw several different items."""
        ranked = sorted((self.random(), index) for index in range(len(items)))
        return [items[index] for _, index in ranked[:count]]

    def around(self, middle: float, spread: float) -> float:
        """Draw from a log-normal distribution with this median."""
        normal = math.sqrt(-2 * math.log(1 - self.random())) * math.cos(math.tau * self.random())
        return middle * math.exp(spread * normal)
