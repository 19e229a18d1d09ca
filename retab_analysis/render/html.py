"""A page as HTML: for a notebook, a file, or in pieces for a live page; light, dark and narrow."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from retab_analysis import markup
from retab_analysis.markup import Html, count_noun, tag
from retab_analysis.render.document import (
    EDITS,
    LETTERS,
    Card,
    Cell,
    Change,
    ChangeList,
    Count,
    Document,
    DocumentTable,
    Folded,
    Head,
    Inside,
    Line,
    Note,
    Part,
    Row,
    Span,
    TableColumn,
    list_rows,
    plain,
)
from retab_analysis.render.matrix import (
    UNSEEN,
    write_cells,
    write_key,
    write_matrix_heads,
    write_now_cell,
    write_places,
    write_titles,
)
from retab_analysis.render.text import measure
from retab_analysis.render.trend import write_trend

INSIDES = 100
"""Up to so many rows a page holds the inside of each; beyond, of those that do not pass."""
PASSING = 500
"""So many passing rows a page holds at most."""
STAND_IN, RUN_AGAIN = 10, "Run the cell again to see it."
"""The same of a page in a notebook's file, and what it says of an inside that it does not hold."""


def count_held(total: int, passing: int) -> int:
    """So many passing rows a page of ``total`` rows holds; a small page has all."""
    return passing if total > INSIDES else max(passing, INSIDES)


_HERE = Path(__file__).parent


def _read(name: str, comment: str) -> str:
    """A text without its indents and comments: each page has it."""
    text = (_HERE / name).read_text(encoding="utf-8")
    return re.sub(rf"^[ \t]+|{comment}", "", text, flags=re.M)


STYLE = _read("document.css", r"/\*(?s:.*?)\*/\n?")
"""The style of a page, for light and dark, in any surroundings."""
SCRIPT = _read("page.js", r"^/\*\*?(?s:.*?)\*/\n|^ *//.*\n")
"""What a page does without a kernel."""

ROOT = "rv rtd mathjax_ignore tex2jax_ignore"
"""The class of a rendered root: a ``$`` in names and values begins no formula."""

TRUST = tag("p", "Trust this notebook to see it laid out.", class_="rv-unstyled")
"""The style hides this line, and shows the parts that are ``hidden`` without it."""

# How wide the columns of a plain table are.
_WIDE = {"name": "minmax(0,3fr)", "trend": "minmax(0,2fr)", "figure": "minmax(92px,1fr)"}
_FROM_RIGHT = "\u0590"  # the first letter of those that are written from right to left
_SHORT = 9  # letters of a name that is not cut further
_SHORT_CONDITION = 16  # letters of a condition that no line breaks
_NAMED = ("was", "got")
_LOOKS = {"strong": "b", "removed": "del", "added": "ins", "code": "code"}


def to_html(document: Document) -> Html:
    """A piece of HTML with its own style."""
    written = PageWriter(document, passing=STAND_IN, lack=RUN_AGAIN).write()
    page = tag("div", TRUST, written, class_=ROOT)
    return tag("div", tag("style", Html(STYLE)), page, start_script())


def to_page(document: Document) -> Html:
    """A whole page in one file, which loads nothing; ``#eval_…`` opens it at an eval."""
    saved = f"saved {datetime.now(UTC):%-d %b %Y, %H:%M} UTC"
    head = replace(document.head, seen=document.head.seen or saved)
    writer = PageWriter(
        replace(document, head=head), level=1, has_ids=True, lack="Not in this page."
    )
    body = tag("main", writer.write(), class_=ROOT)
    style = tag("style", Html(STYLE))
    return markup.page(str(document.head.heading), style, body, start_script())


def start_script() -> Html:
    """Drives the pages of a document that nothing drives yet."""
    # In a function, because a notebook runs the script of each of its outputs in one place.
    return tag("script", Html(f"(() => {{\n{SCRIPT}\nstart(document);\n}})();"))


class PageWriter:
    """Writes a page. A live one overrides :meth:`put`, and what needs a kernel."""

    is_live = False

    def __init__(
        self,
        document: Document,
        *,
        level: int = 2,
        has_ids: bool = False,
        passing: int = PASSING,
        lack: str = "",
        is_open: bool | None = None,
    ) -> None:
        self.shown, self.level, self.has_ids = document, level, has_ids
        self.is_open = is_open  # of several; None if it is the only one
        self._cards, self._total = 0, sum(each.number for each in document.counts)
        self._has_key = False
        self.passing, self.lack = count_held(self._total, passing), lack

    def put(self, name: str, element: str, *content: object, **attributes: object) -> Html:
        """An element of the page with a name; a live page sends what is in it apart."""
        return tag(element, *content, **attributes)

    def write(self) -> Html:
        return tag("div", *self.view(), class_="rv-view", data_name=self.shown.name or None)

    def view(self) -> Iterator[Html]:
        yield from self.head() if self.is_open is None else [self.write_item()]
        if self.is_open is False:
            return
        yield self.put("actions", "div", *self.modes(), class_="rv-actions", hidden=UNSEEN)
        if self.shown.name:
            yield self.put("chips", "div", self._counts(), class_="rv-chips")
        yield tag("div", class_="rv-found")
        yield self.put("body", "div", *self._body(), class_="rv-body")
        yield self.put("runs", "span", write_titles(self.shown.runs), hidden=True)

    # The head

    def head(self) -> Iterator[Html]:
        head = self.shown.head
        context = tag("span", _write_context(head), class_="rv-context")
        badge = _write_badge(head)
        yield self.put("top", "div", context, badge and APART, badge, class_="rtd-top")
        role = {"role": "heading", "aria_level": self.level, "class_": "rv-head"}
        yield self.put("line", "div", write_heading(head), **role)
        yield self.put("now", "div", write_now(head, head.seen))
        if self.shown.name:
            yield self.put("bar", "div", _write_bar(self.shown.counts))
            yield self.put("far", "div", _write_far(head.far))

    def fold(self, heading: Html) -> Html:
        """The headline of one of several, which a live page opens."""
        return heading

    def write_item(self) -> Html:
        """The head as one of several: a line of fixed height, open or not."""
        head = self.shown.head
        role = {"role": "heading", "aria_level": self.level, "class_": "rv-head"}
        about = (
            self.put("top", "div", _write_context(head), class_="rv-context rtd-quiet"),
            self.put("line", "div", self.fold(write_heading(head)), **role),
        )
        known = (
            self.put("bar", "div", _write_bar(self.shown.counts)),
            self.put("far", "div", _write_far(head.far)),
            self.put("now", "div", write_now(head)),
        )
        pill = self.put("pill", "div", _write_badge(head), class_="rv-pill")
        parts = self.put("broken", "div", self._write_broken()), tag("div", *about)
        return tag("div", *parts, tag("div", *known), pill, class_="rv-item")

    def _write_broken(self) -> Html | None:
        """How many evals of one of several are broken."""
        broken = sum(each.number for each in self.shown.counts if each.key == "broke")
        words = count_noun(broken, "broken eval")
        return tag("b", broken or "–", class_="rv-broken", title=words, data_n=broken or None)

    # The control line: one mode of it is shown

    def modes(self) -> Iterator[Html]:
        """Without a kernel the script shows them."""
        off = not self.is_live
        if not self.is_live and not any(each.inside for each in list_rows(self.shown.parts)):
            return
        copies = (
            button(said, None, data_copy=it, class_="rv-button rv-copies")
            for said, it in self.shown.copies
        )
        export = button("Export CSV", None, class_="rv-button rv-export")
        more = export, *copies
        yield write_mode("more", *more, done="Close", label="More", hidden=off)
        how = {"aria_label": "More: export, copy", "class_": "rv-plain-button rv-dots"}
        dots = button("⋯", None, data_go="more", **how)
        compared, refresh, action = self.controls()
        rest = compared, _SEARCH, SPACE, refresh, dots, action
        yield write_mode("rest", *rest, hidden=off)

    def controls(self) -> tuple[Html | None, Html | None, Html | None]:
        """What is compared, *Refresh*, and the one action: each needs a kernel."""
        return None, None, None

    def _counts(self) -> Html | None:
        counts, progress = self.shown.counts, self.shown.progress
        known, again = (map(self._chip, each) for each in (counts, progress))
        between = [tag("span", class_="rv-between")] if progress else []
        chips = markup.join(*known, *between, *again, by=tag("span", ", ", class_="rv-hidden"))
        role = {"role": "toolbar", "aria_label": "Show only"} if self.is_live else {}
        return tag("div", chips, class_="rv-counts", **role) if counts else None

    def _chip(self, count: Count) -> Html:
        dot = tag("i", class_="rtd-dot", style=f"background:var(--rtd-t-{count.tone})")
        if count in self.shown.progress:
            dot = tag("i", class_=f"rv-{count.key}")
        word, rest = re.fullmatch(r"(.+?)( as before| since the edit)?", count.word).groups()  # type: ignore[union-attr]
        less = tag("span", rest, class_="rv-as") if rest else None
        said = dot, tag("b", f"{count.number:,}"), f" {word}", less
        return self.put(f"count:{count.key}", "span", self.chip(count, *said))

    def chip(self, count: Count, *said: object) -> Html:
        """A count, which the script makes a button."""
        return tag("span", *said, class_="rv-chip", data_kind=count.key)

    # The body

    def _body(self) -> Iterator[Html]:
        document = self.shown
        yield from (tag("p", write_html_line(each), class_="rv-aside") for each in document.notes)
        if document.next:
            yield tag("p", "Next: ", write_html_line(document.next), class_="rv-aside")
        is_open = not any(isinstance(each, Card) for each in document.parts)
        for part in document.parts:
            if is_open and isinstance(part, Folded) and any(e.kind for e in list_rows((part,))):
                yield self._fold(part, is_open=True)
                is_open = False
            else:
                yield from self.write_part(part)

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
            APART if aside else None,
            tag("span", write_html_line(aside), class_="rv-news" if card.now else "rtd-quiet")
            if aside
            else None,
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
            tag("div", self._table(each, part.title, of=part.count), class_="rtd-card")
            if isinstance(each, DocumentTable)
            else markup.join(*self.write_part(each))
            for each in part.parts
        ]
        # Its key keeps it open in a page in which another one appears before it.
        how = {"data_key": part.key, "open": is_open, "class_": "rtd-more"}
        return tag("details", summary, *inner, **how)

    # Rows

    def _table(self, part: DocumentTable, label: str, *, of: int | None = None) -> Html:
        """Rows under their titles; ``of`` so many, some of which the page may not hold."""
        if not any(each.inside for each in part.rows):
            return _write_plain_table(part)
        passing = [each for each in part.rows if each.kind == self.shown.passing]
        left = {each.key for each in passing[self.passing :]}
        shown = [each for each in part.rows if each.key not in left]
        tints = {each.tint for each in shown if each.tint is not None}
        rows = (self._row(each, part.columns, tints) for each in shown)
        head, about = self._heads(part.columns, shown, tints)
        role = {"role": "group", "aria_label": markup.one_line(label, 100)} if label else {}
        more = (len(part.rows) if of is None else of) - len(shown)
        said = f"and {count_noun(more, 'passing eval')}, not in this page"
        table = tag("div", head, *rows, **about, **role)
        return markup.join(table, tag("p", said, class_="rv-none") if more > 0 else None)

    def _heads(
        self, columns: Sequence[TableColumn], rows: Sequence[Row], tints: Collection[int]
    ) -> tuple[Html, dict[str, str | None]]:
        """The titles above some rows, and the attributes of their table."""
        if any(each.told for each in columns):
            return _write_try_heads(columns)
        runs, groups = self.shown.runs, {each.group for each in rows}
        matrix = write_matrix_heads(runs, groups.pop() if len(groups) == 1 else "")
        heads = (tag("span", each.title, class_=f"rv-{each.key}") for each in columns)
        keys = {each.key for each in columns}
        css = "rv-table" if runs else f"rv-table rv-bare{' rv-with-block' * ('block' in keys)}"
        css += " rv-unsaid" * ("got" not in keys)
        key = write_key() if runs and not self._has_key else None
        self._has_key = True
        inner = tag("span"), *heads, matrix, key
        head = tag("div", *inner, class_="rv-heads", aria_hidden="true", hidden=UNSEEN)
        return head, {"class_": css, "style": write_places(runs, tints)}

    def _row(self, each: Row, columns: Sequence[TableColumn], tints: Collection[int]) -> Html:
        key, about = each.key, {"data_kind": each.kind, "data_block": each.group_name or None}
        now, mark = None, None
        if self.shown.runs and "now" in self.shown.runs[-1].marks:
            # Apart, because they change while all else stays.
            line, other = write_html_line(each.mark), each.now or None
            said = tag("small", line, class_="rv-mark", data_now=other) if each.mark else None
            mark = self.put(f"mark:{key}", "span", said, class_="rv-marks")
            if not any(column.told for column in columns):
                now = self.put(f"at:{key}", "b", write_now_cell(each))
        cells = self.write_row(each, columns, now, mark, each.tint if len(tints) > 1 else None)
        line = self.put(f"row:{key}", "summary", cells)
        inner = self.put(f"in:{key}", "div", self.open_row(each), class_="rv-open")
        how = {"id": key if self.has_ids else None, "data_key": key, "class_": "rv-row"}
        how |= about | self.opens(each)
        return tag("details", line, inner, **how, data_text=each.text or None)

    def write_row(
        self,
        each: Row,
        columns: Sequence[TableColumn],
        now: Html | None,
        mark: Html | None,
        tint: int | None,
    ) -> Html:
        shown = [tag("span", write_sign(each), class_="c")]
        for cell, column in zip(each.cells, columns, strict=True):
            below = mark if column is columns[-1] else None
            if column.told:
                shown.append(_write_try_cell(cell, column, below))
            else:
                said = write_cell(cell, column.title), below
                shown.append(tag("span", *said, class_=f"c rv-{cell.key}"))
        has_matrix = not any(column.told for column in columns)
        runs = write_cells(each, self.shown.runs, now, tint) if has_matrix else None
        return markup.join(*shown, runs, by=" ")

    def holds(self, each: Row) -> bool:
        """Whether the page holds what the row shows when it is open."""
        return self._total <= INSIDES or each.kind != self.shown.passing

    def opens(self, each: Row) -> dict[str, str]:
        """The attributes of a row that asks for what it shows."""
        return {}

    def open_row(self, each: Row) -> Html | None:
        inside = each.inside() if each.inside and self.holds(each) else None
        if inside is None:
            return tag("p", self.lack, class_="rtd-quiet") if self.lack else None
        return tag("div", *self._write_inside(each.key, inside), class_="rv-opened")

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


def button(words: object, event: str | None, value: str | None = None, **more: object) -> Html:
    given = {"type": "button", "data_event": event, "data_value": value, "class_": "rv-button"}
    return tag("button", words, **{**given, **more})


def write_mode(
    name: str, *parts: object, done: str = "", label: str | None = None, hidden: bool = False
) -> Html:
    """A mode of the control line, which fills it; a button with the words ``done`` leaves it."""
    about = {"class_": "rv-mode", "data_is": name, "data_key": name, "aria_label": label}
    leave = (SPACE, button(done, None, data_go="", class_="rv-button rv-close")) if done else ()
    return tag("div", *parts, *leave, **about, role=label and "group", hidden=hidden)


APART = tag("span", " · ", class_="rv-hidden")
"""Keeps words apart where no style lays them out."""
SPACE = tag("span", class_="rv-space")
_ABOUT_SEARCH = {"placeholder": "Search evals", "aria_label": "Search evals"}
_SEARCH = tag("input", type="search", class_="rv-field rv-search", **_ABOUT_SEARCH)


def _write_context(head: Head) -> Html:
    """The workflow, its code, the number of evals: in a narrow page each shortens by itself."""
    is_long = bool(head.context) and measure(head.context[0].text) > _SHORT
    names = ["rv-flow" if is_long else None, None, "rv-size"][: len(head.context)]
    return markup.join(
        *(
            tag("span", " · " * (at > 0), _name(each.text), title=each.title, class_=css)
            for at, (each, css) in enumerate(zip(head.context, names, strict=True))
        )
    )


def _write_badge(head: Head) -> Html | None:
    edge = f"border-color:var(--rtd-t-{head.badge_tone})"
    return tag("span", head.badge, class_="rtd-badge", style=edge) if head.badge else None


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
    return tag("div", class_="rv-bar", role="img", aria_label=said, style=style, hidden=UNSEEN)


def write_heading(head: Head) -> Html:
    """A headline; the more letters it has, the smaller they are, so that all of it is seen."""
    heading, sign = head.heading, _write_ring(head, "…") or head.heading.sign
    said = sign, " ", tag("b", heading.strong), tag("span", heading.rest, class_="rtd-quiet")
    return tag("span", *said, class_="rv-fit", style=f"--letters:{measure(str(heading))}")


def _write_ring(head: Head, sign: str = "") -> Html | None:
    """A ring that fills while runs go on, in place of a ``sign``; else it is in their line."""
    if not head.status or (head.heading.sign == "…") != bool(sign):
        return None
    about = {"class_": f"rv-ring rv-{head.status}", "style": f"--done:{head.far:.3f}"}
    return tag("i", sign, role="img", aria_label="goes on", **about)


def write_now(head: Head, seen: str = "") -> Html:
    """How far the runs are, which ones judged, and when that was seen."""
    since = None if head.seconds is None else round(head.seconds)
    inner = _write_ring(head), write_html_line(head.going)
    said = tag("span", *inner, class_="rv-said", data_for=since)
    between = " · " if head.going and head.judged else None
    judged = tag("span", between, write_html_line(head.judged), class_="rv-judged")
    at = tag("span", seen, class_="rv-seen") if seen else None
    return tag("div", said, judged, at and APART, at, class_="rv-now")


def _write_far(far: float) -> Html:
    """How much has run again."""
    done = tag("i", style=f"width:{far:.1%}" if far else None)
    return tag("div", done, class_="rv-far", hidden=UNSEEN)


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


def _write_try_heads(columns: Sequence[TableColumn]) -> tuple[Html, dict[str, str | None]]:
    """The columns of tries, and the attributes of their table."""
    name, *tries = columns
    heads = []
    for each in tries:
        words = (tag("small", write_html_line(it)) for it in each.lines)
        passed, failed = each.shares or (0.0, 0.0)
        bar = tag("i", style=f"--p:{passed:.1%};--q:{passed + failed:.1%}")
        told = tag("span", each.told[0]), tag("small", each.told[1])
        css = " ".join(("rv-moment", *(f"rv-{mark}" for mark in sorted(each.marks))))
        named = tag("b", each.title), tag("span", *words, class_="rv-words")
        heads.append(tag("span", *named, bar, *told, class_=css, title=each.about or None))
    head = tag("div", tag("span"), tag("span", name.title), *heads, class_="rv-heads")
    wide = " ".join("24px" if "saves" in e.marks else "minmax(0,12.5fr)" for e in tries)
    return head, {"class_": "rv-table rv-tries", "style": f"--m:{wide}"}


def _write_try_cell(cell: Cell, column: TableColumn, below: Html | None) -> Html:
    """The state of an eval at a try, and its value where that changed."""
    words = LETTERS.get(cell.letter) or "not run"
    value = markup.join(*map(write_html_line, cell.lines))
    mark = tag("i", class_=cell.letter, role="img", aria_label=words, title=words)
    css = " ".join(("c", "rv-try", *(f"rv-{mark}" for mark in sorted(column.marks))))
    return tag("span", mark, " ", value, below, class_=css)


def _write_plain_table(table: DocumentTable) -> Html:
    """Rows that do not open, under their own titles."""
    heads = (tag("span", each.title, role="columnheader") for each in table.columns)
    head = tag("div", tag("span", role="cell"), *heads, class_="rv-heads", role="row")
    rows = (
        tag("div", *_write_plain_row(row, table), class_="rv-row", role="row")
        for row in table.rows[:PASSING]
    )
    wide = (_WIDE.get(each.key, "minmax(0,1fr)") for each in table.columns)
    cols = f"--cols:42px {' '.join(wide)}"
    left = len(table.rows) - PASSING
    more = tag("p", f"… and {left:,} more", class_="rv-none") if left > 0 else None
    return markup.join(
        tag("div", head, *rows, class_="rv-table rv-plain", role="table", style=cols), more
    )


def _write_plain_row(row: Row, table: DocumentTable) -> Iterator[Html]:
    yield tag("span", write_sign(row) if row.sign else None, class_="c", role="cell")
    for cell, column in zip(row.cells, table.columns, strict=True):
        said = write_cell(cell, column.title)
        if row.now and cell is row.cells[0]:  # the row stands elsewhere, too
            said = tag("a", said, href=f"#{row.key}", data_show=row.key)
        yield markup.join(" ", tag("span", said, class_="c", role="cell"))


def write_sign(row: Row) -> Html:
    about = {"title": row.word, "role": "img", "aria_label": row.word}
    style = f"background:var(--rtd-t-{row.tone})"
    return tag("span", row.sign, class_="rtd-sign", style=style, **about)


def write_cell(cell: Cell, title: str) -> Html:
    """The lines of a cell; of what differs inside the first change, cut to one line."""
    if cell.trend is not None:
        below = (tag("small", write_html_line(each)) for each in cell.lines)
        return markup.join(write_trend(cell.trend), *below)
    if not cell.lines:
        return Html("")
    named = tag("span", f"{title} ", class_="rtd-name") if title in _NAMED else None
    first, *others = map(write_html_line, (_join_condition(cell), *cell.lines[1:]))
    if cell.key == "got":
        first = tag("span", first, class_="rv-first")
    smaller = [tag("small", each) for each in others]
    if cell.folded:
        # The changed words alone.
        head = cell.folded[0]
        marked = tuple(span for span in head.line if span.look in _LOOKS) or head.line
        words = tag("code", head.label), " ", write_html_line(marked)
        smaller.append(tag("small", *words))
    return markup.join(markup.join(named, first), *smaller, by=" ")


def _join_condition(cell: Cell) -> Line:
    """The first line of a cell; an operator stays with its value, a short condition is whole."""
    line = cell.lines[0]
    if cell.key != "asserts" or len(line) < 2:
        return line
    said = line[-1].text
    joined = said.replace(" ", "\xa0", -1 if len(said) <= _SHORT_CONDITION else 1)
    return *line[:-1], replace(line[-1], text=joined)


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
    return markup.escape(known) if max(known, default="") < _FROM_RIGHT else markup.name(known)
