"""How a report shows what differs: words that were removed and added, and what was edited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from retab_analysis import markup
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of
from retab_analysis.comparison.config_changes import diff_text, readable
from retab_analysis.comparison.render import VALUES, Row, html_code, markdown_code
from retab_analysis.comparison.word_marks import Segment, mark_words
from retab_analysis.markup import Html, markdown, tag

EDIT_HEADER = ("Block", "Field", "What")
PATH_HEADER = ("Path", "Before", "Now")

STYLE = (
    ".rta del{text-decoration:line-through;background:#d55e0033}"
    ".rta ins{text-decoration:underline;background:#009e7333}"
    ".rta del+ins{margin-left:.3em}"
    ".rta-text-diff{white-space:pre-wrap;overflow-wrap:anywhere}"
)

_PATHS = 30
_EDITS = 200
_SHORT = 100
_AROUND = 70  # so much of a text stays on each side of what changed
_LONGEST_TEXT = 20_000
_TICKS = re.compile("`+")


def list_changes(comparison: Comparison, row: Row) -> list[tuple[str | None, ...]]:
    """Where the two sides differ inside of a value, or in a long text: path, before, now."""
    known = [row[name] or "" for name in VALUES.values()]
    is_inside = any(each.startswith(("{", "[")) for each in known)
    if not is_inside and max(map(len, known)) <= _SHORT:
        return []
    differing = comparison.diff(row["eval_id"])
    # The first row is the whole value. Where an item moved, both texts are equal.
    inside = differing.slice(1) if is_inside else differing
    moved = pl.col("path").str.contains("→\\d+\\]$")
    sides = inside.filter(pl.col("baseline").ne_missing(pl.col("candidate")) | moved)
    rows = sides.select("path", "baseline", "candidate")
    more = rows.height - _PATHS
    listed = rows.head(_PATHS).rows()
    return listed if more <= 0 else [*listed, (f"… and {more:,} more", None, None)]


def html_change(change: Iterable[str | None]) -> list[object]:
    """The cells of one difference: words are marked in texts."""
    path, before, now = change
    if before is None or now is None or not _are_texts(before, now):
        return [html_code(each) for each in (path, before, now)]
    segments = mark_words(before, now)
    return [html_code(path), *(tag("code", *html_marks(segments, side)) for side in _SIDES)]


def markdown_change(change: Iterable[str | None]) -> list[str]:
    """The cells of one difference, as Markdown in a table."""
    path, before, now = change
    if before is None or now is None or not _are_texts(before, now):
        return [markdown_code(each) for each in (path, before, now)]
    segments = mark_words(before, now)
    cells = (tag("code", *html_marks(segments, side)) for side in _SIDES)
    return [markdown_code(path), *map(markup.in_markdown_cell, cells)]


_SIDES = ("removed", "added")


def _are_texts(*values: str) -> bool:
    return all(each.startswith('"') and len(each) <= _LONGEST_TEXT for each in values)


def html_marks(segments: list[Segment], *kinds: str) -> Iterator[object]:
    """A text with what is of some kinds marked, and what both have cut where it is long."""
    last = len(segments) - 1
    for at, segment in enumerate(segments):
        text = markup.without_controls(segment.text)
        if segment.kind == "equal":
            yield _shortened(text, at > 0, at < last)
        elif segment.kind in kinds:
            yield tag("del" if segment.kind == "removed" else "ins", text)


def _shortened(text: str, is_after: bool, is_before: bool) -> str:
    """What both texts have, without its middle; nothing changed beyond an outer end."""
    head, tail = (_AROUND if each else 0 for each in (is_after, is_before))
    if len(text) <= 2 * _AROUND + 20 or not head + tail:
        return text
    return f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"


def html_edits(comparison: Comparison, values: bool) -> Iterator[Html]:
    """What was edited; with the texts of prompts and schemas where values are shown."""
    edits = sides_of(comparison).edits
    if edits is None:
        return
    changes = edits.changes
    yield tag("p", f"{edits.between}: {count_fields(changes)}.")
    header = (*EDIT_HEADER, "Before → now") if values else EDIT_HEADER
    rows = [_html_edit(row, values) for row in changes.head(_EDITS).iter_rows(named=True)]
    if rows:
        yield tag("div", markup.table(header, rows), class_="rta-wide")
    yield from (tag("p", said) for said in _more_edits(changes))


def _html_edit(row: Row, values: bool) -> list[object]:
    cells: list[object] = [_html_block(row), html_code(row["field"]), row["change"]]
    if not values:
        return cells
    segments = edit_segments(row)
    return [*cells, tag("div", *html_marks(segments, *_SIDES), class_="rta-text-diff")]


def edit_segments(row: Row) -> list[Segment]:
    """What was removed and added in an edited field, a row of CONFIG_CHANGES."""
    before, after = ((row[name] or "")[:_LONGEST_TEXT] or None for name in ("before", "after"))
    return mark_words(readable(before), readable(after))


def _html_block(row: Row) -> Html:
    label = markup.one_line(row["label"])
    return tag("span", markup.name(name_block(row)), title=label or None)


def name_block(row: Row) -> str:
    """What to call the block of a row of CONFIG_CHANGES."""
    return markup.one_line(row["block_id"] or row["label"] or row["block_type"])


def count_fields(changes: pl.DataFrame) -> str:
    """How many fields of how many blocks differ, in words."""
    if changes.is_empty():
        return "no block differs"
    fields, blocks = changes.height, changes["block_id"].n_unique()
    return (
        f"{fields} field{'s' if fields > 1 else ''} of {blocks} block{'s' if blocks > 1 else ''} "
        f"{'differ' if fields > 1 else 'differs'}"
    )


def _more_edits(changes: pl.DataFrame) -> Iterator[str]:
    if changes.height > _EDITS:
        yield f"… and {changes.height - _EDITS:,} more fields"


def markdown_edits(comparison: Comparison) -> Iterator[str]:
    """What was edited, without values."""
    edits = sides_of(comparison).edits
    if edits is None:
        return
    yield markdown(f"{edits.between}: {count_fields(edits.changes)}.")
    rows = [
        [markdown(name_block(row)), markdown_code(row["field"]), markdown(row["change"])]
        for row in edits.changes.head(_EDITS).iter_rows(named=True)
    ]
    if rows:
        yield markup.markdown_table(EDIT_HEADER, rows)
    yield from map(markdown, _more_edits(edits.changes))


def markdown_edit_texts(comparison: Comparison) -> Iterator[str]:
    """The texts that were edited, each a unified diff that the reader can open."""
    for row in comparison.config_changes.head(_EDITS).iter_rows(named=True):
        name = markup.markdown_code(f"{name_block(row)} {row['field']}")
        diff = diff_text(row["before"], row["after"])
        yield f"<details><summary>{name}</summary>\n\n{_fenced(diff)}\n\n</details>"


def _fenced(diff: Any) -> str:
    """A diff as a block of code whose fence is longer than any inside of it."""
    lines = "\n".join(markup.without_controls(line) for line in diff.split("\n"))
    longest = max((len(ticks) for ticks in _TICKS.findall(lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}diff\n{lines}\n{fence}"
