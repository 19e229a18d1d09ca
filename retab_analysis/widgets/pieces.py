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
    SPACE,
    STAND_IN,
    STYLE,
    TRUST,
    PageWriter,
    button,
    start_script,
    write_heading,
    write_mode,
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
    inner = TRUST, *_write_several(several), *(each.write() for each in writers)
    style = tag("style", Html(STYLE))
    return tag("div", style, *inner, start_script(), class_=ROOT, data_stands_for=token)


def _write_several(several: Head | None) -> Iterator[Html]:
    """What stands above several workflows."""
    if several is None:
        return
    role = {"role": "heading", "aria_level": 1, "class_": "rv-head"}
    yield tag("div", write_heading(several), **role)
    yield write_now(several, several.seen)


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
        known = replace(each, letters=letters, mark=(), now="", progress="")
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

    # The control line: one mode of it is shown

    def modes(self) -> Iterator[Html]:
        look = self.facts.look
        if look.comparison is None and look.checked.is_empty() and look.watched.is_empty():
            yield write_mode("rest")  # it has its height already
            return
        if not self._is_first:
            yield self._write_sides()
        yield from self._ask()
        yield from super().modes()

    @property
    def _is_first(self) -> bool:
        return self.facts.judged is not None and self.facts.judged.facts.is_first

    @property
    def _is_off(self) -> bool:
        """Whether nothing can be asked of the API now."""
        return bool(self.facts.state.job) or self.facts.look.is_away

    def _list_sides(self) -> Iterator[tuple[str, str, dict[str, str], str]]:
        """The sides of a comparison, their choices in words, and what is chosen."""
        facts, state = self.facts, self.facts.state
        checked, against = {"": "as it is now"}, dict(_AGAINST)
        if facts.look.is_watched:
            checked[WATCHED] = f"the watched run{'s' * (facts.look.watched.height > 1)}"
        yield "Checked", "candidate", checked, state.candidate or ""
        yield "Against", "baseline", against, state.baseline

    def _write_sides(self) -> Html:
        off = self._is_off and self.facts.state.job != COMPARING
        made = []
        for label, event, usual, chosen in self._list_sides():
            known = {**usual, **dict(self.facts.choices)}
            known = known if chosen in known else {chosen: one_line(chosen, 40), **known}
            options = (tag("option", it, value=k, selected=k == chosen) for k, it in known.items())
            how = {"data_event": event, "data_key": event, "class_": "rv-field", "disabled": off}
            made.append(tag("label", tag("span", label), " ", tag("select", *options, **how)))
        return write_mode("sides", *made, done="Done", label="What is compared")

    def controls(self) -> tuple[Html | None, Html | None, Html | None]:
        state, look, off = self.facts.state, self.facts.look, self._is_off
        runs, going = look.reruns, look.going.height
        plain: Any = {"class_": "rv-plain-button rv-refresh", "aria_label": "Refresh"}
        words = join("\u21bb", tag("span", " Refresh"))
        refresh = button(words, "refresh", disabled=off, **plain)
        act: Any = partial(button, event="ask", disabled=off, **_ASKS)
        action = None
        if state.job:
            action = tag("span", state.job, class_="rtd-quiet rv-asks", data_key="job")
        elif state.can_cancel and look.phase == "going" and going:
            action = act("Cancel run" if going == 1 else f"Cancel {going} runs", value="cancel")
        elif runs and look.phase == "ended" and not look.is_going:
            action = act(f"Settle ({count_noun(runs, 'run')}, billed)", value="settle")
        return self._say_compared(), None if look.is_watched else refresh, action

    def _say_compared(self) -> Html | None:
        """The button that says what is compared, and opens the choices."""
        if self._is_first:
            return None
        names = dict(self.facts.choices)
        sides = self._list_sides()
        checked, against = (({**names, **its}).get(it, one_line(it, 40)) for *_, its, it in sides)
        opens = tag("span", " \u25be", aria_hidden="true")
        said = checked[:1].upper() + checked[1:], tag("span", " against "), against, opens
        how = {"class_": "rv-plain-button rv-sides", "title": f"{checked} against {against}"}
        return button(join(*said), None, data_go="sides", disabled=self._is_off, **how)

    def _ask(self) -> Iterator[Html]:
        """A question; *No* lies where the action was that asks it."""
        state, look, runs = self.facts.state, self.facts.look, self.facts.look.reruns
        going, (done, total) = look.going.height, self.facts.far
        if state.job or not (going if state.asking == "cancel" else state.asking and runs):
            return
        it, them = ("it", "this run") if going == 1 else ("them", f"{going} runs")
        asked, follows, yes = f"End {them} for everybody?", "", f"Yes, end {it}"
        if state.asking == "settle":
            asked, yes = f"Start {count_noun(runs, 'run')}? It is billed.", "Yes, start"
            asked = asked if runs == 1 else asked.replace("It is", "They are")
        elif total > done:
            rest = f"{count_noun(total - done, 'eval')} {'is' if total - done == 1 else 'are'}"
            follows = f"{count_noun(done, 'result')} stay{'s' * (done == 1)}, {rest} not run"
        yield write_mode(
            "ask",
            tag("b", asked, class_="rv-question"),
            tag("span", follows, class_="rv-follows"),
            SPACE,
            button(yes, state.asking, class_="rv-button rv-yes"),
            button("No", "ask", "", **_ASKS),
            label=asked,
        )


_AGAINST = ((LAST_GOOD, "each eval's last good"), ("previous", "the code before"))
_ASKS = {"data_key": "asks", "class_": "rv-button rv-asks"}
