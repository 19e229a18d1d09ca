"""The views where they cannot be tried: VS Code, Colab and GitHub, by the parts that they are of.

VS Code's own widget manager is on npm. That of Colab is not; what is particular to it is how it
loads anywidget and finds out that it may. GitHub's sanitiser is not public, but its list is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Frame, Page, expect
from support import host_pages, saved
from support.axe import find_barriers
from support.host_pages import ADDRESS, ANYWIDGET, HTML_MANAGER, REQUIRE, VSCODE
from support.lab import run_all, save

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("_packages")]

LIVE = ".rv:not([data-stands-for])"
WATCH = """import retab_analysis as ra
sandbox = ra.demo(speed=0.05)
run = ra.start_runs("wf_claims")
view = ra.watch(run, interval=0.3)
view"""
EMBEDDED = {
    "/require.js": REQUIRE,
    "/embed-amd.js": HTML_MANAGER,
    "/anywidget/index.js": ANYWIDGET,
}


@pytest.fixture(scope="module")
def _packages() -> None:
    host_pages.need_packages()


@pytest.fixture(scope="module")
def notebook(_packages: None, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    return saved.execute(tmp_path_factory.mktemp("saved"))


def test_the_saved_views_are_loaded_with_requirejs(
    page: Page, console: list[str], notebook: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    shown = [each for each in saved.outputs(notebook) if {"text/html", saved.VIEW} & each.keys()]
    html = host_pages.embed(saved.widget_state(notebook), shown)
    missed = host_pages.serve(page, {"/": html, **EMBEDDED})
    page.goto(ADDRESS)
    views = page.locator(LIVE)
    expect(views).to_have_count(2)
    expect(views.nth(0)).to_contain_text("9 evals are still broken")
    expect(views.nth(1)).to_contain_text("20 evals")
    assert "Buffet lunch" not in views.nth(0).inner_text()
    assert page.locator("[data-stands-for]").count() == 2
    assert page.locator("[data-stands-for]:visible").count() == 0
    bar = views.nth(0).locator(".rv-bar").first
    assert "gradient" in bar.evaluate("(each) => getComputedStyle(each).backgroundImage")
    page.screenshot(path=screenshots / "saved-requirejs.png", full_page=True)
    views.nth(1).get_by_label("Checked").dispatch_event("change")
    expect(views.nth(1).locator(".rv-notice")).to_contain_text("run the cell again")
    page.screenshot(path=screenshots / "saved-requirejs-clicked.png", full_page=True)
    # What needs no kernel works.
    views.nth(0).locator("summary", has_text="How this was compared").click()
    expect(views.nth(0).locator("details[open] p").first).to_be_visible()
    assert missed == []
    assert console == []


def test_the_saved_views_are_loaded_as_colab_loads_anywidget(
    page: Page, console: list[str], notebook: Any
) -> None:
    state = saved.widget_state(notebook)
    models = [
        each[saved.VIEW]["model_id"] for each in saved.outputs(notebook) if saved.VIEW in each
    ]
    missed = host_pages.serve(page, {"/": host_pages.COLAB, **EMBEDDED})
    page.goto(ADDRESS)
    page.evaluate(host_pages.SHOW_AS_COLAB, [state, models])
    views = page.locator(LIVE)
    for at, words in enumerate(("9 evals are still broken", "20 evals")):
        expect(views.nth(at)).to_contain_text(words)
    views.nth(1).get_by_label("Checked").dispatch_event("change")
    expect(views.nth(1).locator(".rv-notice")).to_contain_text("run the cell again")
    assert missed == []
    assert console == []


def test_vscodes_widget_manager_shows_a_live_view(page: Page, lab: Any, screenshots: Path) -> None:
    page.goto(save(lab, "vscode.ipynb", WATCH, "(await view)['status'][0]"))
    frame = open_vscode(page, lab.url)
    run_all(page)
    show_in_vscode(page)
    view = frame.locator(LIVE)
    about = view.locator(".rv-seen")
    expect(about).to_contain_text("as of", timeout=60_000)
    expect(frame.locator("[data-stands-for]")).to_be_hidden()
    expect(view.locator(".rv-now")).to_contain_text(re.compile("queued|running"))
    for theme in ("light", "dark"):
        host_pages.set_theme(frame, theme)
        page.screenshot(path=screenshots / f"live-vscode-{theme}.png")
        assert find_barriers(frame, "main") == []
        ground = "() => getComputedStyle(document.querySelector('.rv')).backgroundColor"
        assert frame.evaluate(ground) == ("rgb(255, 255, 255)", "rgb(31, 31, 31)")[theme == "dark"]
    view.get_by_role("button", name="Cancel run").click()
    view.get_by_role("button", name="Yes, end it").click()
    expect(view.get_by_role("button", name="Cancel run")).to_have_count(0)
    expect(page.get_by_text("'cancelled'").last).to_be_attached()


def open_vscode(page: Page, url: str) -> Frame:
    """A frame beside a notebook, in which VS Code's own script shows the widgets of its kernel.

    VS Code has such a frame for the outputs, and passes the kernel's messages to and fro.
    """
    files = {
        "/vscode/index.html": host_pages.VSCODE_FRAME,
        "/vscode/require.js": REQUIRE,
        "/vscode/ipywidgets.js": VSCODE,
        "/vscode/anywidget.js": ANYWIDGET,
    }
    host_pages.serve(page, files, where=f"{url}/vscode/*", address=url)
    ready = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(ready, timeout=60_000)
    page.evaluate(host_pages.OPEN_FRAME)
    frame = page.frame("vscode")
    assert frame is not None
    return frame


def show_in_vscode(page: Page) -> None:
    """Show the output of the first cell in the frame."""
    page.wait_for_function(host_pages.FIND_OUTPUTS, timeout=60_000)
    page.evaluate(host_pages.SHOW_OUTPUTS)


def test_github_shows_the_saved_views_as_text_that_opens(
    page: Page, notebook: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1000, "height": 900})
    stored = [each["text/html"] for each in saved.outputs(notebook) if each.get("text/html")]
    shown = [host_pages.as_github_shows(each) for each in stored]
    page.set_content(host_pages.github_page(shown))
    assert page.locator("main style, main script, main [style], main [class^=rv]").count() == 0
    page.screenshot(path=screenshots / "saved-github.png", full_page=True)
    live, shown_ = page.locator(".output").all()
    # As it is in the page, where no style sheet keeps words apart.
    words = [re.sub(r"\s+", " ", each.text_content() or "") for each in (live, shown_)]
    assert "✗ 9 evals are still broken since the edit of extract_lines" in words[0]
    assert "9 broke, 4 flaky" in words[0]
    assert "Rüegg: unit price 1.10, not 110 Rüegg_Lieferung_71.pdf" in words[0]
    assert live.locator("details").count() >= 9
    assert "20 evals" in words[1]
    assert "Buffet lunch" not in "".join(words)
