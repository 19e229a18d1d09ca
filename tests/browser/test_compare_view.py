"""The comparison view in JupyterLab, as a person with a keyboard sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import run_all, save

pytestmark = pytest.mark.browser

STORY = """import retab_analysis as ra
sandbox = ra.demo(speed=40)
runs = ra.fetch_runs("wf_invoices", status="completed", limit=30)
results = ra.fetch_results(runs, evals=ra.fetch_evals("wf_invoices"))
view = ra.compare_view(results)
view"""
MADE_UP = """import retab_analysis as ra
hostile = "<img src=x onerror=window.hacked=1>"
def result(run, verdict):
    return {"id": run, "eval_id": hostile, "workflow_id": "w", "block_id": hostile,
        "block_type": "extract", "workflow_eval_run_id": run + hostile, "verdict": verdict,
        "lifecycle": {"status": "completed"}, "timing": {"created_at": f"2026-05-1{run}T10:00:00Z"},
        "assertion_result": {"assertion_id": "a", "condition_kind": "equals", "outcome": verdict,
            "expected_value": hostile, "actual_value": {hostile: [hostile, run]},
            "failure": {"code": "c", "message": hostile}}}
view = ra.compare_view(ra.decode_results([result("1", "passed"), result("2", "failed")]))
view"""
LAST = "'another cell'"


def open_notebook(page: Page, lab: Any, name: str, *cells: str) -> None:
    """Open a notebook and run all of it, with all the room for its view."""
    page.goto(save(lab, name, *cells))
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget", timeout=60_000)
    page.evaluate("() => { window.jupyterapp.shell.collapseLeft() }")
    run_all(page)
    expect(detail(page)).to_be_visible(timeout=60_000)


def detail(page: Page) -> Locator:
    return page.get_by_role("region", name="The eval")


def press(page: Page, words: str) -> Locator:
    return page.get_by_role("button", name=words, exact=True)


def chip(page: Page, words: str) -> Locator:
    return page.locator(".ra-chips button").filter(has_text=words)


def titles(page: Page) -> list[str]:
    """The names in the list, without their signs."""
    return [
        each[1:].strip() for each in page.get_by_label("Evals").locator("option").all_inner_texts()
    ]


def place(page: Page, words: str) -> Locator:
    return page.get_by_role("status").filter(has_text=re.compile(rf"^{words}$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_eval_to_eval_by_keyboard(
    page: Page, console: list[str], labs: Any, screenshots: Path, theme: str
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, labs(theme), f"compare-{theme}.ipynb", STORY, LAST)
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
    page.screenshot(path=screenshots / f"compare-{theme}.png")
    page.keyboard.press("Enter")
    expect(detail(page)).to_contain_text(names[2])
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(detail(page)).to_contain_text(names[1])
    # The slider has the arrow keys, the list has them with Alt.
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(detail(page)).to_contain_text(names[2])
    page.keyboard.press("End")
    expect(place(page, f"{count} of {count}")).to_be_visible()
    page.keyboard.press("Home")
    expect(detail(page)).to_contain_text(names[0])
    page.get_by_label("Evals").focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(place(page, f"2 of {count}")).to_be_visible()
    expect(detail(page)).to_contain_text(names[1])
    page.keyboard.press("End")
    expect(detail(page)).to_contain_text(names[-1])
    assert detail(page).evaluate("box => box.offsetHeight") == height
    assert console == []


def test_other_sides_and_chips(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    open_notebook(page, labs("light"), "compare-sides.ipynb", STORY)
    options = page.get_by_label("Evals").locator("option")
    flipped = options.count()
    flaky = int(chip(page, "flaky").inner_text().split()[-1])
    chip(page, "flaky").focus()
    page.keyboard.press("Space")
    expect(options).to_have_count(flipped + flaky)
    page.get_by_label("Compare", exact=True).select_option("Runs")
    expect(page.get_by_label("Candidate").locator("option").first).to_contain_text("evalrun_")
    expect(page.locator(".ra-verdict")).to_be_visible()
    expect(page.get_by_text("Compared run")).to_be_visible()
    page.locator(".ra-gate summary").click()
    expect(page.locator(".ra-gate li").first).to_be_visible()
    page.screenshot(path=screenshots / "compare-runs.png")
    candidate = page.get_by_label("Candidate").input_value()
    page.get_by_label("Baseline").select_option(candidate)
    expect(page.get_by_text("Baseline and candidate are the same.")).to_be_visible()
    page.screenshot(path=screenshots / "compare-same.png")
    assert console == []


def test_plots_and_a_report(page: Page, console: list[str], labs: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1080})
    lab = labs("dark")
    open_notebook(page, lab, "compare-plots.ipynb", STORY)
    press(page, "Plot by block").press("Enter")
    expect(page.get_by_role("img", name="What flipped in each")).to_be_visible()
    press(page, "Plot by eval").press("Enter")
    expect(page.get_by_role("img", name="The verdicts of")).to_be_visible()
    press(page, "Write report…").press("Enter")
    page.locator(".ra-compare").get_by_label("File").fill("report.html")
    expect(page.locator(".ra-compare").get_by_role("checkbox")).not_to_be_checked()
    press(page, "Write report").press("Enter")
    expect(page.get_by_text("Written to")).to_be_visible()
    assert "Buffet lunch" not in (lab.root / "report.html").read_text()
    press(page, "Plot by block").evaluate("button => button.scrollIntoView()")
    page.screenshot(path=screenshots / "compare-plots.png")
    page.locator(".ra-compare").get_by_label("File").fill("report.pdf")
    press(page, "Write report").press("Enter")
    expect(page.get_by_text("Not written: path must end in .md or .html")).to_be_visible()
    assert console == []


def test_hostile_strings_run_no_script(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    open_notebook(page, labs("light"), "compare-hostile.ipynb", MADE_UP)
    expect(detail(page)).to_contain_text("<img src=x onerror=window.hacked=1>")
    press(page, "Plot by eval").press("Enter")
    expect(page.get_by_role("img", name="The verdicts of")).to_be_visible()
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".ra-compare img").count() == 0
    page.screenshot(path=screenshots / "compare-hostile.png")
    assert console == []


def test_a_narrow_cell_is_readable(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 620, "height": 1500})
    open_notebook(page, labs("light"), "compare-narrow.ipynb", STORY)
    press(page, "Next").press("Space")
    expect(place(page, r"2 of \d+")).to_be_visible()
    wide = page.locator(".ra-compare").evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert wide[0] <= wide[1], "nothing is cut off"
    page.screenshot(path=screenshots / "compare-narrow.png")
    assert console == []
