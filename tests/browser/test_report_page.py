"""What a person sees who opens the report of a comparison, on a wide screen or a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page
from support.axe import find_barriers_in_all_looks
from support.frames import result, results

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
