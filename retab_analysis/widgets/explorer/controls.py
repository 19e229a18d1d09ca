"""An explorer in ipywidgets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import polars as pl

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
from retab_analysis.widgets.common.html import STYLE, view
from retab_analysis.widgets.explorer import html, list_view
from retab_analysis.widgets.explorer.list_state import ListState
from retab_analysis.widgets.explorer.list_view import ListView
from retab_analysis.widgets.explorer.plots import CHOICES, plots
from retab_analysis.widgets.explorer.state import Exploration

_STYLE = """<style>
.ra-explore .ra-plots{display:flex;flex-wrap:wrap;gap:0 12px}
.ra-explore .ra-plots figure{margin:2px 0;flex:1 1 380px;min-width:0;max-width:900px}
.ra-explore .ra-plots figcaption{font-size:12px;font-weight:600;opacity:.8}
.ra-explore .ra-plot svg{width:100%;height:auto;display:block}
.ra-explore .ra-facts th{width:110px}
.ra-explore .ra-facts td code.ra-whole{display:block;max-height:14em;overflow:auto;
 -webkit-line-clamp:none}
</style>"""


@dataclass(frozen=True, slots=True)
class ExplorerActions:
    """What the buttons do; ``looked`` is called after whatever a person has changed."""

    refresh: Callable[[], None]
    more: Callable[[], None]
    code: Callable[[], str]
    export: Callable[[str], None]
    looked: Callable[[], None]


class ExplorerView:
    """The widgets of one explorer. Their number does not depend on the number of rows."""

    def __init__(
        self, explored: Exploration, actions: ExplorerActions, lock: threading.RLock
    ) -> None:
        self._explored, self._actions, self._lock = explored, actions, lock
        self._plotted: tuple[Any, Any] | None = None
        self._detailed: tuple[Any, ...] | None = None
        self._head = widgets.HTML()
        self._make_toolbar()
        self._plots = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._lists: dict[str, ListView] = {}
        self._details = {name: widgets.HTML() for name in explored.tabs}
        self._tabs = widgets.Tab(
            [self._tab(name) for name in explored.tabs],
            titles=[name.capitalize() for name in explored.tabs],
            selected_index=explored.tabs.index(explored.tab),
        )
        self._tabs.observe(self._turn_to, "selected_index")
        rules = f"{STYLE}{list_view.STYLE}{_STYLE}"
        self.box = stack(
            style(rules),
            self._head,
            self._toolbar,
            self._code,
            self._tabs,
            css_class="ra-explore",
        )

    def _make_toolbar(self) -> None:
        actions = self._actions
        self._refresh = button("Refresh", "Ask again for what may have changed", actions.refresh)
        self._more = button("Load more", "", actions.more)
        self._copy = button(
            "Copy code", "Show the code that gives the same rows, or hide it", self._show_code
        )
        self._path = widgets.Text(
            description="to",
            continuous_update=False,
            layout=widgets.Layout(width="220px"),
            style={"description_width": "auto"},
        )
        self._export = button(
            "Export CSV",
            "All rows that pass the filters, to this file; one that is there is replaced",
            lambda: actions.export(self._path.value.strip()),
        )
        self._choice = widgets.Dropdown(
            options=CHOICES, description="Plots", style={"description_width": "auto"}
        )
        self._choice.observe(lambda _: self._draw_plots(), "value")
        self._code = code_area()
        self._toolbar = row(self._refresh, self._more, self._copy, self._export, self._path)

    def _tab(self, name: str) -> widgets.VBox:
        state = self._explored.list_of(name)
        view = self._lists[name] = ListView(state, self._actions.looked, self._lock)
        plot = [self._choice, self._plots] if name == "runs" else []
        detail = widgets.Box(
            [self._details[name]],
            layout=widgets.Layout(max_height="420px", overflow="auto", margin="10px 0 0"),
        )
        self._details[name].layout.width = "100%"
        return stack(view.filters, *plot, view.table, detail)

    def draw_head(self, title: str, message: str, *, trouble: bool) -> None:
        """Show what is explored, and how far a fetch is or what has been done."""
        assign(self._head, value=str(html.heading(title, message, trouble=trouble)))

    def draw(self, *, more: str, reading: bool) -> None:
        """Show the state; what has not changed is not sent.

        Args:
            more: What *Load more* would do, empty where it would do nothing.
            reading: Whether results are being fetched.
        """
        explored = self._explored
        state = explored.listed  # brings it up to date
        assign(self._tabs, selected_index=explored.tabs.index(explored.tab))
        show(self._more, bool(more))
        assign(self._more, tooltip=more)
        if self._path.value in ("", *_paths(explored)):
            assign(self._path, value=f"{explored.tab}.csv")
        self._lists[explored.tab].draw()
        self._draw_details(state, reading)
        self._draw_plots()
        if self._code.layout.display != "none":
            assign(self._code, value=self._actions.code())

    def _draw_details(self, state: ListState, reading: bool) -> None:
        explored = self._explored
        made_of = (explored.tab, state.chosen, reading, explored.known, state.frame)
        if self._detailed is None or any(
            old is not new and (isinstance(new, pl.DataFrame) or old != new)
            for old, new in zip(self._detailed, made_of, strict=True)
        ):
            self._detailed = made_of
            assign(self._details[explored.tab], value=self._detail(state, reading))

    def _draw_plots(self) -> None:
        with self._lock:
            self._plot()

    def _plot(self) -> None:
        runs = self._explored.runs
        if runs is None or self._explored.tab != "runs":
            return
        # Order and page make no difference to a plot.
        frame, choice = runs.frame, (runs.wanted, self._choice.value)
        if self._plotted is None or self._plotted[0] is not frame or self._plotted[1] != choice:
            self._plotted = (frame, choice)
            assign(self._plots, value=str(plots(runs.rows, self._choice.value)))

    def _detail(self, state: ListState, reading: bool) -> str:
        row, explored = state.chosen_row, self._explored
        if row is None:
            noun = explored.tab.removesuffix("s")
            return str(view(html.hint(noun)))
        if explored.tab == "runs":
            results = explored.results_of(row["run_id"])
            return str(html.run_details(row, results, reading=reading))
        if explored.tab == "results":
            return str(html.result_details(row))
        return str(html.eval_details(row, explored.history_of(row["eval_id"])))

    def _turn_to(self, change: Any) -> None:
        with self._lock:
            tab = self._explored.tabs[change["new"]]
            if tab != self._explored.tab:
                self._explored.tab = tab
                self._actions.looked()

    def _show_code(self) -> None:
        with self._lock:
            hidden = self._code.layout.display == "none"
            assign(self._code, value=self._actions.code())
            show(self._code, hidden)

    def close(self) -> None:
        """Take all widgets away."""
        self._lists.clear()
        close(self.box)

    def send_all(self) -> None:
        """Send the whole state again, so that whoever executes the notebook stores it."""
        for widget in (self._head, self._plots, *self._details.values()):
            widget.send_state()


def _paths(explored: Exploration) -> list[str]:
    return [f"{name}.csv" for name in explored.tabs]
