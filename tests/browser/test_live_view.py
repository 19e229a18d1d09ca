"""A live view in JupyterLab, as a person sees it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.lab import run_all, save

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=window.hacked=1>"
START = """import retab_analysis as ra
sandbox = ra.demo(speed={speed})
run = ra.start_runs("wf_invoices")
view = ra.watch(run, interval=0.3)
view"""
COMPUTE = """import time
end, total = time.monotonic() + {seconds}, 0
while time.monotonic() < end:
    total += sum(each * each for each in range(10_000))
"computed\""""
FINISH = "'ended: ' + view.wait(60)['status'][0]"
IN_QUEUE = """import retab_analysis as ra
sandbox = ra.demo(speed=0.05)
run = ra.start_runs("wf_claims")
view = ra.watch(run, interval=0.3)
view"""
MADE_UP = """from datetime import UTC, datetime
import retab_analysis as ra
from retab_analysis.widgets.live.controls import Actions, LiveControls
from retab_analysis.widgets.live.state import Snapshot, compute_state
hostile = "<img src=x onerror=window.hacked=1>"
run = ra.decode_runs({"id": hostile, "workflow_id": hostile, "workflow_version_id": hostile,
    "trigger": {"type": "api"}, "lifecycle": {"status": "error", "message": hostile},
    "timing": {}, "total_evals": 1})
result = ra.decode_results({"id": "r", "eval_id": hostile, "workflow_id": "w", "block_id": "b",
    "block_type": "extract", "workflow_eval_run_id": hostile, "verdict": "failed",
    "lifecycle": {"status": "completed"}, "assertion_result": {"assertion_id": "a",
    "condition_kind": "equals", "outcome": "failed", "expected_value": hostile,
    "actual_value": hostile, "failure": {"code": "c", "message": hostile}}})
snapshot = Snapshot(runs=run, results=result, notes=(hostile,), trouble=hostile, failure=hostile)
nothing = lambda: None
actions = Actions(stop=nothing, refresh=nothing, cancel=nothing, code=lambda: hostile)
LiveControls(compute_state(snapshot, datetime.now(UTC)), actions).box"""


def done_of(page: Page) -> int:
    """How many evals the view says are done."""
    return counted(page)[0]


def counted(page: Page) -> tuple[int, int]:
    """How many evals the view says are done, and of how many."""
    found = re.search(r"(\d+) of (\d+) done", page.locator(".ra-run").first.inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_bar_grows_while_another_cell_computes(
    page: Page, console: list[str], labs: Any, screenshots: Path, theme: str
) -> None:
    lab = labs(theme)
    page.set_viewport_size({"width": 1280, "height": 1000})
    cells = (START.format(speed=40), COMPUTE.format(seconds=6), FINISH)
    page.goto(save(lab, f"live-{theme}.ipynb", *cells))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    steps: set[int] = set()
    heights: set[float] = set()
    news = page.locator(".ra-news")
    while page.get_by_text("computed").count() < 2:  # the cell's own code says it too
        steps.add(done_of(page))
        heights.add(news.evaluate("box => box.getBoundingClientRect().height"))
        if len(steps) == 4:
            page.screenshot(path=screenshots / f"live-{theme}-going.png")
        time.sleep(0.1)
    assert len(steps) >= 5, steps
    assert len(heights) == 1, heights
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=30_000)
    done, total = counted(page)
    assert done == total > 0
    heading = page.locator(".ra-head").first.inner_text()
    assert "do not pass" in heading
    assert "unchanged" in heading
    expect(page.locator(".ra-view").first).to_contain_text("with each eval's own last good result")
    expect(page.locator(".ra-news [data-label=change]").first).to_contain_text("(p ")
    page.screenshot(path=screenshots / f"live-{theme}-ended.png")
    assert console == []


def test_it_survives_a_reload_and_keeps_what_was_opened(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.goto(save(labs("light"), "reload.ipynb", START.format(speed=8)))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    passed = page.get_by_text("Passed (").first
    passed.click()
    opened = page.locator(".ra-view tbody tr").filter(has=page.locator("[title=passed]")).first
    expect(opened).to_be_visible()
    before = done_of(page)
    card = page.locator(".ra-run").first
    total = counted(page)[1]
    expect(card).not_to_contain_text(f"{before} of {total} done", timeout=10_000)
    expect(opened).to_be_visible()
    # Without "reset", which would close the notebook; the kernel goes on.
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    time.sleep(1)
    page.goto(page.url.partition("?")[0] + f"?token={labs('light').token}")
    page.wait_for_selector(".ra-run", timeout=30_000)
    after = done_of(page)
    assert after >= before
    expect(card).not_to_contain_text(f"{after} of {total} done", timeout=15_000)
    page.screenshot(path=screenshots / "live-after-reload.png")
    assert console == []


def test_the_buttons_work(page: Page, console: list[str], labs: Any, screenshots: Path) -> None:
    page.goto(save(labs("light"), "buttons.ipynb", IN_QUEUE))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    page.get_by_role("button", name="Copy code").click()
    expect(page.locator("textarea").last).to_have_value(
        re.compile(r"ra\.fetch_results\(runs\)[\s\S]*ra\.check\(")
    )
    refreshed = page.locator(".ra-head .ra-push").first
    before = refreshed.inner_text()
    time.sleep(1.1)
    page.get_by_role("button", name="Refresh now").click()
    expect(refreshed).not_to_have_text(before, timeout=5_000)
    page.get_by_role("button", name="Cancel run").click()
    page.screenshot(path=screenshots / "live-cancel-question.png")
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(".ra-run b").first).to_have_text("cancelled", timeout=10_000)
    expect(page.get_by_role("button", name="Stop watching")).to_be_disabled()
    assert console == []


def test_hostile_strings_run_no_script(
    page: Page, console: list[str], labs: Any, screenshots: Path
) -> None:
    page.goto(save(labs("light"), "hostile.ipynb", MADE_UP))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".ra-view img").count() == 0
    assert HOSTILE in page.locator(".ra-run").first.inner_text()
    page.screenshot(path=screenshots / "live-hostile.png")
    assert console == []


def test_a_narrow_cell_is_readable(page: Page, labs: Any, screenshots: Path) -> None:
    page.set_viewport_size({"width": 620, "height": 900})
    page.goto(save(labs("light"), "narrow.ipynb", START.format(speed=60), FINISH))
    run_all(page)
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=60_000)
    box = page.locator(".ra-run").first.bounding_box()
    assert box is not None
    assert box["width"] < 600
    page.screenshot(path=screenshots / "live-narrow.png")
