"""A document as HTML: a piece for a notebook, or a whole page, for light and dark and narrow."""

from __future__ import annotations

from collections.abc import Iterator

from retab_analysis import markup
from retab_analysis.markup import Html, tag
from retab_analysis.render.document import (
    Card,
    Cell,
    Change,
    ChangeList,
    ColumnTitle,
    Document,
    DocumentTable,
    Line,
    Note,
    Part,
    Row,
    Span,
)

ROWS = 500
"""So many rows of a table are listed."""

_EDITS = 6

# Okabe and Ito's colours, and two between them; signs are black on them. The last is for a dark
# page.
_TONES = {
    "bad": ("#d55e00", "#d55e00"),
    "blocked": ("#e69f00", "#e69f00"),
    "error": ("#cc79a7", "#cc79a7"),
    "doubt": ("#f4b183", "#f4b183"),
    "flaky": ("#f0e442", "#f0e442"),
    "known": ("#b09a90", "#a08a80"),
    "other": ("#c5ccd6", "#7d8794"),
    "good": ("#009e73", "#00a67a"),
}
_BARS = {
    "passed": ("good", 40),
    "failed": ("bad", 100),
    "blocked": ("blocked", 100),
    "error": ("error", 100),
    "mixed": ("flaky", 80),
}
_LOOKS = {
    "strong": "b",
    "removed": "del",
    "added": "ins",
    "code": "code",
}
_LIGHT = {
    **{f"t-{name}": light for name, (light, _) in _TONES.items()},
    "quiet": "#57606a",
    "edge": "#d8dee4",
    "ground": "#f3f4f4",
    "gone": "#fbe0d2",
    "new": "#d5efe4",
    "wrong": "#9a3412",
    "right": "#00573f",
}
_DARK = {
    **{f"t-{name}": dark for name, (_, dark) in _TONES.items()},
    "quiet": "#a3adb8",
    "edge": "#363d45",
    "ground": "#23282e",
    "gone": "#5c2c10",
    "new": "#11402f",
    "wrong": "#ff9e6b",
    "right": "#5fd7ae",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--rtd-{name}:{colour};" for name, colour in colours.items())


STYLE = (
    f".rtd{{{_variables(_LIGHT)}max-width:76em;container-type:inline-size}}"
    f"@media (prefers-color-scheme:dark){{.rtd{{{_variables(_DARK)}}}}}"
    f'[data-jp-theme-light="true"] .rtd,.vscode-light .rtd{{{_variables(_LIGHT)}}}'
    f'[data-jp-theme-light="false"] .rtd,.vscode-dark .rtd,html[theme="dark"] .rtd'
    f"{{{_variables(_DARK)}}}"
    ".rtd *{box-sizing:border-box}"
    ".rtd code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.92em;padding:0;"
    "background:none;color:inherit;display:inline;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".rtd td code{display:inline;min-width:0;max-height:none;overflow:visible}"
    ".rtd .rtd-quiet{color:var(--rtd-quiet)}"
    ".rtd .rtd-wrong{color:var(--rtd-wrong);font-weight:600}"
    ".rtd .rtd-right{color:var(--rtd-right);font-weight:600}"
    ".rtd del{background:var(--rtd-gone);text-decoration:line-through;color:inherit}"
    ".rtd ins{background:var(--rtd-new);text-decoration:none;color:inherit}"
    ".rtd-top{display:flex;gap:1em;justify-content:space-between;align-items:start;"
    "color:var(--rtd-quiet)}"
    ".rtd-top>span>span{margin-right:1em;display:inline-block}"
    ".rtd-badge{border:1px solid;border-radius:1em;padding:0 .7em;font-weight:600;flex:none}"
    ".rtd h2.rtd-head{font-size:1.75em;font-weight:400;line-height:1.25;margin:.1em 0 .4em;"
    "border:0;padding:0}"
    ".rtd h2.rtd-head b{font-weight:600}"
    ".rtd-bar{display:flex;gap:1px;height:8px;border-radius:4px;overflow:hidden;margin:.3em 0}"
    ".rtd-counts{display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin:.3em 0 .9em}"
    ".rtd-dot{display:inline-block;width:.75em;height:.75em;border-radius:.2em;margin-right:.4em}"
    ".rtd-card{border:1px solid var(--rtd-edge);border-left-width:3px;border-radius:5px;"
    "margin:.9em 0;padding:.6em 0}"
    ".rtd-card>*{margin-left:1em;margin-right:1em}"
    ".rtd-card>.rtd-wide{margin:0}"
    ".rtd h3.rtd-title{font-size:1.12em;font-weight:400;display:flex;flex-wrap:wrap;gap:.2em 1em;"
    "justify-content:space-between;margin-top:0;margin-bottom:.5em}"
    ".rtd h3.rtd-title>.rtd-quiet{font-size:.9em}"
    ".rtd-edits{display:grid;grid-template-columns:minmax(7em,13em) 1fr;gap:.3em 0;"
    "margin-bottom:.6em}"
    ".rtd-edits>*{background:var(--rtd-ground);padding:.3em .7em;margin:0;"
    "overflow-wrap:anywhere}"
    ".rtd-edits>dd{white-space:pre-wrap}"
    ".rtd table{width:100%;border-collapse:collapse;margin:0;table-layout:auto;border:0}"
    ".rtd table :is(tr,th,td){background:none!important;border:0;text-align:left!important;"
    "vertical-align:top}"
    ".rtd table th{font-weight:400;color:var(--rtd-quiet);padding:.1em .8em;font-size:.92em}"
    ".rtd table td{padding:.35em .8em;border-top:1px solid var(--rtd-edge)!important;"
    "max-width:24em;overflow-wrap:anywhere}"
    ".rtd table td:first-child,.rtd table th:first-child{padding-right:0;width:2.6em}"
    ".rtd table td:nth-child(2){min-width:13em}.rtd table td:nth-child(3){min-width:12em}"
    ".rtd table td:nth-child(4){min-width:6em}"
    ".rtd td small{color:var(--rtd-quiet);font-size:.88em;display:block}"
    ".rtd-sign{display:inline-block;min-width:1.4em;text-align:center;border-radius:3px;"
    "color:#000;font-weight:600;line-height:1.4}"
    ".rtd-name{display:none;color:var(--rtd-quiet)}"
    ".rtd-strip{display:inline-flex;align-items:flex-end;gap:1px;height:12px}"
    ".rtd-strip i{width:5px;border-radius:1px}"
    ".rtd summary{cursor:pointer}"
    ".rtd td details{font-size:.92em}"
    ".rtd td summary{max-width:17em;overflow:hidden;text-overflow:ellipsis}"
    ".rtd td summary,.rtd td summary *{white-space:nowrap}"
    ".rtd-more{margin:.35em 0}.rtd-more>summary{color:var(--rtd-quiet)}"
    ".rtd-more>summary b{color:inherit}"
    ".rtd p{margin:.35em 0;max-width:72em}"
    ".rtd-card>p{margin-left:1em}"
    "@container (max-width:760px){"
    ".rtd-edits{grid-template-columns:1fr}.rtd-edits>dt{padding-bottom:0}"
    ".rtd-edits>dd{padding-top:0}"
    ".rtd table,.rtd tbody{display:block}.rtd thead{display:none}"
    ".rtd table tr{display:block;position:relative;padding:.35em .8em .35em 3em;"
    "border-top:1px solid var(--rtd-edge)}"
    ".rtd table td{display:block;border:0!important;padding:0;max-width:none;min-width:0!important}"
    ".rtd table td:first-child{position:absolute;left:.8em}"
    ".rtd-name{display:inline}.rtd td:empty{display:none}}"
    "@media print{.rtd details::details-content{content-visibility:visible;height:auto}"
    ".rtd tr{break-inside:avoid}}"
)


def to_html(document: Document) -> Html:
    """A piece of HTML with its own style."""
    return markup.fragment(tag("style", Html(STYLE)), tag("div", *_write(document), class_="rtd"))


def to_page(document: Document, title: str) -> Html:
    """A whole page in one file, which loads nothing from anywhere."""
    body = tag("main", *_write(document), class_="rtd")
    return markup.page(title, tag("style", Html(STYLE)), body)


def _write(document: Document) -> Iterator[Html]:
    context = (tag("span", _write_span(span)) for span in document.context)
    badge = tag("span", document.badge, class_="rtd-badge") if document.badge else None
    yield tag("div", tag("span", *context), badge, class_="rtd-top")
    head = document.heading
    beginning = markup.join(f"{head.sign} ", tag("b", head.strong))
    yield tag("h2", beginning, tag("span", head.rest, class_="rtd-quiet"), class_="rtd-head")
    yield from (tag("p", write_html_line(note)) for note in document.notes)
    if document.counts:
        widths = (f"flex:{each.number} 1 0;{_colour(each.tone)}" for each in document.counts)
        bar = (tag("span", style=style) for style in widths)
        yield tag("div", *bar, class_="rtd-bar", aria_hidden="true")
        yield tag("div", *map(_write_count, document.counts), class_="rtd-counts")
    for part in document.parts:
        yield from _write_part(part)


def _colour(tone: str) -> str:
    return f"background:var(--rtd-t-{tone})"


def _write_count(count: object) -> Html:
    dot = tag("span", class_="rtd-dot", style=_colour(count.tone))  # type: ignore[attr-defined]
    number = tag("b", f"{count.number:,}")  # type: ignore[attr-defined]
    return tag("span", dot, number, f" {count.word}")  # type: ignore[attr-defined]


def _write_part(part: Part) -> Iterator[Html]:
    if isinstance(part, Note):
        yield tag("p", write_html_line(part.line))
    elif isinstance(part, ChangeList):
        yield from _write_edits(part)
    elif isinstance(part, DocumentTable):
        yield tag("div", _write_table(part), class_="rtd-wide")
    elif isinstance(part, Card):
        aside = tag("span", write_html_line(part.aside), class_="rtd-quiet") if part.aside else None
        title = tag("h3", tag("span", write_html_line(part.title)), aside, class_="rtd-title")
        inner = (each for piece in part.parts for each in _write_part(piece))
        edge = f"border-left-color:var(--rtd-t-{part.tone})"
        yield tag("section", title, *inner, class_="rtd-card", style=edge)
    else:
        count = None if part.count is None else tag("b", f" {part.count:,}")
        inner = (each for piece in part.parts for each in _write_part(piece))
        yield tag("details", tag("summary", part.title, count), *inner, class_="rtd-more")


def _write_edits(edits: ChangeList) -> Iterator[Html]:
    shown, folded = edits.differences[:_EDITS], edits.differences[_EDITS:]
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


def _write_table(table: DocumentTable) -> Html:
    has_strips = any(row.strip for row in table.rows)
    titles = [*(column.title for column in table.columns), *(["last runs"] * has_strips)]
    head = (tag("th", title, scope="col") for title in titles)
    first = tag("th", scope="col", aria_label="what became of it")
    rows = [_write_row(row, table.columns, has_strips) for row in table.rows[:ROWS]]
    if len(table.rows) > ROWS:
        more = f"… and {len(table.rows) - ROWS:,} more"
        rows.append(tag("tr", tag("td"), tag("td", more, colspan=len(titles))))
    return tag("table", tag("thead", tag("tr", first, *head)), tag("tbody", *rows))


def _write_row(row: Row, columns: tuple[ColumnTitle, ...], has_strips: bool) -> Html:
    sign = tag(
        "span",
        row.sign,
        class_="rtd-sign",
        style=_colour(row.tone),
        title=row.word,
        role="img",
        aria_label=row.word,
    )
    cells = (_write_cell(*each) for each in zip(row.cells, columns, strict=True))
    strip = [tag("td", _write_strip(row.strip) if row.strip else None)] if has_strips else []
    return tag("tr", tag("td", sign), *(tag("td", cell) for cell in cells), *strip)


def _write_cell(cell: Cell, column: ColumnTitle) -> Html:
    if not cell.lines:
        return Html("")
    named = tag("span", f"{column.title} ", class_="rtd-name") if column.named else None
    first, *others = map(write_html_line, cell.lines)
    folded = None
    if cell.folded:
        # Closed, it is one line with the words that changed.
        head = cell.folded[0]
        marked = tuple(span for span in head.line if span.look in _LOOKS) or head.line
        summary = tag("summary", _write_difference(Change(head.label, marked)))
        changes = (tag("div", _write_difference(each)) for each in cell.folded)
        folded = tag("details", summary, *changes)
    return markup.join(named, first, *(tag("small", each) for each in others), folded)


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
