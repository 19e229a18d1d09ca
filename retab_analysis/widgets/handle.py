"""What the handles of all views have in common: a page, live in the output of cells.

An output has two parts. The first is the page. The second is HTML that stands for it where nothing
drives it, and that the page hides while it is shown. It is replaced now and then, so that a
notebook that is saved, exported or reopened shows the last state, wherever it is read.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from retab_analysis.progress import in_kernel

if TYPE_CHECKING:
    from retab_analysis.widgets.page import Event, HtmlPage

# Seconds that displaying a view waits for what is on its way.
_FIRST_LOOK = 3.0
# Seconds between two replacements while the page changes: each is as large as the whole page.
_PAUSE = 30.0
_NOTHING = {"text/html": "", "text/plain": ""}


class Handle(ABC):
    """A view as its user has it: a page once a notebook shows it, text everywhere else."""

    _label: ClassVar[str]

    def __init__(self) -> None:
        self._page: HtmlPage | None = None
        # Held while the view's state is changed or drawn: events come in several threads, and what
        # is fetched or watched comes in another one.
        self._lock = threading.RLock()
        # Where it is displayed: the page, and what stands for it; what that is, and since when.
        self._outputs: list[tuple[Any, Any]] = []
        self._kept, self._kept_at = _NOTHING, -_PAUSE

    @property
    def widget(self) -> Any:
        """The widget, to be put beside others."""
        return self._make_page().widget

    def close(self) -> None:
        """Take the page away; what was shown last stays, and the next ``.widget`` is a new one."""
        with self._lock:
            page, self._page = self._page, None
            outputs, self._outputs = self._outputs, []
            if page is not None:
                still = self._make_still(page.token) if outputs else {}
                for live, stands in outputs:
                    live.update(_NOTHING, raw=True)
                    stands.update(still, raw=True)
                page.close()

    @abstractmethod
    def _render(self) -> Mapping[str, str]:
        """The pieces of the page."""

    @abstractmethod
    def _make_saved(self) -> Mapping[str, str]:
        """The pieces as they may be saved."""

    @abstractmethod
    def _make_still(self, token: str | None = None) -> dict[str, str]:
        """The present state for where nothing drives it; ``token`` is that of the live page."""

    @abstractmethod
    def _on_event(self, event: Event) -> str | None:
        """Do what a person does on the page; gives what the page says of it, if anything.

        What comes from a browser may be anything.
        """

    def _wait_for_content(self, seconds: float) -> None:  # noqa: B027
        """Wait until there is something to show, or so long; some views always have something."""

    def _make_page(self) -> HtmlPage:
        with self._lock:
            if self._page is None:
                from retab_analysis.widgets.page import HtmlPage

                self._page = HtmlPage(
                    self._render(), self._make_saved, self._on_event, label=self._label
                )
            return self._page

    def _draw(self, *, now: bool = False) -> None:
        """Show what has changed; what stands for the page changes ``now`` or each half minute."""
        with self._lock:
            if self._page is not None:
                self._page.show(self._render())
                if now or time.monotonic() >= self._kept_at + _PAUSE:
                    self._keep(self._page, always=now)

    def _flush(self) -> None:
        """Send everything again from the cell that runs, so that who executes it stores it."""
        with self._lock:
            if self._page is not None:
                self._page.show(self._render())
                self._page.flush()
                self._keep(self._page, always=True)

    def _keep(self, page: HtmlPage, *, always: bool) -> None:
        """Replace what stands for the page; where it is the same, only if that is always done.

        From another cell than before it is not the same to who executes the notebook: without a
        browser it is stored only if the running cell does this.
        """
        if self._outputs:
            still = self._make_still(page.token)
            self._kept_at = time.monotonic()
            if always or still != self._kept:
                self._kept = still
                for _, stands in self._outputs:
                    stands.update(still, raw=True)

    def _ipython_display_(self) -> None:
        """Show the view in a notebook, once it has something to show or three seconds have passed.

        Outside a notebook, this raises NotImplementedError, and IPython shows the text.
        """
        if not in_kernel():
            raise NotImplementedError
        from IPython import display

        # Some that execute notebooks keep only what is displayed now.
        self._wait_for_content(_FIRST_LOOK)
        _close_earlier(self)
        # Untyped in some versions of IPython.
        show: Any = display.display
        with self._lock:
            page = self._make_page()
            still = self._make_still(page.token)
            bundle, about = page.mime_bundle()
            live = show({**bundle, **_NOTHING}, raw=True, metadata=about, display_id=True)
            self._outputs.append((live, show(still, raw=True, display_id=True)))
            self._kept, self._kept_at = still, time.monotonic()

    def _display_(self) -> Any:
        return self.widget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, with the present state as static HTML and text for where there is none."""
        page = self._make_page().mime_bundle()[0] if in_kernel() else {}
        return {**page, **self._make_still()}


# For each cell: the execution that displayed views last, and these.
_shown: dict[str, tuple[str, list[weakref.ref[Handle]]]] = {}


def _close_earlier(view: Handle) -> None:
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
