"""The explorer as a page: shows the state, and does what a person does on it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from retab_analysis.widgets.display import Closable, ShownPage
from retab_analysis.widgets.explorer import html
from retab_analysis.widgets.explorer.list_state import ListState
from retab_analysis.widgets.explorer.panel import PanelLook, list_documents
from retab_analysis.widgets.explorer.state import ExplorerState
from retab_analysis.widgets.explorer.time_strip import join_days
from retab_analysis.widgets.page import Event, HtmlPage

_LABEL = "Explorer of eval runs"


@dataclass(frozen=True, slots=True)
class ExplorerActions:
    """What the page asks for that it cannot do by itself.

    Attributes:
        look: What is shown besides the lists.
        looked: Called after whatever a person has changed.
        refresh: Ask again for what may have changed.
        more: Fetch more.
        export: Write the rows to a file.
        document: Ask for a document, by its id and its name.
    """

    look: Callable[[], html.ExplorerLook]
    looked: Callable[[], None]
    refresh: Callable[[], None]
    more: Callable[[], None]
    export: Callable[[str], None]
    document: Callable[[str, str], None]


class ExplorerPage(ShownPage):
    """The page of one explorer. The number of its sections does not depend on the number of rows.

    Args:
        view: The explorer, whose ``close`` takes the page away.
        explored: What is shown and changed.
        actions: What it asks for.
        lock: Held while the state is changed or drawn, by whatever thread.
        save_values: Whether what stands for the page in a saved notebook holds values.
    """

    def __init__(
        self,
        view: Closable,
        explored: ExplorerState,
        actions: ExplorerActions,
        lock: threading.RLock,
        *,
        save_values: bool,
    ) -> None:
        self._explored, self._actions, self._lock = explored, actions, lock
        self._save_values = save_values
        # Where a person wants the rows to be written, None while it is called as the tab.
        self._path: str | None = None
        page = HtmlPage(self._render(), self._on_event, label=_LABEL)
        super().__init__(view, page, self._make_still)

    def draw(self, *, keep: bool = False) -> None:
        """Show the state; what has not changed is not sent.

        Args:
            keep: Whether it is to be saved with the notebook at once, and not now and then.
        """
        with self._lock:
            self._page.show(self._render())
            self._display.keep(now=keep)

    def draw_head(self) -> None:
        """Show how far a fetch is."""
        with self._lock:
            self._page.show({"head": html.render_head(self._explored, self._actions.look())})

    def flush(self) -> None:
        """Send everything again from the cell that runs, so that who executes it stores it."""
        with self._lock:
            self._page.show(self._render())
            self._page.flush()
            self._display.keep(now=True)

    def _render(self) -> dict[str, Any]:
        with self._lock:
            look = replace(self._actions.look(), path=self._file)
            return dict(html.render_sections(self._explored, look))

    def _make_still(self) -> dict[str, str]:
        with self._lock:
            look = self._actions.look()
            return make_still(
                self._explored, look, values=self._save_values, token=self._page.token
            )

    @property
    def _file(self) -> str:
        return f"{self._explored.tab}.csv" if self._path is None else self._path

    def _on_event(self, event: Event) -> None:
        """Do what a person asks for. What comes from a browser may be anything."""
        with self._lock, contextlib.suppress(ValueError, LookupError, TypeError, OverflowError):
            if event.name in ("refresh", "more", "export", "path", "document"):
                self._act(event)
            else:
                self._change(event)
                self._actions.looked()

    def _act(self, event: Event) -> None:
        """What takes longer, or changes nothing of the lists."""
        if event.name == "path":
            self._path = str(event.value)
        elif event.name == "export":
            self._actions.export(self._file.strip())
        elif event.name == "document":
            row = self._explored.looked_into
            if row is not None:
                self._actions.document(*list_documents(row)[int(event.value)])
        else:
            {"refresh": self._actions.refresh, "more": self._actions.more}[event.name]()

    def _change(self, event: Event) -> None:
        """What a person changes of the lists, and of what is chosen."""
        explored, value = self._explored, event.value
        state = explored.listed
        if event.name == "tab" and value in explored.tabs:
            explored.turn_to(value)
        elif event.name == "open":
            explored.choose(int(event.key or ""))
        elif event.name == "close":
            explored.choose(None)
        elif event.name == "back":
            explored.opened = None
        elif event.name == "result":
            explored.open_result(int(value))
        elif event.name == "history":
            explored.open_run_of_eval(int(value))
        else:
            _change_list(state, event)


def _change_list(state: ListState, event: Event) -> None:
    """Filter, sort and turn the pages of a list."""
    name, value, columns = event.name, event.value, state.listing.columns
    if name == "search":
        state.filter(text=str(value).strip())
    elif name in ("since", "until"):
        state.filter(**{name: date.fromisoformat(value) if value else None})
    elif name == "days":
        since, until = join_days(*value)
        same = (state.filters.since, state.filters.until) == (since, until)
        # What is chosen once more is given up.
        state.filter(since=None if same else since, until=None if same else until)
    elif name == "clear":
        state.filter(facets={}, since=None, until=None, text="")
    elif name.startswith("facet-"):
        facet = state.listing.facets[int(name.removeprefix("facet-"))]
        state.toggle(facet, state.values(facet)[int(value)])
    elif name == "column":
        # One column at least is left.
        hidden = state.hidden ^ {columns[int(value)].name}
        state.hidden = hidden if len(hidden) < len(columns) else state.hidden
    elif name == "sort":
        state.sort_by(columns[int(event.key or "")].name)
    elif name == "page":
        state.go_to(int(value) - 1)
    elif name == "turn":
        state.go_to(state.page + int(value))


def make_still(
    explored: ExplorerState, look: html.ExplorerLook, *, values: bool, token: str | None = None
) -> dict[str, str]:
    """The explorer as HTML and as text, for where nothing drives it.

    Args:
        explored: What is shown.
        look: What is shown besides the lists.
        values: Whether expected and actual values are in it, and what may quote them.
        token: The token of the page that it stands for, or None.
    """
    still = replace(look, panel=PanelLook(values=values, is_live=False))
    return {
        "text/html": str(html.render_still_view(explored, still, token)),
        "text/plain": html.plain_text(explored, look.title, look.message),
    }
