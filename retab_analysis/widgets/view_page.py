"""The page of a view, live in the output of cells, and what stands there when nothing drives it.

An output has two parts. The first is the page. The second is HTML that stands for it, and that the
page hides while it is shown. It is replaced now and then, so that a notebook that is saved,
exported or reopened shows the last state, wherever it is read.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from retab_analysis.widgets.page import Event, HtmlPage

# Seconds between two replacements while the page changes: each is as large as the whole page.
_PAUSE = 30.0
_NOTHING = {"text/html": "", "text/plain": ""}


class Shown(Protocol):
    """A view as its page needs it; every :class:`~retab_analysis.widgets.handle.Handle` is one."""

    # Held first, whatever thread draws.
    _lock: threading.RLock

    def _render(self) -> Mapping[str, str]: ...
    def _make_still(self, token: str | None = None) -> dict[str, str]: ...
    def _on_event(self, event: Event) -> None: ...
    def close(self) -> None:
        """Take the page away."""
        ...


class ViewPage:
    """The page of one view, and all places where it is displayed.

    Args:
        view: The view: what is shown, and what does what a person asks for.
        label: What the page is, for screen readers.

    Attributes:
        page: The page itself.
    """

    def __init__(self, view: Shown, label: str) -> None:
        self._view, self._lock = view, view._lock
        self.page = HtmlPage(view._render(), view._on_event, label=label)
        self._handles: list[tuple[Any, Any]] = []
        self._kept_at, self._kept = -_PAUSE, _NOTHING

    @property
    def widget(self) -> Any:
        """The widget, to be put beside others."""
        return self.page.widget

    def draw(self, *, now: bool = False) -> None:
        """Show the present state; what has not changed is not sent.

        Args:
            now: Whether what stands for the page is replaced at once, or every half minute at most.
        """
        with self._lock:
            self.page.show(self._view._render())
            self._keep(now)

    def flush(self) -> None:
        """Send everything again from the cell that runs, so that who executes it stores it."""
        with self._lock:
            self.page.show(self._view._render())
            self.page.flush()
            self._keep(now=True)

    def display(self) -> None:
        """Show the page as output of the cell that runs."""
        from IPython import display

        # Untyped in some versions of IPython.
        show: Any = display.display
        _close_earlier(self._view)
        with self._lock:
            still = self._view._make_still(self.page.token)
            page, about = self.page.mime_bundle()
            live = show({**page, **_NOTHING}, raw=True, metadata=about, display_id=True)
            self._handles.append((live, show(still, raw=True, display_id=True)))
            self._kept_at, self._kept = time.monotonic(), still

    def _keep(self, now: bool) -> None:
        """Replace what stands for the page.

        Whoever executes a notebook without a browser stores it only if the running cell does this.
        """
        if not self._handles or not (now or time.monotonic() >= self._kept_at + _PAUSE):
            return
        still = self._view._make_still(self.page.token)
        self._kept_at = time.monotonic()
        # From another cell than before it is not the same to who executes the notebook.
        if still != self._kept or now:
            self._kept = still
            for _, stands in self._handles:
                stands.update(still, raw=True)

    def close(self) -> None:
        """Take the page away; where it was displayed, its last state stays."""
        with self._lock:
            handles, self._handles = self._handles, []
            still = self._view._make_still(self.page.token) if handles else {}
            for live, stands in handles:
                live.update(_NOTHING, raw=True)
                stands.update(still, raw=True)
            self.page.close()


# For each cell: the execution that displayed views last, and these.
_shown: dict[str, tuple[str, list[weakref.ref[Shown]]]] = {}


def _close_earlier(view: Shown) -> None:
    """Close what an earlier execution of the same cell has displayed: nobody sees it any more."""
    try:
        parent = sys.modules["IPython"].get_ipython().kernel.get_parent()
    except (AttributeError, LookupError):
        return
    # Not every front end tells which cell runs.
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    execution = parent.get("header", {}).get("msg_id", "")
    before, views = _shown.get(cell, ("", []))
    if before != execution:
        _shown[cell] = execution, []
        for each in views:
            if (earlier := each()) is not None and earlier is not view:
                earlier.close()
    _shown[cell][1].append(weakref.ref(view))
