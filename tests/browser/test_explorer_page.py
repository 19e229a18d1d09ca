"""The explorer's page in a browser, without a notebook: mouse, keyboard, barriers, odd names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Page, expect
from support.axe import find_barriers, find_barriers_in_all_looks
from support.driven import Driven
from support.fakes import STILL

import retab_analysis as ra

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.hacked=1'>"
LONG = "an eval whose name is a whole sentence of one hundred and sixty-five characters " * 3
ARABIC = "\u0641\u0627\u062a\u0648\u0631\u0629 2026"
THEMED = "<style>:root{color-scheme:light dark}</style>"


@pytest.fixture(scope="module")
def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    with ra.Sandbox(speed=STILL) as sandbox:
        api = ra.Client(**sandbox.credentials)
        runs = ra.fetch_runs("wf_invoices", client=api)
        ended = runs.filter("is_terminal", scope="workflow").head(12)
        evals = ra.fetch_evals("wf_invoices", client=api)
        results = ra.fetch_results(ended, evals=evals, client=api)
    # Those that are not here would have to be asked for.
    return runs.filter(pl.col("run_id").is_in(ended["run_id"].implode())), results


@pytest.fixture
def explorer(frames: tuple[pl.DataFrame, pl.DataFrame]) -> Any:
    return ra.explore(*frames)


def named(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """A frame in which names are odd."""
    names = ("eval_name", "block_id", "workflow_version_id", "failure_code", "trigger_type")
    odd = [pl.format("{}{}", each, pl.lit(name)).alias(each) for each in names if each in frame]
    files = [pl.concat_list(pl.lit(name)).alias(each) for each in ("document_names",)]
    return frame.with_columns(*odd, *(each for each in files if "document_names" in frame))


def test_from_the_first_tab_stop_to_a_file_with_the_keyboard_alone(
    page: Page, frames: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    explorer = ra.explore(*frames)
    driven = Driven(page, explorer)

    def focused() -> str:
        return str(page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)"))

    def tab_to(words: str) -> None:
        for _ in range(25):
            page.keyboard.press("Tab")
            if words in focused():
                return
        raise AssertionError(f"no tab stop {words}, the last is {focused()}")

    tab_to('data-value="runs"')
    driven.press("ArrowRight", "Enter")
    assert explorer.tab == "results"
    tab_to('data-event="search"')
    page.keyboard.type("Nordwind")
    page.wait_for_timeout(300)  # what is typed is sent once no further key follows
    driven.settle()
    tab_to("<th ")
    driven.press("ArrowRight", "Enter")  # sorts by the eval's name
    assert explorer.state.listed.sort == "eval_name"
    driven.press("ArrowDown", "ArrowDown", "Enter")
    expect(page.locator(".ra-main tr[aria-selected=true]")).to_have_count(1)
    expect(page.locator(".ra-aside")).to_contain_text("the newest first")
    tab_to('data-event="export"')
    driven.press("Enter")
    expect(page.get_by_text("results written to")).to_be_visible()
    written = ra.read_csv(tmp_path / "results.csv", "results")
    assert 0 < written.height == explorer.frame.height < explorer.state.listed.frame.height


def test_a_result_is_looked_into_and_its_document_is_shown(page: Page, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1600, "height": 1000})
    with ra.Sandbox(speed=STILL) as sandbox:
        api = ra.Client(**sandbox.credentials)
        runs = ra.fetch_runs("wf_invoices", client=api)
        explorer = ra.explore(runs.filter("is_terminal", scope="workflow"), client=api)
        driven = Driven(page, explorer)
        driven.click(driven.rows.first.locator("td").first)
        panel = page.locator(".ra-aside")
        expect(panel).to_contain_text("asserts")
        driven.click(panel.get_by_role("button", name="Lefèvre: supplier").first)
        expect(panel).to_contain_text("Asserts")
        expect(panel.locator("del,ins").first).to_be_visible()
        assert panel.locator("object").count() == 0
        driven.click(panel.get_by_role("button", name="Show", exact=True).first)
        expect(panel.locator("object[type='application/pdf']")).to_have_count(1)
        link = panel.get_by_role("link").get_attribute("href")
        assert link
        assert link.startswith(sandbox.base_url.removesuffix("/v1"))
        page.screenshot(path=screenshots / "explorer-panel.png")
        driven.click(panel.get_by_role("button", name="Lefèvre: supplier").first)
        expect(panel).not_to_contain_text("Asserts")


@pytest.mark.parametrize("name", [HOSTILE, LONG, ARABIC])
@pytest.mark.parametrize("width", [700, 1600])
def test_odd_names_stay_in_their_places(
    page: Page, frames: Any, screenshots: Path, width: int, name: str
) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    driven = Driven(page, ra.explore(*(named(frame, name) for frame in frames)))
    kind = {HOSTILE: "hostile", LONG: "long", ARABIC: "arabic"}[name]
    for tab in ("runs", "results", "evals"):
        driven.turn_to(tab)
        driven.click(driven.rows.first.locator("td").first)
        # Each column stands below its heading, whatever is in it, and the page is as wide as it is.
        edges = page.evaluate(
            """() => [...document.querySelectorAll('.ra-main tr')].map((row) =>
                [...row.cells].map((cell) => Math.round(cell.getBoundingClientRect().left)))"""
        )
        assert len({tuple(each) for each in edges}) == 1
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        page.screenshot(path=screenshots / f"explorer-{kind}-{tab}-{width}.png", full_page=True)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".ra-page img").count() == 0


def test_from_right_to_left(page: Page, frames: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    before = "<script>document.documentElement.dir = 'rtl'</script>"
    driven = Driven(page, ra.explore(*(named(each, ARABIC) for each in frames)), before=before)
    driven.click(driven.rows.first.locator("td").first)
    page.screenshot(path=screenshots / "explorer-rtl.png", full_page=True)
    first, last = (page.locator(".ra-main th").nth(at).bounding_box() for at in (0, 1))
    assert first
    assert last
    assert first["x"] > last["x"]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1200


@pytest.mark.parametrize("tab", ["runs", "results", "evals"])
def test_axe_finds_nothing(page: Page, explorer: Any, screenshots: Path, tab: str) -> None:
    driven = Driven(page, explorer, before=THEMED)
    driven.turn_to(tab)
    assert find_barriers(page, ".ra-page") == []
    driven.click(driven.rows.nth(1).locator("td").first)
    page.mouse.move(0, 0)

    def look(scheme: str, width: int) -> None:
        name = f"explorer-{tab}-{scheme}-{width}.png"
        page.screenshot(path=screenshots / name, full_page=True)

    assert find_barriers_in_all_looks(page, ".ra-page", look) == []


def test_what_is_saved_has_no_barriers_and_looks_the_same(
    page: Page, explorer: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    explorer.tab = "results"
    explorer.state.listed.choose(3)
    saved = explorer._repr_mimebundle_()["text/html"]
    page.set_content(f"<html lang=en><title>x</title><body><main>{saved}</main></body></html>")
    page.screenshot(path=screenshots / "explorer-saved.png", full_page=True)
    assert find_barriers(page, ".ra-page") == []
    expect(page.locator(".ra-main tbody tr")).to_have_count(15)
    expect(page.locator(".ra-aside")).to_contain_text("the newest first")
