"""A page as HTML: for a notebook, a file, or in pieces for a live page; light, dark and narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from retab_analysis import markup
from retab_analysis.markup import Html, count_noun, tag
from retab_analysis.render.document import (
    EDITS,
    Card,
    Cell,
    Change,
    ChangeList,
    Count,
    Document,
    DocumentTable,
    Folded,
    Heading,
    Line,
    Note,
    Part,
    Row,
    Span,
    Tone,
    plain,
)
from retab_analysis.render.matrix import (
    write_cells,
    write_matrix_heads,
    write_now_cell,
    write_places,
    write_titles,
)
from retab_analysis.render.page import LETTERS, Inside, PageRow, ShownPage, TriesTable
from retab_analysis.render.text import measure

INSIDES = 100
"""Up to so many rows a page holds the inside of each; beyond, of those that do not pass."""
PASSING = 500
"""So many passing rows a page holds at most."""
STAND_IN, RUN_AGAIN = 100, "Run the cell again to see it."
"""The same of a page in a notebook's file, and what it says of an inside that it does not hold."""

_HERE = Path(__file__).parent
STYLE = (_HERE / "document.css").read_text(encoding="utf-8")
"""The style of a page, for light and dark, in any surroundings."""
SCRIPT = (_HERE / "page.js").read_text(encoding="utf-8")
"""What a page does without a kernel."""

ROOT = "rv rtd mathjax_ignore tex2jax_ignore"
"""The class of a rendered root: a ``$`` in names and values begins no formula."""

_NAMED = ("was", "got", "before", "now")
_LOOKS = {"strong": "b", "removed": "del", "added": "ins", "code": "code"}


def to_html(*parts: ShownPage | Part) -> Html:
    """A piece of HTML with its own style: a page, or some parts of one."""
    return tag("div", tag("style", Html(STYLE)), *map(_write_piece, parts), start_script())


def _write_piece(part: ShownPage | Part) -> Html:
    if isinstance(part, ShownPage):
        written = PageWriter(part, passing=STAND_IN, lack=RUN_AGAIN).write()
    else:
        written = markup.join(*PageWriter(_BARE).write_part(part))
    return tag("div", written, class_=ROOT)


def to_page(page: ShownPage) -> Html:
    """A whole page in one file, which loads nothing; ``#eval_…`` opens it at an eval."""
    seen = replace(page, seen=f"saved {datetime.now(UTC):%-d %b %Y, %H:%M} UTC")
    writer = PageWriter(seen, level=1, has_ids=True, lack="Not in this page.")
    body = tag("main", writer.write(), class_=ROOT)
    style = tag("style", Html(STYLE))
    return markup.page(str(page.document.heading), style, body, start_script())


def start_script() -> Html:
    """Drives the pages of a document that nothing drives yet."""
    # In a function, because a notebook runs the script of each of its outputs in one place.
    return tag("script", Html(f"(() => {{\n{SCRIPT}\nstart(document);\n}})();"))


class PageWriter:
    """Writes a page. A live one overrides :meth:`put`, and what needs a kernel."""

    is_live = False

    def __init__(
        self,
        page: ShownPage,
        *,
        level: int = 2,
        has_ids: bool = False,
        passing: int = PASSING,
        lack: str = "",
    ) -> None:
        self.page, self.level, self.has_ids = page, level, has_ids
        self.passing, self.lack = passing, lack
        self._cards = 0

    def put(self, name: str, element: str, *content: object, **attributes: object) -> Html:
        """An element of the page with a name; a live page sends what is in it apart."""
        return tag(element, *content, **attributes)

    def write(self) -> Html:
        return tag("div", *self.view(), class_="rv-view", data_name=self.page.name or None)

    def view(self) -> Iterator[Html]:
        yield from self.head()
        yield self.put("actions", "div", self.actions(), class_="rv-actions")
        seen = self.put("seen", "span", self.page.seen or None, class_="rv-seen")
        yield self.put("chips", "div", self._counts(), " ", seen, class_="rv-chips")
        yield tag("div", class_="rv-found")
        yield self.put("body", "div", *self._body(), class_="rv-body")
        yield self.put("runs", "span", write_titles(self.page.columns), hidden=True)

    # The head

    def head(self) -> Iterator[Html]:
        page, document = self.page, self.page.document
        about = (tag("span", _name(each.text), title=each.title) for each in page.context)
        context = tag("span", markup.join(*about, by=" · "), class_="rv-context")
        # Spaces keep words apart even without a style sheet, as on GitHub.
        yield self.put("top", "div", context, " ", self._badge(), class_="rtd-top")
        role = {"role": "heading", "aria_level": self.level, "class_": "rv-head"}
        yield self.put("line", "div", write_heading(document.heading), **role)
        yield self.put("now", "div", write_now(page.line, page.status))
        yield self.put("bar", "div", _write_bar(document.counts))
        yield self.put("far", "div", _write_far(page.far))

    def write_item(self, heading: Html, line: Line) -> Html:
        """The head as one of several: a line of fixed height, open or not."""
        page, document = self.page, self.page.document
        context = markup.join(*(tag("span", _name(each.text)) for each in page.context), by=" · ")
        role = {"role": "heading", "aria_level": self.level, "class_": "rv-head"}
        about = (
            self.put("top", "div", context, class_="rv-context rtd-quiet"),
            self.put("line", "div", heading, **role),
        )
        known = (
            self.put("bar", "div", _write_bar(document.counts)),
            self.put("far", "div", _write_far(page.far)),
            self.put("now", "div", write_now(line, page.status)),
        )
        pill = self.put("pill", "div", self._badge(), class_="rv-pill")
        return tag("div", tag("div", *about), tag("div", *known), pill, class_="rv-item")

    def _badge(self) -> Html | None:
        return write_badge(self.page.document.badge, self.page.document.badge_tone)

    def actions(self) -> Html | None:
        """What stands above the counts: without a kernel what the script shows there."""
        how = {"type": "button", "class_": "rv-button rv-push", "hidden": True}
        copies = (tag("button", said, **how, data_copy=it) for said, it in self.page.copies)
        return markup.join(*copies)

    def _counts(self) -> Html | None:
        counts, progress = self.page.document.counts, self.page.progress
        known, again = (map(self._chip, each) for each in (counts, progress))
        between = [tag("span", class_="rv-between")] if progress else []
        chips = markup.join(*known, *between, *again, by=" ")
        role = {"role": "toolbar", "aria_label": "Show only"} if self.is_live else {}
        return tag("div", chips, class_="rv-counts", **role) if counts else None

    def _chip(self, count: Count) -> Html:
        dot = tag("i", class_="rtd-dot", style=f"background:var(--rtd-t-{count.tone})")
        if count in self.page.progress:
            dot = tag("i", class_=f"rv-{count.key}")
        said = dot, tag("b", f"{count.number:,}"), f" {count.word}"
        return self.put(f"count:{count.key}", "span", self.chip(count, *said))

    def chip(self, count: Count, *said: object) -> Html:
        """A count, which the script makes a button."""
        return tag("span", *said, class_="rv-chip", data_kind=count.key)

    # The body

    def _body(self) -> Iterator[Html]:
        document = self.page.document
        yield from (tag("p", write_html_line(each), class_="rv-aside") for each in document.notes)
        if document.next:
            yield tag("p", "Next: ", write_html_line(document.next), class_="rv-aside")
        folds = [part for part in document.parts if isinstance(part, Folded)]
        with_rows = [each for each in (*folds, *list_rest(self.page)) if list_keys(each)]
        others = [each for each in document.parts if not isinstance(each, Folded)]
        is_open = not any(isinstance(each, Card) for each in others)
        for part in others:
            yield from self.write_part(part)
        for at, fold in enumerate(with_rows):
            yield self._fold(fold, is_open=is_open and at == 0)
        yield from (self._fold(each) for each in folds if not list_keys(each))

    def write_part(self, part: Part) -> Iterator[Html]:
        if isinstance(part, Note):
            yield tag("p", write_html_line(part.line), class_="rv-aside")
        elif isinstance(part, ChangeList):
            yield from _write_edits(part)
        elif isinstance(part, DocumentTable):
            yield self._table(part, "")
        elif isinstance(part, Card):
            yield self._card(part)
        else:
            yield self._fold(part)

    def _card(self, card: Card) -> Html:
        aside = card.now or card.aside
        self._cards += 1
        words = (
            tag("span", write_html_line(card.title)),
            " ",
            tag("span", write_html_line(aside), class_="rtd-quiet") if aside else None,
        )
        role = {"role": "heading", "aria_level": self.level + 1}
        head = self.put(f"card:{self._cards}", "div", *words, class_="rtd-title", **role)
        inner = [
            self._table(each, plain(card.title))
            if isinstance(each, DocumentTable)
            else markup.join(*self.write_part(each))
            for each in card.parts
        ]
        edge = f"border-left-color:var(--rtd-t-{card.tone})"
        return tag("section", head, *inner, class_="rtd-card", style=edge)

    def _fold(self, part: Folded, *, is_open: bool = False) -> Html:
        count = None if part.count is None else tag("b", f"{part.count:,}")
        now = tag("span", " · ", write_html_line(part.now)) if part.now else None
        words = part.title, " " if count else None, count, now
        summary = self.put(f"fold:{part.key}", "summary", *words)
        inner = [
            tag("div", self._table(each, part.title, is_fold=True), class_="rtd-card")
            if isinstance(each, DocumentTable)
            else markup.join(*self.write_part(each))
            for each in part.parts
        ]
        # Its key keeps it open in a page in which another one appears before it.
        how = {"data_key": part.key, "open": is_open, "class_": "rtd-more"}
        return tag("details", summary, *inner, **how)

    # Rows

    def _table(self, part: DocumentTable, label: str, *, is_fold: bool = False) -> Html:
        known = [self.page.rows[each.key] for each in part.rows if each.key in self.page.rows]
        if len(known) < len(part.rows):
            return _write_plain_table(part)
        passing = [each for each in known if each.kind == self.page.passing]
        left = {each.row.key for each in passing[self.passing :]}
        shown = [each for each in known if each.row.key not in left]
        tries = {row.key: row for row in part.rows} if isinstance(part, TriesTable) else {}
        rows = (self._row(each, tries.get(each.row.key), is_fold=is_fold) for each in shown)
        head, about = write_try_heads(part) if isinstance(part, TriesTable) else self._heads(shown)
        role = {"role": "group", "aria_label": markup.one_line(label, 100)} if label else {}
        table = tag("div", head, *rows, **about, **role)
        said = f"and {count_noun(len(left), 'passing eval')}, not in this page"
        return markup.join(table, tag("p", said, class_="rv-none") if left else None)

    def _heads(self, rows: Sequence[PageRow]) -> tuple[Html, dict[str, str | None]]:
        """The titles above some rows, and the attributes of their table."""
        page, groups = self.page, {each.group for each in rows}
        matrix = write_matrix_heads(page.columns, groups.pop() if len(groups) == 1 else "")
        heads = (tag("span", title, class_=f"rv-{key}") for key, title in page.titles)
        has_block = any(key == "block" for key, _ in page.titles)
        bare = "" if page.columns else f" rv-bare{' rv-with-block' * has_block}"
        head = tag("div", tag("span"), *heads, matrix, class_="rv-heads", aria_hidden="true")
        return head, {"class_": f"rv-table{bare}", "style": write_places(page.columns)}

    def _row(self, each: PageRow, tried: Row | None, *, is_fold: bool) -> Html:
        key, about = each.row.key, {"data_kind": each.kind, "data_block": each.group_name or None}
        now, mark = None, None
        if self.page.columns and self.page.columns[-1].is_now:
            # Apart, because they change while all else stays.
            said = tag("small", write_html_line(each.mark), class_="rv-mark") if each.mark else None
            mark = self.put(f"mark:{key}", "span", said, class_="rv-marks")
            now = self.put(f"at:{key}", "b", write_now_cell(each)) if tried is None else None
        cells = (
            self._write_row(each, is_fold, now, mark)
            if tried is None
            else markup.join(*write_try_cells(tried, mark), by=" ")
        )
        line = self.put(f"row:{key}", "summary", cells)
        inner = self.put(f"in:{key}", "div", self.open_row(each), class_="rv-open")
        how = {"id": key if self.has_ids else None, "data_key": key, "class_": "rv-row"}
        how |= about | self.opens(each)
        return tag("details", line, inner, **how, data_text=each.text or None)

    def _write_row(self, each: PageRow, is_fold: bool, now: Html | None, mark: Html | None) -> Html:
        cells = {cell.key: cell for cell in each.row.cells}
        if is_fold and each.why:
            (first, *_) = cells["name"].lines
            cells["name"] = Cell("name", (first, (Span(each.why, "quiet"),)))
        named = tuple(cells.get(name, Cell(name)) for name, _ in self.page.titles)
        return self.write_row(each, named, now, mark)

    def write_row(
        self, each: PageRow, cells: tuple[Cell, ...], now: Html | None, mark: Html | None
    ) -> Html:
        shown = [tag("span", write_sign(each.row), class_="c")]
        for cell, (_, title) in zip(cells, self.page.titles, strict=True):
            below = mark if cell.key == "got" else None
            shown.append(tag("span", write_cell(cell, title), below, class_=f"c rv-{cell.key}"))
        return markup.join(*shown, write_cells(each, self.page.columns, now), by=" ")

    def holds(self, each: PageRow) -> bool:
        """Whether the page holds what the row shows when it is open."""
        return len(self.page.rows) <= INSIDES or each.kind != self.page.passing

    def opens(self, each: PageRow) -> dict[str, str]:
        """The attributes of a row that asks for what it shows."""
        return {}

    def open_row(self, each: PageRow) -> Html | None:
        inside = self.page.inside(each.row.key) if self.holds(each) else None
        if inside is None:
            return tag("p", self.lack, class_="rtd-quiet") if self.lack else None
        return tag("div", *self._write_inside(each.row.key, inside), class_="rv-opened")

    def _write_inside(self, key: str, inside: Inside) -> Iterator[Html]:
        """The reason and the differences; the runs; the documents and a link."""
        why = tag("p", inside.reason, class_="rv-why") if inside.reason else None
        told = [why]
        if inside.differences:
            told.append(tag("p", tag("b", inside.title)))
            told += _write_edits(ChangeList(inside.differences))
        told += [
            tag("p", tag("b", name), " ", tag("code", markup.without_controls(it)))
            for name, it in inside.values
        ]
        yield tag("div", *told)
        runs = (
            markup.join(
                *(tag("span", _name(it)) for it in (each.when, each.version, each.outcome)),
                tag("span", tag("code", markup.without_controls(each.value))),
            )
            for each in inside.runs
        )
        more = f"and {inside.earlier} earlier"
        yield tag(
            "div",
            tag("div", *runs, class_="rv-runs"),
            tag("p", more, class_="rtd-quiet") if inside.earlier else None,
            tag("p", markup.join(*self.documents(key, inside.documents), by=" · ")),
            self.document(key),
        )

    def documents(self, key: str, documents: Sequence[tuple[str, str]]) -> Iterator[Html]:
        """The documents by name, and a link to the row where the page has an address."""
        yield from (tag("span", _name(name)) for _, name in documents)
        if self.has_ids:
            yield tag("a", "Copy link", class_="rv-link", href=f"#{key}")

    def document(self, key: str) -> Html | None:
        """A document that was asked for."""
        return None


_BARE = ShownPage(Document(Heading("", "other", ""), (), "", "", "other", (), (), ()))


def list_keys(*parts: Part) -> list[str]:
    """The keys of all rows, in their order."""
    found: list[str] = []
    for part in parts:
        if isinstance(part, DocumentTable):
            found += [row.key for row in part.rows]
        elif isinstance(part, Card | Folded):
            found += list_keys(*part.parts)
    return found


def list_rest(page: ShownPage) -> Iterator[Folded]:
    """The rows that no part has, by their kinds."""
    listed = {*list_keys(*page.document.parts)}
    its = [each for each in page.rows.values() if each.row.key not in listed]
    for count in page.document.counts:
        if rows := tuple(each.row for each in its if each.kind == count.key):
            title = page.folds.get(count.key) or count.word.capitalize()
            yield Folded(f"rest:{count.key}", title, len(rows), (DocumentTable((), rows),))


def _write_bar(counts: Sequence[Count]) -> Html:
    """One gradient with hard stops: a span for each part would move its neighbours."""
    known = [each for each in counts if each.number]
    total, done, stops = sum(each.number for each in known), 0.0, []
    for each in known:
        begin, done = done, done + 100 * each.number / total
        stops.append(f"var(--rtd-t-{each.tone}) {begin:.2f}% calc({done:.2f}% - 1px)")
        stops.append(f"var(--rv-ground) calc({done:.2f}% - 1px) {done:.2f}%")
    said = ", ".join(map(str, known)) or "nothing is known yet"
    style = f"background:linear-gradient(90deg,{','.join(stops)})" if known else None
    return tag("div", class_="rv-bar", role="img", aria_label=said, style=style)


def write_heading(heading: Heading) -> Html:
    """A headline; the more letters it has, the smaller they are, so that all of it is seen."""
    rest = tag("span", heading.rest, class_="rtd-quiet")
    said = f"{heading.sign} ", tag("b", heading.strong), rest
    return tag("span", *said, class_="rv-fit", style=f"--letters:{measure(str(heading))}")


def write_badge(badge: str, tone: Tone) -> Html | None:
    edge = f"border-color:var(--rtd-t-{tone})"
    return tag("span", badge, class_="rtd-badge", style=edge) if badge else None


def write_now(line: Line, status: str = "", seen: str = "") -> Html:
    """How far the runs are, and when that was seen."""
    pulse = tag("i", class_=f"rv-pulse rv-{status}") if status else None
    said = tag("span", pulse, write_html_line(line), class_="rv-said")
    at = tag("span", seen, class_="rv-seen") if seen else None
    return tag("div", said, " ", at, class_="rv-now")


def _write_far(far: float) -> Html:
    """How much has run again."""
    return tag("div", tag("i", style=f"width:{far:.1%}" if far else None), class_="rv-far")


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


def write_try_heads(table: TriesTable) -> tuple[Html, dict[str, str | None]]:
    """The columns of tries, and the attributes of their table."""
    heads = (
        tag(
            "span",
            tag("b", each.name),
            tag(
                "span", *(tag("small", write_html_line(it)) for it in each.words), class_="rv-words"
            ),
            tag("i", style=f"--p:{each.passed:.1%};--q:{each.passed + each.failed:.1%}"),
            tag("span", each.passing),
            tag("small", each.outcome),
            class_=f"rv-moment{' rv-edit' * each.is_edit}{' rv-last' * each.is_now}",
        )
        for each in table.moments
    )
    head = tag("div", tag("span"), tag("span", "eval"), *heads, class_="rv-heads")
    return head, {"class_": "rv-table rv-tries", "style": f"--m:{len(table.moments)}"}


def write_try_cells(row: Row, now: Html | None) -> Iterator[Html]:
    """The sign, the eval, and its state at each try, the last with its mark of now."""
    yield tag("span", write_sign(row), class_="c")
    name, *tried = row.cells
    yield tag("span", write_cell(name, ""), class_="c rv-name")
    for at, cell in enumerate(tried, 1):
        state, *looks = cell.key.split()
        words = LETTERS.get(state) or "not run"
        value = markup.join(*map(write_html_line, cell.lines))
        mark = tag("i", class_=state, role="img", aria_label=words, title=words)
        below = now if at == len(tried) else None
        yield tag("span", mark, " ", value, below, class_=" ".join(("c rv-try", *looks)))


def _write_plain_table(table: DocumentTable) -> Html:
    """Rows that do not open, under their own titles."""
    heads = (tag("span", each.title) for each in table.columns)
    head = tag("div", tag("span"), *heads, class_="rv-heads")
    rows = (
        tag("div", *_write_plain_row(row, table), class_="rv-row") for row in table.rows[:PASSING]
    )
    cols = f"--cols:42px repeat({len(table.columns)},minmax(0,1fr))"
    left = len(table.rows) - PASSING
    more = tag("p", f"… and {left:,} more", class_="rv-none") if left > 0 else None
    return markup.join(tag("div", head, *rows, class_="rv-table rv-plain", style=cols), more)


def _write_plain_row(row: Row, table: DocumentTable) -> Iterator[Html]:
    yield tag("span", write_sign(row), class_="c")
    for cell, column in zip(row.cells, table.columns, strict=True):
        yield markup.join(" ", tag("span", write_cell(cell, column.title), class_="c"))


def write_sign(row: Row) -> Html:
    about = {"title": row.word, "role": "img", "aria_label": row.word}
    style = f"background:var(--rtd-t-{row.tone})"
    return tag("span", row.sign, class_="rtd-sign", style=style, **about)


def write_cell(cell: Cell, title: str) -> Html:
    """The lines of a cell; of what differs inside the first change, cut to one line."""
    if not cell.lines:
        return Html("")
    named = tag("span", f"{title} ", class_="rtd-name") if title in _NAMED else None
    first, *others = map(write_html_line, cell.lines)
    smaller = [tag("small", each) for each in others]
    if cell.folded:
        # The changed words alone.
        head = cell.folded[0]
        marked = tuple(span for span in head.line if span.look in _LOOKS) or head.line
        words = tag("code", head.label), " ", write_html_line(marked)
        smaller.append(tag("small", *words, class_="rv-line"))
    return markup.join(markup.join(named, first), *smaller, by=" ")


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
    css, named = "rtd-quiet" if span.look == "quiet" else None, _name(text)
    is_bare = css is None and span.title is None
    return named if is_bare else tag("span", named, title=span.title, class_=css)


def _name(text: str) -> Html:
    """Text in any script; what can only be read from one side needs no element of its own."""
    known = markup.without_controls(text)
    return markup.escape(known) if known.isascii() else markup.name(known)
