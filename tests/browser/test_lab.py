"""A view in JupyterLab, as a person sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import run_all, save, turn_dark

pytestmark = pytest.mark.browser

LIVE = ".rv:not([data-stands-for])"
START = """import retab_analysis as ra
sandbox = ra.demo(speed={speed})
run = ra.start_runs("{workflow}")
view = ra.watch(run, interval=0.3)
view"""
COMPUTE = """total = 0
while not view.done:
    total += sum(each * each for each in range(10_000))
"computed\""""
FINISH = "'ended: ' + view.wait(90)['status'][0]"
AWAIT = "'ended: ' + (await view)['status'][0]"
IN_QUEUE = START.format(speed=0.05, workflow="wf_claims")


def line(page: Page) -> Locator:
    return page.locator(f"{LIVE} .rv-head").first


def done_of(page: Page) -> int:
    """How many evals the view says are done."""
    found = re.search(r"(\d+) of \d+ done", line(page).inner_text())
    assert found is not None, line(page).inner_text()
    return int(found[1])


def tops(page: Page) -> list[float]:
    """Where bar, actions and counts stand below the view's own top."""
    top = page.locator(LIVE).first.bounding_box()
    assert top is not None
    boxes = [
        page.locator(f"{LIVE} {each}").first.bounding_box()
        for each in (".rv-bar", ".rv-actions", ".rv-chips")
    ]
    return [round(each["y"] - top["y"], 1) for each in boxes if each is not None]


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_it_goes_on_while_another_cell_computes_and_nothing_moves(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(
        save(lab, "live.ipynb", START.format(speed=16, workflow="wf_invoices"), COMPUTE, FINISH)
    )
    run_all(page)
    expect(line(page)).to_contain_text("done", timeout=60_000)
    steps, places = set(), set()
    for _ in range(1_000):
        if page.get_by_text("computed").count() >= 2:  # the cell's own code says it too
            break
        text = line(page).inner_text()
        if found := re.search(r"(\d+) of 95 done", text):
            steps.add(int(found[1]))
            places.add(tuple(tops(page)))
        if len(steps) == 4:
            page.screenshot(path=screenshots / "lab-going.png")
        page.wait_for_timeout(100)
    assert len(steps) >= 4, steps
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=30_000)
    expect(line(page)).to_contain_text("9 evals are still broken")
    places.add(tuple(tops(page)))
    assert len(places) == 1, "the buttons stand at the same height from the first to the last"
    view = page.locator(LIVE)
    view.get_by_role("button", name="Blue Ridge: fractional quantity").click()
    expect(view.locator(".rv-open")).to_contain_text("Broken since")
    # What stands for it in the saved notebook is there, and is not seen.
    expect(page.locator("[data-stands-for]")).to_be_hidden()
    # A start is said, and nothing is red.
    expect(page.get_by_text("Starting 1 run of 95 evals in wf_invoices.")).to_be_visible()
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    page.screenshot(path=screenshots / "lab-ended.png")
    turn_dark(page)
    page.screenshot(path=screenshots / "lab-dark.png")
    assert console == []


def test_it_survives_a_reload_in_mid_run(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.goto(save(lab, "reload.ipynb", START.format(speed=8, workflow="wf_invoices")))
    run_all(page)
    expect(line(page)).to_contain_text("done", timeout=60_000)
    before = done_of(page)
    expect(line(page)).not_to_contain_text(f" {before} of 95")
    # Without "reset", which would close the notebook; the kernel goes on.
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.goto(page.url.partition("?")[0] + f"?token={lab.token}")
    expect(line(page)).to_contain_text("done", timeout=60_000)
    after = done_of(page)
    assert after >= before
    expect(line(page)).not_to_contain_text(f" {after} of 95")
    page.screenshot(path=screenshots / "lab-after-reload.png")
    page.locator(f"{LIVE} .rv-chip", has_text="pass").click()
    expect(page.get_by_text(re.compile(r"^\d+ evals? of 95$"))).to_be_visible()
    assert console == []


def test_buttons_answer_while_a_cell_awaits(page: Page, console: list[str], lab: Any) -> None:
    page.goto(save(lab, "awaiting.ipynb", IN_QUEUE, AWAIT, "'then: ' + str(1 + 1)"))
    run_all(page)
    expect(line(page)).to_contain_text("0 of 20 done", timeout=60_000)
    expect(page.locator(".jp-InputPrompt").nth(1)).to_have_text("[*]:")
    # The notebook's shortcuts, of which two d delete a cell, do not reach the view.
    page.get_by_role("button", name="Cancel run").focus()
    for key in ("d", "d", "a", "b", "x"):
        page.keyboard.press(key)
    assert page.locator(".jp-CodeCell").count() == 3
    press(page, "Cancel run")
    press(page, "No")
    press(page, "Cancel run")
    press(page, "Yes, cancel")
    expect(page.get_by_text("ended: cancelled")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
    # What is in the queue meanwhile is executed, and the next cell as well.
    expect(page.get_by_text("then: 2")).to_be_visible(timeout=10_000)
    page.locator(".jp-CodeCell .jp-InputArea-editor").last.click()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")
    expect(page.locator(".jp-InputPrompt").nth(2)).to_have_text("[4]:")
    assert console == []


def test_a_person_chooses_settles_and_exports(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1500, "height": 1000})
    # Versions can be chosen in the dialect in which runs name publications.
    made = 'sandbox = ra.Sandbox(speed=40, _named="publications").start()'
    client = "ra.use(ra.Client(**sandbox.credentials))"
    explore = 'view = ra.explore("wf_invoices"); view'
    cell = "\n".join(("import retab_analysis as ra", made, client, explore))
    page.goto(save(lab, "explore.ipynb", cell))
    run_all(page)
    expect(line(page)).to_contain_text("9 evals broke since the edit", timeout=60_000)
    page.get_by_role("button", name=re.compile(r"^Settle \(\d+ runs?\)$")).click()
    page.get_by_role("button", name=re.compile(r"^Start \d+ runs?$")).click()
    expect(page.locator(f"{LIVE} .rv-actions")).to_contain_text("Running again")
    expect(page.get_by_role("button", name=re.compile("^Settle"))).to_have_count(0)
    expect(page.locator(f"{LIVE} .rv-actions")).not_to_contain_text("Running again", timeout=60_000)
    page.locator(f"{LIVE} .rv-cols button").nth(5).click()
    expect(line(page)).not_to_contain_text("9 evals broke")
    page.get_by_label("Checked").select_option("v5")
    page.get_by_label("Against").select_option("v4")
    expect(line(page)).to_contain_text("from v4 to v5")
    press(page, "Export CSV")
    expect(page.locator(".rv-notice")).to_contain_text("evals written to")
    assert (lab.root / "wf_invoices.csv").exists()
    assert console == []


def test_the_last_state_stays_when_the_kernel_is_gone(
    page: Page, lab: Any, screenshots: Path
) -> None:
    page.goto(save(lab, "gone.ipynb", START.format(speed=40, workflow="wf_invoices"), FINISH))
    run_all(page)
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=90_000)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("""async () => {
        const session = window.jupyterapp.shell.currentWidget.sessionContext.session;
        await session.kernel.shutdown();
    }""")
    saved = (lab.root / "gone.ipynb").read_text()
    assert "Buffet lunch" not in saved, "what is saved holds no value"
    page.goto(page.url)
    stands = page.locator("[data-stands-for]")
    expect(stands).to_be_visible(timeout=30_000)
    expect(stands).to_contain_text("9 evals are still broken")
    stands.locator("summary", has_text="Pass").click()
    expect(stands.locator("details[open] .rv-row").first).to_be_visible()
    said = page.locator(".jp-Notebook").inner_text()
    for words in ("model not found", "Loading widget", "Reading the runs"):
        assert words not in said
    page.screenshot(path=screenshots / "lab-gone.png")


def test_a_kernel_that_is_restarted_is_told_on_the_page(page: Page, lab: Any) -> None:
    page.goto(save(lab, "restart.ipynb", IN_QUEUE))
    run_all(page)
    expect(line(page)).to_contain_text("0 of 20 done", timeout=60_000)
    page.evaluate("""async () => {
        await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
    }""")
    page.get_by_role("button", name="Cancel run").click()
    expect(page.locator(".rv-notice")).to_contain_text("run the cell again")
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.wait_for_function(f"() => {kernel}.status === 'idle'", timeout=60_000)


def test_names_of_others_stand_as_they_were_sent_in_the_view_and_in_the_verdict(
    page: Page, lab: Any, screenshots: Path
) -> None:
    tests = str(Path(__file__).parents[1])
    cell = f"""import sys; sys.path.insert(0, {tests!r})
import retab_analysis as ra
from support.lettered_api import FLOW, LetteredApi, alike
names = ("Total is $1,200.00, not $1,020.00", "$x_$ Consulting", "<img src=x onerror=alert(1)>",
         "\\\\(a\\\\) # @me _b_ &amp;", "# heading", "**bold** `code`")
rows = {{**dict.fromkeys(names, "PPPPPF"), **alike(4, "PPPPPP")}}
api = LetteredApi(rows, codes="AAAAAB").__enter__()
view = ra.explore(FLOW, client=api.client); view.wait(60); view"""
    page.goto(
        save(lab, "hostile.ipynb", cell, "verdict = view.comparison; verdict", "print(verdict)")
    )
    run_all(page)
    expect(page.locator("pre", has_text="6 evals broke")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(2_000)  # as long as a host may take to typeset what it takes for formulas
    names = ("Total is $1,200.00, not $1,020.00", "$x_$ Consulting", "<img src=x onerror=alert(1)>",
             "\\(a\\) # @me _b_ &amp;", "# heading", "**bold** `code`")  # fmt: skip
    for root in (LIVE, ".rtd:not(.rv)"):
        said = page.locator(root).first.inner_text()
        for name in names:
            assert name in said, (root, name)
        assert (
            page.locator(f"{root} mjx-container, {root} .numbering-entry, {root} img").count() == 0
        )
        assert page.locator(f"{root} :is(h1, h2, h3, h4, h5, h6)").count() == 0
        head = page.locator(f"{root} .rtd-title, {root} .rv-head").first.bounding_box()
        box = page.locator(root).first.bounding_box()
        assert head is not None
        assert box is not None
        assert head["x"] - box["x"] < 30, "titles stand at the left"
    page.screenshot(path=screenshots / "lab-hostile.png", full_page=True)


def test_a_cell_that_runs_again_leaves_nothing_behind(page: Page, lab: Any) -> None:
    # The sandbox and the stream; the threads that make requests are a pool of the process. A
    # thread that was stopped ends on its own, which takes a moment.
    count = """import threading, time, ipywidgets.widgets.widget as w, IPython
comms = len(IPython.get_ipython().kernel.comm_manager.comms)
names = lambda: [each.name for each in threading.enumerate()]
pool = "retab-request"
mine = lambda: [each for each in names() if ("retab" in each or "view" in each) and each != pool]
end = time.monotonic() + 10
while len(mine()) > 2 and time.monotonic() < end: time.sleep(0.05)
f"left: {len(w._instances)} models, {comms} comms, {len(mine())} threads\""""
    make = "import retab_analysis as ra\nsandbox = ra.demo(speed=0.05)"
    show = 'view = ra.watch(ra.start_runs("wf_claims"), interval=0.3)\nview'
    page.goto(save(lab, "again.ipynb", make, show, count))
    left = page.get_by_text("left: ").last
    seen: list[str] = []
    for number in range(1, 21):
        run_all(page)
        expect(page.locator(".jp-InputPrompt").nth(2)).to_have_text(
            f"[{3 * number}]:", timeout=60_000
        )
        seen.append(left.inner_text())
    assert "2 models, 2 comms" in seen[0]
    assert {*seen} == {seen[0]}
