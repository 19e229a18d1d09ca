"""Which words of a long text were changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

_PAIRS = 90_000
_SCRIPTS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Words, runs of white space, and by themselves signs and the letters of scripts without spaces.
_TOKEN = re.compile(rf"\s+|[{_SCRIPTS}]|[^\W{_SCRIPTS}]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text that two texts have in common, or that only one of them has.

    Attributes:
        kind: ``equal``, ``removed`` (only the text before has it) or ``added``.
        text: The piece.
    """

    kind: Literal["equal", "removed", "added"]
    text: str


def split_words(text: str) -> list[str]:
    """The words, signs and white space that a text is made of, one after the other."""
    return _TOKEN.findall(text)


def mark_words(before: str, after: str) -> list[Segment]:
    """Mark the words that were removed and added.

    The words are compared by :class:`difflib.SequenceMatcher`. Texts that are too long for that
    (beyond 300 words that differ on each side) are marked from the first word that differs to the
    last.

    Args:
        before: A text.
        after: What became of it.

    Returns:
        Segments in the order of the texts, what was removed before what was added in its place, no
        two of a kind in a row, none of them empty. The equal and the removed ones together are the
        text before, the equal and the added ones the text after.

    >>> [(each.kind, each.text) for each in mark_words("two red apples", "two green apples")]
    [('equal', 'two '), ('removed', 'red'), ('added', 'green'), ('equal', ' apples')]
    """
    old, new = split_words(before), split_words(after)
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    ends = len(old) - tail, len(new) - tail
    blocks = [(0, 0, head)]
    if 0 < (ends[0] - head) * (ends[1] - head) <= _PAIRS:
        # White space may lengthen what is equal, but not be all of it.
        middle = old[head : ends[0]], new[head : ends[1]]
        found = SequenceMatcher(str.isspace, *middle, autojunk=False).get_matching_blocks()
        blocks += [(head + block.a, head + block.b, block.size) for block in found]
    segments: list[Segment] = []
    i = j = 0
    for left, right, size in (*blocks, (*ends, tail)):
        segments.append(Segment("removed", "".join(old[i:left])))
        segments.append(Segment("added", "".join(new[j:right])))
        segments.append(Segment("equal", "".join(old[left : left + size])))
        i, j = left + size, right + size
    runs = groupby((each for each in segments if each.text), key=lambda each: each.kind)
    return [Segment(kind, "".join(each.text for each in run)) for kind, run in runs]
