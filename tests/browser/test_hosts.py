"""The live view and the explorer where it is not JupyterLab: Notebook 7, Voilà, marimo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect
from support.lab import save

pytestmark = pytest.mark.browser

LIVE = ".ra-page:not([data-stands-for])"
QUEUED = """import retab_analysis as ra
sandbox = ra.demo(speed=0.05)
run = ra.start_runs("wf_claims")
view = ra.watch(run, interval=0.3)
view"""
MARIMO = """import marimo
app = marimo.App()

@app.cell
def watching():
    import retab_analysis as ra
    sandbox = ra.demo(speed=0.05)
    run = ra.start_runs("wf_claims")
    view = ra.watch(run, interval=0.3)
    view
    return ra, view
"""
EXPLORE = """import marimo
app = marimo.App()

@app.cell
def exploring():
    import retab_analysis as ra
    sandbox = ra.demo(speed=0.05)
    explorer = ra.explore(workflow_id="wf_claims")
    explorer
    return
"""
WAITING = """
@app.cell
def waiting(ra, view):
    try:
        view.wait(8)
    except ra.WaitTimeout:
        pass
    return
"""


def is_alive_and_answers(page: Page) -> None:
    """The view goes on, a click is answered, and the run can be cancelled."""
    about = page.locator(f"{LIVE} .ra-about")
    expect(about).to_contain_text("refreshed", timeout=60_000)
    before = about.inner_text()
    expect(about).not_to_have_text(before)
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(f"{LIVE} .ra-run")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Stop watching")).to_be_disabled()
    assert page.locator("[data-stands-for]:visible").count() == 0


def press_shortcuts(page: Page) -> None:
    page.get_by_role("button", name="Stop watching").focus()
    for key in ("d", "d", "x", "b"):
        page.keyboard.press(key)


def test_notebook_7(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    address = save(lab, "seven.ipynb", QUEUED, "view.wait(60)['status'][0]")
    page.goto(address.replace("/lab/tree/", "/notebooks/"))
    ready = """() => {
        const panel = window.jupyterapp?.shell.currentWidget;
        return panel?.context?.isReady && panel.sessionContext.session?.kernel?.status === 'idle';
    }"""
    page.wait_for_function(ready, timeout=60_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    expect(page.locator(f"{LIVE} .ra-run")).to_be_visible(timeout=60_000)
    press_shortcuts(page)
    assert page.locator(".jp-CodeCell").count() == 2
    page.screenshot(path=screenshots / "live-notebook7.png")
    is_alive_and_answers(page)
    expect(page.get_by_text("'cancelled'").last).to_be_visible()
    # Notebook 7.6 says this of itself, whatever is in the cells.
    own = (
        "Cannot read properties of undefined (reading 'schema')",
        "Command 'filebrowser:open-path' not registered.",
    )
    assert [each for each in console if each not in own] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_voila(page: Page, voilas: Any, screenshots: Path, tmp_path: Path, theme: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(QUEUED)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "live.ipynb")
    page.goto(voilas(tmp_path / "live.ipynb", theme).url, timeout=60_000)
    expect(page.locator(f"{LIVE} .ra-run")).to_be_visible(timeout=60_000)
    page.screenshot(path=screenshots / f"live-voila-{theme}.png")
    is_alive_and_answers(page)


def test_marimo(page: Page, marimo: Any, screenshots: Path) -> None:
    page.goto(marimo(MARIMO), timeout=60_000)
    expect(page.locator(f"{LIVE} .ra-run")).to_be_visible(timeout=60_000)
    page.screenshot(path=screenshots / "live-marimo.png")
    is_alive_and_answers(page)


def test_marimo_says_why_it_does_not_answer_while_a_cell_waits(page: Page, marimo: Any) -> None:
    page.goto(marimo(MARIMO + WAITING), timeout=60_000)
    expect(page.locator(f"{LIVE} .ra-run")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel run").click()
    notice = page.locator(".ra-notice")
    expect(notice).to_contain_text("await view")
    expect(page.get_by_role("button", name="Yes, cancel")).to_be_visible()
    expect(notice).to_have_text(re.compile("^$"))


def test_marimo_explores(page: Page, marimo: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1300, "height": 900})
    page.goto(marimo(EXPLORE), timeout=60_000)
    rows = page.locator(f"{LIVE} .ra-main tbody tr")
    expect(rows).to_have_count(15, timeout=60_000)
    rows.first.locator("td").first.click()
    expect(page.locator(".ra-aside")).to_contain_text("asserts", timeout=30_000)
    page.get_by_label("Search").fill("no such run")
    expect(page.get_by_text(re.compile(r"^none of \d+ runs$"))).to_be_visible()
    page.screenshot(path=screenshots / "explore-marimo.png")
