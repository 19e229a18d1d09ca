"""A document as HTML: a piece for a notebook, or a whole page; light, dark and narrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from retab_analysis import markup
from retab_analysis.markup import Html, tag
from retab_analysis.render.document import (
    EDITS,
    Card,
    Cell,
    Change,
    ChangeList,
    ColumnTitle,
    Count,
    Document,
    DocumentTable,
    Line,
    Note,
    Part,
    Row,
    Span,
)

ROWS = 500
"""How many rows of a table are listed."""

STYLE = (Path(__file__).parent / "document.css").read_text(encoding="utf-8")
"""The style of a document, for light and dark pages, in any surroundings."""

_ROOT = "rtd mathjax_ignore tex2jax_ignore"
"""The class of a rendered root: a ``$`` in names and values begins no formula."""

_BARS = {
    "passed": ("good", 40),
    "failed": ("bad", 100),
    "blocked": ("blocked", 100),
    "error": ("error", 100),
    "mixed": ("flaky", 80),
}
_LOOKS = {"strong": "b", "removed": "del", "added": "ins", "code": "code"}


def to_html(*parts: Document | Part) -> Html:
    """A piece of HTML with its own style: a document, or some parts of one."""
    return tag("div", tag("style", Html(STYLE)), *map(to_piece, parts))


def to_piece(*parts: Document | Part) -> Html:
    """The same for a page that already has :data:`STYLE`."""
    pieces = (_write(each) if isinstance(each, Document) else write_part(each) for each in parts)
    return tag("div", *chain.from_iterable(pieces), class_=_ROOT)


def to_page(document: Document, title: str) -> Html:
    """A whole page in one file, which loads nothing; ``#eval_…`` opens it at an eval."""
    body = tag("main", *_write(document, has_ids=True), class_=_ROOT)
    return markup.page(title, tag("style", Html(STYLE)), body)


def _write(document: Document, *, has_ids: bool = False) -> Iterator[Html]:
    context = (tag("span", _write_span(span)) for span in document.context)
    edge = f"border-color:var(--rtd-t-{document.badge_tone})"
    badge = tag("span", document.badge, class_="rtd-badge", style=edge) if document.badge else None
    # Spaces keep words apart even without a style sheet, as on GitHub.
    yield tag("div", tag("span", markup.join(*context, by=" ")), " ", badge, class_="rtd-top")
    head = document.heading
    beginning = markup.join(f"{head.sign} ", tag("b", head.strong))
    rest = tag("span", head.rest, class_="rtd-quiet")
    yield tag("div", beginning, rest, role="heading", aria_level=2, class_="rtd-head")
    yield from (tag("p", write_html_line(note)) for note in document.notes)
    if document.counts:
        widths = (f"flex:{each.number} 1 0;{_colour(each.tone)}" for each in document.counts)
        bar = (tag("span", style=style) for style in widths)
        yield tag("div", *bar, class_="rtd-bar", aria_hidden="true")
        counts = markup.join(*map(_write_count, document.counts), by=" ")
        yield tag("div", counts, class_="rtd-counts")
    if document.next:
        yield tag("p", "Next: ", write_html_line(document.next))
    yield from chain.from_iterable(write_part(each, has_ids=has_ids) for each in document.parts)


def _colour(tone: str) -> str:
    return f"background:var(--rtd-t-{tone})"


def _write_count(count: Count) -> Html:
    dot = tag("span", class_="rtd-dot", style=_colour(count.tone))
    return tag("span", dot, tag("b", f"{count.number:,}"), f" {count.word}")


def write_part(part: Part, *, has_ids: bool = False) -> Iterator[Html]:
    """A part; with ids, a browser opens the fold of a row that an address names."""
    parts = getattr(part, "parts", ())
    inner = chain.from_iterable(write_part(each, has_ids=has_ids) for each in parts)
    if isinstance(part, Note):
        yield tag("p", write_html_line(part.line))
    elif isinstance(part, ChangeList):
        yield from _write_edits(part)
    elif isinstance(part, DocumentTable):
        yield tag("div", _write_table(part, has_ids=has_ids), class_="rtd-wide")
    elif isinstance(part, Card):
        yield write_card(part, inner)
    else:
        count = None if part.count is None else tag("b", f" {part.count:,}")
        summary = tag("summary", part.title, count)
        # Its key keeps it open in a page in which another one appears before it.
        yield tag("details", summary, *inner, data_key=part.key, class_="rtd-more")


def write_card(card: Card, inner: Iterable[Html]) -> Html:
    aside = tag("span", write_html_line(card.aside), class_="rtd-quiet") if card.aside else None
    words = markup.join(tag("span", write_html_line(card.title)), " ", aside)
    title = tag("div", words, role="heading", aria_level=3, class_="rtd-title")
    edge = f"border-left-color:var(--rtd-t-{card.tone})"
    return tag("section", title, *inner, class_="rtd-card", style=edge)


def _write_edits(edits: ChangeList) -> Iterator[Html]:
    shown, folded = edits.differences[:EDITS], edits.differences[EDITS:]
    yield _list_differences(shown)
    if folded:
        summary = tag("summary", f"{len(folded)} more")
        yield tag("details", summary, _list_differences(folded), class_="rtd-more")


def _list_differences(differences: tuple[Change, ...]) -> Html:
    pairs = (
        markup.join(tag("dt", tag("code", each.label)), tag("dd", write_html_line(each.line)))
        for each in differences
    )
    return tag("dl", *pairs, class_="rtd-edits")


def _write_table(table: DocumentTable, *, has_ids: bool = False) -> Html:
    has_strips = any(row.strip for row in table.rows)
    titles = [*(column.title for column in table.columns), *(["last runs"] * has_strips)]
    head = (tag("th", title, scope="col") for title in titles)
    first = tag("td")  # above the signs; each has its word
    rows = [
        _write_row(row, table.columns, has_strips, has_ids=has_ids) for row in table.rows[:ROWS]
    ]
    if len(table.rows) > ROWS:
        more = f"… and {len(table.rows) - ROWS:,} more"
        rows.append(tag("tr", tag("td"), tag("td", more, colspan=len(titles))))
    return tag("table", tag("thead", tag("tr", first, *head)), tag("tbody", *rows))


def _write_row(
    row: Row, columns: tuple[ColumnTitle, ...], has_strips: bool, *, has_ids: bool
) -> Html:
    cells = (write_cell(*each) for each in zip(row.cells, columns, strict=True))
    strip = [tag("td", _write_strip(row.strip) if row.strip else None)] if has_strips else []
    others = (tag("td", cell) for cell in cells)
    named = row.key if has_ids and row.key else None
    return tag("tr", tag("td", write_sign(row)), *others, *strip, id=named)


def write_sign(row: Row) -> Html:
    about = {"title": row.word, "role": "img", "aria_label": row.word}
    return tag("span", row.sign, class_="rtd-sign", style=_colour(row.tone), **about)


def write_cell(cell: Cell, column: ColumnTitle) -> Html:
    if not cell.lines:
        return Html("")
    named = tag("span", f"{column.title} ", class_="rtd-name") if column.named else None
    first, *others = map(write_html_line, cell.lines)
    folded = None
    if cell.folded:
        # Closed, it is one line with the changed words.
        head = cell.folded[0]
        marked = tuple(span for span in head.line if span.look in _LOOKS) or head.line
        summary = tag("summary", _write_difference(Change(head.label, marked)))
        changes = (tag("div", _write_difference(each)) for each in cell.folded)
        folded = tag("details", summary, *changes)
    smaller = (tag("small", each) for each in others)
    return markup.join(markup.join(named, first), *smaller, folded, by=" ")


def _write_difference(difference: Change) -> Html:
    return markup.join(tag("code", difference.label), " ", write_html_line(difference.line))


def _write_strip(states: tuple[str, ...]) -> Html:
    bars = []
    for state in states:
        tone, height = _BARS.get(state, ("other", 100))
        bars.append(tag("i", style=f"height:{height}%;{_colour(tone)}", title=state))
    return tag("span", *bars, class_="rtd-strip", role="img", aria_label=", ".join(states))


def write_html_line(line: Line) -> Html:
    """The pieces of a line, each with its look."""
    return markup.join(*map(_write_span, line))


def _write_span(span: Span) -> Html:
    text = markup.without_controls(span.text)
    if span.look in _LOOKS:
        return tag(_LOOKS[span.look], text, title=span.title)
    if span.look in ("value", "wrong", "right"):
        css = None if span.look == "value" else f"rtd-{span.look}"
        return tag("code", text, title=span.title, class_=css)
    css = "rtd-quiet" if span.look == "quiet" else None
    return tag("span", markup.name(text), title=span.title, class_=css)
