"""The explorer as a person sees and uses it, in JupyterLab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser.test_live_view import run_all, save
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

EXPLORE = """
import retab_analysis as ra
sandbox = ra.demo()
explorer = ra.explore(workflow_id="wf_invoices")
explorer
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_look(page: Page, labs: Any, screenshots: Path, theme: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(save(labs(theme), f"explore-{theme}.ipynb", EXPLORE))
    run_all(page)
    rows = page.locator(".ra-picks button")
    expect(rows).to_have_count(15, timeout=30_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=screenshots / f"explore-{theme}.png")
    rows.nth(1).click()
    page.wait_for_timeout(2500)
    page.screenshot(path=screenshots / f"explore-{theme}-run.png")
    page.get_by_role("tab", name="Evals").click()
    page.wait_for_timeout(4500)
    page.screenshot(path=screenshots / f"explore-{theme}-evals.png")
