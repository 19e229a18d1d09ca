"""What a person sees who opens the report of a comparison, on a wide screen or a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page
from support.frames import result, results

import retab_analysis as ra

pytestmark = pytest.mark.browser

# Each value of the report, what holds it, and how much of it can be seen without scrolling.
BOXES = """[...document.querySelectorAll(".rta-values code")].map(code => ({
    wider: code.getBoundingClientRect().width - code.parentElement.getBoundingClientRect().width,
    hidden: code.scrollHeight - code.clientHeight}))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [{"description": f"Lever arch file, {at}", "amount": 12.5 * at} for at in range(5)]
    before, now = json.dumps(lines), json.dumps(lines[1:])
    sides = (
        results(result("e", "passed", 1, expected_value=before, actual_value=before)),
        results(result("e", "failed", 2, expected_value=before, actual_value=now)),
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    ra.write_report(ra.compare(*sides), path)
    return path


@pytest.mark.parametrize("width", [420, 700, 1200])
def test_values_stand_side_by_side(page: Page, report: Path, screenshots: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    boxes = page.evaluate(BOXES)
    assert len(boxes) == 3
    assert all(box["wider"] <= 0 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width > 1000:
        assert all(box["hidden"] <= 0 for box in boxes)
    page.screenshot(path=screenshots / f"report-{width}.png", full_page=True)
