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
    expect(detail(page)).to_be_visible(timeout=60_000)
    # Once all has run, Lab takes the focus.
    expect(page.locator(".jp-InputPrompt").nth(len(cells) - 1)).to_have_text(f"[{len(cells)}]:")
    page.wait_for_function("""() => window.jupyterapp.shell.currentWidget.sessionContext
        .session.kernel.status === 'idle'""")


def detail(page: Page) -> Locator:
    return page.locator(VIEW).get_by_role("region", name="The eval")


def press(page: Page, words: str) -> Locator:
    return page.get_by_role("button", name=words, exact=True)


def chip(page: Page, words: str) -> Locator:
    return page.locator(".ra-chip").filter(has_text=words)


def rows(page: Page) -> Locator:
    return page.locator(VIEW).get_by_role("grid", name="Evals").locator("tbody tr")


def titles(page: Page) -> list[str]:
    """The names in the list."""
    return [each.strip() for each in rows(page).locator("td:nth-child(2)").all_inner_texts()]


def place(page: Page, words: str) -> Locator:
    return page.get_by_role("status").filter(has_text=re.compile(rf"^{words}$"))


def test_from_eval_to_eval_by_keyboard(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1600, "height": 1100})
    open_notebook(page, lab, "compare.ipynb", STORY, LAST)
    names = titles(page)
    count = len(names)
    assert count >= 8
    expect(detail(page)).to_contain_text(names[0])
    height = detail(page).evaluate("box => box.offsetHeight")
    # A button keeps the focus and both of its keys, in Lab's command mode, too.
    press(page, "Next").focus()
    page.keyboard.press("Space")
    expect(place(page, f"2 of {count}")).to_be_visible()
    expect(detail(page)).to_contain_text(names[1])
    page.screenshot(path=screenshots / "compare-light.png")
    page.keyboard.press("Enter")
    expect(detail(page)).to_contain_text(names[2])
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(detail(page)).to_contain_text(names[1])
    # In the list, an eval opens where the focus comes to rest.
    rows(page).first.locator("td").first.click()
    expect(place(page, f"1 of {count}")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(place(page, f"3 of {count}")).to_be_visible()
    expect(detail(page)).to_contain_text(names[2])
    page.keyboard.press("Control+End")
    expect(place(page, f"{count} of {count}")).to_be_visible()
    expect(detail(page)).to_contain_text(names[-1])
    for key in ("d", "d", "x"):
        page.keyboard.press(key)
    assert page.locator(".jp-CodeCell").count() == 2
    assert detail(page).evaluate("box => box.offsetHeight") == height
    assert find_barriers(page, VIEW) == []
    turn_dark(page)
    assert find_barriers(page, VIEW) == []
    page.screenshot(path=screenshots / "compare-dark.png")
    assert console == []


def test_other_sides_and_chips(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, lab, "compare-sides.ipynb", STORY)
    is_readable_in_a_narrow_cell(page, screenshots)
    page.set_viewport_size({"width": 1280, "height": 1000})
    flipped = rows(page).count()
    flaky = int(chip(page, "flaky").inner_text().split()[-1])
    chip(page, "flaky").focus()
    page.keyboard.press("Space")
    expect(rows(page)).to_have_count(flipped + flaky)
    page.get_by_label("Compare", exact=True).select_option("Runs")
    expect(page.get_by_label("Candidate").locator("option").first).to_contain_text("evalrun_")
    expect(page.locator(f"{VIEW} .ra-text").first).to_contain_text("Compared run")
    page.locator(VIEW).get_by_text("Gate does not hold").click()
    expect(page.locator(f"{VIEW} li").first).to_be_visible()
    page.screenshot(path=screenshots / "compare-runs.png")
    candidate = page.get_by_label("Candidate").input_value()
    page.get_by_label("Baseline").select_option(candidate)
    expect(page.get_by_text("Baseline and candidate are the same.").first).to_be_visible()
    page.screenshot(path=screenshots / "compare-same.png")
    assert console == []


def is_readable_in_a_narrow_cell(page: Page, screenshots: Path) -> None:
    page.set_viewport_size({"width": 620, "height": 1500})
    # Values stand one in the other.
    expect(detail(page).locator(".ra-was")).to_be_hidden()
    expect(detail(page).locator(".ra-is del").first).to_be_visible()
    wide = page.locator(VIEW).evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert wide[0] <= wide[1], "nothing is cut off"
    page.screenshot(path=screenshots / "compare-narrow.png")
    page.set_viewport_size({"width": 1600, "height": 1500})
    expect(detail(page).locator(".ra-was del").first).to_be_visible()
    expect(detail(page).locator(".ra-is del").first).to_be_hidden()


def test_from_the_first_tab_stop_to_the_last(page: Page, lab: Any) -> None:
    """All that the view offers is reached by Tab."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, lab, "compare-tabs.ipynb", STORY)
    page.get_by_label("Compare", exact=True).focus()
    stops: list[str] = []
    said = """() => {
        const at = document.activeElement;
        const box = at.closest("[role=grid],[role=toolbar]");
        return at.closest(".ra-page") && (box ?? at.closest("label") ?? at).ariaLabel
            || (at.closest("label") ?? at).innerText.split("\\n")[0].trim();
    }"""
    for _ in range(25):
        stops.append(page.evaluate(said))
        if stops[-1] == "Copy the id of":
            break
        page.keyboard.press("Tab")
    wanted = ["Compare", "Baseline", "Candidate", "Gate", "Example", "What was edited?"]
    wanted += ["What is listed", "Next", "Evals", "The eval", "Copy the id of"]
    found = [next((at for at, each in enumerate(stops) if word in each), -1) for word in wanted]
    assert found == sorted(found), "\n".join(stops)
    assert -1 not in found, "\n".join(stops)


def test_settling(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, lab, "compare-settle.ipynb", UNDECIDED, LAST)
    before = page.locator(f"{VIEW} .ra-text").first.inner_text()
    assert before.startswith("Compared run ")
    press(page, "Settle…").press("Enter")
    expect(page.get_by_text(re.compile(r"at most \d"))).to_be_visible()
    page.screenshot(path=screenshots / "compare-plan.png")
    press(page, "No").press("Enter")
    press(page, "Settle…").press("Enter")
    press(page, "Start").press("Enter")
    expect(press(page, "Stop waiting")).to_be_visible()
    # The view goes on meanwhile.
    chip(page, "pass").click()
    expect(chip(page, "pass")).to_have_attribute("aria-pressed", "true")
    page.screenshot(path=screenshots / "compare-settling.png")
    expect(page.locator(f"{VIEW} .ra-text").first).to_contain_text(
        re.compile(r"Compared \d+ runs of "), timeout=90_000
    )
    expect(press(page, "Stop waiting")).to_have_count(0)
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
    expect(still.locator(".ra-signs").last).to_be_visible()
    assert "Buffet lunch" not in (lab.root / "compare-gone.ipynb").read_text()
