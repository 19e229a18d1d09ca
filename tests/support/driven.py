"""An explorer in a browser, with the test in place of the notebook between the two."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator
from playwright.sync_api import Page as Tab

from support.inside import Explorer
from support.pages import Shown


class Driven:
    """An explorer whose page a browser shows; what is done there reaches it, and is answered."""

    def __init__(self, tab: Tab, explorer: Explorer, **how: Any) -> None:
        self.tab, self.explorer, self._taken = tab, explorer, 0
        self._page = Shown(tab, self._sections(), **how)

    def _sections(self) -> dict[str, str]:
        widget = self.explorer.widget
        assert self.explorer._page is not None
        # What changes within a tenth of a second is sent together.
        self.explorer._page.flush()
        return {name: getattr(widget, f"html_{name}") for name in widget.sections}

    def settle(self) -> None:
        """Take what the page has sent, and show what comes of it."""
        messages = self.tab.evaluate("() => window.sent")
        for message in messages[self._taken :]:
            self.explorer.widget._handle_custom_msg(message, [])
        self._taken = len(messages)
        self.explorer.wait(60)
        self._page.show(**self._sections())

    def click(self, what: Locator) -> None:
        """Click on something."""
        what.click()
        self.settle()

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.tab.keyboard.press(key)
            self.settle()

    def turn_to(self, tab: str) -> None:
        """Look at another list."""
        self.click(self.tab.locator(f".ra-chip[data-value={tab}]"))

    @property
    def rows(self) -> Locator:
        """The rows of the list."""
        return self.tab.locator(".ra-main tbody tr")

    def column(self, title: str) -> list[str]:
        """What a column shows."""
        headings = self.tab.locator(".ra-main th").all_inner_texts()
        at = next(place for place, each in enumerate(headings) if each.startswith(title))
        cells = self.tab.locator(f".ra-main tbody td:nth-child({at + 1})")
        return [each.strip() for each in cells.all_inner_texts()]
