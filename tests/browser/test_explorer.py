"""The explorer as a person sees and uses it, in JupyterLab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import run_all, save

pytestmark = pytest.mark.browser

EXPLORE = """
import retab_analysis as ra
sandbox = ra.demo()
explorer = ra.explore(workflow_id="wf_invoices")
explorer
"""
HOSTILE = "<img src=x onerror='window.hacked=1'>"
HOSTILE_RUNS = f"""
import polars as pl
import retab_analysis as ra

def hostile(frame, kept):
    names = [name for name, kind in frame.schema.items() if kind == pl.String]
    bad = pl.lit({HOSTILE!r})
    return frame.with_columns(pl.col(name) + bad for name in names if name not in kept)

sandbox = ra.demo()
runs = ra.fetch_runs("wf_invoices", limit=40)
results = ra.fetch_results(runs.head(3), evals=ra.fetch_evals("wf_invoices"))
explorer = ra.explore(hostile(runs, ["run_id"]), hostile(results, ["run_id", "state"]))
explorer
"""


# What a saved page keeps is in the same output, hidden.
LIVE = ".ra-page:not([data-stands-for])"


def rows_of(page: Page) -> Locator:
    """The rows of the list that is seen."""
    return page.locator(f"{LIVE} .ra-main tbody tr")


def opened(page: Page, address: str) -> Locator:
    """The explorer, once its rows are there."""
    page.goto(address)
    run_all(page)
    expect(rows_of(page)).to_have_count(15, timeout=60_000)
    return page.locator(LIVE)


def turn_to(view: Locator, tab: str) -> None:
    view.locator(f".ra-chip[data-value={tab}]").click()
    expect(view.locator(f".ra-chip[data-value={tab}]")).to_have_attribute("aria-pressed", "true")
    if tab == "evals":
        # They are weighed first.
        expect(view.get_by_text(re.compile(r"^Evals over \d+ runs"))).to_be_visible(timeout=60_000)


def test_evals_their_history_and_a_document(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1600, "height": 1000})
    view = opened(page, save(lab, "explore-evals.ipynb", EXPLORE))
    turn_to(view, "evals")
    expect(view.get_by_text("Evals over 20 runs;")).to_be_visible(timeout=60_000)
    expect(view.locator("td .ra-signs").first.locator("span")).to_have_count(10)
    view.locator("summary", has_text="Kind").click()
    view.get_by_role("option", name=re.compile("flaky")).click()
    page.keyboard.press("Escape")
    expect(view.get_by_text("≈ flaky").first).to_be_visible()
    expect(view.get_by_text("Kind: flaky")).to_be_visible()
    rows_of(page).first.locator("td").first.click()
    panel = view.locator(".ra-aside")
    expect(panel.get_by_text("the newest first")).to_be_attached()
    expect(panel).to_contain_text(re.compile(r"in \d+ runs: ≈ flaky; failed \d+ of \d+"))
    panel.get_by_role("button", name="Show", exact=True).first.click()
    expect(panel.get_by_role("link", name="Open in a new tab")).to_be_visible()
    page.wait_for_timeout(1000)  # for the picture: the document comes from elsewhere
    page.screenshot(path=screenshots / "explore-evals.png")
    panel.get_by_role("button", name=re.compile("^failed, ")).first.click()
    expect(panel.get_by_role("button", name="‹ Back")).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 1400})
    expect(panel.get_by_role("button", name="‹ Back")).to_be_visible()
    page.screenshot(path=screenshots / "explore-narrow.png")
    assert console == []


def test_hostile_names_are_shown_and_run_nothing(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1500})
    view = opened(page, save(lab, "explore-hostile.ipynb", HOSTILE_RUNS))
    for tab in ("runs", "results", "evals"):
        turn_to(view, tab)
        rows_of(page).first.locator("td").first.click()
        # Not the first row: results that come meanwhile may put another eval there.
        expect(view.locator(".ra-aside").get_by_role("button", name="Close")).to_be_visible()
    expect(view.get_by_text("the newest first")).to_be_attached()
    page.screenshot(path=screenshots / "explore-hostile.png")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".ra-page img").count() == 0
    assert HOSTILE in view.inner_text()
    assert console == []


def test_what_was_saved_is_read_again_without_the_kernel(
    page: Page, lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1000})
    address = save(lab, "explore-saved.ipynb", EXPLORE)
    view = opened(page, address)
    turn_to(view, "evals")
    expect(view).to_contain_text("Evals over 20 runs")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.evaluate(
        """async () => {
            const panel = window.jupyterapp.shell.currentWidget;
            await panel.sessionContext.shutdown();
        }"""
    )
    page.goto(address)
    still = page.locator(".ra-page[data-stands-for]")
    expect(still.locator(".ra-main tbody tr")).to_have_count(15, timeout=60_000)
    expect(still).to_be_visible()
    expect(still).to_contain_text("Evals over 20 runs")
    assert still.locator("button,input").count() == 0
    page.screenshot(path=screenshots / "explore-saved.png")
