"""A view in the widths of a laptop: nothing covers a control, and the body does not move.

States have the names of ``pictures``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.axe import find_barriers
from support.fakes import STILL
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi, alike
from support.pages import Driven, export
from support.watching import until

import retab_analysis as ra

pytestmark = pytest.mark.browser

WIDTHS = 390, 480, 620, 700, 848, 934, 1008, 1104, 1224, 1400

# The controls that are seen and not all on top; what is cut in a line that must be whole.
COVERED = """() => [...document.querySelectorAll(
    ".rv :is(button, input, select, .rv-question, .rv-seen, .rtd-badge)"
)].filter((each) => {
    if (!each.checkVisibility() || each.closest(".rv-body, .rv-chips, .rv-hidden")) return false;
    each.scrollIntoView({ block: "nearest" }); // of several, most stand below the open one
    const box = each.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth || box.width < 20) return true;
    if (each.matches(".rv-question, .rv-seen, .rv-asks") && each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).display !== "inline") return true;
    const points = [.02, .5, .98].map((at) => box.left + at * box.width);
    return points.some((x) => {
        const top = document.elementFromPoint(x, box.top + box.height / 2);
        return top !== each && !each.contains(top);
    });
}).map((each) => each.outerHTML.slice(0, 120))"""
BODY = """() => {
    scrollTo(0, 0);
    return Math.round(document.querySelector(".rv-body").getBoundingClientRect().top);
}"""


# The rows of a table that opens, but for those of tries, with more than two lines or a cut word.
TALL = """() => [...document.querySelectorAll(".rv-row > summary")].filter((each) =>
    each.checkVisibility() && !each.closest(".rv-tries") && each.offsetHeight > 50
).map((each) => each.innerText)"""


def look(
    page: Page, name: str, screenshots: Path, seen: dict[int, int], widths: Sequence[int] = WIDTHS
) -> None:
    """Look at a state in each width: the body begins where it began in the states before."""
    for width in widths:
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(COVERED) == [], f"{name} at {width}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width}"
        assert width <= 640 or page.evaluate(TALL) == [], f"{name} at {width}"
        top = page.evaluate(BODY)
        assert seen.setdefault(width, top) == top, f"{name} at {width}"
        if width in (848, 1224, 390):
            page.screenshot(path=screenshots / f"laptop-{name}-{width}.png")
    assert find_barriers(page, ".rv") == [], name
    page.emulate_media(color_scheme="dark")
    assert find_barriers(page, ".rv", only=["color-contrast"]) == [], f"{name}, dark"
    page.emulate_media(color_scheme="light")


def walk(page: Page, shown: Driven, name: str, shots: Path, seen: dict[int, int]) -> None:
    """The modes that a person opens by hand."""
    look(page, name, shots, seen)
    for mode, back in (("sides", "Done"), ("more", "Close")):
        page.set_viewport_size({"width": 848, "height": 700})
        opens = page.locator(f"[data-go={mode}]")
        shown.click(opens)
        look(page, f"{name}-{mode}", shots, seen)
        page.set_viewport_size({"width": 848, "height": 700})
        shown.click(page.get_by_role("button", name=back, exact=True))
        expect(opens).to_be_focused()


def ask(page: Page, shown: Driven, words: str) -> None:
    """Press an action: *No* lies in its place, and has the focus."""
    action, no = (page.get_by_role("button", name=each, exact=True) for each in (words, "No"))
    for width in (390, 848):
        page.set_viewport_size({"width": width, "height": 700})
        if no.count():
            shown.click(no)
        place = action.bounding_box()
        shown.click(action)
        expect(no).to_be_focused()
        assert no.bounding_box() == pytest.approx(place, abs=1)


@pytest.mark.parametrize(
    "codes", ["A" * 16 + "BBBB", "A" * 16 + "BBBBC"], ids=["as it is", "edited"]
)
def test_nothing_covers_a_control_and_the_body_does_not_move(
    page: Page, console: list[str], screenshots: Path, codes: str
) -> None:
    past = alike(22, "P" * 20) | {"broken": "P" * 16 + "FFFF", "unclear": "P" * 19 + "F"}
    seen: dict[int, int] = {}
    live = "live-edited" if codes[20:] else "live"
    with LetteredApi(past, codes=codes, published="A") as api:
        run = api.run("U" * 24, id="r9", status="queued")
        view = ra.watch("r9", client=api.client, interval=0.05)
        until(lambda: view.comparison is not None)
        shown = Driven(page, view)
        said, ring = page.locator(".rv-now"), page.locator(".rv-head .rv-ring")
        walk(page, shown, f"{live}-queued", screenshots, seen)
        run.status, run.letters = None, dict(zip(past, "P" * 6 + "U" * 18, strict=True))
        shown.pump_until(lambda: "running" in said.inner_text())
        expect(ring).to_have_attribute("style", "--done:0.250")
        walk(page, shown, f"{live}-running", screenshots, seen)
        run.letters = dict(zip(past, "FE" + "P" * 10 + "U" * 12, strict=True))
        shown.pump_until(lambda: len(view._tell(FLOW).news) == 2)
        look(page, f"{live}-later", screenshots, seen)
        shown.click(page.get_by_text("Fails in this run"))
        shown.click(page.get_by_role("link", name="fine 0"))
        expect(page.locator(".rv-row[open]")).to_have_attribute("data-key", "fine 0")
        page.evaluate("scrollTo(0, 0)")
        ask(page, shown, "Cancel run")
        look(page, f"{live}-asking", screenshots, seen)
        shown.press("Enter")
        expect(page.get_by_role("button", name="Cancel run")).to_be_focused()
        api.broken = {"GET ": reply(503, {"detail": "away"})}
        shown.pump_until(lambda: "no answer since" in said.inner_text())
        expect(ring).to_have_class("rv-ring rv-away")
        look(page, f"{live}-offline", screenshots, seen)
        expect(page.get_by_role("button", name="Cancel run")).to_be_disabled()
        api.broken = {}
        shown.pump_until(lambda: "running" in said.inner_text())
        run.letters = dict(zip(past, "P" * 22 + "FF", strict=True))
        shown.pump_until(lambda: view.done)
        shown.pump()
        expect(ring).to_have_count(0)
        walk(page, shown, f"{live}-standing", screenshots, seen)
        view.close()
    assert [each for each in console if "503" not in each] == []


def test_several_workflows_fit_and_tell_silence(page: Page, screenshots: Path) -> None:
    page.clock.install()
    named = ["wf_claims", "wf_contracts"]
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        for each in named:
            ra.start_runs(each, client=client)
        view = ra.watch(workflow_id=[*named, "wf_statements"], client=client)
        until(lambda: None not in [each.look.comparison for each in view._list_states()])
        walk(page, shown := Driven(page, view), "many", screenshots, {})
        line = page.locator(".rv-view .rv-head button").nth(1)
        shown.click(line)
        expect(line).to_have_attribute("aria-expanded", "true")
        with page.expect_download() as download:
            export(page)
        assert download.value.suggested_filename == f"{view.state.workflow_id}.csv"
        view.stop()
        page.locator("[data-for]").evaluate_all("(all) => all.forEach((e) => (e.dataset.for = 20))")
        page.clock.run_for(13_000)
        told = page.locator(".rv-said", has_text=re.compile(r"\u00b7 no answer for 1[23] s$"))
        assert [each.split(" ")[1] for each in told.all_inner_texts()] == ["runs", "of", "of"]
        view.close()


def test_the_question_of_a_billed_run_is_whole(page: Page, screenshots: Path) -> None:
    seen: dict[int, int] = {}
    with LetteredApi(alike(9, "P" * 20) | {"unclear": "P" * 19 + "F"}) as api:
        shown = Driven(page, view := ra.explore(FLOW, client=api.client))
        shown.pump_until(lambda: view.done)
        walk(page, shown, "still", screenshots, seen)
        page.evaluate("() => (document.documentElement.style.zoom = '2')")
        look(page, "still-200", screenshots, {}, (1400, 1696, 1868))
        page.evaluate("() => (document.documentElement.style.zoom = '')")
        ask(page, shown, "Settle (1 run, billed)")
        expect(page.locator(".rv-question")).to_have_text("Start 1 run? It is billed.")
        look(page, "settle", screenshots, seen)
        page.locator(".rv-question").click(click_count=2)
        assert not api.started
        view.close()


def test_tries_versions_a_first_run_and_a_saved_page_fit(page: Page, screenshots: Path) -> None:
    evals = {f"e{at}": f"{'P' * 10}FFF{'P' if at < 5 else 'F'}F" for at in range(9)}
    codes = "A" * 10 + "BCDEF"
    with LetteredApi({**evals, **alike(9, "P" * 15)}, codes=codes, published="AB") as api:
        tries = ra.tries(FLOW, "extract", client=api.client, progress=False)
        view = ra.explore(FLOW, client=api.client)
        view.wait(60)
        pages = {
            "tries": tries._repr_html_(),
            "tries-card": api.check().to_html(),
            "versions": api.check(candidate="v2", baseline="v1").to_html(),
            "saved": view._make_still()["text/html"],
        }
        view.close()
    with LetteredApi({"a": "F", **alike(9, "P")}) as api:
        pages["first-run"] = api.check().to_html()
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        pages["week"] = ra.overview(every="1w", client=client)._repr_html_()
    for name, html in pages.items():
        page.set_content(f"<!doctype html><html lang=en><title>t</title><main>{html}</main>")
        look(page, name, screenshots, {})
        expect(page.locator(".rv-unstyled")).to_be_hidden()
    page.set_content(pages["saved"])
    expect(page.locator(".rv-key")).to_have_count(1)
    expect(page.locator(".rv-was, .rv-got")).to_have_count(0)
    said = page.locator(".rv-aside").first
    expect(said).to_contain_text("To keep them: ra.explore(workflow_id, save_values=True)")


def test_without_a_style_words_stand_apart(page: Page, screenshots: Path) -> None:
    with LetteredApi({"broken": "P" * 9 + "FF", **alike(9, "P" * 11)}) as api:
        html = api.check().to_html()
    bare = re.sub(r"(?s)<(style|script)>.*?</\1>", "", html)
    page.set_content(re.sub(r' style="[^"]*"', "", bare))
    expect(page.get_by_text("Trust this notebook to see it laid out.")).to_be_visible()
    expect(page.locator(".rv-m:visible, .rv-heads:visible, .rv-bar:visible")).to_have_count(0)
    expect(page.get_by_text("runs: 9 passed, 2 failed").first).to_be_visible()
    expect(page.locator("button:visible, input:visible")).to_have_count(0)
    page.screenshot(path=screenshots / "laptop-untrusted.png")


def test_time_goes_on_and_silence_is_told_after_ten_seconds(page: Page) -> None:
    page.clock.install()
    with LetteredApi(alike(9, "P" * 20)) as api:
        api.run("PP" + "U" * 7, id="r9")
        view = ra.watch("r9", client=api.client)
        until(lambda: view.comparison is not None)
        shown = Driven(page, view)
        view.stop()
        said = page.locator(".rv-said")
        said.evaluate("(each) => (each.dataset.for = 20)")
        page.clock.run_for(5_000)
        expect(said).to_have_text(re.compile(r"^running for 2[45] s, about"))
        page.clock.run_for(8_000)
        expect(said).to_have_text(re.compile(r"^running for 3[23] s \u00b7 no answer for 1[23] s$"))
        api.client.close()
        view.close()
        shown.pump()
