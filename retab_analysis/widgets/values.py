"""What was expected, what came at the last pass and what came now, with what differs marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from retab_analysis.comparison.config_changes import readable
from retab_analysis.comparison.detail import WHOLE
from retab_analysis.comparison.json_values import parse_json
from retab_analysis.markup import Html, tag, without_controls
from retab_analysis.stats.word_marks import Segment, mark_words

# Characters of one value; more are counted.
_LONGEST = 20_000
# What is not longer stands in one line.
_LINE = 60


def render_values(row: Mapping[str, Any], was: str | None = None) -> Iterator[tuple[str, Html]]:
    """The values of a result: what each is called, and its text.

    What came is held against ``was``, what came at the last pass before it, else against what is
    expected, where that is a whole value and of the same shape: of a length or a pattern, nothing
    of it is expected.
    """
    got, expected = row["actual_value"], row["expected_value"]
    known = {"Expected": expected, "Was": was, "Got": got}
    texts = {title: _in_lines(text) for title, text in known.items() if text is not None}
    held = "Was" if was is not None else "Expected"
    marked: dict[str, Iterable[object]] = {}
    is_whole = held == "Was" or row["condition_kind"] in WHOLE
    if row["state"] != "passed" and is_whole and _are_alike(known[held], got):
        segments = mark_words(texts[held][:_LONGEST], texts["Got"][:_LONGEST])
        for title, kind in ((held, "removed"), ("Got", "added")):
            marked[title] = [*_mark(each for each in segments if each.kind in ("equal", kind))]
    for title, text in texts.items():
        left = len(text) - _LONGEST
        more = f"… and {left:,} characters more" if left > 0 else None
        shown = marked.get(title) or [without_controls(text[:_LONGEST])]
        yield title, tag("pre", *shown, more, class_="ra-whole", tabindex=0)


def _are_alike(one: str | None, other: str | None) -> bool:
    return None not in (one, other) and type(parse_json(one or "")) is type(parse_json(other or ""))


def _mark(segments: Iterable[Segment]) -> Iterator[object]:
    """Pieces of a text, with what was removed and added marked."""
    tags = {"removed": "del", "added": "ins"}
    for each in segments:
        text = without_controls(each.text)
        yield tag(tags[each.kind], text) if each.kind in tags else text


def _in_lines(text: str) -> str:
    """A long object or list with a line for each member; a string keeps its quotes."""
    return readable(text) if len(text) > _LINE and text.startswith(("{", "[")) else text
