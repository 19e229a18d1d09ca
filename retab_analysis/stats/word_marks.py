"""The common parts of two sequences, and the changed words of a long text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

_LONG = 10_000
_SCRIPTS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Words, runs of white space, and by themselves signs and the letters of scripts without spaces.
_TOKEN = re.compile(rf"\s+|[{_SCRIPTS}]|[^\W{_SCRIPTS}]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece that two texts have in common, or that only the earlier or the later has."""

    kind: Literal["equal", "removed", "added"]
    text: str


def split_words(text: str) -> list[str]:
    """The words, signs and white space of a text, in order."""
    return _TOKEN.findall(text)


def equal_blocks(
    old: Sequence[str], new: Sequence[str], is_junk: Callable[[str], bool] | None = None
) -> list[tuple[int, int, int]]:
    """The equal blocks of two sequences in order: both places, and the length; the last is empty.

    They always include the common beginning and end: one item that was added or removed shows as
    such. Between them :class:`difflib.SequenceMatcher` searches.
    """
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    # Its time grows with the equal pairs; if there are very many, it leaves out the most frequent.
    counts = [Counter(each) for each in middle]
    pairs = sum(
        count * counts[1][each]
        for each, count in counts[0].items()
        if not (is_junk and is_junk(each))
    )
    is_long = pairs > _LONG
    found = SequenceMatcher(is_junk, *middle, autojunk=is_long).get_matching_blocks()
    between = [(head + block.a, head + block.b, block.size) for block in found]
    return [(0, 0, head), *between, (len(old) - tail, len(new) - tail, tail)]


def mark_words(before: str, after: str) -> list[Segment]:
    """Mark the words that were removed and added.

    Segments come in the order of the texts, a removed one before the added one in its place. No two
    of a kind follow each other, and none is empty. The equal and the removed ones together are the
    text before, the equal and the added ones the text after.

    >>> [(each.kind, each.text) for each in mark_words("two red apples", "two green apples")]
    [('equal', 'two '), ('removed', 'red'), ('added', 'green'), ('equal', ' apples')]
    """
    old, new = split_words(before), split_words(after)
    segments: list[Segment] = []
    i = j = 0
    # White space may lengthen an equal part, but not be all of it.
    for left, right, size in equal_blocks(old, new, str.isspace):
        segments.append(Segment("removed", "".join(old[i:left])))
        segments.append(Segment("added", "".join(new[j:right])))
        segments.append(Segment("equal", "".join(old[left : left + size])))
        i, j = left + size, right + size
    runs = groupby((each for each in segments if each.text), key=lambda each: each.kind)
    return [Segment(kind, "".join(each.text for each in run)) for kind, run in runs]
