"""The live view as a page: what it shows, what it sends, what its buttons do."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.html_elements import Elements
from support.inside import LiveView, Snapshot
from support.live_states import news_of, tell, view_of
from support.made_runs import result_with, results_frame, run_with, runs_frame

NOW = datetime(2026, 5, 18, 10, 1, tzinfo=UTC)
GOOD = "P" * 12
NEWS = news_of({"e0": GOOD + "F", "e1": "F" * 13, "p0": "F" * 12 + "P"})


def seen(passed: int = 3, failed: int = 2, seconds: float = 0, **more: Any) -> Snapshot:
    results = [result_with(f"e{i}", "failed") for i in range(failed)]
    results += [result_with(f"p{i}", "passed") for i in range(passed)]
    run = run_with(passed=passed, failed=failed, running=1, queued=4)
    when = NOW + timedelta(seconds=seconds)
    snapshot = Snapshot(
        runs=runs_frame(run), results=results_frame(*results), seen_at=when, news=(NEWS,)
    )
    return replace(snapshot, **more)


def section(view: LiveView, name: str) -> str:
    html: str = getattr(view.widget, f"html_{name}")
    return html


def buttons(view: LiveView) -> dict[str, dict[str, str | None]]:
    """The attributes of each button that can be pressed, by its event."""
    made = Elements(section(view, "actions")).attributes("button")
    return {each["data-event"] or "": each for each in made if "disabled" not in each}


def press(view: LiveView, event: str) -> None:
    """A click, as the browser sends it."""
    assert event in buttons(view)
    view.widget._handle_custom_msg({"id": "1", "event": event}, [])
    view._flush()  # what follows another change within a tenth of a second waits


def test_what_is_shown() -> None:
    view = view_of(seen())
    assert ": 1 broke so far" in section(view, "head")
    assert "name of e0" in section(view, "news")
    assert "name of p0" in section(view, "news")
    sections: list[str] = view.widget.sections
    assert sections[0] == "head"
    assert sections.index("news") < sections.index("runs")
    view.widget._handle_custom_msg({"id": "1", "event": "eval", "value": "e0"}, [])
    view._flush()
    assert "rtd-below" in section(view, "news")


def test_without_a_baseline_nothing_is_said_of_before() -> None:
    view = view_of(seen(news=()))
    assert section(view, "news") == ""
    assert "Does not pass" in section(view, "alone")


@pytest.mark.parametrize(
    ("then", "changed"),
    [
        (seen(), []),
        (seen(seconds=2), ["html_head", "html_total", "revision"]),
        (seen(passed=4), ["html_head", "html_total", "revision"]),
    ],
)
def test_a_round_sends_what_it_changed(
    then: Snapshot, changed: list[str], sent: list[dict[str, Any]]
) -> None:
    view = view_of(seen())
    assert view.widget is not None
    time.sleep(0.11)
    tell(view, then)
    assert [each for message in sent for each in sorted(message)] == changed
    assert len(sent) <= 1


def test_twenty_rows_then_all() -> None:
    view = view_of(seen(passed=58, failed=57, news=()))
    for lines in (21, 58, 21):
        assert section(view, "alone").count("<tr") == lines
        press(view, "show")
    assert "show" not in buttons(view_of(seen()))


def test_cancelling_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view, cancelled = view_of(seen()), []
    monkeypatch.setattr(view, "_cancel", lambda: cancelled.append("yes"))
    assert "cancel" not in buttons(view)
    press(view, "ask")
    press(view, "keep")
    assert "cancel" not in buttons(view)
    press(view, "ask")
    tell(view, seen(seconds=2))
    assert cancelled == []
    press(view, "cancel")
    assert cancelled == ["yes"]
    assert "cancel" not in buttons(view)


def test_cancelling_is_offered_only_where_it_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    view, cancelled = view_of(seen(), may_cancel=False), []
    monkeypatch.setattr(view, "_cancel", lambda: cancelled.append("yes"))
    assert "Cancel run" not in section(view, "actions")
    view.widget._handle_custom_msg({"id": "1", "event": "cancel"}, [])
    assert cancelled == []
    ended = seen(runs=runs_frame(run_with("r1", "completed", passed=1)), phase="ended")
    assert buttons(view_of(ended)) == {}
