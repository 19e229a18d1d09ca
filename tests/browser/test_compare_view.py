"""The comparison view in JupyterLab, as a person with a keyboard sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.axe import find_barriers
from support.lab import run_all, save, turn_dark

pytestmark = pytest.mark.browser

STORY = """import retab_analysis as ra
sandbox = ra.demo(speed=40)
runs = ra.fetch_runs("wf_invoices", status="completed", limit=30)
results = ra.fetch_results(runs, evals=ra.fetch_evals("wf_invoices"))
view = ra.compare_view(results)
view"""
LAST = "'another cell'"
# Of each eval one result a version, so that some are undecided.
UNDECIDED = """import polars as pl
import retab_analysis as ra
sandbox = ra.demo(speed=10)
runs = ra.fetch_runs("wf_claims", status="completed", limit=30)
newest = ra.fetch_results(runs).sort("run_created_at")
pair = ra.compare_view(newest).state.pair[1:]
once = newest.unique(["eval_id", "workflow_version_id"], keep="last")
view = ra.compare_view(once.filter(pl.col("workflow_version_id").is_in(pair)))
view"""
VIEW = ".ra-page:not([data-stands-for])"


def open_notebook(page: Page, lab: Any, name: str, *cells: str) -> None:
    """Open a notebook and run all of it, with all the room for its view."""
    page.goto(save(lab, name, *cells))
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget", timeout=60_000)
    page.evaluate("() => { window.jupyterapp.shell.collapseLeft() }")
    run_all(page)
    expect(heading(page)).to_be_visible(timeout=60_000)
    # Once all has run, Lab takes the focus.
    expect(page.locator(".jp-InputPrompt").nth(len(cells) - 1)).to_have_text(f"[{len(cells)}]:")
    page.wait_for_function("""() => window.jupyterapp.shell.currentWidget.sessionContext
        .session.kernel.status === 'idle'""")


def heading(page: Page) -> Locator:
    return page.locator(VIEW).get_by_role("heading", level=2)


def press(page: Page, words: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("button", name=words, exact=True)


def names(page: Page) -> Locator:
    """The evals that can be opened."""
    return page.locator(f"{VIEW} .rtd-card .rtd-open[data-event=eval]")


def below(page: Page) -> Locator:
    """The eval that is open."""
    return page.locator(f"{VIEW} .rtd-below")


def test_two_clicks_answer_what_became_of_an_eval(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1100})
    open_notebook(page, lab, "compare.ipynb", STORY, LAST)
    expect(heading(page)).to_contain_text("the edit of extract_lines")
    before = names(page).nth(1).bounding_box()
    assert before
    names(page).nth(1).focus()
    page.keyboard.press("Enter")
    for words in ("Asserts", "Was", "Got", "the newest first"):
        expect(below(page)).to_contain_text(words)
    after = names(page).nth(1).bounding_box()
    assert after
    assert after["y"] == before["y"], "what was clicked stays where it is"
    page.screenshot(path=screenshots / "compare-light.png")
    for key in ("d", "d", "x"):
        page.keyboard.press(key)
    assert page.locator(".jp-CodeCell").count() == 2
    below(page).get_by_role("button", name="Show", exact=True).click()
    shown = below(page).locator(".ra-preview")
    expect(shown.get_by_text("Open in a new tab")).to_be_visible()
    assert find_barriers(page, VIEW) == []
    turn_dark(page)
    assert find_barriers(page, VIEW) == []
    page.screenshot(path=screenshots / "compare-dark.png")
    names(page).nth(1).press("Space")
    expect(below(page)).to_have_count(0)
    assert console == []


def test_other_sides(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, lab, "compare-sides.ipynb", STORY)
    page.set_viewport_size({"width": 620, "height": 1500})
    names(page).first.click()
    expect(below(page)).to_be_visible()
    wide = page.locator(VIEW).evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert wide[0] <= wide[1], "nothing is cut off"
    page.screenshot(path=screenshots / "compare-narrow.png")
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.get_by_label("Compare", exact=True).select_option("Runs")
    expect(page.get_by_label("Candidate").locator("option").first).to_contain_text("evalrun_")
    page.locator(f"{VIEW} summary", has_text="How this was compared").click()
    expect(page.locator(VIEW).get_by_text("Compared run").first).to_be_visible()
    page.screenshot(path=screenshots / "compare-runs.png")
    candidate = page.get_by_label("Candidate").input_value()
    page.get_by_label("Baseline").select_option(candidate)
    expect(page.get_by_text("Baseline and candidate are the same.").first).to_be_visible()
    assert console == []


def test_settling(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, lab, "compare-settle.ipynb", UNDECIDED, LAST)
    settle = press(page, re.compile(r"^Settle: \d+ runs?…$"))
    settle.press("Enter")
    expect(page.get_by_text(re.compile(r"again, once\?"))).to_be_visible()
    page.screenshot(path=screenshots / "compare-plan.png")
    press(page, "No").press("Enter")
    settle.press("Enter")
    press(page, "Start").press("Enter")
    expect(press(page, "Stop waiting")).to_be_visible()
    # The view goes on meanwhile.
    names(page).first.click()
    expect(below(page)).to_be_visible()
    page.screenshot(path=screenshots / "compare-settling.png")
    expect(press(page, "Stop waiting")).to_have_count(0, timeout=90_000)
    page.locator(f"{VIEW} summary", has_text="How this was compared").click()
    expect(page.locator(VIEW)).to_contain_text(re.compile(r"Compared \d+ runs of "))
    page.screenshot(path=screenshots / "compare-settled.png")
    assert console == []


def test_what_is_saved_stays_when_the_kernel_is_gone(page: Page, lab: Any) -> None:
    open_notebook(page, lab, "compare-gone.ipynb", STORY)
    page.get_by_label("Compare", exact=True).select_option("Runs")
    # The page is there before what stands for it has been replaced.
    expect(page.locator("[data-stands-for]")).to_contain_text("Compared run evalrun_")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.evaluate("""async () => {
        const session = window.jupyterapp.shell.currentWidget.sessionContext.session;
        await session.kernel.shutdown();
    }""")
    page.goto(page.url)
    still = page.locator("[data-stands-for]")
    expect(still).to_be_visible(timeout=30_000)
    assert "model not found" not in page.locator(".jp-Notebook").inner_text()
    expect(still).to_contain_text("Compared run evalrun_")
    still.locator("summary").last.click()
    assert "Buffet lunch" not in (lab.root / "compare-gone.ipynb").read_text()
