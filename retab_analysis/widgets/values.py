"""An expected and an actual value, written to be read, with what differs between them marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from retab_analysis.comparison.config_changes import readable
from retab_analysis.comparison.json_values import parse_json
from retab_analysis.comparison.word_marks import Segment, mark_words
from retab_analysis.markup import Html, tag, without_controls

# Characters of one value; more are counted.
_LONGEST = 20_000
# What is not longer stands in one line.
_LINE = 60
# The conditions that hold the actual value against the expected one, so that differences say
# something. Of a length or a pattern, for example, nothing of the value is expected.
_ALIKE = ("equals", "similarity_gte", "split_iou_gte", None)


def render_values(row: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    """The values of a result: what each is called, and its text."""
    texts = {name: row[f"{name}_value"] for name in ("expected", "actual")}
    known = {name: _in_lines(text) for name, text in texts.items() if text is not None}
    segments: Sequence[Segment] = ()
    if len(known) == 2 and _are_alike(row, *texts.values()):
        segments = mark_words(*(each[:_LONGEST] for each in known.values()))
    kinds = {"expected": ("equal", "removed"), "actual": ("equal", "added")}
    for name, text in known.items():
        said = [*mark_segments(each for each in segments if each.kind in kinds[name])]
        left = len(text) - _LONGEST
        more = f"… and {left:,} characters more" if left > 0 else None
        shown = said or [without_controls(text[:_LONGEST])]
        yield name.capitalize(), tag("pre", *shown, more, class_="ra-whole", tabindex=0)


def _are_alike(row: Mapping[str, Any], *texts: str | None) -> bool:
    """Whether two values are held against one another, and of the same shape."""
    if row["condition_kind"] not in _ALIKE or row["state"] == "passed":
        return False
    one, other = (parse_json(text or "") for text in texts)
    return type(one) is type(other)


def mark_segments(segments: Iterable[Segment]) -> Iterator[object]:
    """Pieces of a text, with what was removed and added marked."""
    tags = {"removed": "del", "added": "ins"}
    for each in segments:
        text = without_controls(each.text)
        yield tag(tags[each.kind], text) if each.kind in tags else text


def _in_lines(text: str) -> str:
    """A long object or list with a line for each member; a string keeps its quotes."""
    return readable(text) if len(text) > _LINE and text.startswith(("{", "[")) else text
