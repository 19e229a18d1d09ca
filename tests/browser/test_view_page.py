"""A view in a browser, clicked as a person clicks, with the test in place of the notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.axe import find_barriers, find_barriers_in_all_looks
from support.fakes import STILL
from support.faultserver import reply
from support.inside import View
from support.lettered_api import FLOW, LetteredApi, alike
from support.pages import Driven, start
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
    shown.click(page.get_by_text(FIRST, exact=True))
    below = page.locator(".rv-row[open] .rv-open")
    expect(below).to_have_count(1)
    expect(below).to_contain_text("Broken since")
    expect(below).to_contain_text("18.5")
    assert shown.largest == 0, "no kernel is needed for it"
    shown.click(below.get_by_role("button", name="BRT_88_April.pdf"))
    shown.pump_until(lambda: page.locator(".rv-document a").count())
    expect(page.locator(".rv-document object")).to_be_visible()
    assert 0 < shown.largest < 5_000
    assert heights(page) == before
    page.screenshot(path=screenshots / "view-opened.png", full_page=True)
    page.locator(".rv-row").nth(3).locator(".rv-got").click()
    expect(below).to_have_count(2)
    page.locator(".rv-row").nth(3).locator(".rv-got").click()
    expect(below).to_have_count(1)
    assert console == []


def test_counts_and_search_filter(page: Page, opened: Opener, screenshots: Path) -> None:
    shown = opened("wf_invoices")
    before = heights(page)
    for word, number in (("broke", 9), ("flaky", 13)):
        page.locator(".rv-chip", has_text=word).click()
        expect(page.get_by_text(f"{number} of 95 evals")).to_be_visible()
    assert heights(page) == before
    page.get_by_role("button", name="Show all").click()
    field, found = page.get_by_label("Search evals"), page.locator(".rv-found")
    for words in ("QP-559201.pdf", "extract_lines", "lines.2.amount", "Toner", "crates"):
        field.fill(words)
        expect(found).to_contain_text(re.compile(r"^(\d|18) of 95 evals"))
    assert heights(page) == before
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=screenshots / "view-search-dark.png", full_page=True)
    field.press("Escape")
    expect(page.locator("summary", has_text=re.compile("^Pass"))).to_be_visible()
    page.locator("summary", has_text=re.compile("^Flaky")).click()
    expect(page.get_by_text("comes and goes").first).to_be_visible()
    assert shown.view.done


def test_a_flag_stands_where_the_edit_was_and_a_cell_says_what_it_was(
    page: Page, opened: Opener
) -> None:
    opened("wf_invoices", width=1400)
    table = page.locator(".rv-table").first
    expect(table.locator(".rv-flag:visible")).to_have_count(1)
    cell = table.locator(".rv-m i").first
    cell.hover()
    assert (cell.get_attribute("title") or "").startswith("passed · ")
    edited = table.locator(".rv-m i.x").first
    edited.hover()
    title = edited.get_attribute("title") or ""
    assert re.match(r"failed · \d+ \w+ 14:43 UTC · edit of", title)
    assert "extract_lines was edited before this run:\nprompt: " in title


def test_a_run_that_is_chosen_is_the_checked_one(page: Page, opened: Opener) -> None:
    shown = opened("wf_invoices")
    page.get_by_role("button", name="As it is now against").click()
    choice = page.get_by_label("Checked")
    said = choice.evaluate("(each) => each.options[12].text")
    choice.select_option(index=12)
    shown.pump_until(lambda: said.partition(" · ")[0] in page.locator(".rv-now").inner_text())
    assert choice.evaluate("(each) => each.selectedOptions[0].text") == said
    choice.select_option("")
    shown.pump_until(lambda: "9 evals broke" in page.locator(LINE).inner_text())


def test_what_failed_is_told_and_what_was_settled_is_seen(page: Page) -> None:
    with LetteredApi({"a": "P" * 20 + "F", **alike(5, "P" * 21)}) as api:
        shown = Driven(page, view := ra.explore(FLOW, client=api.client))
        shown.pump_until(lambda: view.done)
        body, settle = (
            page.locator(".rv-body"),
            page.get_by_role("button", name="Settle (1 run, billed)"),
        )
        for refused in (True, False):
            api.broken = {"POST ": reply(403, {"detail": "not yours"})} if refused else {}
            shown.click(settle)
            shown.click(page.get_by_role("button", name="Yes, start"))
            shown.pump_until(lambda: not view.state.job)
            expect(body.get_by_text("not yours")).to_have_count(int(refused))
        expect(settle).to_have_count(0)
        page.locator(".rv-row[data-key=a] > summary").click()
        expect(page.locator(".rv-row[open]")).to_contain_text(f"{api.started[0].at:%-d %b %H:%M}")
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
    assert said.startswith("‼ There is no run evalrun_nope; ra.watch(workflow_id=…)")
    assert "may still appear" not in said


def test_the_keyboard_alone_does(page: Page, opened: Opener) -> None:
    opened("wf_invoices")
    page.locator(".rv").focus()
    stops = []
    for _ in range(9):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("() => document.activeElement.textContent.slice(0, 12)"))
    assert any(each.startswith("9 broke") for each in stops), stops
    assert sum(FIRST[:5] in each for each in stops) == 1, "all rows are one stop"
    page.locator(".rv-row > summary").first.focus()
    for key in ("ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".rv-row[open]")).to_have_count(1)
    page.keyboard.press(" ")
    expect(page.locator(".rv-row[open]")).to_have_count(0)
    page.locator(".rv-chip").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^1 of 95 evals"))).to_be_visible()


@pytest.mark.parametrize("what", ["opened", "found", "failed"])
def test_axe_finds_nothing(page: Page, opened: Opener, what: str) -> None:
    shown = opened(["wf_untitled", "wf_claims"] if what == "failed" else "wf_invoices")
    if what == "opened":
        shown.click(page.get_by_text(FIRST, exact=True))
        shown.click(page.get_by_role("button", name="BRT_88_April.pdf"))
        shown.pump_until(lambda: page.locator(".rv-document a").count())
    if what == "found":
        shown.click(page.locator(".rv-chip", has_text="pass"))

    def look(scheme: str, width: int) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    assert find_barriers_in_all_looks(page, ".rv", look) == []


@pytest.mark.parametrize("width", [480, 1280])
def test_axe_finds_nothing_with_two_views(
    page: Page, opened: Opener, screenshots: Path, width: int
) -> None:
    opened("wf_contracts", width=width)
    with LetteredApi(alike(12, "P" * 20), codes="A" * 20 + "B", published="A") as api:
        api.run("FPP" + "U" * 9, id="r9")
        view = ra.watch("r9", client=api.client, interval=0.05)
        until(lambda: view.comparison is not None)
        start(page, view.widget.make_saved(), token="t1")
        page.screenshot(path=screenshots / f"axe-two-{width}.png", full_page=True)
        assert find_barriers(page, "main") == []
        names = [each.get_attribute("aria-label") for each in page.locator(".rv").all()]
        assert len(names) == len({*names}) == 2
        view.close()


# The worst window of layout shifts, as browsers count it: of 5 s at most, without a gap of 1 s.
SHIFT = """() => {
    let sum = 0, first = 0, last = -9999;
    window.worst = 0;
    const add = ({ value, startTime: at }) => {
        if (at - last > 1000 || at - first > 5000) [sum, first] = [0, at];
        [sum, last] = [sum + value, at];
        window.worst = Math.max(window.worst, sum);
    };
    const take = (list) => list.getEntries().forEach((each) => each.hadRecentInput || add(each));
    new PerformanceObserver(take).observe({ type: "layout-shift" });
}"""


@pytest.mark.parametrize("news", ["FPF", "PPP"])
def test_while_it_goes_on_nothing_moves(page: Page, news: str) -> None:
    evals = {f"{at:02} eval": "P" * 12 for at in range(24)}
    with LetteredApi(evals, codes="A" * 12 + "B", published="A") as api:
        run = api.run("U" * 24, id="r9")
        view = ra.watch("r9", client=api.client, interval=0.05)
        until(lambda: view.comparison is not None)
        page.set_viewport_size({"width": 848, "height": 900})
        shown = Driven(page, view)
        page.evaluate(SHIFT)
        at, letters = heights(page), ""
        for letter in news + "P" * 20:
            letters += letter
            run.letters = dict(zip(run.letters, letters.ljust(24, "U"), strict=True))
            done = f"{len(letters)} of 24"
            shown.pump_until(lambda: done in page.locator(LINE).inner_text())  # noqa: B023
            shown.pump_until(lambda: len(view._tell(FLOW).news) == letters.count("F"))  # noqa: B023
            shown.pump()
            assert heights(page) == at
        assert page.evaluate("window.worst") <= 0.02
        expect(page.get_by_text("Fails in this run")).to_contain_text(str(news.count("F")))
        run.letters = dict(zip(run.letters, letters + "P", strict=True))
        shown.pump_until(lambda: view.done)
        shown.pump()
        assert heights(page) == at
        # At the end evals that broke come on top; a calm run ends as it went.
        assert page.evaluate("window.worst") <= (1 if "F" in news else 0.02)
        view.close()
