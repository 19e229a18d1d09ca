"""The live view in ipywidgets, by its attributes and messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.drawn import walk
from support.faultserver import FaultServer, reply
from support.live_states import news_of
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client, in_order, routes

import retab_analysis as ra
from retab_analysis.widgets.live.controls import Actions, LiveControls
from retab_analysis.widgets.live.state import LiveState, Snapshot, compute_state
from retab_analysis.widgets.live.view import LiveView

NOW = datetime(2026, 5, 18, 10, 1, tzinfo=UTC)
NEWS = news_of({"e0": "regressed", "e1": "still_failing", "p0": "fixed"})


def state(passed: int = 3, failed: int = 2, seconds: float = 0, **more: Any) -> LiveState:
    results = [result_with(f"e{i}", "failed") for i in range(failed)]
    results += [result_with(f"p{i}", "passed") for i in range(passed)]
    run = run_with(passed=passed, failed=failed, running=1, queued=4)
    when = NOW + timedelta(seconds=seconds)
    snapshot = Snapshot(
        runs=runs_frame(run), results=results_frame(*results), seen_at=when, news=(NEWS,)
    )
    return compute_state(replace(snapshot, **more), when)


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


def button(view: LiveControls, words: str) -> Any:
    found = [each for each in walk(view.box) if getattr(each, "description", None) == words]
    assert len(found) == 1, words
    return found[0]


def folded(view: LiveControls | LiveView) -> Any:
    box = view.box if isinstance(view, LiveControls) else view.widget
    return next(each for each in walk(box) if type(each).__name__ == "Accordion")


def htmls(view: LiveControls) -> list[str]:
    return [each.value for each in walk(view.box) if type(each).__name__ == "HTML"]


def test_what_is_shown() -> None:
    view = LiveControls(state(), Clicked().actions())
    style, top, news, apart, known, passed = htmls(view)
    assert style.startswith("<style>")
    assert "running: 1 broke" in top
    assert ">e0<" in news
    assert ">e1<" not in news
    assert ">e1<" in known
    assert ">p0<" in apart
    assert passed.count("<tr") == 3
    assert folded(view).titles == (
        "Not counted as news (1 fixed)",
        "Known failures (1)",
        "Passed (2)",
    )
    assert folded(view).selected_index is None


def test_without_a_baseline_nothing_is_said_of_before() -> None:
    view = LiveControls(state(news=()), Clicked().actions(), has_baseline=False)
    assert folded(view).titles == ("Passed (3)",)
    assert len(folded(view).children) == 1
    ended = reply(body=run_with("r1", "completed", passed=1))
    with FaultServer([routes(in_order(ended))]) as server:
        for baseline, lists in ((None, 1), ("last_ok", 3)):
            live = ra.watch("r1", interval=0.05, baseline=baseline, client=client(server.url))
            live.wait(10)
            assert len(folded(live).children) == lists


def test_nothing_is_sent_when_nothing_changes(sent: list[dict[str, Any]]) -> None:
    view = LiveControls(state(), Clicked().actions())
    sent.clear()
    view.draw(state())
    assert sent == []


def test_a_round_without_news_is_one_message(sent: list[dict[str, Any]]) -> None:
    view = LiveControls(state(), Clicked().actions())
    sent.clear()
    view.draw(state(seconds=2))
    assert len(sent) == 1
    assert "10:01:02" in sent[0]["value"]


def test_an_eval_that_passed_is_a_message_for_each_part_that_changed(
    sent: list[dict[str, Any]],
) -> None:
    view = LiveControls(state(), Clicked().actions())
    sent.clear()
    view.draw(state(passed=4))
    assert [sorted(message) for message in sent] == [["value"], ["value"], ["titles"]]


def test_the_height_does_not_change_as_results_come() -> None:
    view = LiveControls(
        state(failed=0, passed=0, runs=runs_frame(run_with(queued=50))), Clicked().actions()
    )
    boxes = [each for each in walk(view.box) if getattr(each.layout, "height", None)]
    before = [each.layout.height for each in boxes]
    view.draw(state(failed=40, passed=10, runs=runs_frame(run_with(passed=10, failed=40))))
    assert [each.layout.height for each in boxes] == before


def test_twenty_rows_then_all() -> None:
    view = LiveControls(state(failed=57, news=()), Clicked().actions())
    news = htmls(view)[2]
    assert news.count("<tr") == 21
    assert "and 37 more" in news
    button(view, "Show all").click()
    assert htmls(view)[2].count("<tr") == 58
    assert button(view, "Show fewer").layout.display == ""
    button(view, "Show fewer").click()
    assert htmls(view)[2].count("<tr") == 21
    few = LiveControls(state(), Clicked().actions())
    assert button(few, "Show all").layout.display == "none"


def test_folded_lists_are_cut_alike() -> None:
    view = LiveControls(state(passed=58), Clicked().actions())
    assert htmls(view)[5].count("<tr") == 21
    button(view, "Show all").click()
    assert htmls(view)[5].count("<tr") == 58


def test_buttons_do_what_they_say() -> None:
    clicked = Clicked()
    view = LiveControls(state(), clicked.actions())
    button(view, "Stop watching").click()
    button(view, "Refresh now").click()
    assert clicked.calls == ["stop", "refresh"]


def test_cancelling_asks_once() -> None:
    clicked = Clicked()
    view = LiveControls(state(), clicked.actions())
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
    view = LiveControls(state(), Clicked().actions(cancel=False))
    assert not [each for each in walk(view.box) if getattr(each, "description", "") == "Cancel run"]
    ended = state(runs=runs_frame(run_with("r1", "completed", passed=1)), phase="ended")
    view = LiveControls(ended, Clicked().actions())
    for words in ("Cancel run", "Stop watching", "Refresh now"):
        assert button(view, words).disabled


def test_the_code_is_shown_to_be_copied() -> None:
    view = LiveControls(state(), Clicked().actions())
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
    view = LiveControls(compute_state(snapshot, NOW), Clicked().actions())
    assert all("<img" not in html for html in htmls(view))
