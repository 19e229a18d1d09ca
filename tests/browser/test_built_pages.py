"""The pages that ``make docs`` built: nothing is too wide, and the search finds its way."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

BUILT = Path(__file__).parents[2] / "build" / "docs"
PAGES = sorted(str(page.relative_to(BUILT)) for page in BUILT.rglob("*.html"))
TALLEST = 8_000  # of a page of the reference at 1280 pixels, with types in its signatures

pytestmark = [
    pytest.mark.browser,
    # In CI `make docs` comes before, and no page is then a failure.
    pytest.mark.skipif(not PAGES and os.environ.get("CI") != "true", reason="run `make docs`"),
]

TOO_WIDE = """() => {
    const held = (each) => {
        for (let up = each.parentElement; up && up !== document.body; up = up.parentElement)
            if (getComputedStyle(up).overflowX !== "visible") return true;
        return false;
    };
    const root = document.documentElement;
    const wide = [...document.querySelectorAll("article *")].filter(
        (each) => each.getBoundingClientRect().right > innerWidth + 1 && !held(each));
    return root.scrollWidth > root.clientWidth || wide.length > 0;
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A browser leaves a page before all of it has come."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(BUILT))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_no_page_is_wider_than_the_window(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    assert len(PAGES) >= 24
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wide, tall = [], []
    for name in PAGES:
        page.goto(f"{address}/{name}")
        if page.evaluate(TOO_WIDE):
            wide.append(name)
        height = page.evaluate("document.documentElement.scrollHeight")
        if width == 1280 and name.startswith("reference/") and height > TALLEST:
            tall.append((name, height))
    page.close()
    assert wide == []
    assert tall == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("csv", "For a colleague|Files"),
        ("german", "For a colleague"),
        ("excel", "For a colleague|Files"),
        ("timezone", "Trends"),
        ("trend", "Trends"),
        ("slow", "Trends|What a run costs"),
        ("cost", "What a run costs"),
        ("flaky", "Questions about a verdict"),
        ("not run", "My edit is not in the verdict"),
        ("draft", "Start|My edit is not in the verdict"),
        ("accept", "Accept a known failure"),
        ("slack", "For a colleague"),
        ("pandas", "pandas"),
        ("duckdb", "pandas, DuckDB"),
    ],
)
def test_the_search_finds(page: Page, address: str, typed: str, found: str) -> None:
    page.goto(f"{address}/search.html?q={typed}")
    results = page.locator("ul.search li a")
    expect(results.first).to_be_visible()
    expect(page.locator("#search-results")).to_contain_text("Search Results")
    first = [results.nth(at).inner_text() for at in range(min(3, results.count()))]
    assert any(each.startswith(tuple(found.split("|"))) for each in first), first
