"""An explorer in ipywidgets: the controls of one list, and of the whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import polars as pl

from retab_analysis.markup import one_line
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
from retab_analysis.widgets.common.html import STYLE, render_view
from retab_analysis.widgets.explorer import html
from retab_analysis.widgets.explorer.list_state import PAGE, ListState
from retab_analysis.widgets.explorer.lists import ListColumn
from retab_analysis.widgets.explorer.state import ExplorerState

# Pixels.
_ROW_HEIGHT, _LEAST_WIDTH = 28, 880

_STYLE = f"""<style>
.ra-explore .ra-filters>*>*{{margin:0 12px 6px 0}}
.ra-explore .ra-filters .widget-inline-hbox{{flex-direction:column;align-items:stretch;height:auto;
 flex:1 1 132px;min-width:90px;max-width:180px;width:auto}}
.ra-explore .ra-filters .widget-label{{width:auto;text-align:left;height:auto;line-height:20px;
 font-size:12px;opacity:.8}}
.ra-explore .ra-filters .widget-text{{flex-basis:220px;max-width:320px}}
.ra-explore .ra-filters select{{font-size:12px;height:88px;flex:none;width:100%}}
.ra-explore .ra-wide-list{{overflow-x:auto}}
.ra-explore .ra-headings{{min-width:{_LEAST_WIDTH}px}}
.ra-explore .ra-headings .jupyter-button{{margin:0;text-align:left;padding:0 2px 0 4px;
 background:transparent;box-shadow:none;font-weight:600;font-size:12px;height:26px;line-height:26px;
 color:inherit;overflow:hidden;text-overflow:ellipsis}}
.ra-explore .ra-headings .jupyter-button:hover{{text-decoration:underline}}
.ra-explore .ra-rows{{display:grid;min-width:{_LEAST_WIDTH}px;overflow:hidden}}
.ra-explore .ra-rows>*{{grid-area:1/1;margin:0;width:100%}}
.ra-explore .ra-picks{{z-index:1}}
.ra-explore .ra-picks>div{{display:block;width:100%}}
.ra-explore .ra-picks .jupyter-button{{display:block;width:100%;height:{_ROW_HEIGHT}px;margin:0;
 border-radius:0;background:transparent;color:transparent;box-shadow:none;text-shadow:none;
 user-select:none}}
.ra-explore .ra-picks .jupyter-button:hover{{background:rgba(128,128,128,.14)}}
.ra-explore .ra-picks .jupyter-button:focus-visible,
.ra-explore .ra-headings .jupyter-button:focus-visible{{outline:2px solid #0072B2;
 outline-offset:-2px}}
.ra-explore .ra-picks .jupyter-button.mod-active{{background:rgba(0,114,178,.16);
 box-shadow:inset 3px 0 #0072B2}}
.ra-explore table.ra-list{{border-collapse:separate;border-spacing:0;table-layout:fixed;
 width:100%;margin:0;font-size:12px;min-width:{_LEAST_WIDTH}px}}
.ra-explore .ra-list td,.ra-explore .ra-list th{{height:{_ROW_HEIGHT}px;padding:0 8px 0 4px;
 box-sizing:border-box;line-height:1.4;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;
 text-align:left!important;
 border:0;border-top:1px solid color-mix(in srgb,currentColor 14%,transparent)}}
.ra-explore .ra-heard{{position:absolute;width:1px;height:1px;overflow:hidden;
 clip-path:inset(50%)}}
.ra-explore .ra-list tbody tr{{background:none!important;height:{_ROW_HEIGHT}px}}
.ra-explore .ra-mixed{{border-radius:3px;padding:0 .35em;background:#F0E442;color:#000;
 font-weight:600;display:inline-block;min-width:1em;text-align:center}}
.ra-explore .ra-list td span{{line-height:1.35}}
.ra-explore .ra-signs>span{{margin-right:2px;padding:0!important;min-width:13px!important;
 font-size:11px}}
.ra-explore .ra-view th{{background:var(--jp-layout-color1,Canvas)}}
.ra-explore{{container-type:inline-size}}
@container (max-width:560px){{
 .ra-explore .ra-filters .widget-inline-hbox{{flex:1 1 90px}}
 .ra-explore .ra-filters .widget-text{{max-width:none;flex-basis:100%!important}}
}}
.ra-explore .ra-plots{{display:flex;flex-wrap:wrap;gap:0 12px}}
.ra-explore .ra-plots figure{{margin:2px 0;flex:1 1 380px;min-width:0;max-width:900px}}
.ra-explore .ra-plots figcaption{{font-size:12px;font-weight:600;opacity:.8}}
.ra-explore .ra-plot svg{{width:100%;height:auto;display:block}}
.ra-explore .ra-facts th{{width:110px}}
.ra-explore .ra-facts td code.ra-whole{{display:block;max-height:14em;overflow:auto;
 -webkit-line-clamp:none}}
</style>"""


class ListControls:
    """The widgets of one list. Only the rows of the page are in them."""

    def __init__(
        self, state: ListState, changed: Callable[[], None], lock: threading.RLock
    ) -> None:
        """Make the widgets.

        Args:
            state: What they show and change.
            changed: Called once after each change by a person, to have everything drawn.
            lock: Held while the state is changed or drawn, by whatever thread.
        """
        self._state, self._changed, self._lock = state, changed, lock
        self._drawing = False
        self._options_of: Any = None
        self.filter_box = self._make_filters()
        self.table = self._make_table()

    def draw(self) -> None:
        """Show the state; what has not changed is not sent."""
        with self._quiet():
            self._draw_options()
            self._draw_headings()
            self._draw_rows()
            self._draw_pages()

    def _make_filters(self) -> widgets.VBox:
        listing = self._state.listing
        self._facets = {
            each.name: widgets.SelectMultiple(description=each.title) for each in listing.facets
        }
        since = f"{listing.moment[0]} since".capitalize()
        self._since = widgets.DatePicker(description=since, tooltip="The first day, in UTC")
        self._until = widgets.DatePicker(description="until", tooltip="The last day, in UTC")
        self._text = widgets.Text(
            description="Search", placeholder="text, then Enter", continuous_update=False
        )
        self._clear = button("Clear filters", "Show all again", self._clear_filters)
        first = (self._text, self._since, self._until)
        for control in (*first, *self._facets.values()):
            control.observe(self._filter, "value")
        box = widgets.VBox([row(*first, self._clear), row(*self._facets.values())])
        box.children[0].layout.align_items = "flex-end"
        box.add_class("ra-filters")
        return box

    def _make_table(self) -> widgets.VBox:
        columns = self._state.listing.columns
        total = sum(column.share for column in columns)
        self._headings = {column.name: _heading(column, column.share / total) for column in columns}
        for name, heading in self._headings.items():
            heading.on_click(lambda _, name=name: self._do(lambda: self._state.sort_by(name)))
        headings = widgets.HBox(list(self._headings.values()))
        headings.add_class("ra-headings")
        self._table = widgets.HTML()
        self._picks = widgets.ToggleButtons(options=[], index=None)
        self._picks.add_class("ra-picks")
        self._picks.observe(self._pick, "index")
        rows = widgets.Box(
            [self._table, self._picks], layout=widgets.Layout(height=f"{PAGE * _ROW_HEIGHT + 2}px")
        )
        rows.add_class("ra-rows")
        wide = widgets.VBox([headings, rows])
        wide.add_class("ra-wide-list")
        return widgets.VBox([wide, self._make_pages()])

    def _make_pages(self) -> widgets.HBox:
        state = self._state
        self._before = button("‹ Previous", "", lambda: self._turn(state.page - 1))
        self._after = button("Next ›", "", lambda: self._turn(state.page + 1))
        self._page = widgets.BoundedIntText(
            1, min=1, max=1, description="Page", layout=widgets.Layout(width="150px")
        )
        self._page.observe(lambda change: self._turn(change["new"] - 1), "value")
        self._place = widgets.Label()
        return row(self._before, self._after, self._page, self._place)

    def _draw_options(self) -> None:
        """What can be chosen; it depends on the data alone, and is made anew with them."""
        state = self._state
        if self._options_of is not state.frame:
            self._options_of = state.frame
            for facet in state.listing.facets:
                control = self._facets[facet.name]
                options = tuple(state.options(facet))
                chosen = state.filters.facets.get(facet.name, ())
                if control.options != options:
                    control.options = options
                    control.value = [value for _, value in options if value in chosen]
                # With one value there is nothing to choose; what is chosen stays to be seen.
                show(control, len(options) > 1 or bool(chosen))

    def _draw_headings(self) -> None:
        state = self._state
        for column in state.listing.columns:
            arrow = (" ▼" if state.descending else " ▲") if column.name == state.sort else ""
            assign(self._headings[column.name], description=column.title + arrow)

    def _draw_rows(self) -> None:
        state = self._state
        shown = state.shown.to_dicts()
        assign(
            self._table, value=str(html.render_table(state.listing.columns, shown, heading=False))
        )
        first, second = state.listing.columns[:2]
        labels = tuple(
            f"{first.text(each)} {second.text(each)} {one_line(each[state.listing.key])}"
            for each in shown
        )
        with self._picks.hold_sync():
            assign(self._picks, options=labels)
            assign(self._picks, index=state.chosen_at)

    def _draw_pages(self) -> None:
        state = self._state
        assign(self._before, disabled=state.page == 0)
        assign(self._after, disabled=state.page + 1 >= state.pages)
        with self._page.hold_sync():
            assign(self._page, max=state.pages)
            assign(self._page, value=state.page + 1)
        assign(self._place, value=state.position)
        assign(self._clear, disabled=not state.filters.describe(state.listing))

    def _filter(self, _: Any) -> None:
        facets = {name: tuple(control.value) for name, control in self._facets.items()}
        wanted = {
            "facets": facets,
            "since": self._since.value,
            "until": self._until.value,
            "text": self._text.value.strip(),
        }
        self._do(lambda: self._state.filter(**wanted))

    def _clear_filters(self) -> None:
        with self._quiet():
            for control in self._facets.values():
                assign(control, value=())
            assign(self._since, value=None)
            assign(self._until, value=None)
            assign(self._text, value="")
        self._filter(None)

    def _turn(self, page: int) -> None:
        self._do(lambda: self._state.go_to(page))

    def _pick(self, change: Any) -> None:
        self._do(lambda: self._state.choose(change["new"]))

    def _do(self, step: Callable[[], object]) -> None:
        """Take a step that a person asked for, not one that our own drawing has caused."""
        # The lock first: another thread may be drawing, and what is asked meanwhile must not be
        # taken for a part of that.
        with self._lock:
            if not self._drawing and step() is not False:
                self._changed()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Take no assignment of our own for a person's."""
        before, self._drawing = self._drawing, True
        try:
            yield
        finally:
            self._drawing = before


def _heading(column: ListColumn, share: float) -> widgets.Button:
    layout = widgets.Layout(width=f"{100 * share:.3f}%", flex="0 0 auto")
    hint = f"Sort by {column.title}" + (f": {column.hint}" if column.hint else "")
    return widgets.Button(description=column.title, tooltip=hint, layout=layout)


@dataclass(frozen=True, slots=True)
class ExplorerActions:
    """What the buttons do; ``looked`` is called after whatever a person has changed."""

    refresh: Callable[[], None]
    more: Callable[[], None]
    code: Callable[[], str]
    export: Callable[[str], None]
    looked: Callable[[], None]


class ExplorerControls:
    """The widgets of one explorer. Their number does not depend on the number of rows."""

    def __init__(
        self, explored: ExplorerState, actions: ExplorerActions, lock: threading.RLock
    ) -> None:
        self._explored, self._actions, self._lock = explored, actions, lock
        self._plotted: tuple[Any, Any] | None = None
        self._detailed: tuple[Any, ...] | None = None
        self._head = widgets.HTML()
        self._make_toolbar()
        self._plots = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._lists: dict[str, ListControls] = {}
        self._details = {name: widgets.HTML() for name in explored.tabs}
        self._tabs = widgets.Tab(
            [self._tab(name) for name in explored.tabs],
            titles=[name.capitalize() for name in explored.tabs],
            selected_index=explored.tabs.index(explored.tab),
        )
        self._tabs.observe(self._turn_to, "selected_index")
        rules = f"{STYLE}{_STYLE}"
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
            options=html.PLOT_CHOICES, description="Plots", style={"description_width": "auto"}
        )
        self._choice.observe(lambda _: self._draw_plots(), "value")
        self._code = code_area()
        self._toolbar = row(self._refresh, self._more, self._copy, self._export, self._path)

    def _tab(self, name: str) -> widgets.VBox:
        state = self._explored.list_of(name)
        view = self._lists[name] = ListControls(state, self._actions.looked, self._lock)
        plot = [self._choice, self._plots] if name == "runs" else []
        detail = widgets.Box(
            [self._details[name]],
            layout=widgets.Layout(max_height="420px", overflow="auto", margin="10px 0 0"),
        )
        self._details[name].layout.width = "100%"
        return stack(view.filter_box, *plot, view.table, detail)

    def draw_head(self, title: str, message: str, *, trouble: bool) -> None:
        """Show what is explored, and how far a fetch is or what has been done."""
        assign(self._head, value=str(html.render_heading(title, message, trouble=trouble)))

    def draw(self, *, more: str, fetching: bool) -> None:
        """Show the state; what has not changed is not sent.

        Args:
            more: What *Load more* would do, empty where it would do nothing.
            fetching: Whether results are being fetched.
        """
        explored = self._explored
        state = explored.listed  # brings it up to date
        assign(self._tabs, selected_index=explored.tabs.index(explored.tab))
        show(self._more, bool(more))
        assign(self._more, tooltip=more)
        if self._path.value in ("", *_paths(explored)):
            assign(self._path, value=f"{explored.tab}.csv")
        self._lists[explored.tab].draw()
        self._draw_details(state, fetching)
        self._draw_plots()
        if self._code.layout.display != "none":
            assign(self._code, value=self._actions.code())

    def _draw_details(self, state: ListState, fetching: bool) -> None:
        explored = self._explored
        made_of = (explored.tab, state.chosen, fetching, explored.known, state.frame)
        if self._detailed is None or any(
            old is not new and (isinstance(new, pl.DataFrame) or old != new)
            for old, new in zip(self._detailed, made_of, strict=True)
        ):
            self._detailed = made_of
            assign(self._details[explored.tab], value=self._detail(state, fetching))

    def _draw_plots(self) -> None:
        with self._lock:
            self._plot()

    def _plot(self) -> None:
        runs = self._explored.runs
        if runs is None or self._explored.tab != "runs":
            return
        # Order and page make no difference to a plot.
        frame, choice = runs.frame, (runs.filters, self._choice.value)
        if self._plotted is None or self._plotted[0] is not frame or self._plotted[1] != choice:
            self._plotted = (frame, choice)
            assign(self._plots, value=str(html.render_plots(runs.rows, self._choice.value)))

    def _detail(self, state: ListState, fetching: bool) -> str:
        row, explored = state.chosen_row, self._explored
        if row is None:
            noun = explored.tab.removesuffix("s")
            return str(render_view(html.render_hint(noun)))
        if explored.tab == "runs":
            results = explored.results_of(row["run_id"])
            return str(html.render_run(row, results, fetching=fetching))
        if explored.tab == "results":
            return str(html.render_result(row))
        return str(html.render_eval(row, explored.history_of(row["eval_id"])))

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


def _paths(explored: ExplorerState) -> list[str]:
    return [f"{name}.csv" for name in explored.tabs]
