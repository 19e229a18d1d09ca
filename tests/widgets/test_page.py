"""The page's side in the kernel: what it sends, how often, and what it takes."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from support.inside import BUSY, HtmlPage
from support.watching import until


def ignore(*event: Any) -> None:
    """Nothing is done about it."""


def page(on_event: Any = ignore, **pieces: str) -> tuple[HtmlPage, list[dict[str, Any]]]:
    """A page, and what it sends."""
    sent: list[dict[str, Any]] = []
    pieces = pieces or {"root": "a", "rest": "b"}
    shown = HtmlPage(pieces, lambda: {"root": "saved"}, lambda token: {}, on_event)
    shown.widget.send = sent.append
    return shown, sent


def test_only_pieces_that_changed_are_sent_and_together() -> None:
    shown, sent = page(root="a", rest="b", last="c")
    time.sleep(0.11)
    shown.show({"root": "a", "rest": "B", "new": "n"})
    message = {"patch": {"rest": "B", "new": "n"}, "gone": ["last"], "revision": 1}
    assert sent == [message]
    time.sleep(0.11)
    shown.show({"root": "a", "rest": "B", "new": "n"})
    assert sent == [message], "what is the same is no message"


def test_who_asks_is_given_everything() -> None:
    shown, sent = page()
    time.sleep(0.11)
    shown.show({"root": "A"})
    shown.widget._handle_custom_msg({"event": "resync"}, [])
    assert sent[-1] == {"pieces": {"root": "A"}, "revision": 1}


def test_the_state_of_the_widget_is_what_may_be_saved() -> None:
    shown, _ = page()
    assert shown.widget.get_state()["pieces"] == {"root": "saved"}


def test_at_most_ten_messages_a_second_and_the_last_always() -> None:
    shown, sent = page(root="start")
    begin = time.monotonic()
    number = 0
    while time.monotonic() < begin + 0.75:
        number += 1
        shown.show({"root": str(number)})
    until(lambda: sent and sent[-1]["patch"] == {"root": str(number)})
    assert number > 100
    assert 2 <= len(sent) <= (time.monotonic() - begin) / 0.1 + 1


def test_many_threads_may_show() -> None:
    shown, sent = page(root="start")

    def work(name: int) -> None:
        for number in range(200):
            shown.show({"root": f"{name} {number}"})

    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    until(lambda: sent and sent[-1]["patch"]["root"].endswith(" 199"))
    assert [each["revision"] for each in sent] == [*range(1, len(sent) + 1)]
    shown.close()


def test_flush_sends_what_waits_and_what_may_be_saved(sent: list[dict[str, Any]]) -> None:
    shown, messages = page(root="a")
    for number in range(50):  # of so many in a row, the last one waits
        shown.show({"root": str(number)})
    shown.flush()
    assert messages[-1]["patch"] == {"root": "49"}
    assert sent[-1]["pieces"] == {"root": "saved"}


def test_closing_leaves_nothing_and_what_comes_later_is_ignored() -> None:
    from ipywidgets.widgets.widget import _instances

    before = dict(_instances)
    shown, sent = page(root="a")
    shown.show({"root": "b"})
    assert len(_instances) == len(before) + 2  # the page and its layout
    shown.close()
    already = list(sent)
    shown.close()
    shown.show({"root": "c"})
    shown.flush()
    time.sleep(0.15)
    assert dict(_instances) == before
    assert sent == already


def test_an_event_is_handed_on_and_answered() -> None:
    seen: list[Any] = []
    shown, sent = page(lambda *event: seen.append(event))
    content = {"id": "7", "event": "go", "scope": "0", "value": ["a"]}
    shown.widget._handle_custom_msg(content, [])
    assert seen == [("go", "0", ["a"])]
    assert sent == [{"answered": "7"}]


def test_what_a_handler_raises_is_told_on_the_page() -> None:
    def refuse(name: str, *about: Any) -> None:
        raise ValueError(f"no {name}")

    shown, sent = page(refuse)
    shown.widget._handle_custom_msg({"id": "8", "event": "go"}, [])
    assert sent == [{"answered": "8", "error": "ValueError: no go"}]


@pytest.mark.parametrize("content", [None, "go", [], {}, {"event": 7}, {"event": ["go"]}])
def test_what_is_not_an_event_is_ignored(content: Any) -> None:
    seen: list[Any] = []
    shown, _ = page(lambda *event: seen.append(event))
    shown.widget._handle_custom_msg(content, [])
    assert seen == []


def test_the_page_names_what_to_await() -> None:
    assert "await view" in BUSY
    assert "run the cell again" in BUSY
    assert page()[0].widget.busy == BUSY
