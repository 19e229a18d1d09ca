"""A live view in JupyterLab, as a person sees it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.lab import run_all, save, turn_dark

pytestmark = pytest.mark.browser

LIVE = ".ra-page:not([data-stands-for])"
START = """import retab_analysis as ra
sandbox = ra.demo(speed={speed})
run = ra.start_runs("wf_invoices")
view = ra.watch(run, interval=0.3)
view"""
COMPUTE = """total = 0
while not view.done:
    total += sum(each * each for each in range(10_000))
"computed\""""
FINISH = "'ended: ' + view.wait(60)['status'][0]"
AWAIT = "'ended: ' + (await view)['status'][0]"
IN_QUEUE = """import retab_analysis as ra
sandbox = ra.demo(speed=0.05)
run = ra.start_runs("wf_claims")
view = ra.watch(run, interval=0.3)
view"""


def done_of(page: Page) -> int:
    """How many evals the view says are done."""
    return counted(page)[0]


def counted(page: Page) -> tuple[int, int]:
    """How many evals the view says are done, and of how many."""
    found = re.search(r"(\d+) of (\d+) done", page.locator(f"{LIVE} .ra-run").inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


def test_the_bar_grows_while_another_cell_computes(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    cells = (START.format(speed=16), COMPUTE, FINISH)
    page.goto(save(lab, "live.ipynb", *cells))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    steps: set[int] = set()
    while page.get_by_text("computed").count() < 2:  # the cell's own code says it too
        steps.add(done_of(page))
        if len(steps) == 3:
            page.screenshot(path=screenshots / "live-going.png")
        time.sleep(0.1)
    assert len(steps) >= 4, steps
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=30_000)
    done, total = counted(page)
    assert done == total > 0
    view = page.locator(".ra-page").first
    expect(view.locator("h2")).to_contain_text("still broken")
    expect(view.locator(".ra-run")).to_contain_text("do not pass")
    expect(view).to_contain_text("with each eval's own past")
    card = view.locator("[data-section=news] .rtd-card").first
    expect(card).to_contain_text("extract_lines was edited")
    for words in ("asserts", "was", "got", "< 0"):
        expect(card).to_contain_text(words)
    card.locator("tbody button").first.click()
    expect(card.locator(".rtd-below")).to_contain_text("the newest first")
    # What stands for it in the saved notebook is there, and is not seen.
    expect(page.locator("[data-stands-for]")).to_be_hidden()
    page.screenshot(path=screenshots / "live-light-ended.png")
    turn_dark(page)
    page.screenshot(path=screenshots / "live-dark-ended.png")
    # In a narrow cell, too.
    page.set_viewport_size({"width": 620, "height": 900})
    page.wait_for_function(
        "() => document.querySelector('.ra-run').getBoundingClientRect().width < 600"
    )
    page.screenshot(path=screenshots / "live-narrow.png")
    assert console == []


def test_it_survives_a_reload_and_keeps_what_was_opened(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.goto(save(lab, "reload.ipynb", START.format(speed=8)))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    page.locator(f"{LIVE} summary", has_text="How this was compared").click()
    opened = page.locator(f"{LIVE} [data-section=news] details[open] p").first
    expect(opened).to_be_visible()
    before = done_of(page)
    card = page.locator(".ra-run").first
    total = counted(page)[1]
    expect(card).not_to_contain_text(f"{before} of {total} done")
    expect(opened).to_be_visible()
    # Without "reset", which would close the notebook; the kernel goes on.
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.goto(page.url.partition("?")[0] + f"?token={lab.token}")
    page.wait_for_selector(f"{LIVE} .ra-run", timeout=30_000)
    after = done_of(page)
    assert after >= before
    expect(card).not_to_contain_text(f"{after} of {total} done")
    page.screenshot(path=screenshots / "live-after-reload.png")
    page.get_by_role("button", name="Stop watching").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("stopped, last seen").first).to_be_visible()
    assert console == []


def test_the_buttons_work(page: Page, console: list[str], lab: Any, screenshots: Path) -> None:
    page.goto(save(lab, "buttons.ipynb", IN_QUEUE, "1"))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    # The notebook's shortcuts, of which two d delete a cell, do not reach the view.
    page.get_by_role("button", name="Stop watching").focus()
    for key in ("d", "d", "a", "b", "x"):
        page.keyboard.press(key)
    assert page.locator(".jp-CodeCell").count() == 2
    refreshed = page.locator(".ra-about").first
    before = refreshed.inner_text()
    page.get_by_role("button", name="Refresh now").click()
    expect(refreshed).not_to_have_text(before)
    page.get_by_role("button", name="Cancel run").click()
    page.screenshot(path=screenshots / "live-cancel-question.png")
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(".ra-run").first).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Stop watching")).to_be_disabled()
    assert console == []


@pytest.mark.parametrize("cell", [FINISH, AWAIT], ids=["wait", "await"])
def test_buttons_answer_while_a_cell_waits(
    page: Page, console: list[str], lab: Any, cell: str
) -> None:
    name = "awaiting.ipynb" if cell == AWAIT else "waiting.ipynb"
    page.goto(save(lab, name, IN_QUEUE, cell, "'then: ' + str(1 + 1)"))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    expect(page.locator(".jp-InputPrompt").nth(1)).to_have_text("[*]:")
    refreshed = page.locator(".ra-about").first
    before = refreshed.inner_text()
    page.get_by_role("button", name="Refresh now").click()
    expect(refreshed).not_to_have_text(before)
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.get_by_text("ended: cancelled")).to_be_visible(timeout=10_000)
    # What was in the queue meanwhile is executed, and the next cell as well.
    expect(page.get_by_text("then: 2")).to_be_visible(timeout=10_000)
    page.locator(".jp-CodeCell .jp-InputArea-editor").last.click()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")
    expect(page.locator(".jp-InputPrompt").nth(2)).to_have_text("[4]:")
    assert console == []


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "in the middle"])
def test_the_last_state_stays_when_the_kernel_is_gone(
    page: Page, lab: Any, screenshots: Path, ended: bool
) -> None:
    cells = (START.format(speed=40), FINISH) if ended else (IN_QUEUE,)
    page.goto(save(lab, f"gone-{ended}.ipynb", *cells))
    run_all(page)
    page.wait_for_selector(".ra-run", timeout=30_000)
    if ended:
        expect(page.get_by_text("ended: completed")).to_be_visible(timeout=60_000)
    else:
        # The page is there before what stands for it has been replaced.
        expect(page.locator("[data-stands-for]")).to_contain_text("0 of 20 done")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("""async () => {
        const session = window.jupyterapp.shell.currentWidget.sessionContext.session;
        await session.kernel.shutdown();
    }""")
    page.goto(page.url)
    expect(page.locator("[data-stands-for]")).to_be_visible(timeout=30_000)
    said = page.locator(".jp-Notebook").inner_text()
    assert "model not found" not in said
    assert "Loading widget" not in said
    assert "Looking for" not in said
    assert ("95 of 95 done" if ended else "0 of 20 done") in said
    assert ("Run the cell again" in said) is not ended
    page.screenshot(path=screenshots / f"live-gone-{'ended' if ended else 'middle'}.png")


def test_a_cell_that_runs_again_leaves_nothing_behind(page: Page, lab: Any) -> None:
    # The sandbox, the watcher and what fetches for it; the threads that make requests are a pool of
    # the process. A thread that was stopped ends on its own, which takes a moment.
    count = """import threading, time, ipywidgets.widgets.widget as w, IPython
comms = len(IPython.get_ipython().kernel.comm_manager.comms)
names = lambda: [each.name for each in threading.enumerate()]
pool = "retab-request"
mine = lambda: [each for each in names() if ("retab" in each or "atch" in each) and each != pool]
end = time.monotonic() + 10
while len(mine()) > 3 and time.monotonic() < end: time.sleep(0.05)
f"left: {len(w._instances)} models, {comms} comms, {len(mine())} threads\""""
    make = "import retab_analysis as ra\nsandbox = ra.demo(speed=0.05)"
    show = 'view = ra.watch(ra.start_runs("wf_claims"), interval=0.3)\nview'
    page.goto(save(lab, "again.ipynb", make, show, count))
    left = page.get_by_text("left: ").last
    seen: list[str] = []
    for number in range(1, 4):
        run_all(page)
        expect(page.locator(".jp-InputPrompt").nth(2)).to_have_text(f"[{3 * number}]:")
        expect(page.locator(".ra-page").first).to_be_visible()
        seen.append(left.inner_text())
    assert "2 models, 2 comms, 3 threads" in seen[0]
    assert seen[0] == seen[1] == seen[2]
