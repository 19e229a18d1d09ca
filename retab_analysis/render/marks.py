"""The common parts of two sequences, and the changed words of two texts as one marked line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from retab_analysis.markup import one_line
from retab_analysis.render.document import Line, Span, write_line

_LONG = 10_000
_AROUND, _NEAR = 60, 24  # the text that stays on each side of a change
_LONGEST = 120  # of a value
LONGEST_TEXT = 20_000
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


def mark_change(before: str | None, after: str | None) -> Line:
    """Mark what changed: single words in texts, other values as a whole."""
    are_texts = all(
        v is None or (v.startswith('"') and len(v) <= LONGEST_TEXT) for v in (before, after)
    )
    if are_texts and before is not None and after is not None:
        is_whole = max(len(before), len(after)) <= _LONGEST
        if not is_whole or not is_tiny(mark_words(before, after)):
            return mark_texts(before, after, _NEAR)
    sides = [(before, "removed"), (after, "added")]
    spans = [Span(one_line(v, _LONGEST), look) for v, look in sides if v is not None]  # type: ignore[arg-type]
    return write_line(*(part for span in spans for part in (span, " ")))[: 2 * len(spans) - 1]


def is_tiny(segments: Iterable[Segment]) -> bool:
    """Whether the marks of a difference have fewer than three letters, which eyes miss."""
    return sum(len(each.text.strip()) for each in segments if each.kind != "equal") < 3


def mark_texts(before: str, after: str, around: int = _AROUND) -> Line:
    """Two texts as one, with removed and added words marked; long common parts are cut."""
    segments = mark_words(before[:LONGEST_TEXT], after[:LONGEST_TEXT])
    spans: list[Span] = []
    for at, each in enumerate(segments):
        if each.kind == "equal":
            head, tail = around * (at > 0), around * (at < len(segments) - 1)
            spans.append(Span(_shorten(each.text, head, tail)))
            continue
        if each.kind == "added" and spans and spans[-1].look == "removed":
            spans.append(Span(" "))
        spans.append(Span(each.text, each.kind))
    return tuple(spans)


def _shorten(text: str, head: int, tail: int) -> str:
    """A common part of both texts, without its middle; at an outer end only one side stays."""
    if len(text) <= head + tail + 20:
        return text
    return f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"


def shorten_field(path: str) -> str:
    """A field of a block's document, shortened but clear.

    Example:
        >>> shorten_field("$.config.json_schema.properties.lines.items.properties.description.type")
        'schema: lines[].description.type'
        >>> shorten_field("$.config.prompt")
        'prompt'
    """
    inner = one_line(path).removeprefix("$").removeprefix(".").removeprefix("config.")
    head, dot, rest = inner.partition(".")
    if head not in ("json_schema", "schema") or not dot:
        return inner or "the whole block"
    short = re.sub(r"(^|\.)properties\.", r"\1", rest)
    short = re.sub(r"\.items(?=\.|$)", "[]", short)
    short = re.sub(r"\.\.+", ".", short)
    # Descriptions of fields are edited most.
    return f"schema: {short.removesuffix('.description') or short}"
