"""The explorer as a person sees and uses it, in JupyterLab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import run_all, save

import retab_analysis as ra

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


def rows_of(page: Page) -> Locator:
    """The rows of the list that is seen, each as the button that chooses it."""
    return page.locator(".ra-picks button:visible")


def cells_of(page: Page, column: int) -> list[str]:
    return page.locator(f".ra-list:visible tbody td:nth-child({column})").all_inner_texts()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_runs_are_filtered_sorted_chosen_and_exported(
    page: Page, console: list[str], labs: Any, screenshots: Path, theme: str
) -> None:
    lab = labs(theme)
    page.set_viewport_size({"width": 1400, "height": 1650})
    page.goto(save(lab, f"explore-{theme}.ipynb", EXPLORE))
    run_all(page)
    place = page.locator(".widget-label:visible", has_text="runs")
    expect(place).to_have_text(re.compile(r"1 to 15 of \d\d+ runs$"), timeout=30_000)
    expect(page.locator(".ra-plots svg")).to_have_count(2)
    page.screenshot(path=screenshots / f"explore-{theme}.png")

    page.get_by_label("Status", exact=True).select_option(index=0)  # the most frequent one
    expect(place).to_have_text(re.compile(r"of \d+ runs \(of \d+\)$"))
    assert {each.split()[-1] for each in cells_of(page, 1)} == {"completed"}
    page.get_by_role("button", name="Pass rate").click()
    page.get_by_role("button", name="Pass rate ▼").click()
    expect(page.get_by_role("button", name="Pass rate ▲")).to_be_visible()
    rates = [float(each.rstrip("%")) for each in cells_of(page, 4)]
    assert rates == sorted(rates)

    # With the keyboard alone: a row is a button.
    rows_of(page).nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    chosen = rows_of(page).nth(1)
    expect(chosen).to_have_class(re.compile("mod-active"))
    details = page.locator(".ra-explore .ra-row code:visible").first
    expect(details).to_have_text(chosen.inner_text().split()[-1])
    expect(page.locator("td code:visible").first).to_be_visible(timeout=20_000)
    page.screenshot(path=screenshots / f"explore-{theme}-run.png")

    page.get_by_label("to", exact=True).fill("chosen.csv")
    page.get_by_role("button", name="Export CSV").click()
    expect(page.get_by_text("runs written to")).to_be_visible()
    written = ra.read_csv(lab.root / "chosen.csv", "runs")
    assert set(written["status"]) == {"completed"}
    assert written["pass_rate"].drop_nulls().is_sorted()
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_label("Code", exact=True)).to_have_value(
        re.compile(r"is_in\(\['completed'\]\)")
    )
    assert console == []


def test_evals_and_their_history(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(save(labs("dark"), "explore-evals.ipynb", EXPLORE))
    run_all(page)
    expect(rows_of(page)).to_have_count(15, timeout=30_000)
    page.get_by_role("tab", name="Evals", exact=True).click()
    expect(page.get_by_text("Evals over 20 runs;")).to_be_visible(timeout=30_000)
    expect(page.locator(".ra-signs:visible").first.locator("span")).to_have_count(10)
    kinds = page.get_by_label("Kind", exact=True)
    flaky = kinds.locator("option[value^='flaky (']").get_attribute("value")
    kinds.select_option(value=flaky)
    expect(page.get_by_text("≈ flaky").first).to_be_visible()
    rows_of(page).first.click()
    expect(page.get_by_text("the newest first").locator("visible=true")).to_be_visible()
    page.screenshot(path=screenshots / "explore-evals.png")
    page.set_viewport_size({"width": 640, "height": 1500})
    expect(page.get_by_text("Evals over 20 runs;")).to_be_visible()
    page.screenshot(path=screenshots / "explore-narrow.png")
    assert console == []


def test_hostile_names_are_shown_and_run_nothing(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(save(labs("light"), "explore-hostile.ipynb", HOSTILE_RUNS))
    run_all(page)
    expect(rows_of(page)).to_have_count(15, timeout=30_000)
    for tab in ("Runs", "Results", "Evals"):
        page.get_by_role("tab", name=tab, exact=True).click()
        rows_of(page).first.click()
        expect(rows_of(page).first).to_have_class(re.compile("mod-active"))
    expect(page.get_by_text("the newest first")).to_be_visible()
    page.screenshot(path=screenshots / "explore-hostile.png")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".ra-explore img").count() == 0
    assert HOSTILE in page.locator(".ra-explore").first.inner_text()
    assert console == []
