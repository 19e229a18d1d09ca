"""What the handles of all views have in common: how a notebook shows them."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from retab_analysis.progress import in_kernel

if TYPE_CHECKING:
    from retab_analysis.widgets.page import Event
    from retab_analysis.widgets.view_page import ViewPage

# Seconds that displaying a view waits for what is on its way.
_FIRST_LOOK = 1.0


class Handle(ABC):
    """A view as its user has it: a page in a notebook, text everywhere else.

    The page is made when something first shows it, because a terminal needs no widgets.
    """

    _label: ClassVar[str]

    def __init__(self) -> None:
        self._page: ViewPage | None = None
        # Held while the view's state is changed or drawn: events come in several threads, and what
        # is fetched or watched comes in another one.
        self._lock = threading.RLock()

    @property
    def widget(self) -> Any:
        """The widget, to be put beside others."""
        return self._make_page().widget

    def close(self) -> None:
        """Take the page away; what was shown last stays, and the next ``.widget`` is a new one."""
        with self._lock:
            page, self._page = self._page, None
        if page is not None:
            page.close()

    @abstractmethod
    def _render(self) -> Mapping[str, str]:
        """The HTML of each section of the page, from the top to the bottom."""

    @abstractmethod
    def _make_still(self, token: str | None = None) -> dict[str, str]:
        """The present state as ``text/html`` and ``text/plain``, for where nothing drives it.

        Args:
            token: The token of the page that it stands for, or None.
        """

    @abstractmethod
    def _on_event(self, event: Event) -> None:
        """Do what a person does on the page. What comes from a browser may be anything."""

    def _wait_for_content(self, seconds: float) -> None:  # noqa: B027
        """Wait until there is something to show, or so long; some views always have something."""

    def _make_page(self) -> ViewPage:
        with self._lock:
            if self._page is None:
                from retab_analysis.widgets.view_page import ViewPage

                self._page = ViewPage(self, self._label)
            return self._page

    def _ipython_display_(self) -> None:
        """Show the view in a notebook, once it has something to show or a second has passed.

        Raises:
            NotImplementedError: There is no notebook; IPython then shows the text.
        """
        if not in_kernel():
            raise NotImplementedError
        # Some that execute notebooks keep only what is displayed now.
        self._wait_for_content(_FIRST_LOOK)
        self._make_page().display()

    def _display_(self) -> Any:
        """The widget, which is what marimo shows."""
        return self.widget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, with the present state as static HTML and text for where there is none."""
        page = self._make_page().page.mime_bundle()[0] if in_kernel() else {}
        return {**page, **self._make_still()}
