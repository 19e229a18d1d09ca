"""The dashboard, in JupyterLab and as an app with Voilà, used as a person uses it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Locator, Page, expect
from support.axe import find_barriers
from support.lab import run_all, turn_dark

import retab_analysis as ra

pytestmark = pytest.mark.browser

DASHBOARD = Path(__file__).parents[2] / "notebooks" / "04_dashboard.ipynb"
WIDTH, HEIGHT = 1280, 1000
# For a picture of all of it, which scrolls in a box of its own.
HEIGHTS = {"lab": 4700, "voila": 3600}
SOON = 20_000
SOME = re.compile(r"^1 to \d+ of \d+ runs \(of \d+\)$")

Opener = Callable[[str, str], Path]


@pytest.fixture
def opened(
    page: Page, request: pytest.FixtureRequest, voilas: Any, monkeypatch: pytest.MonkeyPatch
) -> Opener:
    """Opens the dashboard somewhere, in a theme; gives the folder that it writes to."""
    # Before a server starts: its kernels must meet the sandbox, not somebody's account.
    for name in ("RETAB_API_KEY", "RETAB_API_BASE_URL", "RETAB_WORKFLOW_ID"):
        monkeypatch.delenv(name, raising=False)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    def open_(where: str, theme: str) -> Path:
        if where == "voila":
            app = voilas(DASHBOARD, theme)
            page.goto(app.url, timeout=60_000)
            return Path(app.root)
        lab = request.getfixturevalue("lab")
        shutil.copy(DASHBOARD, lab.root)
        page.goto(f"{lab.url}/lab/tree/{DASHBOARD.name}?token={lab.token}&reset")
        run_all(page)
        page.get_by_role("tab", name="File Browser").click()  # closes it, for room
        return Path(lab.root)

    return open_


@pytest.mark.parametrize(
    ("where", "theme"),
    [
        ("lab", "light"),
        ("voila", "light"),
        ("voila", "dark"),
    ],
)
def test_a_person_finds_out_what_the_new_version_broke(
    page: Page, console: list[str], opened: Opener, screenshots: Path, where: str, theme: str
) -> None:
    folder = opened(where, theme)
    reads_the_verdict(page)
    sees_the_run_move(page)
    explorer = page.get_by_role("region", name="Explorer of eval runs")
    searches_and_sorts(explorer)
    chooses_a_run(explorer)
    exports(explorer, folder)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[where]})
    heading = page.get_by_role("heading", name="Dashboard")
    heading.scroll_into_view_if_needed()
    expect(heading).to_be_in_viewport()
    page.screenshot(path=screenshots / f"dashboard-{where}-{theme}.png")
    if where == "lab":
        turn_dark(page)
        page.screenshot(path=screenshots / "dashboard-lab-dark.png")
        saves_no_values(page, folder / DASHBOARD.name)
        assert console == []  # Voilà asks the network for things that it can do without


def test_its_headings_are_in_order(page: Page, opened: Opener) -> None:
    """Each part is below its title, and what is inside it a level below that; no level is left."""
    opened("voila", "light")
    told = page.locator(".rtd-head:visible")
    expect(told).to_have_count(2, timeout=60_000)  # the verdict, and that of the run that goes on
    headings = page.locator(":is(h1, h2, h3, h4, h5, h6):visible")
    levels = headings.evaluate_all("(all) => all.map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert {*levels[1:]} == {2, 3}
    assert all(after <= before + 1 for before, after in pairwise(levels))
    rules = ["heading-order", "empty-heading", "page-has-heading-one", "landmark-unique"]
    assert find_barriers(page, "body", only=rules) == []


def sees_the_run_move(page: Page) -> None:
    started = page.locator(".ra-run", has_text="all evals").first
    before = done(started)
    expect(started).not_to_contain_text(f"{before} of 95 done", timeout=SOON)
    assert done(started) > before


def done(run: Locator) -> int:
    """How many evals of a run are said to be done."""
    said = re.search(r"(\d+) of 95 done", run.inner_text())
    assert said is not None
    return int(said[1])


def searches_and_sorts(explorer: Locator) -> None:
    every = explorer.get_by_text(re.compile(r"^1 to 15 of \d+ runs$"))
    expect(every).to_be_visible(timeout=SOON)
    explorer.get_by_label("Search").fill("draft_")
    expect(explorer.get_by_text(SOME)).to_be_visible(timeout=SOON)
    heading = explorer.locator("th", has_text="Pass rate")
    for order in ("descending", "ascending"):
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", order, timeout=SOON)
    # Of a run that has just begun nothing is rated.
    rates = [float(each.removesuffix("%")) for each in column(explorer, "Pass rate") if each]
    assert rates == sorted(rates)
    assert rates[0] < 90


def chooses_a_run(explorer: Locator) -> None:
    last_night = column(explorer, "Pass rate").index("78.9%")
    of = int(column(explorer, "Evals")[last_night])
    explorer.locator(".ra-main tbody tr").nth(last_night).locator("td").first.click()
    panel = explorer.locator(".ra-aside")
    expect(panel.locator(".rtd-open").first).to_be_visible(timeout=SOON)
    expect(panel.locator(".rtd tbody tr")).to_have_count(of, timeout=SOON)
    panel.get_by_role("button", name="Lefèvre: supplier name close to the register").click()
    expect(panel).to_contain_text('"Maison Lefèvre & Fils', timeout=SOON)


def exports(explorer: Locator, folder: Path) -> None:
    explorer.get_by_role("button", name="Export CSV").click()
    written = folder / "runs.csv"
    expect(explorer.get_by_text(f"runs written to {written}")).to_be_visible(timeout=SOON)
    runs = ra.read_csv(written)
    assert f"of {runs.height} runs" in explorer.get_by_text(SOME).inner_text()
    assert runs["workflow_version_id"].str.starts_with("draft_").all()
    seen = ["" if each is None else f"{each:.1%}" for each in runs["pass_rate"].head(15)]
    assert seen == column(explorer, "Pass rate")
    assert runs["created_at"].dtype == pl.Datetime("us", "UTC")


def reads_the_verdict(page: Page) -> None:
    """It stands in the notebook itself, without a widget."""
    card = page.locator(".rtd-card:not(.ra-page *)").first
    expect(card).to_contain_text("extract_lines was edited", timeout=60_000)
    expect(card.locator(".rtd-edits")).to_contain_text("prompt")
    expect(card).not_to_contain_text("Buffet lunch")


def saves_no_values(page: Page, path: Path) -> None:
    panel = page.locator(".ra-aside").first
    expect(panel).to_contain_text('"Maison Lefèvre & Fils')
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0, timeout=SOON)
    saved = path.read_text()
    assert "gate fails" in saved
    assert "Those with “draft_”" in saved
    assert "of 95 done" in saved
    assert "Maison" not in saved


def column(explorer: Locator, title: str) -> list[str]:
    """What a column shows."""
    return [each.strip() for each in cells(explorer, title).all_inner_texts()]


def cells(explorer: Locator, title: str) -> Locator:
    """The cells below a heading."""
    titles = explorer.locator(".ra-main th").all_inner_texts()
    at = next(place for place, each in enumerate(titles) if each.startswith(title))
    return explorer.locator(f".ra-main tbody tr td:nth-child({at + 1})")
