"""The view where it is not JupyterLab: Notebook 7, Voilà, marimo; and the dashboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect
from support.axe import find_barriers
from support.lab import run_all, save

pytestmark = pytest.mark.browser

DASHBOARD = Path(__file__).parents[2] / "notebooks" / "04_dashboard.ipynb"
LIVE = ".rv:not([data-stands-for])"
GOING = re.compile("Queued|done")
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
EXPLORE = """import retab_analysis as ra
sandbox = ra.demo(speed=40)
view = ra.explore(["wf_claims", "wf_invoices"])
view"""
GOING = re.compile("Queued|done")
WAITING = """
@app.cell
def waiting(ra, view):
    try:
        view.wait(20)
    except ra.WaitTimeout:
        pass
    return
"""


def is_alive_and_answers(page: Page) -> None:
    """The view goes on, a click is answered, and the run can be cancelled."""
    now = page.locator(f"{LIVE} .rv-now")
    expect(page.locator(f"{LIVE} .rv-seen")).to_contain_text("as of", timeout=60_000)
    expect(now).to_contain_text(re.compile("queued|running"), timeout=60_000)
    page.locator(f"{LIVE} .rv-chip", has_text="not yet").click()
    expect(page.get_by_text("20 of 20 evals")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    page.locator(f"{LIVE} .rv-search").fill("no such eval")
    expect(page.get_by_text("No eval has this.")).to_be_visible()
    page.locator(f"{LIVE} .rv-search").press("Escape")
    expect(page.get_by_text("No eval has this.")).to_have_count(0)
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name="Yes, end it").click()
    expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
    expect(page.locator(f"{LIVE} .rv-head")).not_to_contain_text("…")
    assert page.locator("[data-stands-for]:visible").count() == 0


def opens_and_searches(page: Page) -> None:
    """Another workflow, a count, a search, an eval, a run, the price of settling."""
    lines = page.locator(f"{LIVE} .rv-view .rv-head")
    expect(lines.first).to_contain_text("9 evals broke", timeout=60_000)
    lines.nth(1).get_by_role("button").click()
    expect(lines.nth(1).get_by_role("button")).to_have_attribute("aria-expanded", "true")
    lines.first.get_by_role("button").click()
    expect(lines.first.get_by_role("button")).to_have_attribute("aria-expanded", "true")
    page.locator(f"{LIVE} .rv-chip", has_text="flaky").click()
    expect(page.get_by_text(re.compile(r"^\d+ of 95 evals"))).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    page.locator(f"{LIVE} .rv-search").fill("no such eval")
    expect(page.get_by_text("No eval has this.")).to_be_visible()
    page.locator(f"{LIVE} .rv-search").press("Escape")
    page.locator(f"{LIVE} .rv-row", has_text="Blue Ridge: fractional").first.click()
    expect(page.locator(f"{LIVE} .rv-row[open]")).to_contain_text("Broken since")
    page.get_by_role("button", name="BRT_88_April.pdf").click()
    expect(page.locator(".rv-document a")).to_be_visible()
    settle = page.get_by_role("button", name=re.compile(r"^Settle \(\d+ runs?, billed\)$"))
    settle.click()
    page.get_by_role("button", name="No", exact=True).click()
    settle.click()
    page.get_by_role("button", name="Yes, start").click()
    expect(page.locator(f"{LIVE} .rv-actions")).to_contain_text("Running again")
    expect(page.locator(f"{LIVE} .rv-actions")).not_to_contain_text("Running again", timeout=60_000)
    expect(settle).to_have_count(0)
    page.get_by_role("button", name="As it is now against").click()
    page.get_by_label("Checked").select_option(index=12)
    expect(lines.first).not_to_contain_text("9 evals broke")


def press_shortcuts(page: Page) -> None:
    page.get_by_role("button", name="Cancel run").focus()
    for key in ("d", "d", "x", "b"):
        page.keyboard.press(key)


VERDICT = """import retab_analysis as ra
sandbox = ra.demo(speed=300)
ra.check("wf_invoices")"""


def test_a_verdict_filters_in_lab_after_its_kernel_is_gone(page: Page, lab: Any) -> None:
    page.goto(save(lab, "verdict.ipynb", VERDICT))
    run_all(page)
    expect(page.locator(".rv-search")).to_be_visible(timeout=90_000)
    lab.end_kernels()
    page.locator(".rv-chip", has_text="broke").click()
    expect(page.locator(".rv-found")).to_contain_text("9 of 95 evals")
    page.locator(".rv-row:visible > summary").first.click()
    expect(page.locator(".rv-row[open]")).to_contain_text("Broken since")


def test_notebook_7(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    address = save(lab, "seven.ipynb", QUEUED, "(await view)['status'][0]")
    page.goto(address.replace("/lab/tree/", "/notebooks/"))
    run_all(page)
    expect(page.locator(f"{LIVE} .rv-head")).to_contain_text(GOING, timeout=60_000)
    press_shortcuts(page)
    assert page.locator(".jp-CodeCell").count() == 2
    page.screenshot(path=screenshots / "view-notebook7.png")
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
    expect(page.locator(f"{LIVE} .rv-head")).to_contain_text(GOING, timeout=60_000)
    page.screenshot(path=screenshots / f"view-voila-{theme}.png")
    is_alive_and_answers(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dashboard(
    page: Page, voilas: Any, screenshots: Path, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    """One view of all workflows, as an app."""
    # Before a server starts: its kernels must meet the sandbox, not somebody's account.
    for name in ("RETAB_API_KEY", "RETAB_API_BASE_URL", "RETAB_WORKFLOW_ID"):
        monkeypatch.delenv(name, raising=False)
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.goto(voilas(DASHBOARD, theme).url, timeout=60_000)
    title = page.locator(f"{LIVE} [data-slot=several] .rv-head")
    expect(title).to_contain_text("5 workflows: 3 with broken evals", timeout=60_000)
    whole = page.locator(LIVE).inner_text
    before = whole()
    page.wait_for_timeout(4_000)
    assert whole() != before
    expect(page.locator(f"{LIVE} .rv-actions")).to_have_count(1)
    page.screenshot(path=screenshots / f"dashboard-{theme}.png", full_page=True)
    assert find_barriers(page, LIVE, only=None if theme == "light" else ["color-contrast"]) == []


def test_marimo(page: Page, marimo: Any, screenshots: Path) -> None:
    page.goto(marimo(MARIMO), timeout=60_000)
    expect(page.locator(f"{LIVE} .rv-head")).to_contain_text(GOING, timeout=60_000)
    page.screenshot(path=screenshots / "view-marimo.png")
    is_alive_and_answers(page)


def test_marimo_says_why_it_does_not_answer_while_a_cell_waits(page: Page, marimo: Any) -> None:
    page.goto(marimo(MARIMO + WAITING), timeout=60_000)
    expect(page.locator(f"{LIVE} .rv-head")).to_contain_text(GOING, timeout=60_000)
    page.get_by_role("button", name="Cancel run").click()
    notice = page.locator(".rv-notice")
    expect(notice).to_contain_text("await view")
    expect(page.get_by_role("button", name="Yes, end it")).to_be_visible(timeout=60_000)
    expect(notice).to_have_text(re.compile("^$"))


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_jupyter_explores(page: Page, lab: Any, app: str) -> None:
    page.set_viewport_size({"width": 1500, "height": 900})
    address = save(lab, f"explore-{app[:3]}.ipynb", EXPLORE)
    page.goto(address.replace("lab/tree", app))
    run_all(page)
    opens_and_searches(page)
