"""What a person sees who opens the report of a comparison, on a wide screen or a phone."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.axe import find_barriers_in_all_looks
from support.frames import result, results
from support.inside import Count, Document, Head, Heading, to_html
from support.lettered_api import FLOW, LetteredApi, alike
from support.pages import export

import retab_analysis as ra

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [{"description": f"Lever arch file, {at}", "amount": 12.5 * at} for at in range(5)]
    before, now = json.dumps(lines), json.dumps(lines[1:])
    sides = (
        results(result("e", "passed", 1, expected_value=before, actual_value=before)),
        results(result("e", "failed", 2, expected_value=before, actual_value=now)),
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    ra.write_report(ra.compare(*sides), path, values=True)
    return path


@pytest.mark.parametrize("width", [420, 700, 1200])
def test_the_wrong_value_is_on_the_first_screen(
    page: Page, report: Path, screenshots: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    wrong = page.locator(".rtd-wrong").first.bounding_box()
    assert wrong is not None
    assert wrong["y"] + wrong["height"] <= 900
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=screenshots / f"report-{width}.png", full_page=True)


@pytest.mark.parametrize("what", ["verdict", "week"])
def test_axe_finds_nothing_in_a_page_with_everything_in_it(
    page: Page, tmp_path: Path, screenshots: Path, what: str
) -> None:
    with ra.Sandbox() as api, ra.Client(**api.credentials) as client:
        made = {
            "verdict": lambda: ra.check("wf_invoices", client=client),
            "week": lambda: ra.overview(every="1w", client=client),
        }
        ra.write_report(made[what](), tmp_path / "all.html", values=True)
    page.goto((tmp_path / "all.html").as_uri())
    page.evaluate(
        "() => document.querySelectorAll('details').forEach((each) => (each.open = true))"
    )

    def look(scheme: str, width: int) -> None:
        page.screenshot(path=screenshots / f"{what}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    assert find_barriers_in_all_looks(page, "main", look) == []
    if what == "week":
        board = page.get_by_role("table").first
        for width, heads in ((1280, 7), (848, 7), (480, 0)):
            page.set_viewport_size({"width": width, "height": 900})
            expect(board.get_by_role("columnheader")).to_have_count(heads)


@pytest.fixture(scope="module")
def invoices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "invoices.html"
    with ra.Sandbox() as api, ra.Client(**api.credentials) as client:
        ra.write_report(ra.check("wf_invoices", client=client), path, values=True)
    return path


def test_without_a_script_all_of_it_can_be_read(browser: Browser, invoices: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(invoices.as_uri())
    expect(page.locator("button:visible, input:visible, select:visible")).to_have_count(0)
    page.get_by_text("Blue Ridge: fractional quantity", exact=True).click()
    expect(page.get_by_text("Broken since").first).to_be_visible()
    page.get_by_text("Pass 72", exact=True).click()
    expect(page.locator('.rv-row[data-kind="pass_as_before"]').first).to_be_visible()
    page.close()


def test_with_a_script_it_filters_walks_and_exports(page: Page, invoices: Path) -> None:
    page.goto(invoices.as_uri())
    page.locator(".rv-chip", has_text="broke").click()
    page.get_by_label("Search evals").fill("lines length")
    expect(page.locator(".rv-row:visible")).to_have_count(3)
    expect(page.locator(".rv-found")).to_contain_text("3 of 95 evals")
    with page.expect_download() as download:
        export(page)
    said = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = [*csv.DictReader(io.StringIO(said))]
    assert download.value.suggested_filename == "wf_invoices.csv"
    assert [each["word"] for each in rows] == ["broke"] * 3
    assert {each["block"] for each in rows} == {"extract_lines"}
    assert rows[0]["got"].startswith("4 items")
    page.get_by_label("Search evals").fill("crates")
    with page.expect_download() as download:
        export(page)
    (row,) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig")))
    assert row["was"] == "'-72.0", "a spreadsheet would execute it"
    page.keyboard.press("Tab")
    page.get_by_label("Search evals").press("Escape")
    page.locator(".rv-row > summary").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".rv-row[open]")).to_contain_text("every item fits")


def test_an_address_opens_the_eval_and_what_is_around_it(page: Page, invoices: Path) -> None:
    page.goto(invoices.as_uri())
    passing = page.locator('.rv-row[data-kind="pass_as_before"]').nth(40)
    named = passing.get_attribute("id")
    expect(passing).to_be_hidden()
    page.goto(f"{invoices.as_uri()}#{named}")
    expect(passing.locator(".rv-open")).to_be_visible()
    expect(passing).to_be_in_viewport()


HEADS = (
    "✓ Nothing broke: 91 of 91 pass",
    "✗ 3 evals are still broken: since the edit of 4 Apr; extract was edited again and has not run",
    "✗ 12 evals broke: 9 since the edit of extract_lines, 2 without an edit; 3 are fixed",
    "✗ 2 evals are still broken since 21 Apr: split_statements was edited again: 8 have not run",
)
WORDS = "broke", "error", "unclear", "failing as before", "not run since the edit", "new"


def test_the_head_has_one_height_and_its_headline_is_whole(page: Page) -> None:
    counts = tuple(Count(each, 18, each, "bad") for each in WORDS * 2)
    pages = []
    for at, said in enumerate(HEADS):
        strong, colon, rest = said.partition(":")
        heading = Heading(strong[0], "bad", strong[2:], colon + rest)
        head = Head(heading, badge="gate fails", badge_tone="bad", seen="as of 30 Nov 17:55 UTC")
        pages.append(to_html(Document(head, counts=counts[: 5 * at], name="evals")))
    page.set_content(f"<style>body {{ font-family: sans-serif }}</style>{''.join(map(str, pages))}")
    for width in (320, 400, 480, 640, 660, 760, 900, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        heads = page.locator(".rv-head").evaluate_all(
            "(all) => all.map((each) => each.scrollHeight <= each.clientHeight)"
        )
        assert all(heads), f"a headline is cut at {width}"
        heights = page.locator(".rv-view").evaluate_all("(all) => all.map((e) => e.clientHeight)")
        assert len({*heights}) == 1, f"the counts move what is below them at {width}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 480, "height": 900})
    page.locator(".rv-chip").last.focus()
    expect(page.locator(".rv-chip").last).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("as of 30 Nov 17:55 UTC").last).to_be_in_viewport(ratio=0.9)


def test_tries_are_exported_and_the_newest_is_seen_first(page: Page) -> None:
    evals = {f"e{at}": f"{'P' * 10}FFF{'P' if at < 5 else 'F'}F" for at in range(9)}
    with LetteredApi({**evals, **alike(9, "P" * 15)}, codes="A" * 10 + "BCDEF") as api:
        its = ra.tries(FLOW, "extract", client=api.client, progress=False)
    page.set_content(f"<!doctype html><main>{its._repr_html_()}</main>")
    page.set_viewport_size({"width": 1280, "height": 900})
    with page.expect_download() as download:
        export(page)
    said = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert all(each["was"] and each["got"] for each in csv.DictReader(io.StringIO(said)))
    page.set_viewport_size({"width": 480, "height": 900})
    row = page.locator(".rv-row").first
    for seen in (row.locator(".rv-last"), row.locator(".rv-name > *").first):
        expect(seen).to_be_in_viewport(ratio=0.9)


def test_a_report_stays_small(tmp_path: Path, invoices: Path) -> None:
    assert invoices.stat().st_size < 300_000
    letters = {f"e{at}": "P" * 12 + ("F" if at < 40 else "P") for at in range(500)}
    with LetteredApi(letters, codes="A" * 12 + "B", published="A") as api:
        ra.write_report(api.check(), tmp_path / "many.html", values=True)
    assert (tmp_path / "many.html").stat().st_size < 800_000
