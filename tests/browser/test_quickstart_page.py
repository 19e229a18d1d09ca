"""What a person sees who opens the exported quickstart without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def exported() -> Path:
    """The page that ``make demo`` leaves."""
    command = [sys.executable, "notebooks/run.py", "notebooks/01_quickstart.ipynb"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return ROOT / "build" / "quickstart.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tables_and_figure_are_seen_offline(
    page: Page, exported: Path, screenshots: Path, scheme: str
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.context.set_offline(True)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(exported.as_uri())
    figure = page.locator("img[src^='data:image/png']")
    assert figure.evaluate("image => image.complete && image.naturalWidth > 600")
    assert figure.bounding_box()["width"] > 500  # type: ignore[index]
    tables = page.locator("table.dataframe")
    assert tables.count() == 5
    assert "extract_lines" in tables.first.inner_text()
    assert page.get_by_text("runs of wf_invoices in 180 days").is_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    page.screenshot(path=screenshots / f"quickstart-{scheme}.png", full_page=True)


@pytest.mark.parametrize("width", [480, 1100])
def test_what_was_edited_fills_its_card_whatever_the_host_does_to_lists(
    page: Page, exported: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(exported.as_uri())
    card = page.locator(".rtd-card").first.bounding_box()
    edits = page.locator(".rtd-edits").first.bounding_box()
    words = page.locator(".rtd-edits dd").first.bounding_box()
    assert card is not None
    assert edits is not None
    assert words is not None
    assert card["x"] < edits["x"]
    assert edits["x"] + edits["width"] < card["x"] + card["width"]
    assert words["x"] + words["width"] == pytest.approx(edits["x"] + edits["width"], abs=1)
