"""The page's scripts in a browser, with the test in place of the notebook between it and Python."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Locator
from playwright.sync_api import Page as Tab

from support.inside import STYLE, PageWidget, View

ADDRESS = "http://localhost/page"  # a secure context, as 127.0.0.1 is

_SHELL = """<!doctype html><html lang="en"><head><title>A page</title><style>{style}
html{{color-scheme:light dark}} body{{margin:0;padding:8px;background:light-dark(#fff,#111)}}
</style></head>
<body><main>{before}<div id="host"></div><button id="after">after</button></main></body></html>"""
_START = """async ({script, state}) => {
    const address = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
    const {default: widget} = await import(address);
    const listeners = {};
    window.sent = [];
    window.model = {
        get: (name) => state[name],
        on: (name, f) => (listeners[name] ??= []).push(f),
        off: (name, f) => (listeners[name] = listeners[name].filter((each) => each !== f)),
        send: (content) => {
            if (window.gone) throw new Error("no kernel");
            window.sent.push(content);
            if (!window.silent) model.emit("msg:custom", {answered: content.id});
        },
        emit: (name, given) => (listeners[name] ?? []).slice().forEach((f) => f(given)),
        listening: () => Object.values(listeners).reduce((sum, each) => sum + each.length, 0),
    };
    if (state.driven) window.silent = true;
    let host = document.getElementById("host");
    if (state.shadow) host = host.attachShadow({mode: "open"});
    widget.initialize({model: window.model});
    window.again = () => widget.render({model: window.model, el: host});
    window.dispose = window.again();
}"""


def serve(tab: Tab, *, before: str = "") -> None:
    """Have a tab show an empty page for a view."""
    html = _SHELL.format(style=STYLE, before=before)
    tab.route(
        "http://localhost/**", lambda route: route.fulfill(body=html, content_type="text/html")
    )
    tab.goto(ADDRESS)


def start(tab: Tab, pieces: Mapping[str, str], **state: Any) -> None:
    """Run the script on some pieces."""
    known = {name: str(each) for name, each in pieces.items()}
    usual = {"pieces": known, "label": "A page", "token": "t0", "busy": "busy: await view"}
    tab.evaluate(_START, {"script": PageWidget._esm, "state": usual | state})


def export(tab: Tab) -> None:
    """Export the rows, which the control line offers behind its dots."""
    for name in ("More: export, copy", "Export CSV", "Close"):
        tab.get_by_role("button", name=name, exact=True).click()


class Shown:
    """Pieces that a browser shows, changed by the test."""

    def __init__(
        self, tab: Tab, pieces: Mapping[str, str], *, before: str = "", shadow: bool = False
    ) -> None:
        self.tab, self.revision = tab, 0
        serve(tab, before=before)
        start(tab, pieces, shadow=shadow)
        self.emit({"pieces": {k: str(each) for k, each in pieces.items()}, "revision": 0})

    def emit(self, message: Mapping[str, Any]) -> None:
        """A message as the kernel sends it."""
        self.tab.evaluate("(given) => model.emit('msg:custom', given)", message)

    def show(self, *gone: str, **pieces: str) -> None:
        """Show other HTML; ``a__b`` stands for the piece ``a:b``."""
        self.revision += 1
        patch = {name.replace("__", ":"): str(html) for name, html in pieces.items()}
        self.emit({"patch": patch, "gone": gone, "revision": self.revision})

    def sent(self) -> list[tuple[str, str | None, Any]]:
        """What the page has sent so far: event, scope, value."""
        messages = self.tab.evaluate("() => window.sent.filter((each) => each.id)")
        return [(each["event"], each["scope"], each["value"]) for each in messages]

    def focused(self) -> str:
        """The text of what has the focus."""
        found: str = self.tab.evaluate("() => document.activeElement.textContent")
        return found


class Driven:
    """A view whose page a browser shows; what is done there reaches it, and is answered.

    ``largest`` is the size of the largest message that the view has sent.
    """

    def __init__(self, tab: Tab, view: View, *, before: str = "") -> None:
        self.tab, self.view, self._taken = tab, view, 0
        self._messages: list[Any] = []
        self.largest = 0
        widget = view.widget
        widget.send = self._messages.append
        serve(tab, before=before)
        start(tab, widget.make_saved(), driven=True)
        self.pump()

    def pump(self) -> None:
        """Take what the page has sent, and show what comes of it."""
        for _ in range(3):
            messages = self.tab.evaluate("() => window.sent")
            for message in messages[self._taken :]:
                self.view.widget._handle_custom_msg(message, [])
            self._taken = len(messages)
            time.sleep(0.11)  # what changes within a tenth of a second is sent together
            while self._messages:
                message = self._messages.pop(0)
                self.largest = max(self.largest, len(json.dumps(message)))
                self.tab.evaluate("(given) => model.emit('msg:custom', given)", message)

    def pump_until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Go on until something is so."""
        end = time.monotonic() + seconds
        while True:
            self.pump()
            with contextlib.suppress(IndexError):
                if condition():
                    return
            assert time.monotonic() < end, "did not happen"

    def click(self, what: Locator) -> None:
        """Click on something."""
        what.click()
        self.pump()

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.tab.keyboard.press(key)
            self.pump()

    @property
    def rows(self) -> Locator:
        """The rows of evals that are seen."""
        return self.tab.locator(".rv-row:visible")
