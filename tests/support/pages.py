"""``page.js`` in a browser, with a model that the test holds instead of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as Tab

from support.inside import STYLE, widgets

ROOT = Path(widgets.__file__).parent
ADDRESS = "http://localhost/page"  # a secure context, as 127.0.0.1 is

_SHELL = """<!doctype html><html lang="en"><head><title>A page</title><style>{style}
body{{margin:0;padding:8px}}</style></head>
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
        set: (sections) => {
            for (const [name, html] of Object.entries(sections)) {
                if (state[`html_${name}`] === html) continue;
                state[`html_${name}`] = html;
                model.emit(`change:html_${name}`);
            }
        },
        listening: () => Object.values(listeners).reduce((sum, each) => sum + each.length, 0),
    };
    let host = document.getElementById("host");
    if (state.shadow) host = host.attachShadow({mode: "open"});
    window.dispose = widget.render({model: window.model, el: host});
}"""


class Shown:
    """A page that a browser shows."""

    def __init__(
        self, tab: Tab, sections: Mapping[str, str], *, before: str = "", shadow: bool = False
    ) -> None:
        self.tab = tab
        html = _SHELL.format(style=STYLE, before=before)
        tab.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
        tab.goto(ADDRESS)
        state: dict[str, Any] = {f"html_{name}": str(each) for name, each in sections.items()}
        state |= {"sections": [*sections], "label": "A page", "token": "t0", "shadow": shadow}
        state |= {"busy": "busy: await view", "revision": 0}
        script = (ROOT / "page.js").read_text()
        tab.evaluate(_START, {"script": script, "state": state})

    def show(self, **sections: str) -> None:
        """Show other HTML, as a message from the kernel does; it is patched when this returns."""
        given = {name: str(html) for name, html in sections.items()}
        self.tab.evaluate("async (given) => { model.set(given); await null; }", given)

    def sent(self) -> list[tuple[str, str | None, Any]]:
        """What the page has sent so far: event, key, value."""
        messages = self.tab.evaluate("() => window.sent")
        return [(each["event"], each["key"], each["value"]) for each in messages]

    def focused(self) -> str:
        """The text of what has the focus."""
        found: str = self.tab.evaluate("() => document.activeElement.textContent")
        return found
