"""A view in JupyterLab, as a person sees it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import run_all, save, turn_dark
from support.pages import export

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
READ = """root => Object.fromEntries([
    ["line", ".rv-head"], ["now", ".rv-now"], ["pill", ".rtd-badge"], ["counts", ".rv-counts"],
].map(([name, css]) => [name, root.querySelector(css)?.innerText ?? ""]))"""
IN_QUEUE = START.format(speed=0.05, workflow="wf_claims")


def line(page: Page) -> Locator:
    return page.locator(f"{LIVE} .rv-head").first


def done_of(page: Page) -> int:
    """How many evals the view says are done."""
    found = re.search(r"(\d+) of \d+ done", line(page).inner_text())
    assert found is not None, line(page).inner_text()
    return int(found[1])


def tops(page: Page) -> list[float]:
    """Where the parts of the head and the body stand below the view's own top."""
    top = page.locator(LIVE).first.bounding_box()
    assert top is not None
    parts = ".rv-head", ".rv-now", ".rv-bar", ".rv-actions", ".rv-chips", ".rv-body"
    boxes = [page.locator(f"{LIVE} {each}").first.bounding_box() for each in parts]
    return [round(each["y"] - top["y"], 1) for each in boxes if each is not None]


def read(page: Page) -> dict[str, str]:
    """What the head says, at one moment."""
    return page.locator(LIVE).first.evaluate(READ)  # type: ignore[no-any-return]


def read_once(page: Page, words: str) -> dict[str, str]:
    """What the head says at the first moment when its headline has these words."""
    script = f"""([css, words]) => {{
        const root = document.querySelector(css), said = root && ({READ})(root);
        return said?.line.includes(words) && said;
    }}"""
    found = page.wait_for_function(script, arg=[LIVE, words], timeout=60_000)
    return found.json_value()  # type: ignore[no-any-return]


def known(said: dict[str, str]) -> tuple[str, str]:
    """The pill and the counts of what is known, without those of the run that goes on."""
    counts = re.sub(r"\s+", " ", said["counts"])
    return said["pill"], re.sub(r" \d+ done.*", "", counts)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_it_goes_on_while_another_cell_computes_and_nothing_moves(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1500, "height": 1000})
    page.goto(
        save(lab, "live.ipynb", START.format(speed=10, workflow="wf_invoices"), COMPUTE, FINISH)
    )
    run_all(page)
    # On a busy machine the run may have begun before its past was read.
    told = [read_once(page, "broken")]
    steps, places = list[int](), set[tuple[float, ...]]()
    for _ in range(1_000):
        if page.get_by_text("computed").count() >= 2:  # the cell's own code says it too
            break
        told.append(said := read(page))
        found = re.search(r"(\d+) of 95 done", said["line"])
        if said["line"].startswith("…"):
            places.add(tuple(tops(page)))
            assert "9 are broken" in said["line"] or "9 broken" in said["line"] or not found, said
        if found:
            steps.append(int(found[1]))
        if 30 < (steps or [0])[-1] < 60:
            assert "18.5" in page.locator(LIVE).inner_text(), "values, though the kernel is busy"
            page.screenshot(path=screenshots / "lab-going.png")
        page.wait_for_timeout(100)
    assert len({*steps}) >= 4, steps
    assert steps == sorted(steps)
    going = [each for each in told if each["line"].startswith("…")]
    assert len({*map(known, going)}) == 1, "what is known stays until the run has ended"
    assert any(re.search("running for .* left", each["now"]) for each in told)
    expect(page.get_by_text("ended: completed")).to_be_visible(timeout=30_000)
    expect(line(page)).to_contain_text("9 evals are still broken")
    expect(page.locator(f"{LIVE} .rv-now")).to_contain_text(", took ")
    places.add(tuple(tops(page)))
    assert len(places) == 1, "the buttons stand at the same height from the first to the last"
    view = page.locator(LIVE)
    row = view.locator(".rv-row", has_text="Blue Ridge: fractional quantity")
    row.locator("summary").click()
    expect(row.locator(".rv-open")).to_contain_text("Broken since")
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
    page.locator(f"{LIVE} .rv-chip", has_text="pass").first.click()
    expect(page.locator(f"{LIVE} .rv-found")).to_contain_text(re.compile(r"\d+ of 95 evals"))
    assert console == []


def test_buttons_answer_while_a_cell_awaits(page: Page, console: list[str], lab: Any) -> None:
    page.goto(save(lab, "awaiting.ipynb", IN_QUEUE, AWAIT, "'then: ' + str(1 + 1)"))
    run_all(page)
    expect(line(page)).to_contain_text("Queued", timeout=60_000)
    expect(page.locator(".jp-InputPrompt").nth(1)).to_have_text("[*]:")
    # The notebook's shortcuts, of which two d delete a cell, do not reach the view.
    page.get_by_role("button", name="Cancel run").focus()
    for key in ("d", "d", "a", "b", "x"):
        page.keyboard.press(key)
    assert page.locator(".jp-CodeCell").count() == 3
    press(page, "Cancel run")
    press(page, "No")
    press(page, "Cancel run")
    press(page, "Yes, end it")
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
    made = "sandbox = ra.Sandbox(speed=40).start()"
    client = "ra.use(ra.Client(**sandbox.credentials))"
    explore = 'view = ra.explore("wf_invoices"); view'
    cell = "\n".join(("import retab_analysis as ra", made, client, explore))
    page.goto(save(lab, "explore.ipynb", cell))
    run_all(page)
    expect(line(page)).to_contain_text("9 evals broke since the edit", timeout=60_000)
    page.get_by_role("button", name=re.compile(r"^Settle \(\d+ runs?, billed\)$")).click()
    page.get_by_role("button", name="Yes, start").click()
    expect(page.locator(f"{LIVE} .rv-actions")).to_contain_text("Running again")
    expect(page.get_by_role("button", name=re.compile("^Settle"))).to_have_count(0)
    expect(page.locator(f"{LIVE} .rv-actions")).not_to_contain_text("Running again", timeout=60_000)
    press(page, "Refresh")
    expect(page.get_by_role("button", name="Refresh", exact=True)).to_be_enabled(timeout=60_000)
    expect(page.locator(f"{LIVE} .rv-seen").first).to_contain_text(re.compile(r"as of \d+ \w+ \d"))
    page.get_by_role("button", name="As it is now against").click()
    page.get_by_label("Checked").select_option("v5")
    page.get_by_label("Against").select_option("v4")
    expect(line(page)).to_contain_text("from v4 to v5")
    press(page, "Done")
    with page.expect_download() as download:
        export(page)
    assert download.value.suggested_filename == "wf_invoices.csv"
    assert console == []


UNCLEAR = """import sys; sys.path.insert(0, {tests!r})
from support.lettered_api import FLOW, LetteredApi, alike
api = LetteredApi({{"a": "P" * 20 + "F", **alike(6, "P" * 21)}}).__enter__()
other = ra.explore(FLOW, client=api.client); other.wait(60); other"""
GAPS = (0.2, 0.35, 0.5, 0.8, 1.2, 2.0)  # seconds between two clicks


def click_twice(page: Page, button: Locator, gap: float) -> None:
    """Click twice at the place where a button is now."""
    no = page.get_by_role("button", name="No", exact=True)
    for share in (0.03, 0.5, 0.97):
        button.or_(no).first.wait_for()  # a busy kernel may ask after the second click
        if no.count():
            no.click()
        box = button.bounding_box()
        assert box is not None
        at = box["x"] + share * box["width"]
        page.mouse.click(at, box["y"] + box["height"] / 2)
        page.wait_for_timeout(gap * 1000)
        page.mouse.click(at, box["y"] + box["height"] / 2)
        page.wait_for_timeout(400)


@pytest.mark.parametrize("width", [1500, 760])
def test_a_double_click_at_one_place_starts_and_cancels_nothing(
    page: Page, console: list[str], lab: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    watched = IN_QUEUE.replace("speed=0.05", "speed=0.01")
    asked = "ra.fetch_run(run['run_id'][0])['status'][0] == 'cancelled', len(api.started)"
    settled = UNCLEAR.format(tests=str(Path(__file__).parents[1]))
    page.goto(save(lab, f"twice{width}.ipynb", watched, settled, f"'are: ' + str(({asked}))"))
    run_all(page)
    views = page.locator(LIVE)
    for view, name in ((views.nth(0), "Cancel run"), (views.nth(1), re.compile("^Settle"))):
        button = view.get_by_role("button", name=name)
        button.wait_for(timeout=60_000)
        button.scroll_into_view_if_needed()
        for gap in GAPS:
            click_twice(page, button, gap)
        page.wait_for_timeout(400)
        if (left := view.get_by_role("button", name="No", exact=True)).count():
            left.click()
        button.click()
        no = view.get_by_role("button", name="No", exact=True)
        expect(no).to_be_focused()
        no.press("Enter")
        expect(button).to_be_focused()
    page.locator(".jp-CodeCell .jp-InputArea-editor").last.click()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")
    expect(page.locator(".jp-InputPrompt").nth(2)).to_have_text("[4]:", timeout=60_000)
    expect(page.get_by_text("are: (False, 0)").last).to_be_visible()
    assert console == []


SEVERAL = """import retab_analysis as ra
sandbox = ra.demo(speed=2)
run = ra.start_runs("wf_invoices")
view = ra.watch(workflow_id=ra.fetch_workflows()["workflow_id"], interval=0.3)
view"""


def test_several_workflows_are_summed_by_what_was_read_and_stay_where_they_are(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1500, "height": 900})
    # Above it is something to scroll over.
    page.goto(save(lab, "several.ipynb", 'print("\\n" * 60)', SEVERAL))
    run_all(page)
    told = list[str]()
    head = page.locator(f"{LIVE} [data-slot=several] .rv-head")
    head.wait_for(timeout=60_000)
    while "reading" in (said := head.inner_text()) or not told:
        told.append(said)
        page.wait_for_timeout(50)
    assert said.startswith("✗ 5 workflows: 3 with broken evals (14 evals)")
    assert not [each for each in told if "nothing broke" in each]
    page.screenshot(path=screenshots / "lab-several.png")
    items = page.locator(f"{LIVE} .rv-item")
    for at in range(5):
        box = items.nth(at).bounding_box()
        assert box is not None
        assert box["height"] == 58
    for name in ("Supplier contracts", "Motor claims", "Invoices: header"):
        item = page.locator(f"{LIVE} .rv-item", has_text=name)
        opens = item.locator(".rv-fold")
        opens.scroll_into_view_if_needed()
        # Where it was when it was pressed: a run may end, and change the page, before that.
        opens.evaluate(
            "(e) => e.addEventListener('click',"
            " () => { window.pressed = e.getBoundingClientRect().y }, { capture: true })"
        )
        opens.click()
        expect(opens).to_have_attribute("aria-expanded", "true")
        page.wait_for_timeout(300)
        now = opens.bounding_box()
        assert now is not None
        moved = abs(page.evaluate("() => window.pressed") - now["y"])
        assert moved < 2, f"{name}: what was pressed stays where it was"
    page.screenshot(path=screenshots / "lab-several-open.png")
    assert console == []


AWAY = """import sys; sys.path.insert(0, {tests!r})
import retab_analysis as ra
from support.watched import WatchedSandbox
sandbox = WatchedSandbox(speed=2).start()
ra.use(ra.Client(**sandbox.credentials, max_attempts=1))
run = ra.start_runs("wf_invoices")
view = ra.watch(run, interval=0.3)
view"""


def test_what_is_known_stays_while_the_network_is_away(
    page: Page, console: list[str], lab: Any, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1500, "height": 1000})
    cells = (
        AWAY.format(tests=str(Path(__file__).parents[1])),
        "sandbox.inject(kind='reset', times=None)",
    )
    page.goto(save(lab, "away.ipynb", *cells, "sandbox._faults.clear()"))
    select_and_run(page, 0)
    expect(line(page)).to_contain_text(re.compile(r"\d of 95 done"), timeout=60_000)
    select_and_run(page, 1)
    now = page.locator(f"{LIVE} .rv-now")
    expect(now).to_contain_text("no answer since", timeout=30_000)
    expect(now).to_contain_text("this is the state of")
    before, places = read(page), tops(page)
    page.wait_for_timeout(20_000)
    after = read(page)
    assert (after["line"], known(after)) == (before["line"], known(before))
    assert "http" not in after["now"]
    page.screenshot(path=screenshots / "lab-away.png")
    select_and_run(page, 2)
    expect(now).to_contain_text("running for", timeout=60_000)
    assert tops(page) == places
    assert console == []


def select_and_run(page: Page, cell: int) -> None:
    """Run one cell, once the kernel is idle."""
    session = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session"
    idle = f"() => {session}?.kernel?.status === 'idle'"
    page.wait_for_function(idle, timeout=60_000)
    page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")


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
    stands.locator(".rtd-more > summary", has_text="Pass").click()
    expect(stands.locator("details[open] .rv-row").first).to_be_visible()
    said = page.locator(".jp-Notebook").inner_text()
    for words in ("model not found", "Loading widget", "Reading the runs"):
        assert words not in said
    page.screenshot(path=screenshots / "lab-gone.png")


def test_a_kernel_that_is_restarted_is_told_on_the_page(page: Page, lab: Any) -> None:
    page.goto(save(lab, "restart.ipynb", IN_QUEUE))
    run_all(page)
    expect(line(page)).to_contain_text("Queued", timeout=60_000)
    page.evaluate("""async () => {
        await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
    }""")
    expect(page.locator(f"{LIVE} .rv-now")).to_contain_text("run the cell again")
    expect(page.get_by_role("button", name="Cancel run")).to_be_disabled()
    expect(line(page)).to_contain_text("2 evals are broken")
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
    for root in (page.locator(LIVE).nth(at) for at in (0, 1)):  # the view, and the verdict
        said = root.inner_text()
        for name in names:
            assert name in said
        assert root.locator("mjx-container, .numbering-entry, img").count() == 0
        assert root.locator("h1, h2, h3, h4, h5, h6").count() == 0
        head, box = root.locator(".rv-head").first.bounding_box(), root.bounding_box()
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
