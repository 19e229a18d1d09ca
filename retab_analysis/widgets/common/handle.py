"""What the handles of all views have in common: how a notebook shows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from retab_analysis.progress import in_kernel

if TYPE_CHECKING:
    from retab_analysis.widgets.display import ShownPage

# Seconds that displaying a view waits for what is on its way.
_FIRST_LOOK = 1.0


class Handle(ABC):
    """A view as its user has it: a page in a notebook, text everywhere else.

    The page is made when something first shows it, because a terminal needs no widgets.
    """

    @property
    def widget(self) -> Any:
        """The widget, to be put beside others."""
        return self._make_page().widget

    @abstractmethod
    def _make_page(self) -> ShownPage:
        """The page of the view, made at the first call."""

    @abstractmethod
    def _make_still(self) -> dict[str, str]:
        """The present state as ``text/html`` and ``text/plain``, for where there is no page."""

    def _wait_for_content(self, seconds: float) -> None:  # noqa: B027
        """Wait until there is something to show, or so long; some views always have something."""

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
        page = self._make_page().mime_bundle() if in_kernel() else {}
        return {**page, **self._make_still()}
