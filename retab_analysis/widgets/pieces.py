"""The HTML of a view, in named pieces with slots for one another.

A piece has a place where another one stands: an element with the name of that piece in
``data-slot``. Only pieces that have changed travel to the browser, which puts them in their slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from retab_analysis.checks.open_document import embed
from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.comparison.detail import WORDS
from retab_analysis.markup import Html, count_noun, join, name, one_line, show_turning, tag
from retab_analysis.render.document import Count, Head, Row, TableColumn
from retab_analysis.render.html import (
    ROOT,
    RUN_AGAIN,
    STAND_IN,
    STYLE,
    PageWriter,
    start_script,
    write_heading,
    write_now,
)
from retab_analysis.widgets.state import COMPARING, WATCHED
from retab_analysis.widgets.state_in_words import BROKE, StateInWords

Pieces = dict[str, Html]


def render_view(
    views: Mapping[str, StateInWords], opened: str, several: Head | None = None
) -> Pieces:
    """All pieces by name, the outermost is ``root``; ``opened`` names one of several views."""
    slots = [
        tag(
            "div",
            data_slot=number,
            class_="rv-view",
            data_scope=number,
            data_name=facts.state.workflow_id,
        )
        for number, facts in views.items()
    ]
    pieces: Pieces = {"root": tag("div", tag("div", data_slot="several"), *slots)}
    pieces["several"] = join(*_write_several(several))
    for number, facts in views.items():
        is_open = number == opened if len(views) > 1 else None
        writer = _LiveWriter(number, facts, is_open=is_open)
        pieces[number] = join(*writer.view())
        pieces |= writer.pieces
    return pieces


def render_still(
    views: Mapping[str, StateInWords],
    opened: str,
    several: Head | None = None,
    token: str | None = None,
) -> Html:
    """A view that needs no kernel; ``token`` names the page that it stands for."""
    how: Any = {"passing": STAND_IN, "lack": RUN_AGAIN}
    opens = {each: each == opened if len(views) > 1 else None for each in views}
    shown = ((facts.show(opens[number]), opens[number]) for number, facts in views.items())
    writers = (PageWriter(document, is_open=is_open, **how) for document, is_open in shown)
    inner = *_write_several(several), *(each.write() for each in writers)
    style = tag("style", Html(STYLE))
    return tag("div", style, *inner, start_script(), class_=ROOT, data_stands_for=token)


def _write_several(several: Head | None) -> Iterator[Html]:
    """What stands above several workflows."""
    if several is None:
        return
    role = {"role": "heading", "aria_level": 1, "class_": "rv-head"}
    yield tag("div", write_heading(several.heading), **role)
    yield write_now(several.line, "running" if several.line else "", several.seen)


def button(words: object, event: str | None, value: str | None = None, **more: object) -> Html:
    given = {"type": "button", "data_event": event, "data_value": value, "class_": "rv-button"}
    return tag("button", words, **{**given, **more})


class _LiveWriter(PageWriter):
    """Writes one workflow in pieces; their names begin with its number.

    ``is_open`` is None if it is the only one.
    """

    is_live = True

    def __init__(self, number: str, facts: StateInWords, *, is_open: bool | None) -> None:
        super().__init__(facts.show(is_open), is_open=is_open)
        self.number, self.facts = number, facts
        self.pieces: Pieces = {}

    def put(self, name: str, element: str, *content: object, **attributes: object) -> Html:
        full = show_turning(f"{self.number}:{name}")  # as it stands in the page
        self.pieces[full] = join(*content)
        return tag(element, data_slot=full, **attributes)

    def view(self) -> Iterator[Html]:
        facts = self.facts
        news = f"{facts.count(BROKE)} {WORDS['regressed'].word}" if facts.judged else ""
        if self.is_open is not False:
            yield self.put("status", "div", news, role="status", class_="rv-hidden")
        yield from super().view()

    def fold(self, heading: Html) -> Html:
        how = {"class_": "rv-fold", "aria_expanded": str(self.is_open).lower()}
        return button(heading, "fold-view", self.number, **how)

    def chip(self, count: Count, *said: object) -> Html:
        how = {"aria_pressed": "false", "data_kind": count.key, "class_": "rv-chip"}
        return button(join(*said), None, **how)

    # What a look does not change is not written again.

    def write_row(
        self,
        each: Row,
        columns: Sequence[TableColumn],
        now: Html | None,
        mark: Html | None,
        tint: int | None,
    ) -> Html:
        letters = each.letters if now is None else each.letters[:-1]
        known = replace(each, letters=letters, mark=(), progress="")
        write = partial(super().write_row, each, columns, now, mark, tint)
        return self._keep(f"row:{each.key}", (known, columns, self.shown.runs, tint), write)

    def open_row(self, each: Row) -> Html | None:
        inside = each.inside() if each.inside and self.holds(each) else None
        write = partial(super().open_row, each)
        if inside is None:
            return write()
        self.document(each.key)  # a piece of its own, also where the rest is kept
        return self._keep(f"in:{each.key}", (inside,), write)

    def _keep(self, name: str, about: object, write: Callable[[], Html | None]) -> Html:
        written = {} if self.facts.judged is None else self.facts.judged.written
        if written.get(name, (None,))[0] != about:
            written[name] = about, write() or Html("")
        return written[name][1]

    # What needs a kernel

    def holds(self, each: Row) -> bool:
        return super().holds(each) or each.key in self.facts.state.opened

    def opens(self, each: Row) -> dict[str, str]:
        asks = {"data_event": "open", "data_value": each.key}
        return {} if super().holds(each) else asks

    def documents(self, key: str, documents: Sequence[tuple[str, str]]) -> Iterator[Html]:
        for at, (_, called) in enumerate(documents):
            yield button(name(one_line(called)), "document", f"{key} {at}", class_="rv-text")
        yield button("Copy id", None, data_copy=key, class_="rv-text")

    def document(self, key: str) -> Html:
        """The document that was asked for."""
        shown, inner = self.facts.state.preview, None
        if shown is not None and shown.eval_id == key:
            if shown.failure is not None:
                inner = tag("p", one_line(shown.failure, 300))
            elif shown.url is not None:
                inner = embed(shown.url, shown.name)
            else:
                inner = tag("p", "Asking for the document …", class_="rtd-quiet")
        return self.put(f"doc:{key}", "div", inner, class_="rv-document")

    def actions(self) -> Html | None:
        facts, state, look = self.facts, self.facts.state, self.facts.look
        if look.comparison is None and look.checked.is_empty() and look.watched.is_empty():
            return None
        own = [("", "as it is now")]
        if look.is_watched:
            own.append((WATCHED, f"the watched run{'s' * (look.watched.height > 1)}"))
        usual = [(LAST_GOOD, "each eval's last good"), ("previous", "the code before")]
        checked, against = ([*each, *facts.choices] for each in (own, usual))
        words = {"placeholder": "Search evals", "aria_label": "Search evals"}
        search = tag("input", type="search", class_="rv-field rv-search", **words)
        off = state.job not in ("", COMPARING)
        is_first = facts.judged is not None and facts.judged.facts.is_first
        sides = (
            ("Checked", "candidate", checked, state.candidate or "", off),
            ("Against", "baseline", against, state.baseline, off),
        )
        return join(
            *(_select(*each) for each in sides if not is_first),
            search,
            button("Export CSV", None, data_key="export", class_="rv-button rv-export"),
            *(button(said, None, data_copy=it) for said, it in self.shown.copies),
            None
            if look.is_watched
            else button("Refresh", "refresh", class_="rv-button rv-refresh", disabled=off),
            tag("span", *self._ask(), class_="rv-ask", data_key="right"),
        )

    def _ask(self) -> Iterator[Html]:
        """The right end: a question, a job, or an action on the runs.

        *No* is the pressed button: it has its place, its width and the focus.
        """
        state, look, runs = self.facts.state, self.facts.look, self.facts.look.reruns
        going = look.going.height
        if state.job:
            yield tag("span", state.job, class_="rtd-quiet")
        elif state.asking == "cancel" and going:
            its = "this run" if going == 1 else f"{going} runs"
            yield tag("span", f"End {its} for everybody? ", class_="rtd-quiet rv-question")
            yield button("Yes, cancel", "cancel")
            yield button("No", "ask", "", **_ASKS)
        elif state.asking == "settle" and runs:
            yield button(f"Start {count_noun(runs, 'run')}, billed", "settle")
            yield button("No", "ask", "", **_ASKS)
        elif state.can_cancel and look.phase == "going" and going:
            yield button("Cancel run" if going == 1 else "Cancel runs", "ask", "cancel", **_ASKS)
        elif runs and look.phase == "ended" and not look.is_going:
            yield button(f"Settle ({count_noun(runs, 'run')}, billed)", "ask", "settle", **_ASKS)


_ASKS = {"data_key": "asks", "class_": "rv-button rv-asks"}


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
