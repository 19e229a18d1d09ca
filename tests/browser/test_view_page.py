"""A view in a browser, clicked as a person clicks, with the test in place of the notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.axe import find_barriers
from support.fakes import STILL
from support.faultserver import reply
from support.inside import View
from support.lettered_api import FLOW, LetteredApi, alike
from support.pages import Driven
from support.watching import until

import retab_analysis as ra

pytestmark = pytest.mark.browser

FIRST = "Blue Ridge: fractional quantity"
LINE = ".rv-head"


@pytest.fixture(scope="module")
def client() -> Iterator[ra.Client]:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        yield client


Opener = Callable[..., Driven]


@pytest.fixture
def opened(page: Page, client: ra.Client) -> Iterator[Opener]:
    """Shows what ``explore`` gives."""
    made: list[View] = []

    def open_(*given: Any, width: int = 1180, **more: Any) -> Driven:
        page.set_viewport_size({"width": width, "height": 1000})
        view = ra.explore(*given, **{"client": client, **more})
        view.wait(60)
        made.append(view)
        return Driven(page, view)

    yield open_
    for each in made:
        each.close()


def heights(page: Page) -> list[float]:
    """Where the bar, the actions and the counts stand."""
    parts = [page.locator(each).first for each in (".rv-bar", ".rv-actions", ".rv-chips")]
    return [each.bounding_box()["y"] for each in parts]  # type: ignore[index]


def test_an_eval_is_opened_below_its_row(
    page: Page, console: list[str], opened: Opener, screenshots: Path
) -> None:
    shown = opened("wf_invoices")
    before = heights(page)
    shown.largest = 0
    shown.click(page.get_by_role("button", name=FIRST))
    assert 0 < shown.largest < 5_000
    below = page.locator(".rv-open")
    expect(below).to_have_count(1)
    expect(below).to_contain_text("Broken since")
    expect(below).to_contain_text("18.5")
    expect(page.get_by_role("button", name=FIRST)).to_have_attribute("aria-expanded", "true")
    shown.pump_until(lambda: page.locator(".rv-document a").count())
    expect(page.locator(".rv-document object")).to_be_visible()
    assert heights(page) == before
    page.screenshot(path=screenshots / "view-opened.png", full_page=True)
    # A click anywhere in another row opens that one instead.
    shown.click(shown.rows.nth(3).locator("td").nth(3))
    expect(below).to_have_count(1)
    shown.click(shown.rows.nth(3).locator("td").nth(3))
    expect(below).to_have_count(0)
    assert console == []


def test_counts_and_search_filter(page: Page, opened: Opener, screenshots: Path) -> None:
    shown = opened("wf_invoices")
    before = heights(page)
    for word, number in (("broke", 9), ("flaky", 13)):
        shown.click(page.locator(".rv-chip", has_text=word))
        expect(page.get_by_text(f"{number} evals of 95")).to_be_visible()
    assert heights(page) == before
    shown.click(page.get_by_role("button", name="Show all"))
    field = page.get_by_label("Search evals")
    field.fill("lines")
    page.wait_for_timeout(300)
    shown.pump()
    expect(page.get_by_text(re.compile(r"^20 evals of 95$"))).to_be_visible()
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=screenshots / "view-search-dark.png", full_page=True)
    shown.press("Escape")
    expect(page.locator(".rv-fold", has_text="Pass")).to_be_visible()
    shown.click(page.locator(".rv-fold", has_text="Flaky"))
    expect(page.get_by_text("comes and goes").first).to_be_visible()


def test_a_column_becomes_the_checked_run_and_its_title_says_what_it_was(
    page: Page, opened: Opener
) -> None:
    shown = opened("wf_invoices")
    table = page.locator(".rv-grid").first
    flagged = table.locator(".rv-cols .x")
    expect(flagged).to_have_count(1)
    title = flagged.get_attribute("title") or ""
    assert re.match(r"\d+ \w+ 14:43 UTC · edit of", title)
    assert "extract_lines was edited before this run:\nprompt: " in title
    cell = table.locator("tbody .rv-m i").nth(3)
    cell.hover()
    assert (cell.get_attribute("title") or "").startswith("passed · ")
    column = table.locator(".rv-cols button").nth(6)
    day = (column.get_attribute("title") or "").partition(" UTC")[0]
    shown.click(column)
    shown.pump_until(lambda: not shown.view.state.job)
    chosen = page.get_by_label("Checked").evaluate("(each) => each.selectedOptions[0].text")
    assert chosen.startswith(day)
    number, month, hour = day.split()
    expect(page.locator(".rv-context")).to_contain_text(f"{number} {month}")
    expect(page.locator(".rv-context")).to_contain_text(f"{hour} UTC")
    expect(page.locator(LINE)).not_to_contain_text("9 evals broke")
    page.get_by_label("Checked").select_option("")
    shown.pump_until(lambda: "9 evals broke" in page.locator(LINE).inner_text())


def test_what_failed_is_told_and_what_was_settled_is_seen(page: Page) -> None:
    with LetteredApi({"a": "P" * 20 + "F", **alike(5, "P" * 21)}) as api:
        shown = Driven(page, view := ra.explore(FLOW, client=api.client))
        shown.pump_until(lambda: view.done)
        body, settle = page.locator(".rv-body"), page.get_by_role("button", name="Settle (1 run)")
        for refused in (True, False):
            api.broken = {"POST ": reply(403, {"detail": "not yours"})} if refused else {}
            shown.click(settle)
            shown.click(page.get_by_role("button", name="Start 1 run"))
            shown.pump_until(lambda: not view.state.job)
            expect(body.get_by_text("not yours")).to_have_count(int(refused))
        expect(settle).to_have_count(0)
        shown.click(page.get_by_role("button", name="a", exact=True))
        expect(page.locator(".rv-open")).to_contain_text(f"{api.started[0].at:%-d %b %H:%M}")
        view.close()


def test_where_nothing_ran_it_is_calm_and_where_nothing_is_it_says_so(
    page: Page, opened: Opener, client: ra.Client
) -> None:
    shown = opened(["wf_untitled", "wf_claims"])
    untitled = page.locator(LINE, has_text="○ No saved eval yet: save one in Retab")
    shown.click(untitled.get_by_role("button"))
    said = page.locator(".rv").inner_text()
    assert "‼" not in said
    assert "ra." not in said
    view = ra.watch("evalrun_nope", client=client, interval=0.05)
    until(lambda: view.done)
    Driven(page, view)
    said = page.locator(".rv").inner_text()
    assert said.count("evalrun_nope") == 1
    assert said.startswith("‼ There is no run evalrun_nope; watch(workflow_id=…)")
    assert "may still appear" not in said


def test_the_keyboard_alone_does(page: Page, opened: Opener) -> None:
    shown = opened("wf_invoices")
    page.locator(".rv").focus()
    stops = []
    for _ in range(9):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("() => document.activeElement.textContent.slice(0, 12)"))
    grids = page.get_by_role("grid").count()
    assert grids == 2
    assert any(each.startswith("9 broke") for each in stops), stops
    page.get_by_role("grid").first.locator("th[tabindex='0'],td[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        shown.press(key)
    expect(page.locator(".rv-open")).to_have_count(1)
    shown.press(" ")
    expect(page.locator(".rv-open")).to_have_count(0)
    page.locator(".rv-chip").first.focus()
    shown.press("ArrowRight")
    shown.press("Enter")
    expect(page.get_by_text(re.compile("^1 eval of 95$"))).to_be_visible()


def test_several_workflows(
    page: Page,
    opened: Opener,
    screenshots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = opened(["wf_claims", "wf_contracts", "wf_invoices"])
    expect(
        page.get_by_text(re.compile(r"^3 workflows: \d+ broke, all have ended$"))
    ).to_be_visible()
    lines = page.locator(".rv-view .rv-head")
    expect(lines.first).to_contain_text("9 evals broke")
    expect(page.locator(".rv-actions")).to_have_count(1)
    page.screenshot(path=screenshots / "view-many.png", full_page=True)
    shown.click(lines.nth(1).get_by_role("button"))
    expect(page.locator(".rv-actions")).to_have_count(1)
    expect(lines.nth(1).get_by_role("button")).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".rv-view").nth(1).locator(".rv-row").first).to_be_visible()
    shown.click(page.get_by_role("button", name="Export CSV"))
    assert [each.stem for each in tmp_path.iterdir()] == [shown.view.state.workflow_id]


def going(api: LetteredApi) -> View:
    """A run of which some have ended, and one broke."""
    api.run("FPP" + "U" * 9, id="r9")
    view = ra.watch("r9", client=api.client, interval=0.05)
    until(lambda: view.comparison is not None)
    return view


@pytest.mark.parametrize("width", [480, 760, 1400])
@pytest.mark.parametrize("what", ["ended", "opened", "found", "live", "many", "failed"])
def test_axe_finds_nothing(
    page: Page, opened: Opener, screenshots: Path, what: str, width: int
) -> None:
    with LetteredApi(alike(12, "P" * 20), codes="A" * 20 + "B", published="A") as api:
        if what == "live":
            page.set_viewport_size({"width": width, "height": 900})
            shown = Driven(page, going(api))
        else:
            given = ["wf_claims", "wf_invoices", "wf_untitled"]
            flows = {"many": given, "failed": ["wf_untitled", "wf_claims"]}
            shown = opened(flows.get(what, "wf_invoices"), width=width)
        if what == "opened":
            shown.click(page.get_by_role("button", name=FIRST))
            shown.pump_until(lambda: page.locator(".rv-document a").count())
        if what == "found":
            shown.click(page.locator(".rv-chip", has_text="pass"))
        for scheme, rules in (("light", None), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=screenshots / f"axe-{what}-{width}-{scheme}.png", full_page=True)
            assert find_barriers(page, ".rv", only=rules) == []
        room = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert room[0] <= room[1], "nothing is pushed out of the page"
        shown.view.close()


def test_at_twice_the_size_of_text(page: Page, opened: Opener) -> None:
    opened("wf_invoices", width=1400)
    page.evaluate("() => (document.documentElement.style.zoom = '2')")
    assert find_barriers(page, ".rv") == []
    room = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth * 2]")
    assert room[0] <= room[1]


def test_while_it_goes_on_rows_come_below_and_nothing_moves(page: Page, screenshots: Path) -> None:
    evals = {f"{at:02} eval": "P" * 12 for at in range(24)}
    with LetteredApi(evals, codes="A" * 12 + "B", published="A") as api:
        run = api.run("U" * 24, id="r9")
        view = ra.watch("r9", client=api.client, interval=0.05)
        until(lambda: view.comparison is not None)
        page.set_viewport_size({"width": 1180, "height": 900})
        shown = Driven(page, view)
        expect(page.get_by_text("Blocks")).to_be_visible()
        page.evaluate("""() => {
            window.shift = 0;
            const add = (each) => (window.shift += each.hadRecentInput ? 0 : each.value);
            new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({
                type: "layout-shift",
            });
        }""")
        at = heights(page)
        names: list[str] = []
        letters = ""
        for letter in "FPFPPFPPPFPPPPPPPPPPPPP":
            letters += letter
            run.letters = dict(zip(run.letters, letters.ljust(24, "U"), strict=True))
            done = f"{len(letters)} of 24"
            shown.pump_until(lambda: done in page.locator(LINE).inner_text())  # noqa: B023
            shown.pump_until(lambda: view._tell(FLOW).count("broke") == letters.count("F"))  # noqa: B023
            shown.pump()
            now = page.locator(".rv-row .rv-name").all_inner_texts()
            assert now[: len(names)] == names, "rows are added below only"
            names = now
            assert heights(page) == at
        assert len(names) == 4
        assert page.evaluate("() => window.shift") < 0.02
        expect(page.locator(".rtd-card")).to_contain_text("4 evals broke so far")
        page.screenshot(path=screenshots / "view-live.png", full_page=True)
        run.letters = dict(zip(run.letters, letters + "P", strict=True))
        shown.pump_until(lambda: view.done)
        shown.pump()
        assert heights(page) == at
        view.close()
