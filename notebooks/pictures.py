"""Make the README's picture anew: the view of a run that has ended, in JupyterLab.

Needs Chromium and what ``make test`` installs: ``python notebooks/pictures.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests")]

from playwright.sync_api import Browser, expect, sync_playwright  # noqa: E402
from support.lab import run_all, save  # noqa: E402

from conftest import CHROMIUM, start_lab  # noqa: E402

CELL = """import retab_analysis as ra
sandbox = ra.demo(speed=40)
run = ra.start_runs("wf_invoices")
view = ra.watch(run); view"""
SIZE = {"width": 1280, "height": 1750}


def main() -> None:
    """Write ``notebooks/live.png``."""
    with tempfile.TemporaryDirectory() as home:
        lab = start_lab(Path(home))
        try:
            with sync_playwright() as playwright:
                take(
                    playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]), lab
                )
        finally:
            lab.process.kill()
            lab.process.wait()


def take(browser: Browser, lab: object) -> None:
    """Run the cell, wait for its end, and take the picture of the cell."""
    page = browser.new_page(viewport=SIZE)
    # Marks of the active cell are not of the picture: that is the second one.
    page.goto(save(lab, "live.ipynb", CELL, ""))
    run_all(page)
    page.get_by_role("tab", name="File Browser").click()  # closes it, for room
    expect(page.locator(".rv-head").first).to_contain_text("still broken", timeout=60_000)
    page.locator(".jp-CodeCell").first.screenshot(path=ROOT / "notebooks" / "live.png")


if __name__ == "__main__":
    main()
