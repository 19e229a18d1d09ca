"""The live view in ipywidgets, by its attributes and messages; the terminal; what is saved."""

from __future__ import annotations

import io
import sys
import types
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from support.drawn import walk
from support.faultserver import FaultServer, reply
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client, in_order, routes, until

import retab_analysis as ra
from retab_analysis.widgets.live.controls import Actions, NotebookView
from retab_analysis.widgets.live.snapshot import Baseline, Snapshot
from retab_analysis.widgets.live.state import WatchState, compute
from retab_analysis.widgets.live.terminal import TerminalView
from retab_analysis.widgets.live.view import LiveView

NOW = datetime(2026, 5, 18, 10, 1, tzinfo=UTC)
THEN = Baseline("v1", {"e0": "passed", "e1": "failed"})


def state(passed: int = 3, failed: int = 2, seconds: float = 0, **more: Any) -> WatchState:
    results = [result_with(f"e{i}", "failed") for i in range(failed)]
    results += [result_with(f"p{i}", "passed") for i in range(passed)]
    run = run_with(passed=passed, failed=failed, running=1, queued=4)
    when = NOW + timedelta(seconds=seconds)
    snapshot = Snapshot(
        runs=runs_frame(run), results=results_frame(*results), seen_at=when, baseline=THEN
    )
    return compute(replace(snapshot, **more), when)


class Clicked:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def actions(self, *, cancel: bool = True) -> Actions:
        return Actions(
            stop=lambda: self.calls.append("stop"),
            refresh=lambda: self.calls.append("refresh"),
            cancel=(lambda: self.calls.append("cancel")) if cancel else None,
            code=lambda: "the code",
        )


def button(view: NotebookView, words: str) -> Any:
    found = [each for each in walk(view.box) if getattr(each, "description", None) == words]
    assert len(found) == 1, words
    return found[0]


def buttons_of(view: LiveView) -> dict[str, Any]:
    return {each.description: each for each in walk(view.widget) if hasattr(each, "click")}


def folded(view: NotebookView | LiveView) -> Any:
    box = view.box if isinstance(view, NotebookView) else view.widget
    return next(each for each in walk(box) if type(each).__name__ == "Accordion")


def htmls(view: NotebookView) -> list[str]:
    return [each.value for each in walk(view.box) if type(each).__name__ == "HTML"]


def test_what_is_shown() -> None:
    view = NotebookView(state(), Clicked().actions())
    style, top, news, known, passed = htmls(view)
    assert style.startswith("<style>")
    assert "waiting in the queue: 1 new" in top or "running: 1 new" in top
    assert ">e0<" in news
    assert ">e1<" not in news
    assert ">e1<" in known
    assert passed.count("<tr") == 4
    assert folded(view).titles == ("Did not pass before either (1)", "Passed (3)")
    assert folded(view).selected_index is None


def test_without_a_baseline_nothing_is_said_of_before() -> None:
    view = NotebookView(state(baseline=None), Clicked().actions(), has_baseline=False)
    assert folded(view).titles == ("Passed (3)",)
    assert len(folded(view).children) == 1
    ended = reply(body=run_with("r1", "completed", passed=1))
    with FaultServer([routes(in_order(ended))]) as server:
        for baseline, lists in ((None, 1), ("last_ok", 2)):
            live = ra.watch("r1", interval=0.05, baseline=baseline, client=client(server.url))
            live.wait(10)
            assert len(folded(live).children) == lists


def test_nothing_is_sent_when_nothing_changes(sent: list[dict[str, Any]]) -> None:
    view = NotebookView(state(), Clicked().actions())
    sent.clear()
    view.draw(state())
    assert sent == []


def test_a_round_without_news_is_one_message(sent: list[dict[str, Any]]) -> None:
    view = NotebookView(state(), Clicked().actions())
    sent.clear()
    view.draw(state(seconds=2))
    assert len(sent) == 1
    assert "10:01:02" in sent[0]["value"]


def test_an_eval_that_passed_is_a_message_for_each_part_that_changed(
    sent: list[dict[str, Any]],
) -> None:
    view = NotebookView(state(), Clicked().actions())
    sent.clear()
    view.draw(state(passed=4))
    assert [sorted(message) for message in sent] == [["value"], ["value"], ["titles"]]


def test_the_height_does_not_change_as_results_come() -> None:
    view = NotebookView(
        state(failed=0, passed=0, runs=runs_frame(run_with(queued=50))), Clicked().actions()
    )
    boxes = [each for each in walk(view.box) if getattr(each.layout, "height", None)]
    before = [each.layout.height for each in boxes]
    view.draw(state(failed=40, passed=10, runs=runs_frame(run_with(passed=10, failed=40))))
    assert [each.layout.height for each in boxes] == before


def test_twenty_rows_then_all() -> None:
    view = NotebookView(state(failed=57, baseline=None), Clicked().actions())
    news = htmls(view)[2]
    assert news.count("<tr") == 21
    assert "and 37 more" in news
    button(view, "Show all").click()
    assert htmls(view)[2].count("<tr") == 58
    assert button(view, "Show fewer").layout.display == ""
    button(view, "Show fewer").click()
    assert htmls(view)[2].count("<tr") == 21
    few = NotebookView(state(), Clicked().actions())
    assert button(few, "Show all").layout.display == "none"


def test_folded_lists_are_cut_alike() -> None:
    view = NotebookView(state(passed=57), Clicked().actions())
    assert htmls(view)[4].count("<tr") == 21
    button(view, "Show all").click()
    assert htmls(view)[4].count("<tr") == 58


def test_buttons_do_what_they_say() -> None:
    clicked = Clicked()
    view = NotebookView(state(), clicked.actions())
    button(view, "Stop watching").click()
    button(view, "Refresh now").click()
    assert clicked.calls == ["stop", "refresh"]


def test_cancelling_asks_once() -> None:
    clicked = Clicked()
    view = NotebookView(state(), clicked.actions())
    yes = button(view, "Yes, cancel")
    question = next(each for each in walk(view.box) if yes in getattr(each, "children", ()))
    assert question.layout.display == "none"
    button(view, "Cancel run").click()
    assert question.layout.display == ""
    button(view, "No").click()
    assert question.layout.display == "none"
    assert clicked.calls == []
    button(view, "Cancel run").click()
    button(view, "Yes, cancel").click()
    assert clicked.calls == ["cancel"]
    assert question.layout.display == "none"


def test_cancelling_is_offered_only_where_it_can_be_done() -> None:
    view = NotebookView(state(), Clicked().actions(cancel=False))
    assert not [each for each in walk(view.box) if getattr(each, "description", "") == "Cancel run"]
    ended = state(runs=runs_frame(run_with("r1", "completed", passed=1)), phase="ended")
    view = NotebookView(ended, Clicked().actions())
    for words in ("Cancel run", "Stop watching", "Refresh now"):
        assert button(view, words).disabled


def test_the_code_is_shown_to_be_copied() -> None:
    view = NotebookView(state(), Clicked().actions())
    area = next(each for each in walk(view.box) if type(each).__name__ == "Textarea")
    assert area.layout.display == "none"
    button(view, "Copy code").click()
    assert (area.layout.display, area.value) == ("", "the code")
    button(view, "Copy code").click()
    assert area.layout.display == "none"


def test_hostile_names_are_escaped_in_every_widget() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    snapshot = Snapshot(
        runs=runs_frame(run_with(failed=1, workflow_id=hostile)),
        results=results_frame(result_with(hostile, "failed")),
        notes=(hostile,),
    )
    view = NotebookView(compute(snapshot, NOW), Clicked().actions())
    assert all("<img" not in html for html in htmls(view))


# The view of a running watcher


ENDED = reply(body=run_with("r1", "completed", passed=1, failed=1))
GOING = reply(body=run_with(running=1, queued=1))
RESULTS = [result_with("e1", "passed"), result_with("e2", "failed")]


def test_the_widget_follows_the_watcher_and_its_last_state_arrives() -> None:
    with FaultServer([routes(in_order(GOING, GOING, ENDED), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        box = view.widget
        assert view.widget is box
        view.wait(10)
    shown = [each.value for each in walk(box) if type(each).__name__ == "HTML"]
    assert "completed, 1 does not pass" in shown[1]
    assert ">e2<" in shown[2]


def test_buttons_of_a_real_view() -> None:
    with ra.Sandbox(speed=0.01) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        run = ra.start_runs("wf_claims", client=mine)
        with ra.watch(run, interval=0.1, client=mine) as view:
            buttons = {
                each.description: each for each in walk(view.widget) if hasattr(each, "click")
            }
            until(lambda: view.frame.height)
            buttons["Refresh now"].click()
            buttons["Cancel run"].click()
            buttons["Yes, cancel"].click()
            assert view.wait(10)["status"].to_list() == ["cancelled"]
        assert "cancelled" in repr(view)
        other = ra.watch(ra.start_runs("wf_claims", client=mine), interval=0.1, client=mine)
        next(
            each
            for each in walk(other.widget)
            if getattr(each, "description", "") == "Stop watching"
        ).click()
        until(lambda: other.done)
        assert other.state.phase == "stopped"
        followed = ra.watch(workflow_id="wf_claims", interval=0.1, client=mine)
        assert "Cancel run" not in [
            getattr(each, "description", "") for each in walk(followed.widget)
        ]
        followed.stop()


def test_a_cancel_that_is_refused_is_told() -> None:
    def answer(request: str) -> Any:
        if request.startswith("POST"):
            return reply(403, {"detail": "not yours"})
        return routes(in_order(GOING))(request)

    with FaultServer([answer]) as server:
        with ra.watch("r1", interval=0.05, client=client(server.url)) as view:
            until(lambda: view.frame.height)
            view._cancel()
            until(lambda: view.state.notes)
            assert "cancel: " in view.state.notes[0]
            assert "not yours" in view.state.notes[0]


def test_outside_a_kernel_there_is_html_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([routes(in_order(ENDED), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        view.wait(10)
        saving = ra.watch("r1", interval=0.05, save_values=True, client=client(server.url))
        saving.wait(10)
    bundle = view._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert "&quot;total&quot;" not in bundle["text/html"]
    assert "&quot;total&quot;" in saving._repr_mimebundle_()["text/html"]
    # A message may quote the values; what is printed outside a notebook is not kept.
    assert "1.5 is not 2" not in bundle["text/html"] + bundle["text/plain"]
    assert "not_equal" in bundle["text/html"]
    assert "not_equal" in bundle["text/plain"]
    assert "1.5 is not 2" in saving._repr_mimebundle_()["text/plain"]
    assert "1.5 is not 2" in repr(view)
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()
    assert "1.5 is not 2" not in repr(view)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars_and_bad_news(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with FaultServer([routes(in_order(GOING, ENDED), RESULTS)]) as server:
        ra.watch("r1", interval=0.05, client=client(server.url)).wait(10)
    shown = screen.getvalue()
    assert "✗ e2 [invoice 1.pdf] 1.5 is not 2" in shown
    assert shown.count("✗ e2 [") == 1
    assert "completed, 1 does not pass: 100%" in shown


def test_a_terminal_is_told_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    TerminalView().draw(state(failure="AuthenticationError: 401", phase="failed"))
    assert "AuthenticationError: 401" in screen.getvalue()


# Executed without a browser


CELLS = [
    "import retab_analysis as ra\nra.demo(speed=300)\nrun = ra.start_runs('wf_invoices')",
    "view = ra.watch(run, baseline='last_ok', interval=0.2)\nview",
    "runs = view.wait(60)\nassert runs['status'].to_list() == ['completed']\nview",
]


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    quiet = ["--IPKernelApp.log_level=40"]
    return NotebookClient(notebook, timeout=120, extra_arguments=quiet).execute()


def test_the_stored_widget_has_the_final_state(executed: nbformat.NotebookNode) -> None:
    models = executed.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    shown = [
        model["state"].get("value", "")
        for model in models.values()
        if model["model_name"] == "HTMLModel"
    ]
    assert any("95 of 95 done" in value for value in shown)
    assert any("new</b>" in value for value in shown)


def test_the_static_page_needs_no_network_and_holds_no_values(
    executed: nbformat.NotebookNode, tmp_path: Path
) -> None:
    last = executed.cells[-1].outputs[0]["data"]
    assert "95 of 95 done" in last["text/html"]
    assert "95 of 95 done" in last["text/plain"]
    stateless = nbformat.from_dict({**executed, "metadata": {}})
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(stateless)
    assert "95 of 95 done" in html
    assert "Buffet lunch" not in html
