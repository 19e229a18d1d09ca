"""The page's side in the kernel: what it sends, how often, and what it takes."""

from __future__ import annotations

import sys
import threading
import time
import types
from typing import Any

import IPython.display
import pytest
from support.inside import (
    BUSY,
    Event,
    GridColumn,
    GridRow,
    HtmlPage,
    chips,
    grid,
)
from support.watching import until

import retab_analysis as ra


def ignore(event: Event) -> None:
    """Nothing is done about it."""


def page(**sections: str) -> HtmlPage:
    return HtmlPage(sections or {"top": "a", "rest": "b"}, ignore, label="A page")


def test_only_sections_that_changed_are_sent_and_together(sent: list[dict[str, Any]]) -> None:
    shown = page(top="a", rest="b", last="c")
    time.sleep(0.11)
    shown.show({"top": "a", "rest": "B", "last": "C"})
    assert sent == [{"html_rest": "B", "html_last": "C", "revision": 1}]
    time.sleep(0.11)
    shown.show({"top": "a"})
    assert len(sent) == 1


def test_a_page_that_has_lost_a_message_is_given_everything_again(
    sent: list[dict[str, Any]],
) -> None:
    shown = page(top="a", rest="b")
    time.sleep(0.11)
    shown.show({"top": "A"})
    time.sleep(0.11)
    shown.show({"top": "A"})
    assert [each["revision"] for each in sent] == [1], "what is the same is no message"
    shown.widget._handle_custom_msg({"event": "resync"}, [])
    again = sent[-1]
    assert (again["html_top"], again["html_rest"], again["revision"]) == ("A", "b", 1)


def test_at_most_ten_messages_a_second_and_the_last_always(sent: list[dict[str, Any]]) -> None:
    shown = page(top="start")
    begin = time.monotonic()
    number = 0
    while time.monotonic() < begin + 0.75:
        number += 1
        shown.show({"top": str(number)})
    until(lambda: sent[-1]["html_top"] == str(number))
    assert number > 100
    assert 2 <= len(sent) <= (time.monotonic() - begin) / 0.1 + 1


def test_many_threads_may_show(sent: list[dict[str, Any]]) -> None:
    shown = page(top="start")

    def work(name: int) -> None:
        for number in range(200):
            shown.show({"top": f"{name} {number}"})

    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    # What waits is sent a tenth of a second later at most, and nothing after it.
    time.sleep(0.25)
    assert shown.widget.html_top.endswith(" 199")
    assert sent[-1]["html_top"] == shown.widget.html_top
    shown.close()


def test_flush_sends_what_waits_and_the_rest_of_the_page(sent: list[dict[str, Any]]) -> None:
    shown = page(top="a", rest="b")
    for number in range(50):  # of so many in a row, the last one waits
        shown.show({"top": str(number)})
    shown.flush()
    assert {"html_top": "49", "html_rest": "b"}.items() <= sent[-1].items()


def test_closing_leaves_nothing_and_what_comes_later_is_ignored(sent: list[dict[str, Any]]) -> None:
    from ipywidgets.widgets.widget import _instances

    before = dict(_instances)
    shown = page(top="a")
    shown.show({"top": "b"})
    assert len(_instances) == len(before) + 2  # the page and its layout
    shown.close()
    already = list(sent)
    shown.close()
    shown.show({"top": "c"})
    shown.flush()
    time.sleep(0.15)
    assert dict(_instances) == before
    assert sent == already


def test_an_event_is_handed_on_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Event] = []
    shown = HtmlPage({"top": ""}, seen.append, label="A page")
    answers: list[Any] = []
    monkeypatch.setattr(shown.widget, "send", answers.append)
    shown.widget._handle_custom_msg({"id": "7", "event": "go", "key": "r1", "value": ["a"]}, [])
    assert seen == [Event("go", "r1", ["a"])]
    assert answers == [{"answered": "7"}]


def test_what_a_handler_raises_is_told_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(event: Event) -> None:
        raise ValueError(f"no {event.name}")

    shown = HtmlPage({"top": ""}, refuse, label="A page")
    answers: list[Any] = []
    monkeypatch.setattr(shown.widget, "send", answers.append)
    shown.widget._handle_custom_msg({"id": "8", "event": "go"}, [])
    assert answers == [{"answered": "8", "error": "ValueError: no go"}]


@pytest.mark.parametrize("content", [None, "go", [], {}, {"event": 7}, {"event": ["go"]}])
def test_what_is_not_an_event_is_ignored(content: Any) -> None:
    seen: list[Event] = []
    HtmlPage({"top": ""}, seen.append, label="A page").widget._handle_custom_msg(content, [])
    assert seen == []


def test_the_page_names_what_to_await() -> None:
    assert "await view" in BUSY
    assert "run the cell again" in BUSY
    assert page().widget.busy == BUSY


def test_elements_escape_what_they_are_given() -> None:
    from support.inside import Option

    hostile = "<img src=x onerror=alert(1)>\"'&"
    choices = [Option(hostile, hostile, 1, True)]
    made = [
        chips(choices, hostile, label=hostile),
        grid(
            [GridColumn(hostile, hostile, sort=hostile)],
            [GridRow(hostile, [hostile])],
            label=hostile,
            event=hostile,
        ),
    ]
    for html in made:
        assert "<img" not in html
        assert "&lt;img" in html


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="shorter"):
        grid([GridColumn("a", "A"), GridColumn("b", "B")], [GridRow("r", ["1"])], label="Rows")


def test_colab_is_told_where_its_widget_manager_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As anywidget tells it; without that a page that is shown again stays empty there."""
    colab = types.ModuleType("google.colab.output")
    vars(colab)["enable_custom_widget_manager"] = lambda: None
    vars(colab)["_widgets"] = types.SimpleNamespace(_installed_url="https://manager.example")
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    shown: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def display(bundle: dict[str, Any], *, metadata: Any = None, **how: Any) -> None:
        shown.append((bundle, metadata))

    monkeypatch.setattr(IPython.display, "display", display)
    view = ra.explore(ra.decode_runs([]))
    kernel = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel)
    view._ipython_display_()
    bundle, metadata = shown[0]
    (kind,) = metadata
    assert bundle[kind]["model_id"] == view.widget.model_id
    assert metadata[kind]["colab"]["custom_widget_manager"]["url"] == "https://manager.example"
