"""How views put times and versions into words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from retab_analysis.markup import one_line


def in_words(seconds: float) -> str:
    """A length of time that a person reads at a glance.

    Example:
        >>> [in_words(each) for each in (0.4, 59, 61, 3600, 90061)]
        ['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    whole = max(0, int(seconds))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for at, (unit, size) in enumerate(units):
        if whole >= size or unit == "s":
            words = f"{whole // size} {unit}"
            rest = whole % size // units[at + 1][1] if unit != "s" else 0
            return f"{words} {rest} {units[at + 1][0]}" if rest else words
    raise AssertionError


def range_in_words(low: float, high: float) -> str:
    """A range of time, coarser than its ends are certain.

    Example:
        >>> range_in_words(70, 130), range_in_words(8, 9)
        ('1 to 3 min', 'about 10 s')
    """
    for unit, size, step in (("h", 3600, 1), ("min", 60, 1), ("s", 1, 5)):
        if high >= 1.5 * size or unit == "s":
            first, last = int(low / size // step * step), math.ceil(high / size / step) * step
            if last - first <= step:
                return f"about {last} {unit}"
            return f"{first} to {last} {unit}"
    raise AssertionError


def shorten(version: str) -> str:
    """A version as a person reads it: what is addressed by its content has a long name."""
    return version if len(version) <= 24 else version[:16] + "…"


def eval_name(row: Mapping[str, Any]) -> str:
    """An eval's name in one line, or its id where it has none."""
    return one_line(row["eval_name"] or row["eval_id"])


def documents(row: Mapping[str, Any]) -> str:
    """The names of an eval's documents in one line."""
    return one_line(", ".join(each for each in row["document_names"] or () if each))


def milliseconds(took: int) -> str:
    """A time or a difference of times; shorter ones to the millisecond."""
    words = f"{abs(took)} ms" if abs(took) < 1000 else in_words(abs(took) / 1000)
    return f"−{words}" if took < 0 else words
