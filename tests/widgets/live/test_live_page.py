"""The live view as a page: what it shows, what it sends, what its buttons do."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.html_elements import Elements
from support.inside import Actions, LivePage, LiveState, Snapshot, compute_state
from support.live_states import news_of
from support.made_runs import result_with, results_frame, run_with, runs_frame

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

    def close(self) -> None:
        self.calls.append("close")

    def page(self, shown: LiveState, *, cancel: bool = True, **more: Any) -> LivePage:
        actions = Actions(
            stop=lambda: self.calls.append("stop"),
            refresh=lambda: self.calls.append("refresh"),
            cancel=(lambda: self.calls.append("cancel")) if cancel else None,
            code=lambda: "the <code>",
        )
        return LivePage(self, shown, actions, **more)


def section(page: LivePage, name: str) -> str:
    html: str = getattr(page.widget, f"html_{name}")
    return html


def buttons(page: LivePage) -> dict[str, dict[str, str | None]]:
    """The attributes of each button that can be pressed, by its event."""
    made = Elements(section(page, "actions")).attributes("button")
    return {each.get("data-event") or "copy": each for each in made if "disabled" not in each}


def press(page: LivePage, event: str) -> None:
    """A click, as the browser sends it."""
    assert event in buttons(page)
    page.widget._handle_custom_msg({"id": "1", "event": event}, [])
    page.flush()  # what follows another change within a tenth of a second waits for its end


def test_what_is_shown() -> None:
    page = Clicked().page(state())
    assert "running: 1 broke" in section(page, "head")
    assert ">e0 <" in section(page, "news")
    assert ">e1 <" not in section(page, "news")
    assert ">e1 <" in section(page, "known")
    assert ">p0 <" in section(page, "apart")
    assert section(page, "passed").count("<tr") == 3
    for name, title in (
        ("apart", "Not counted as news (1 fixed)"),
        ("known", "Known failures (1)"),
        ("passed", "Passed (2)"),
    ):
        assert f"<summary>{title}</summary>" in section(page, name)
        assert "<details open" not in section(page, name)


def test_the_news_come_before_the_runs() -> None:
    sections: list[str] = Clicked().page(state()).widget.sections
    assert sections[0] == "head"
    assert sections.index("news") < sections.index("runs")


def test_without_a_baseline_nothing_is_said_of_before() -> None:
    page = Clicked().page(state(news=()))
    assert section(page, "apart") == section(page, "known") == ""
    assert "Passed (3)" in section(page, "passed")


def test_nothing_is_sent_when_nothing_changes(sent: list[dict[str, Any]]) -> None:
    page = Clicked().page(state())
    time.sleep(0.11)
    page.draw(state())
    assert sent == []


def test_a_round_without_news_is_one_small_message(sent: list[dict[str, Any]]) -> None:
    page = Clicked().page(state())
    time.sleep(0.11)
    page.draw(state(seconds=2))
    assert [sorted(each) for each in sent] == [["html_head", "html_total"]]
    assert "10:01:02" in sent[0]["html_head"]


def test_an_eval_that_passed_is_a_message_with_what_it_changed(sent: list[dict[str, Any]]) -> None:
    page = Clicked().page(state())
    time.sleep(0.11)
    page.draw(state(passed=4))
    assert [sorted(each) for each in sent] == [["html_passed", "html_total"]]


def test_twenty_rows_then_all() -> None:
    page = Clicked().page(state(failed=57, news=()))
    assert section(page, "news").count("<tr") == 21
    assert "and 37 more" in section(page, "news")
    press(page, "show")
    assert section(page, "news").count("<tr") == 58
    assert "Show fewer" in section(page, "actions")
    press(page, "show")
    assert section(page, "news").count("<tr") == 21
    assert "show" not in buttons(Clicked().page(state()))


def test_folded_lists_are_cut_alike() -> None:
    page = Clicked().page(state(passed=58))
    assert section(page, "passed").count("<tr") == 21
    press(page, "show")
    assert section(page, "passed").count("<tr") == 58


def test_buttons_do_what_they_say() -> None:
    clicked = Clicked()
    page = clicked.page(state())
    press(page, "stop")
    press(page, "refresh")
    assert clicked.calls == ["stop", "refresh"]


def test_cancelling_asks_once() -> None:
    clicked = Clicked()
    page = clicked.page(state())
    assert "cancel" not in buttons(page)
    press(page, "ask")
    press(page, "keep")
    assert "cancel" not in buttons(page)
    assert clicked.calls == []
    press(page, "ask")
    page.draw(state(seconds=2))
    press(page, "cancel")
    assert clicked.calls == ["cancel"]
    assert "cancel" not in buttons(page)


def test_cancelling_is_offered_only_where_it_can_be_done() -> None:
    clicked = Clicked()
    page = clicked.page(state(), cancel=False)
    assert "Cancel run" not in section(page, "actions")
    page.widget._handle_custom_msg({"id": "1", "event": "cancel"}, [])
    assert clicked.calls == []
    ended = state(runs=runs_frame(run_with("r1", "completed", passed=1)), phase="ended")
    assert [*buttons(Clicked().page(ended))] == ["copy"]


def test_the_code_is_shown_and_can_be_copied() -> None:
    page = Clicked().page(state())
    assert "<pre>the &lt;code&gt;</pre>" in section(page, "code")
    assert buttons(page)["copy"]["data-copy"] == "the <code>"


def test_the_compact_form_has_one_bar_and_no_buttons() -> None:
    page = Clicked().page(state(), compact=True)
    assert page.widget.sections == ["line"]
    assert section(page, "line").count("ra-bar") == 1
    assert "<button" not in section(page, "line")


def test_hostile_names_are_escaped_in_every_section() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    snapshot = Snapshot(
        runs=runs_frame(run_with(failed=1, workflow_id=hostile)),
        results=results_frame(result_with(hostile, "failed")),
        notes=(hostile,),
    )
    page = Clicked().page(compute_state(snapshot, NOW))
    assert all("<img" not in section(page, name) for name in page.widget.sections)
