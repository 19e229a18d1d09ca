"""The comparison view in ipywidgets: draws its state, and passes on to it what is pressed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from retab_analysis.errors import RetabAnalysisError
from retab_analysis.markup import tag
from retab_analysis.report import write_report
from retab_analysis.vocabulary import TRANSITIONS
from retab_analysis.widgets.common.controls import assign, button, close, row, show, stack, style
from retab_analysis.widgets.compare import html
from retab_analysis.widgets.compare.html import HEIGHT, STYLE
from retab_analysis.widgets.compare.state import CompareState

_KINDS = {"version": "Versions", "run": "Runs", "draft": "Drafts"}
# Lab takes the plain arrow keys for itself, except in text fields and on sliders.
_KEYS = "Keys: Enter or Space on a button, ← → on the slider, Alt+↑ Alt+↓ in the list"


class CompareControls:
    """The widgets of one comparison view; their number does not depend on that of the evals."""

    def __init__(self, state: CompareState) -> None:
        self._state = state
        # Callbacks may come from several threads; in one thread, an assignment calls back.
        self._lock, self._drawing = threading.RLock(), False
        self._head, self._detail, self._place = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._make_sides()
        self._make_chips()
        self._make_list()
        self._make_plots()
        self._make_report()
        panes = row(self._list, self._detail)
        panes.add_class("ra-panes")
        words = tag("div", tag("span", _KEYS, class_="ra-soft ra-keys"), class_="ra-view")
        keys = widgets.HTML(str(words), layout=widgets.Layout(flex="1 1 260px", width="auto"))
        self.box = stack(
            style(str(STYLE)),
            row(self._kind, self._baseline, self._candidate),
            self._head,
            self._chips,
            row(self._previous, self._next, self._slider, self._place, keys),
            panes,
            row(*self._openers.values(), self._open_report),
            *self._plots.values(),
            self._report,
            css_class="ra-compare",
        )
        self.draw()

    def draw(self) -> None:
        """Show the state; what has not changed is not sent."""
        with self._lock:
            self._drawing = True
            try:
                self._draw_sides()
                assign(self._head, value=str(html.render_head(self._state)))
                self._draw_chips()
                self._draw_list()
                self._draw_plots()
                self._draw_report()
            finally:
                self._drawing = False

    def _do(self, change: Callable[[Any], object]) -> Callable[[Any], None]:
        """A callback that changes the state and draws it once.

        What the drawing itself assigns calls back, too, in the same thread; that is not a person's
        wish, and is left out. Other threads wait for their turn.
        """

        def call(event: Any) -> None:
            with self._lock:
                if not self._drawing:
                    change(event)
                    self.draw()

        return call

    def _on(self, widget: Any, change: Callable[[Any], object]) -> None:
        widget.observe(self._do(lambda event: change(event["new"])), "value")

    def close(self) -> None:
        """Take all widgets away: Jupyter would keep them."""
        close(self.box)

    # What is compared

    def _make_sides(self) -> None:
        state = self._state
        kinds = [(_KINDS[kind], kind) for kind in state.sides]
        self._kind = _dropdown("Compare", "Compare versions, runs or drafts", kinds)
        self._baseline = _dropdown("Baseline", "What was")
        self._candidate = _dropdown("Candidate", "What is")
        self._on(self._kind, state.choose_kind)
        self._on(self._baseline, lambda value: state.choose_side(baseline=value))
        self._on(self._candidate, lambda value: state.choose_side(candidate=value))

    def _draw_sides(self) -> None:
        state = self._state
        assign(self._kind, value=state.kind)
        offered = tuple((side.words, side.value) for side in state.sides[state.kind])
        _choose(self._baseline, offered, state.baseline)
        _choose(self._candidate, offered, state.candidate)

    # What is listed

    def _make_chips(self) -> None:
        self._chip = {
            each: widgets.ToggleButton(layout=widgets.Layout(width="auto")) for each in TRANSITIONS
        }
        for each, chip in self._chip.items():
            self._on(chip, partial(self._state.show, each))
        self._chips = row(*self._chip.values())
        self._chips.add_class("ra-chips")

    def _draw_chips(self) -> None:
        counts = self._state.counts
        for each, chip in self._chip.items():
            show(chip, each in counts)
            if each in counts:
                on = each in self._state.shown
                hint = "Listed; press to leave out" if on else "Not listed; press to list"
                words = html.label_chip(each, counts[each])
                assign(chip, value=on, description=words, tooltip=hint)

    def _make_list(self) -> None:
        state, height = self._state, f"{HEIGHT}px"
        self._list = widgets.Select(description="Evals", tooltip=_KEYS)
        self._list.layout = widgets.Layout(flex="1 1 270px", width="auto", height=height)
        self._list.add_class("ra-evals")
        self._detail.layout = widgets.Layout(
            flex="3 1 420px", width="auto", height=height, min_width="0"
        )
        self._previous = button("Previous", "The eval before; Enter or Space", lambda: None)
        self._next = button("Next", "The eval after it; Enter or Space", lambda: None)
        self._slider = widgets.IntSlider(min=1, max=2, readout=False, description="Eval")
        self._slider.tooltip = "← and → go from eval to eval"
        self._slider.layout = widgets.Layout(width="190px", margin="2px 2px 2px 14px")
        self._slider.style.description_width = "auto"
        self._on(self._list, state.choose)
        self._on(self._slider, lambda value: state.move_to(value - 1))
        self._previous.on_click(self._do(lambda _: state.step(-1)))
        self._next.on_click(self._do(lambda _: state.step(1)))

    def _draw_list(self) -> None:
        state = self._state
        several = len(state.listed) > 1
        _choose(self._list, html.list_options(state), state.chosen)
        with self._slider.hold_sync():
            assign(self._slider, max=max(len(state.listed), 2), disabled=not several)
            assign(self._slider, value=(state.place or 0) + 1)
        assign(self._previous, disabled=not several)
        assign(self._next, disabled=not several)
        # Last, so that whoever sees the eval can go on from it.
        assign(self._detail, value=str(html.render_detail(state)))
        assign(self._place, value=str(tag("span", html.describe_position(state), role="status")))

    # Plots, drawn once somebody looks at them: it takes a second

    def _make_plots(self) -> None:
        titles = {"Plot by block": html.plot_by_block, "Plot by eval": html.plot_by_eval}
        self._openers = {title: _opener(title, "Show or hide the plot") for title in titles}
        self._plots = {title: widgets.HTML() for title in titles}
        self._draws = titles
        self._drawn: dict[str, object] = {}
        for title, opener in self._openers.items():
            self._plots[title].add_class("ra-plots")
            opener.observe(self._do(lambda _: None), "value")

    def _draw_plots(self) -> None:
        state = self._state
        for title, opener in self._openers.items():
            plot = self._plots[title]
            show(plot, opener.value)
            of = (state.comparison, state.shown)
            if opener.value and self._drawn.get(title) != of:
                self._drawn[title] = of
                assign(plot, value=str(self._draws[title](state)))

    # The report

    def _make_report(self) -> None:
        self._open_report = _opener("Write report…", "A file for somebody else")
        self._path = widgets.Text(value="comparison.html", description="File", tooltip=".html, .md")
        self._path.style.description_width = "auto"
        self._with_values = widgets.Checkbox(
            value=False, description="with expected and actual values", indent=False
        )
        self._with_values.layout.width = "auto"
        self._write = button("Write report", "A file that is there is replaced", self._write_it)
        self._said = widgets.HTML(layout=widgets.Layout(flex="1 1 240px", width="auto"))
        self._written = self._state.comparison
        self._report = row(self._path, self._with_values, self._write, self._said)
        show(self._report, False)
        self._open_report.observe(lambda event: show(self._report, event["new"]), "value")

    def _draw_report(self) -> None:
        assign(self._write, disabled=self._state.same)
        if self._written is not self._state.comparison:
            assign(self._said, value="")

    def _write_it(self) -> None:
        with self._lock:
            self._written = self._state.comparison
            try:
                path = Path(self._path.value.strip()).expanduser()
                write_report(self._state.comparison, path, values=self._with_values.value)
            except (RetabAnalysisError, OSError, RuntimeError, ValueError) as error:
                self._say(f"Not written: {error}", "bad")
            else:
                self._say(f"Written to {path.resolve()}", "good")

    def _say(self, words: str, kind: str) -> None:
        said = tag("span", words, class_=f"rta-{kind}", role="status")
        assign(self._said, value=str(tag("div", said, class_="ra-view rta")))


def _dropdown(words: str, hint: str, offered: Iterable[Any] = ()) -> widgets.Dropdown:
    layout = widgets.Layout(width="auto", max_width="min(100%, 430px)", margin="2px 14px 2px 2px")
    made = widgets.Dropdown(description=words, tooltip=hint, options=tuple(offered), layout=layout)
    made.style.description_width = "auto"
    return made


def _opener(words: str, hint: str) -> widgets.ToggleButton:
    layout = widgets.Layout(width="auto")
    return widgets.ToggleButton(description=words, tooltip=hint, layout=layout)


def _choose(widget: Any, offered: tuple[tuple[str, str], ...], value: str | None) -> None:
    """Offer and choose in one message: new options alone would choose the first of them."""
    if (widget.options, widget.value) != (offered, value):
        with widget.hold_sync():
            assign(widget, options=offered)
            assign(widget, value=value)
