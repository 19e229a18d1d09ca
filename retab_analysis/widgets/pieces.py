"""The HTML of a view, in named pieces with slots for one another.

A piece has a place where another one stands: an element with the name of that piece in
``data-slot``. Only pieces that have changed travel to the browser, which puts them in their slots.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.comparison.config_changes import Edits, mark_changes
from retab_analysis.markup import Html, count_noun, join, name, one_line, tag, without_controls
from retab_analysis.render.document import (
    Card,
    ChangeList,
    ColumnTitle,
    Count,
    DocumentTable,
    Folded,
    Part,
    Row,
    Span,
    plain,
    write_line,
)
from retab_analysis.render.html import (
    STYLE,
    write_card,
    write_cell,
    write_html_line,
    write_part,
    write_sign,
)
from retab_analysis.vocabulary import say_day
from retab_analysis.widgets.facts import (
    BROKE,
    COLUMNS,
    LETTERS,
    NOT_YET,
    PASSES,
    Facts,
    RunColumn,
    say_moment,
)
from retab_analysis.widgets.opened import button, render_opened
from retab_analysis.widgets.state import COMPARING

ROWS = 100  # of a list that are shown

_ROOT = "rv rtd mathjax_ignore tex2jax_ignore"
_STEP = 12  # pixels of a column
_LETTER = 6.2  # pixels of a letter above the columns
_NAMES = {letter: each for each, letter in LETTERS.items() if each not in ("mixed", "not run")}
_SLOT = re.compile(r'data-slot="([^"]*)"></')

Pieces = dict[str, Html]


def render_view(
    views: Mapping[str, Facts], opened: str, headline: str = "", *, is_live: bool = True
) -> Pieces:
    """All pieces by name, the outermost is ``root``; ``opened`` names one of several views."""
    slots = [slot(number, class_="rv-view", data_scope=number) for number in views]
    title = _heading(headline, level=1) if headline else None
    pieces: Pieces = {"root": tag("div", title, *slots)}
    for number, facts in views.items():
        is_open = number == opened if len(views) > 1 else None
        pieces |= _Renderer(number, facts, is_live=is_live, is_open=is_open).render()
    return pieces


def compose(pieces: Mapping[str, str], name: str = "root") -> Html:
    """A piece with all others in their slots."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[0][:-2]}{compose(pieces, html.unescape(found[1]))}</"

    return Html(_SLOT.sub(fill, pieces.get(name, "")))


def render_still(pieces: Mapping[str, str], token: str | None = None) -> Html:
    """A view that needs no script; ``token`` names the page that it stands for."""
    style = tag("style", Html(STYLE))
    return tag("div", style, compose(pieces), class_=_ROOT, data_stands_for=token)


def slot(name: str, element: str = "div", **attributes: object) -> Html:
    return tag(element, **attributes, data_slot=name)


def _heading(words: object, *, level: int = 2) -> Html:
    return tag("div", words, role="heading", aria_level=level, class_="rv-head")


class _Renderer:
    """Makes the pieces of one workflow's view; their names begin with its number.

    ``is_open`` is None if it is the only one.
    """

    def __init__(self, number: str, facts: Facts, *, is_live: bool, is_open: bool | None) -> None:
        self.number, self.facts, self.state = number, facts, facts.state
        self.look = facts.look
        self.is_live, self.is_open = is_live, is_open
        self.pieces: Pieces = {}

    def render(self) -> Pieces:
        of = self.number
        inner = [slot(f"{of}:head")]
        self._add("head", self._head())
        if self.is_open is not False:
            if self.is_live:
                inner.append(slot(f"{of}:actions", class_="rv-actions"))
                self._add("actions", self._actions())
            inner += [slot(f"{of}:chips", class_="rv-chips"), slot(f"{of}:body", class_="rv-body")]
            self._add("chips", self._chips())
            self._add("seen", tag("span", self._say_seen()))
            self._add("body", join(*self._body()))
        self.pieces[of] = join(*inner)
        return self.pieces

    def _add(self, name: str, piece: Html) -> str:
        full = f"{self.number}:{name}"
        self.pieces[full] = piece
        return full

    # The head

    def _head(self) -> Html:
        facts = self.facts
        about = (tag("span", name(each.text), title=each.title) for each in facts.context)
        context = join(*about, by=" · ")
        pill = None
        if facts.badge:
            words, tone = facts.badge
            pill = tag("span", words, class_="rtd-badge", style=f"border-color:var(--rtd-t-{tone})")
        top = tag("div", tag("span", context, class_="rv-context"), " ", pill, class_="rtd-top")
        news = f"{facts.count(BROKE)} broke" if facts.judged else ""
        is_told = self.is_open is not False
        status = tag("div", news, role="status", class_="rv-hidden") if is_told else None
        counts = [each for each in facts.counts if each.number]
        said = ", ".join(map(str, counts)) or "nothing is known yet"
        looks = {"role": "img", "aria_label": said, "class_": "rv-bar"}
        parts = ("line", self._headline()), ("bar", tag("div", style=_write_bar(counts), **looks))
        return join(top, *(slot(self._add(*each)) for each in parts), status)

    def _headline(self) -> Html:
        heading = self.facts.heading
        rest = tag("span", heading.rest, class_="rtd-quiet")
        words = join(f"{heading.sign} ", tag("b", heading.strong), rest)
        if self.is_open is None or not self.is_live:
            return _heading(words)
        how = {"class_": "rv-fold", "aria_expanded": str(self.is_open).lower()}
        opens = button(words, "fold-view", self.number, **how)
        return _heading(tag("span", opens, class_=None if self.is_open else "rv-small"))

    # The actions

    def _actions(self) -> Html:
        facts, state, look = self.facts, self.state, self.look
        if look.comparison is None and look.checked.is_empty():
            return Html("")
        newest = "the watched run" if look.is_watched else "the newest run"
        is_published = look.versions is not None and bool(look.versions.publications)
        published = [("published", "the published version")] * is_published
        usual = [(LAST_GOOD, "each eval's last good"), ("previous", "the code before"), *published]
        checked, against = ([*each, *facts.list_choices()] for each in ([("", newest)], usual))
        words = {"placeholder": "Search evals", "aria_label": "Search evals"}
        given = {"value": state.search, "data_event": "search", "data_key": "search"}
        search = tag("input", type="search", class_="rv-field rv-search", **given, **words)
        is_ready, off = look.comparison is not None, state.job not in ("", COMPARING)
        return join(
            _select("Checked", "candidate", checked, state.candidate or "", off),
            _select("Against", "baseline", against, state.baseline, off),
            search,
            button("Export CSV", "export", data_key="export", disabled=not is_ready),
            tag("span", *self._ask(), class_="rv-push", data_key="right"),
        )

    def _ask(self) -> Iterator[Html]:
        """The right end: a question, a job, or an action on the runs."""
        state, look, runs = self.state, self.look, self.look.reruns
        going = look.checked.filter(~look.checked["is_terminal"]).height
        if state.job:
            yield tag("span", state.job, class_="rtd-quiet")
        elif state.asking == "cancel" and going:
            yield button("Yes, cancel", "cancel", title="Ends the runs for everybody")
            yield button("No", "ask", "")
        elif state.asking == "settle" and runs:
            yield button(f"Start {count_noun(runs, 'run')}", "settle", title="Runs are billed")
            yield button("No", "ask", "")
        elif state.can_cancel and look.phase == "going" and going:
            yield button("Cancel run" if going == 1 else "Cancel runs", "ask", "cancel")
        elif runs and look.phase == "ended" and not look.is_going:
            yield button(f"Settle ({count_noun(runs, 'run')})", "ask", "settle")

    def _chips(self) -> Html:
        counts = []
        for each in self.facts.counts:
            dot = tag("i", class_="rtd-dot", style=f"background:var(--rtd-t-{_tone(each)})")
            said = join(dot, tag("b", f"{each.number:,}"), f" {each.word}")
            chip = tag("span", said, class_="rv-chip")
            if self.is_live:
                pressed = str(each.key in self.state.show).lower()
                how = {"aria_pressed": pressed, "tabindex": -1, "class_": "rv-chip"}
                chip = button(said, "show", each.key, **how)
            counts.append(slot(self._add(f"count:{each.key}", chip), "span"))
        role = {"role": "toolbar", "aria_label": "Show only"} if self.is_live else {}
        bar = tag("div", join(*counts, by=" "), class_="rv-counts", **role) if counts else None
        return join(bar, slot(f"{self.number}:seen", class_="rv-push rtd-quiet"))

    def _say_seen(self) -> str:
        look = self.look
        at = "" if look.seen_at is None else f"{look.seen_at:%H:%M:%S} UTC"
        if look.trouble and self.facts.judged is not None:
            return f"{one_line(look.trouble, 300)}{f'; showing the state of {at}' * bool(at)}"
        if look.trouble and look.phase != "failed":
            return one_line(look.trouble, 300)
        if look.phase == "stopped":
            return f"watching has stopped{f', as of {at}' * bool(at)}"
        return f"as of {at}" if at else ""

    # The body

    def _body(self) -> Iterator[Html]:
        facts = self.facts
        found = facts.find()
        notes = facts.notes if found is None else map(write_line, self.state.failures)
        yield from (tag("p", write_html_line(each)) for each in notes)
        if found is not None:
            yield self._found(found)
            return
        if facts.judged is None:
            return
        if self.look.between is not None:
            yield self._between(self.look.between)
        parts = facts.judged.document.parts
        if self.look.is_going:
            yield from self._going(parts)
            return
        yield from self._standing(parts)

    def _standing(self, parts: Sequence[Part]) -> Iterator[Html]:
        """The cards and notes of the document, and the folds below them."""
        has_card = any(isinstance(each, Card) for each in parts)
        folds: list[tuple[str, str, list[str]]] = []
        details: list[Folded] = []
        for part in parts:
            if isinstance(part, Card):
                yield self._card(part)
            elif isinstance(part, Folded):
                evals = list_evals(part)
                if evals:
                    folds.append((part.key, part.title, evals))
                else:
                    details.append(part)
            else:
                yield from write_part(part)
        passing = [k for k, key in self.facts.keys.items() if key == PASSES]
        folds += [(PASSES, "Pass", passing)] if passing else []
        for at, (key, title, evals) in enumerate(folds):
            yield self._fold(key, title, evals, is_first=at == 0 and not has_card)
        for each in details:
            yield from write_part(each)

    def _going(self, parts: Sequence[Part]) -> Iterator[Html]:
        """While a run goes on: cards in the order in which they came, and nothing below them."""
        order = self.facts.arrival

        def came(card: Card) -> tuple[bool, int]:
            places = (order.get(each, len(order)) for each in list_evals(card))
            return card.tone != "bad", min(places, default=len(order))

        cards = sorted((each for each in parts if isinstance(each, Card)), key=came)
        yield from [self._card(each, order) for each in cards] or [self._blocks()]

    def _blocks(self) -> Html:
        """A row for each block, which sums its evals."""
        facts, blocks = self.facts, dict[str, list[str]]()
        for eval_id in facts.keys:
            if (block := facts.block_of(eval_id)) is not None:
                blocks.setdefault(block, []).append(eval_id)
        rows = []
        for block, evals in blocks.items():
            done = sum(facts.keys[each] != NOT_YET for each in evals)
            cells = (
                tag("td"),
                tag("td", name(facts.name_block(block)), tabindex=-1),
                tag("td", f"{done} of {count_noun(len(evals), 'eval')}", tabindex=-1, colspan=3),
                self._matrix(facts.sum_cells(evals), block),
            )
            piece = self._add(f"block:{block}", tag("tr", *cells))
            rows.append(slot(piece, "tbody", data_key=block))
        table = self._table(rows, "Blocks", titles=("block", "done", "", ""))
        return write_card(_name_card(Span("Blocks", "strong")), [table])

    def _between(self, changes: pl.DataFrame) -> Html:
        """The edits between two versions, block by block."""
        assert self.facts.judged is not None
        before, now = self.facts.judged.facts.versions or ("", "")
        inner: list[Html] = []
        names = Edits(changes, labels=self.look.labels)
        for (block, *_), rows in changes.group_by("block_id", maintain_order=True):
            called = names.name(None if block is None else str(block))
            inner.append(tag("div", tag("b", called), role="heading", aria_level=4))
            inner += write_part(ChangeList(mark_changes(rows, values=self.state.values)))
        told = inner or [tag("p", "No block differs.")]
        return write_card(
            _name_card(Span("Edited", "strong"), f" between {before} and {now}"), told
        )

    def _card(self, card: Card, order: Mapping[str, int] | None = None) -> Html:
        inner: list[Html] = []
        for part in card.parts:
            if not isinstance(part, DocumentTable):
                inner += write_part(part)
                continue
            evals = list_evals(part)
            if order is not None:
                evals.sort(key=lambda each: order.get(each, len(order)))
            inner.append(self._rows(evals, plain(card.title)))
        return write_card(card, inner)

    def _found(self, found: list[str]) -> Html:
        words = tag("b", f"{count_noun(len(found), 'eval')} of {len(self.facts.keys):,}")
        shows = button("Show all", "clear") if self.is_live else None
        title = tag("div", words, " ", role="heading", aria_level=3)
        head = tag("div", title, shows, class_="rtd-title")
        return tag("section", head, self._rows(found, "Found evals"), class_="rtd-card")

    def _fold(self, key: str, title: str, evals: Sequence[str], *, is_first: bool) -> Html:
        is_open = (key in self.state.unfolded) != is_first
        count = join(title, " ", tag("b", f"{len(evals):,}"))
        if not self.is_live:
            rows = self._rows(evals, title, "more")
            inner = tag("details", tag("summary", count), rows, open=is_open, class_="rtd-more")
        else:
            expanded = str(is_open).lower()
            head = button(count, "fold", key, class_="rv-fold", aria_expanded=expanded)
            rows_ = self._rows(evals, title, "more") if is_open else None
            inner = tag("div", head, rows_, class_="rtd-card" if is_open else None)
        return slot(self._add(f"fold:{key}", inner), data_key=key)

    # Rows

    def _rows(self, evals: Sequence[str], label: str, kind: str = "row") -> Html:
        """A table of the first evals, each a piece of its own."""
        rows = [
            slot(self._add(f"{kind}:{each}", self._row(each, kind)), "tbody", data_key=each)
            for each in evals[:ROWS]
        ]
        blocks = {self.facts.block_of(each) for each in evals[:ROWS]}
        block = blocks.pop() if len(blocks) == 1 else None
        table = self._table(rows, label, block)
        left = max(0, len(evals) - ROWS)
        more = f"… and {left:,} more; search, or press a count above, to find them"
        return join(table, tag("p", more, class_="rtd-quiet") if left else None)

    def _table(
        self,
        rows: Iterable[Html],
        label: str,
        block: str | None = None,
        titles: Sequence[str] = (),
    ) -> Html:
        was = ("was", "got") if self.state.values else ("before", "now")
        named = titles or ("eval", "asserts", *was)
        heads = [tag("th" if each else "td", each, tabindex=-1) for each in named]
        first = tag("td", tabindex=-1)
        head = tag("thead", tag("tr", first, *heads, self._columns(block)))
        role = {"role": "grid", "aria_label": one_line(label, 100)} if self.is_live else {}
        checked = [at for at, each in enumerate(self.facts.columns) if each.is_checked]
        before = [at for at, each in enumerate(self.facts.columns) if each.is_baseline]
        places = f"--n:{COLUMNS}", *(f"--c:{at}" for at in checked), *(f"--b:{at}" for at in before)
        made = tag("table", head, *rows, class_="rv-grid", style=";".join(places), **role)
        return tag("div", made, class_="rtd-wide")

    def _row(self, eval_id: str, kind: str) -> Html:
        """A row, and the details of the eval below it if it is open."""
        judged, state = self.facts.judged, self.state
        if judged is None or eval_id not in judged.stories:
            texts = ("…", name(self.facts.name_waiting(eval_id)))
            first = (*(tag("td", each, tabindex=-1) for each in texts), *[tag("td")] * 3)
            block = self.facts.block_of(eval_id)
            return tag("tr", *first, self._matrix(self.facts.cells_of(eval_id), block))
        row, is_open = judged.make_row(eval_id), state.opened == eval_id and self.is_live
        was, got = ("was", "got") if state.values else ("before", "now")
        titles = {"asserts": "", "was": was, "got": got}
        cells = [write_sign(row), self._name(row, kind, is_open=is_open)]
        for cell in row.cells:
            if (title := titles.get(cell.key)) is not None:
                cells.append(write_cell(cell, ColumnTitle(title, named=bool(title))))
        matrix = self._matrix(self.facts.cells_of(eval_id), judged.stories[eval_id].block_id)
        opens = {"data_event": "open", "data_value": eval_id} if self.is_live else {}
        shown = (tag("td", each, tabindex=-1) for each in cells)
        line = tag("tr", *shown, matrix, class_="rv-row", **opens)
        if not is_open:
            return line
        inner = render_opened(eval_id, self.facts)
        return join(line, tag("tr", tag("td", inner, colspan=6), class_="rv-open"))

    def _name(self, row: Row, kind: str, *, is_open: bool) -> Html:
        judged = self.facts.judged
        assert judged is not None
        (first, *_), *below = next(each.lines for each in row.cells if each.key == "name")
        text = name(without_controls(first.text))
        if self.is_live:
            opens = {"aria_expanded": str(is_open).lower(), "tabindex": -1, "class_": "rv-name"}
            text = button(text, "open", row.key, **opens)
        if kind == "more" and (reason := judged.say_reason(row.key)):
            below = [write_line(Span(reason, "quiet"))]
        small = (tag("small", write_html_line(each)) for each in below)
        return join(text, *small, by=" ")

    def _matrix(self, cells: Sequence[str | float], block: str | None) -> Html:
        """The cells of a row: a letter each, or the share of a block's evals that failed."""
        edits = self.facts.edits_of(block)
        counts = Counter(
            _NAMES.get(each, "") if isinstance(each, str) else "failed" for each in cells
        )
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if word)
        inner = []
        for at, each in enumerate(cells):
            share = "" if isinstance(each, str) else f' style="--f:{max(each, 0.2):.0%}"'
            letter = each if isinstance(each, str) else "s"
            inner.append(f'<i class="{letter}{" x" * (at in edits)}"{share}></i>')
        made = tag("span", Html("".join(inner)), role="img", aria_label=f"runs: {said or 'none'}")
        return tag("td", made, class_="rv-m", tabindex=-1)

    def _columns(self, block: str | None) -> Html:
        columns = self.facts.columns
        edited = self.facts.edits_of(block) if block is not None else []
        marks = []
        for at, each in enumerate(columns):
            flag, about = "x" if at in edited else None, each.title.partition("\n")[0]
            how = {"class_": flag, "title": each.title, "aria_label": about, "tabindex": -1}
            is_live, run_id = self.is_live, each.run["run_id"]
            marks.append(
                button("", "candidate", run_id, **how) if is_live else tag("i", class_=flag)
            )
        heads = *_place_words(columns, self.look.year), tag("span", *marks, class_="rv-cols")
        return tag("th", *heads, class_="rv-m", scope="col")


def _name_card(*title: str | Span) -> Card:
    return Card("other", write_line(*title), (), ())


def _tone(count: Count) -> str:
    return "wait" if count.key == NOT_YET else count.tone


def _write_bar(counts: Sequence[Count]) -> str | None:
    """One gradient with hard stops: a span for each part would move its neighbours."""
    total, done, stops = sum(each.number for each in counts), 0.0, []
    for each in counts:
        begin, done = done, done + 100 * each.number / total
        stops.append(f"var(--rtd-t-{_tone(each)}) {begin:.2f}% calc({done:.2f}% - 1px)")
        stops.append(f"var(--rv-ground) calc({done:.2f}% - 1px) {done:.2f}%")
    return f"background:linear-gradient(90deg,{','.join(stops)})" if counts else None


def _select(
    label: str, event: str, options: Sequence[tuple[str, str]], chosen: str, off: bool
) -> Html:
    known = {chosen: one_line(chosen, 40)} if chosen not in dict(options) else {}
    known |= dict(options)
    made = (
        tag("option", word, value=each, selected=each == chosen) for each, word in known.items()
    )
    how = {"data_event": event, "data_key": event, "class_": "rv-field", "disabled": off}
    return tag("label", tag("span", label), " ", tag("select", *made, **how), data_key=label)


def list_evals(*parts: Part) -> list[str]:
    found: list[str] = []
    for part in parts:
        if isinstance(part, DocumentTable):
            found += [row.key for row in part.rows]
        elif isinstance(part, Card | Folded):
            found += list_evals(*part.parts)
    return found


def _place_words(columns: Sequence[RunColumn], year: int | None) -> Iterator[Html]:
    """Above the columns: names of versions, the first day, and the moment of the checked run."""
    versions = [(at, each.version) for at, each in enumerate(columns) if each.version]
    starts = [now for before, now in pairwise([(-1, ""), *versions]) if before[1] != now[1]]
    yield from _place(starts, len(columns) - 1, "rv-over")
    for checked in [at for at, each in enumerate(columns) if each.is_checked][-1:]:
        day, at = (columns[each].run["created_at"] for each in (0, checked))
        first = [] if day is None else [(0, say_day(day, year))]
        moment = checked, say_moment(at, year)
        yield from _place([*first, moment], checked, "rv-over rv-days")


def _place(labels: Sequence[tuple[int, str]], end: int, css: str) -> Iterator[Html]:
    """Words where their columns begin, if there is room; the last ones end above column ``end``."""
    room = float((end + 1) * _STEP)
    for _, words in labels[-1:]:
        fits = room >= len(words) * _LETTER
        style = f"right:calc(100% - var(--w)*{end + 1})" if fits else "left:0"
        yield tag("span", words, class_=css, style=style)
        room -= len(words) * _LETTER + 4
    free = 0.0
    for at, words in labels[:-1]:
        begin, after = at * _STEP, at * _STEP + len(words) * _LETTER
        if begin >= free and after < room:
            free = after + 6
            yield tag("span", words, class_=css, style=f"left:calc(var(--w)*{at})")
