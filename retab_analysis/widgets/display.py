"""A view in the output of a cell: a live page, and what stands there when nothing drives it.

The output has two parts. The first is the page. The second is HTML that stands for it, and that the
page hides while it is shown. It is replaced now and then, so that a notebook that is saved,
exported or reopened shows the last state, wherever it is read.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from retab_analysis.widgets.page import HtmlPage

Bundle = Mapping[str, str]

# Seconds between two replacements while the page changes: each is as large as the whole page.
_PAUSE = 10.0
_NOTHING = {"text/html": "", "text/plain": ""}


class Closable(Protocol):
    """A view that can be shown."""

    def close(self) -> None:
        """Take it away."""
        ...


class Display:
    """All places where a page is displayed.

    Args:
        owner: The view; a cell that runs again closes the one that it has displayed before.
        page: The page.
        make_still: Makes what stands for the page: HTML that has the page's token, and text.
    """

    def __init__(self, owner: Closable, page: HtmlPage, make_still: Callable[[], Bundle]) -> None:
        # Who is displayed is kept by its page, and by nothing else of ours.
        self._owner = weakref.ref(owner)
        self._page, self._make_still = page, make_still
        self._lock = threading.Lock()
        self._handles: list[tuple[Any, Any]] = []
        self._kept_at, self._kept = -_PAUSE, _NOTHING

    def show(self) -> None:
        """Display the view as output of the cell that runs."""
        from IPython import display

        # Untyped in some versions of IPython.
        show: Any = display.display
        if (owner := self._owner()) is not None:
            _close_earlier(owner)
        still = dict(self._make_still())
        page, about = self._page.mime_bundle_and_metadata()
        live = show({**page, **_NOTHING}, raw=True, metadata=about, display_id=True)
        stands = show(still, raw=True, display_id=True)
        with self._lock:
            self._handles.append((live, stands))
            self._kept_at, self._kept = time.monotonic(), still

    def keep(self, *, now: bool = False) -> None:
        """Replace what stands for the page: every ten seconds at most, or at once.

        Whoever executes a notebook without a browser stores it only if the running cell does this.
        """
        with self._lock:
            is_due = now or time.monotonic() >= self._kept_at + _PAUSE
            if not self._handles or not is_due:
                return
            still = dict(self._make_still())
            self._kept_at = time.monotonic()
            # From another cell than before it is not the same to who executes the notebook.
            if still == self._kept and not now:
                return
            self._kept = still
            for _, stands in self._handles:
                stands.update(still, raw=True)

    def close(self) -> None:
        """Take the page away, so that what stands for it is seen."""
        with self._lock:
            handles, self._handles = self._handles, []
        still = dict(self._make_still()) if handles else {}
        for live, stands in handles:
            live.update(_NOTHING, raw=True)
            stands.update(still, raw=True)
        self._page.close()


# For each cell: the execution that displayed views last, and these.
_shown: dict[str, tuple[str, list[weakref.ref[Closable]]]] = {}


def _close_earlier(owner: Closable) -> None:
    """Close what an earlier execution of the same cell has displayed: nobody sees it any more."""
    cell, execution = _find_cell()
    if cell is None:
        return
    before, views = _shown.get(cell, ("", []))
    if before != execution:
        _shown[cell] = execution, []
        for each in views:
            if (view := each()) is not None and view is not owner:
                view.close()
    _shown[cell][1].append(weakref.ref(owner))


def _find_cell() -> tuple[str | None, str]:
    """The id of the cell that runs, where the front end tells it, and that of its execution."""
    shell = sys.modules["IPython"].get_ipython()
    try:
        parent = shell.kernel.get_parent()
    except (AttributeError, LookupError):
        return None, ""
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id", "")


class ShownPage:
    """The page of a view, and where it is displayed; each view's own page is one of these.

    Args:
        view: The view, whose ``close`` removes the page.
        page: The page.
        make_still: Makes what stands for the page once nothing drives it.
    """

    def __init__(
        self, view: Closable, page: HtmlPage, make_still: Callable[[], dict[str, str]]
    ) -> None:
        self._page = page
        self._display = Display(view, page, make_still)

    @property
    def widget(self) -> Any:
        """The widget, to be put beside others."""
        return self._page.widget

    def mime_bundle(self) -> dict[str, Any]:
        """What a notebook needs to display the page alone."""
        return self._page.mime_bundle()

    def display(self) -> None:
        """Show the page as output of the cell that runs."""
        self._display.show()

    def close(self) -> None:
        """Take the page away; where it was displayed, its last state stays."""
        self._display.close()
