"""A document as Markdown for GitHub, short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from retab_analysis import markup
from retab_analysis.markup import markdown
from retab_analysis.render.document import (
    Card,
    Cell,
    ChangeList,
    Document,
    DocumentTable,
    Folded,
    Line,
    Note,
    Part,
    Span,
    TableColumn,
    write_line,
)
from retab_analysis.render.text import SIGNS

LONGEST = 60_000
"""The most characters of a page; GitHub accepts 65,536 in a comment."""

_ROWS = (500, 200, 100, 50, 20, 5)  # numbers of rows for a table, tried one after the other
_EDITS = 20
_FOLDED = 3  # differences inside a value


def to_markdown(document: Document) -> str:
    """The whole document, or as many rows of its tables as fit, with a note about the others."""
    for rows in _ROWS:
        page = "\n\n".join(_write(document, rows)) + "\n"
        if len(page) <= LONGEST:
            return page
    note = "… Left out: the rest, because a pull request has no room for more."
    room, kept = LONGEST - len(note) - 2, []
    for line in page.split("\n"):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "", note])


def _write(document: Document, rows: int) -> Iterator[str]:
    head, said = document.head, document.head.heading
    line = (Span(f"{said.sign} "), Span(said.strong, "strong"), Span(said.rest))
    yield f"### {_write_line(line)}"
    context = [_write_span(span) for span in head.context]
    badge = [f"**{markdown(head.badge)}**"] if head.badge else []
    ran = [_write_line(each) for each in (head.line, write_line(head.seen)) if each]
    yield " · ".join([*context, *badge, *ran])
    yield from (_write_line(note) for note in document.notes)
    if document.counts:
        yield " · ".join(f"**{each.number:,}** {markdown(each.word)}" for each in document.counts)
    if document.next:
        yield f"Next: {_write_line(document.next)}"
    for part in document.parts:
        yield from _write_part(part, rows)


def _write_part(part: Part, rows: int) -> Iterator[str]:
    if isinstance(part, Note):
        yield _write_line(part.line)
    elif isinstance(part, ChangeList):
        listed = [
            f"- {markup.markdown_code(each.label)}: {_write_line(each.line)}"
            for each in part.differences[:_EDITS]
        ]
        more = len(part.differences) - _EDITS
        yield "\n".join([*listed, *([f"- … {more} more"] if more > 0 else [])])
    elif isinstance(part, DocumentTable):
        yield _write_table(part, rows)
    elif isinstance(part, Card):
        yield f"#### {_write_line(part.title)}"
        if part.aside:
            yield _write_line(part.aside)
        for piece in part.parts:
            yield from _write_part(piece, rows)
    elif isinstance(part, Folded):
        count = "" if part.count is None else f" {part.count:,}"
        yield f"<details><summary>{markdown(part.title)}{count}</summary>"
        for piece in part.parts:
            yield from _write_part(piece, rows)
        yield "</details>"


def _write_table(table: DocumentTable, rows: int) -> str:
    shown = [at for at, each in enumerate(table.columns) if each.key != "trend"]
    header = ["", *(_write_title(table.columns[at]) for at in shown)]
    body = [
        [f"{row.sign} {markdown(row.word)}", *(_write_cell(row.cells[at]) for at in shown)]
        for row in table.rows[:rows]
    ]
    more = len(table.rows) - rows
    left_out = f"\n\n… and {more:,} more" if more > 0 else ""
    return markup.markdown_table(header, body) + left_out


def _write_title(column: TableColumn) -> str:
    told = (markdown(each) for each in column.told if each)
    return "<br>".join([markdown(column.title), *map(_write_line, column.lines), *told])


def _write_cell(cell: Cell) -> str:
    folded = [
        f"{markup.markdown_code(each.label)} {_write_line(each.line)}" for each in cell.folded
    ]
    lines = [*map(_write_line, cell.lines), *folded[:_FOLDED]]
    return " ".join(filter(None, (SIGNS.get(cell.letter), "<br>".join(lines))))


def _write_line(line: Line) -> str:
    return "".join(map(_write_span, line))


def _write_span(span: Span) -> str:
    if not span.text.strip():
        return span.text
    if span.look in ("code", "value", "right"):
        return markup.markdown_code(span.text)
    if span.look == "wrong":
        return f"**{markup.markdown_code(span.text)}**"
    # Spaces at the ends stay outside the marks.
    text = markdown(span.text)
    before = " " * span.text[:1].isspace()
    after = " " * span.text[-1:].isspace()
    marks = {"strong": "**{}**", "removed": "<del>{}</del>", "added": "<ins>{}</ins>"}
    return f"{before}{marks.get(span.look, '{}').format(text)}{after}"
