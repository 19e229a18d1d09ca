"""Rows, times and versions as text: the words that the states of all views are made of."""

from __future__ import annotations

import math
from itertools import dropwhile

_SHORT_VERSION = 24


def format_seconds(seconds: float) -> str:
    """A length of time that a person reads at a glance.

    Example:
        >>> [format_seconds(each) for each in (0.4, 59, 61, 3600, 90061)]
        ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    rest, parts = max(0, int(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        parts.append((rest // size, unit))
        rest %= size
    begun = list(dropwhile(lambda part: not part[0], parts))
    return " ".join(f"{count} {unit}" for count, unit in begun[:2] if count) or "0 s"


def format_range(low: float, high: float) -> str:
    """A range of seconds, in coarser steps than its ends are uncertain.

    Example:
        >>> format_range(70, 130), format_range(8, 9)
        ('1 to 3 min', 'about 10 s')
    """
    for unit, size, step in (("h", 3600, 1), ("min", 60, 1), ("s", 1, 5)):
        if high >= 1.5 * size or unit == "s":
            first, last = int(low / size // step * step), math.ceil(high / size / step) * step
            if last - first <= step:
                return f"about {last} {unit}"
            return f"{first} to {last} {unit}"
    raise AssertionError


def shorten_version(version: str) -> str:
    """A version as a person reads it; ids that are hashes of the content are long, and cut."""
    return version if len(version) <= _SHORT_VERSION else version[:16] + "…"
