"""The questions of the day, each answered by two clicks at most, in each view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.fakes import STILL
from support.pages import Shown

import retab_analysis as ra

pytestmark = pytest.mark.browser

FLOW = "wf_invoices"
NAME, VALUE = "Harbour & Pine: first line keeps its second row", "Buffet lunch"
DOCUMENT = "H&P catering - board meeting.pdf"
SOON = 60_000


class Asked:
    """A view that a browser shows, and how often somebody has clicked on it."""

    def __init__(self, tab: Page, view: Any) -> None:
        self.tab, self.view, self.clicks, self._taken = tab, view, 0, 0
        self.page = tab.locator(".ra-page")
        self._page = Shown(tab, self._sections())

    def _sections(self) -> dict[str, str]:
        widget = self.view.widget
        self.view._page.flush()
        return {name: getattr(widget, f"html_{name}") for name in widget.sections}

    def click(self, what: Locator | str) -> None:
        self.clicks += 1
        assert self.clicks <= 2, "answered by two clicks at most"
        found = self.page.get_by_text(what, exact=True) if isinstance(what, str) else what
        found.first.click()
        messages = self.tab.evaluate("() => window.sent")
        for message in messages[self._taken :]:
            self.view.widget._handle_custom_msg(message, [])
        self._taken = len(messages)

    def sees(self, *words: str) -> None:
        """What comes, perhaps in another thread, holds these words."""
        for each in words:
            self.until(self.page.get_by_text(each))

    def until(self, what: Locator) -> None:
        for _ in range(600):
            self._page.show(**self._sections())
            if what.filter(visible=True).count():
                return
            self.tab.wait_for_timeout(100)
        expect(what.filter(visible=True)).not_to_have_count(0)


@pytest.fixture(scope="module")
def client() -> Iterator[ra.Client]:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        yield client


def newest(client: ra.Client) -> Any:
    return ra.fetch_runs(FLOW, scope="workflow", status="completed", limit=30, client=client)


def live(client: ra.Client) -> Any:
    view = ra.watch(newest(client)["run_id"][0], client=client)
    view.wait(60)
    return view


def explored(client: ra.Client) -> Any:
    return ra.explore(newest(client), client=client)


VIEWS: dict[str, Callable[[ra.Client], Any]] = {
    "live": live,
    "explored": explored,
}


@pytest.fixture(params=VIEWS)
def asked(page: Page, client: ra.Client, request: pytest.FixtureRequest) -> Iterator[Asked]:
    page.set_viewport_size({"width": 1400, "height": 1000})
    view = VIEWS[request.param](client)
    yield Asked(page, view)
    view.close()


def opens_the_first(asked: Asked) -> None:
    """In the explorer, a run first."""
    if isinstance(asked.view, ra.widgets.Explorer):
        asked.click(asked.page.locator(".ra-main td"))
        asked.until(asked.page.locator(".ra-aside .rtd-open"))


def test_what_broke(asked: Asked, screenshots: Path, request: pytest.FixtureRequest) -> None:
    opens_the_first(asked)
    if asked.clicks:
        asked.click("Check this run")
    asked.sees("evals broke", "extract_lines was edited", NAME)
    asked.tab.screenshot(path=screenshots / f"question-{request.node.callspec.id}.png")


def test_what_was_edited(asked: Asked) -> None:
    opens_the_first(asked)
    if asked.clicks:
        asked.click("Check this run")
    asked.until(asked.page.locator(".rtd-edits ins", has_text="Join descriptions"))


def test_which_value(asked: Asked) -> None:
    opens_the_first(asked)
    asked.click(NAME)
    asked.sees("Expected", "Was", "Got")
    asked.until(asked.page.locator("pre", has_text=VALUE))


def test_the_document(asked: Asked) -> None:
    opens_the_first(asked)
    asked.click(DOCUMENT)
    asked.until(asked.page.locator("object[type='application/pdf']"))
    asked.sees("Open in a new tab", "Asserts")


def test_the_history_of_an_eval(asked: Asked) -> None:
    opens_the_first(asked)
    asked.click(NAME)
    asked.until(asked.page.get_by_role("grid", name="the newest first"))


def test_running_the_doubtful_ones_again(asked: Asked) -> None:
    """The views say what one types."""
    opens_the_first(asked)
    if asked.clicks:
        asked.click("Check this run")
    asked.sees("Not sure yet", "verdict = ra.settle(verdict)")
