"""The live view in ipywidgets: draws the state, and passes clicks on to the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from retab_analysis.widgets.common.controls import (
    assign,
    button,
    close,
    code_area,
    row,
    show,
    stack,
    style,
)
from retab_analysis.widgets.common.html import SHOWN_EVALS, STYLE, render_evals
from retab_analysis.widgets.live import html
from retab_analysis.widgets.live.state import LiveState

# Pixels; a list that can hold many evals has its height from the start, and scrolls.
_ROW, _LEAST, _MOST = 40, 110, 340


@dataclass(frozen=True, slots=True)
class Actions:
    """What the buttons do; ``cancel`` is None where that is not offered."""

    stop: Callable[[], None]
    refresh: Callable[[], None]
    cancel: Callable[[], None] | None
    code: Callable[[], str]


class LiveControls:
    """The widgets of one view. Their number does not depend on the number of runs."""

    def __init__(self, state: LiveState, actions: Actions, *, has_baseline: bool = True) -> None:
        self._has_baseline = has_baseline
        self._actions = actions
        self._state = state
        self._all = False
        self._top, self._news = widgets.HTML(), widgets.HTML()
        self._apart, self._known, self._passed = (widgets.HTML() for _ in range(3))
        self._list = _scrolling(self._news, None)
        self._list.add_class("ra-news")
        folded = (self._apart, self._known, self._passed)[0 if has_baseline else 2 :]
        self._folded = widgets.Accordion([_scrolling(each, "300px") for each in folded])
        self._code = code_area()
        self._make_buttons()
        self.box = widgets.VBox(
            [
                style(str(STYLE)),
                _scrolling(self._top, None, most="420px"),
                self._list,
                self._folded,
                self._buttons,
                self._question,
                self._code,
            ],
            layout=widgets.Layout(width="100%", overflow="hidden"),
        )
        self.draw(state)

    def draw(self, state: LiveState) -> None:
        """Show a state; what has not changed is not sent."""
        self._state = state
        self._draw_height(state)
        # Which run an eval belongs to is told only where there are several.
        several = len(state.runs) > 1
        limit = None if self._all else SHOWN_EVALS
        assign(self._top, value=str(html.render_top(state)))
        assign(self._news, value=_table(state.listed, limit, several, html.say_nothing_new(state)))
        assign(self._apart, value=_table(state.apart, limit, several, "None."))
        assign(self._known, value=_table(state.known, limit, several, "None."))
        assign(self._passed, value=_table(state.passed, limit, several, "None yet."))
        assign(self._folded, titles=html.name_folded(state)[0 if self._has_baseline else 2 :])
        self._draw_buttons(state)

    def _draw_height(self, state: LiveState) -> None:
        """Make room for the list before anything stands in it, so that nothing moves later."""
        total = sum(run.total for run in state.runs) if state.runs else _MOST
        assign(self._list.layout, height=f"{min(max(total * _ROW, _LEAST), _MOST)}px")

    def send_all(self) -> None:
        """Send the whole state again, so that whoever executes the notebook stores it."""
        lists = (self._news, self._apart, self._known, self._passed)
        for widget in (self._top, *lists, self._folded):
            widget.send_state()

    def close(self) -> None:
        """Take all widgets away: Jupyter would keep them."""
        close(self.box)

    def _make_buttons(self) -> None:
        self._stop = button("Stop watching", "The runs go on", self._actions.stop)
        self._refresh = button("Refresh now", "Look at once", self._actions.refresh)
        self._show = button("Show all", "Show every eval", self._show_all)
        self._copy = button("Copy code", "The lines that fetch these results", self._show_code)
        self._ask = button("Cancel run", "Asks first", self._ask_first)
        self._yes = button("Yes, cancel", "Ends the runs for everybody", self._cancel)
        self._no = button("No", "The runs go on", self._hide_question)
        buttons = [self._stop, self._refresh, self._show, self._copy]
        if self._actions.cancel is not None:
            buttons.append(self._ask)
        self._buttons = row(*buttons)
        words = widgets.Label("Cancel what has not ended yet?")
        self._question = row(words, self._yes, self._no)
        show(self._question, False)

    def _draw_buttons(self, state: LiveState) -> None:
        watching = state.phase == "watching"
        assign(self._stop, disabled=not watching)
        assign(self._refresh, disabled=not watching)
        assign(self._ask, disabled=not (watching and state.can_cancel))
        longest = max(map(len, (state.listed, state.apart, state.known, state.passed)))
        hidden = longest <= SHOWN_EVALS
        show(self._show, not hidden)
        assign(self._show, description="Show fewer" if self._all else "Show all")
        if not (watching and state.can_cancel):
            self._hide_question()

    def _show_all(self) -> None:
        self._all = not self._all
        self.draw(self._state)

    def _show_code(self) -> None:
        hidden = self._code.layout.display == "none"
        assign(self._code, value=self._actions.code())
        show(self._code, hidden)

    def _ask_first(self) -> None:
        show(self._question, True)

    def _hide_question(self) -> None:
        show(self._question, False)

    def _cancel(self) -> None:
        self._hide_question()
        if self._actions.cancel is not None:
            self._actions.cancel()


class CompactControls:
    """One line and one bar for all runs together, without buttons and lists."""

    def __init__(self, state: LiveState) -> None:
        self._line = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.box = stack(style(str(STYLE)), self._line)
        self.draw(state)

    def draw(self, state: LiveState) -> None:
        """Show a state; what has not changed is not sent."""
        assign(self._line, value=str(html.render_briefly(state)))

    def send_all(self) -> None:
        """Send the whole state again, as :meth:`LiveControls.send_all` does."""
        self._line.send_state()

    def close(self) -> None:
        """Take all widgets away."""
        close(self.box)


def _table(lines: Any, limit: int | None, several: bool, nothing: str) -> str:
    return str(render_evals(lines, limit=limit, values=True, several=several, nothing=nothing))


def _scrolling(child: widgets.HTML, height: str | None, *, most: str | None = None) -> widgets.Box:
    """A box of its own that scrolls: it stays, and stays scrolled, when its content is replaced."""
    child.layout.width = "100%"
    child.layout.margin = "0"
    layout = widgets.Layout(
        width="100%", height=height, max_height=most, overflow="auto", display="block"
    )
    return widgets.Box([child], layout=layout)
