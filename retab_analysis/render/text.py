"""A document as lines of text, for a terminal and for ``print``."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from retab_analysis.markup import without_controls
from retab_analysis.render.document import (
    EDITS,
    Card,
    Cell,
    Change,
    ChangeList,
    Document,
    DocumentTable,
    Folded,
    Line,
    Note,
    Part,
    Row,
    TableColumn,
    plain,
)

NARROWEST, WIDEST = 80, 100
ROWS = 12
"""How many rows of a table are listed."""

SIGNS = {"p": "✓", "f": "✗", "s": "~", "e": "!"}
"""The sign of a state, where letters are no squares."""
_LABEL = 32  # the widest label of a difference
_NARROW = 14  # the narrowest column
_MARKS = {"removed": "[-{}-]", "added": "{{+{}+}}"}


def to_text(document: Document, width: int = WIDEST) -> str:
    """Some lines, none of them wider than ``width`` (80 to 100 columns)."""
    width = min(max(width, NARROWEST), WIDEST)
    heading, context = str(document.head.heading), document.head.brief
    room = width - measure(heading) - measure(context)
    lines = [f"{heading}{' ' * room}{context}"] if room >= 2 else [heading, f"  {context}"]
    lines += _wrap(plain(document.head.line), width, "  ")
    lines += _wrap(" · ".join(map(str, document.counts)), width, "  ")
    for note in document.notes:
        lines += _wrap(plain(note), width, "  ")
    is_open = False
    for part in document.parts:
        shown = list(_write_part(part, width))
        # A card stands apart; a single line follows the one before.
        if shown and (isinstance(part, Card) or is_open):
            lines.append("")
        is_open = isinstance(part, Card) if shown else is_open
        lines += shown
    if following := [*_wrap(plain(document.next), width, "  Next: ")]:
        lines += ["", *following]
    return without_controls("\n".join(each.rstrip() for each in lines))


def _write_part(part: Part, width: int) -> Iterator[str]:
    if isinstance(part, Note):
        yield from _wrap(plain(part.line), width, "  ")
    elif isinstance(part, ChangeList):
        yield from _write_edits(part.differences, width)
    elif isinstance(part, DocumentTable):
        yield from _write_table(part, width)
    elif isinstance(part, Card):
        aside = f" ({plain(part.aside)})" if part.aside else ""
        yield from _wrap(f"{plain(part.title)}{aside}", width, "  ")
        for each in part.parts:
            yield from _write_part(each, width)
    elif isinstance(part, Folded) and part.brief:
        yield from _wrap(plain(part.brief), width, "  ", lines=2)


def _write_edits(differences: Sequence[Change], width: int) -> Iterator[str]:
    shown = differences[:EDITS]
    label = min(max((measure(each.label) for each in shown), default=0), _LABEL)
    for each in shown:
        beginning = f"    {pad(each.label, label)}  "
        text = mark_line(each.line)
        yield from _wrap(text, width, beginning, lines=3)
    if len(differences) > EDITS:
        yield f"    … {len(differences) - EDITS} more"


def mark_line(line: Line) -> str:
    """A line with its removed and added words in marks, spaces at their ends outside."""
    said = []
    for span in line:
        words = span.text.strip()
        if words and span.look in _MARKS:
            before, _, after = span.text.partition(words)
            said.append(f"{before}{_MARKS[span.look].format(words)}{after}")
        else:
            said.append(span.text)
    return "".join(said)


def _write_table(table: DocumentTable, width: int) -> Iterator[str]:
    tries = [each for each in table.columns if each.told]
    named = max((measure(each.title) for each in tries), default=0)
    for each in tries:  # what stands below their titles
        yield f"  {pad(each.title, named)}  {'  '.join(filter(None, each.told))}"
        for line in each.lines:
            yield from _wrap(mark_line(line), width, "      ", lines=2)
    yield from [""] * bool(tries)
    rows = table.rows[:ROWS] if any(each.kind for each in table.rows) or tries else table.rows
    wide = max((measure(each.key) for each in tries), default=0)
    cells = [_write_tried(row, wide) if tries else _write_cells(row, table) for row in rows]
    briefs = [None if row.brief is None else plain(row.brief) for row in rows]
    whole = [its for its, brief in zip(cells, briefs, strict=True) if brief is None]
    names = max((measure(its[0]) for its in cells), default=0)
    widths = [
        names if at == 0 else max((measure(its[at]) for its in whole), default=0)
        for at in range(len(cells[0]) if cells else 0)
    ]
    room = width - 4 - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _NARROW:
        widths[widths.index(max(widths))] -= 1
    if tries and cells:
        keys = " ".join(pad(each.key, wide) for each in tries)
        yield f"    {pad('Try', widths[0])}  {keys}".rstrip()
    for row, its, brief in zip(rows, cells, briefs, strict=True):
        if brief is not None and not row.kind:
            yield from _wrap(brief, width, f"  {row.sign or ' '} {pad(its[0], widths[0])}  ")
            continue
        fitted = widths
        if brief is not None:
            its, fitted = [its[0], brief], [widths[0], width - 6 - widths[0]]
        yield f"  {row.sign or ' '} {'  '.join(map(pad, its, fitted))}"
    if len(table.rows) > len(rows):
        yield f"    … {len(table.rows) - len(rows)} more"


def _write_cells(row: Row, table: DocumentTable) -> list[str]:
    both = zip(row.cells, table.columns, strict=True)
    return [_write_cell(cell, column) for cell, column in both if column.in_text]


def _write_tried(row: Row, wide: int) -> list[str]:
    """The eval, a sign for each try, and its values where they differ."""
    lines = [mark_line(each.lines[0]) if each.lines else "" for each in row.cells]
    signs = " ".join(pad(SIGNS.get(each.letter, "·"), wide) for each in row.cells[1:])
    values = [each for each in lines[1:] if each]
    shown = [now for now, was in zip(values, ["", *values], strict=False) if now != was]
    return [lines[0], signs, " | ".join(shown)]


def _write_cell(cell: Cell, column: TableColumn) -> str:
    said = mark_line(cell.lines[0]) if cell.lines else ""
    return f"{column.title} {said}" if column.named and said else said


def measure(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_measure_one, text))


def _measure_one(each: str) -> int:
    if unicodedata.combining(each) or each in "\u00ad\u200c\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(each) in "WF" else 1


def clip(text: str, width: int) -> str:
    """A text without its end if it takes more than so many columns."""
    if measure(text) <= width:
        return text
    while text and measure(text) > width - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def pad(text: str, width: int) -> str:
    """A text of exactly so many columns, cut or filled with spaces."""
    text = clip(text, width)
    return text + " " * (width - measure(text))


def _wrap(text: str, width: int, beginning: str, lines: int | None = None) -> list[str]:
    """A text in lines of so many columns, aligned at their beginning."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=beginning,
        subsequent_indent=" " * measure(beginning),
        max_lines=lines,
        placeholder=" …",
        break_on_hyphens=False,
    )
