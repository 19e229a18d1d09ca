"""How long a browser needs to patch a page in which a table of 100 rows and 10 columns changes."""

from __future__ import annotations

import shutil
import statistics

from playwright.sync_api import sync_playwright
from support.inside import GridColumn, GridRow, Html, grid
from support.pages import Shown

from benchmarks.harness import AtMost, Figure

NAME = "patch"
ALL = "100 rows × 10 columns, every cell changes"
SOME = "100 rows × 10 columns, every tenth row changes"
PROMISES = {ALL: AtMost(16.0), SOME: AtMost(16.0)}
COLUMNS = [GridColumn(f"c{i}", f"Column {i}", sort="sort") for i in range(10)]

_PATCH = """async (html) => {
    const begin = performance.now();
    model.set({list: html});
    await null;
    return performance.now() - begin;
}"""


def measure(size: int = 60) -> list[Figure]:
    """The median of ``size`` patches, parsing included, in milliseconds."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page()
        Shown(tab, {"list": _table(0, 1)})
        found = []
        for label, every in ((ALL, 1), (SOME, 10)):
            pages = [str(_table(number, every)) for number in range(1, size + 1)]
            took = [tab.evaluate(_PATCH, page) for page in pages]
            found.append(Figure(label, statistics.median(took), "ms"))
        browser.close()
    return found


def _table(number: int, every: int) -> Html:
    rows = [
        GridRow(f"r{i}", [str((7 * i + j + number * (i % every == 0)) % 97) for j in range(10)])
        for i in range(100)
    ]
    return grid(COLUMNS, rows, label="Many", event="open")
