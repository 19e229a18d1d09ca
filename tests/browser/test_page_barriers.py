"""Who cannot see the page, or has no mouse: nothing that axe-core knows of is in the way."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page
from support.axe import find_barriers_in_all_looks
from support.frames import result, results
from support.inside import (
    Door,
    GridColumn,
    GridRow,
    Html,
    LiveState,
    OpenEval,
    Option,
    chips,
    grid,
    make_document,
    to_piece,
)
from support.inside import live_html as html
from support.live_states import news_of, seen
from support.made_runs import result_with, run_with
from support.pages import Shown

import retab_analysis as ra

pytestmark = pytest.mark.browser

OPTIONS = [Option(each, each * 4, 3, each == "b") for each in "abc"]


def one_run() -> LiveState:
    names = {f"e{i}": "PPPPPF" for i in range(9)} | {"k": "FFFFFF", "p": "PPPPPP"}
    results = [result_with(each, "passed" if each == "p" else "failed") for each in names]
    run = run_with(passed=1, failed=10, running=1, queued=8)
    news = news_of(names)
    return seen(run, results=results, news=(news,), trouble="refused", notes=("a note",))


def many_runs() -> LiveState:
    runs = [run_with(f"r{i}", passed=2, failed=1, running=1, queued=3) for i in range(12)]
    return seen(*runs, results=[result_with(f"e{i}", "failed") for i in range(9)])


def elements() -> dict[str, Html]:
    columns = [GridColumn("a", "Name", sort="sort", order="ascending"), GridColumn("b", "Rate")]
    rows = [GridRow(f"r{i}", (f"name {i}", f"{i} %"), i == 1) for i in range(30)]
    return {
        "chips": chips(OPTIONS, "chip", label="States"),
        "grid": grid(columns, rows, label="Runs", event="open"),
    }


def opened() -> dict[str, Html]:
    """A verdict of long and hostile names, with an eval that is open."""
    long = "a very long name that somebody has generated out of a sentence " * 3
    hostile = "<img src=x onerror=window.hacked=1>"
    names = (long, "w" * 165, hostile, "\u0645\u0631\u062d\u0628\u0627 " * 30, "a\u202egpj.exe")
    same = dict.fromkeys(("block_id", "failure_message", "condition", "run_id"), "b" * 165)
    rows = [
        result(f"e{at}{'q' * 160}", state, run, eval_name=each, document_names=["d" * 165])
        | same
        | {"workflow_version_id": f"{'v' * 165}{run}", "run_id": f"{'r' * 165}{run}"}
        | {"block_execution_fingerprint": f"code {run}", "document_ids": ["f" * 165]}
        | {"expected_value": '{"a":1.10}', "actual_value": f'{{"a":1.10,"{"k" * 165}":{run}}}'}
        for at, each in enumerate(names)
        for run, state in ((1, "passed"), (2, "passed"), (3, "failed" if at else "passed"))
    ]
    frame = results(*rows)
    before, now = (frame.filter(run_id=f"{'r' * 165}{run}") for run in (2, 3))
    verdict = ra.compare(before, now, history=frame)
    one = OpenEval(None, lambda: None)
    one.toggle(f"e1{'q' * 160}")
    document = make_document(verdict, verdict.gate(), Door(values=True))
    return {"document": to_piece(one.render(verdict, document))}


PAGES: dict[str, Any] = {
    "one run": lambda: html.render_sections(one_run(), ASKING, OpenEval(None, lambda: None)),
    "many runs": lambda: html.render_sections(many_runs(), ASKING, OpenEval(None, lambda: None)),
    "saved": lambda: {"all": html.render_still_view(one_run(), html.LiveLook())},
    "elements": elements,
    "an open eval": opened,
}
ASKING = html.LiveLook(can_cancel=True, asking=True)


@pytest.mark.parametrize("what", PAGES)
def test_axe_finds_nothing(page: Page, screenshots: Any, what: str) -> None:
    # As a page that follows what the person has set, which the notebooks' themes stand for.
    before = "<style>:root{color-scheme:light dark;background:Canvas}</style>"
    Shown(page, PAGES[what](), before=before)
    page.evaluate(
        "() => document.querySelectorAll('details').forEach((each) => (each.open = true))"
    )

    def look(scheme: str, width: int) -> None:
        name = f"page-{what.replace(' ', '-')}-{scheme}-{width}.png"
        page.screenshot(path=screenshots / name, full_page=True)
        room = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert room[0] <= room[1], "nothing is pushed out of the page"

    assert find_barriers_in_all_looks(page, ".ra-page", look) == []


def test_nothing_moves_by_itself(page: Page) -> None:
    """A stripe that moves cost 11 points of a core."""
    Shown(page, html.render_sections(one_run(), ASKING, OpenEval(None, lambda: None)))
    bar = page.locator(".ra-active").first
    assert bar.evaluate("(bar) => getComputedStyle(bar).animationName") == "none"


def test_there_are_two_prefixes() -> None:
    import re

    from support.inside import STYLE

    classes = set(re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r"/\*.*?\*/", "", STYLE, flags=re.S)))
    foreign = {"vscode-dark", "vscode-light", "vscode-high-contrast"}
    foreign |= {"jp-OutputArea-child", "jp-OutputArea-output"}
    assert {each for each in classes - foreign if not each.startswith(("ra-", "rtd"))} == set()
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert STYLE.isascii()  # a page may be read in whatever encoding
    assert "<" not in STYLE  # it stands in an element, which nothing in it may end
