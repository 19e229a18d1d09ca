"""One widget for all views: shows HTML in sections, and says what a person does with it.

What the HTML may ask for (events, keys, copying, grids, menus) is told at the head of ``page.js``;
``elements`` makes such HTML. Nothing here knows of evals.
"""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Int, List, Unicode

from retab_analysis.widgets.elements import STYLE

# Seconds between two messages: a Jupyter server drops them for good where a kernel sends too many.
_GAP = 0.1
_HERE = Path(__file__).parent

BUSY = (
    "The kernel has not answered yet: it does so once the cell that is running has ended. "
    "A cell that awaits does not keep it busy: `await view` instead of `view.wait()`. "
    "Where no cell is running there is no kernel any more: run the cell again."
)


@dataclass(frozen=True, slots=True)
class Event:
    """What a person did on a page; it comes from a browser, so that ``value`` may be anything."""

    name: str
    key: str | None
    value: Any


class PageWidget(AnyWidget):
    """What a browser holds of a page; made and used by :class:`HtmlPage`."""

    # Texts and not paths: anywidget would keep every widget for as long as it has the file.
    _esm = (_HERE / "page.js").read_text(encoding="utf-8")
    _css = STYLE
    sections = List(Unicode()).tag(sync=True)
    label = Unicode().tag(sync=True)
    busy = Unicode().tag(sync=True)
    token = Unicode().tag(sync=True)
    # Each message has the next number, so that a page notices one that was lost.
    revision = Int(0).tag(sync=True)

    def __init__(self, html: Mapping[str, str], **more: str) -> None:
        # One attribute for each section: only those that have changed travel.
        self.add_traits(**{_trait(name): Unicode().tag(sync=True) for name in html})
        given = {_trait(name): text for name, text in html.items()}
        super().__init__(sections=[*html], **given, **more)


class HtmlPage:
    """HTML in a notebook. Methods may be called from any thread.

    ``sections`` stand in their order from top to bottom. ``on_event`` may be called in any thread;
    the page shows what it raises. ``label`` is for screen readers; ``busy`` is shown if the kernel
    does not answer. Elements outside the page that name ``token`` in ``data-stands-for`` stand for
    it where nothing drives it, and are hidden while it is shown.
    """

    def __init__(
        self,
        sections: Mapping[str, str],
        on_event: Callable[[Event], None],
        *,
        label: str,
        busy: str = BUSY,
    ) -> None:
        self._lock = threading.RLock()
        self._shown = {name: str(html) for name, html in sections.items()}
        self._sent_at = time.monotonic()
        self._timer: threading.Timer | None = None
        self._on_event = on_event
        self.token = uuid.uuid4().hex
        self.widget = PageWidget(self._shown, label=label, busy=busy, token=self.token)
        self.widget.on_msg(self._answer)
        # ipykernel 7.4 gives a page's events to the shell that has updated it last. The updates of
        # a view belong to the cell that made it, so that its events would wait for the cell that
        # runs. Where the front end asks for it, they are answered beside that cell.
        if hasattr(self.widget.comm, "_reply_subshell_for"):
            self.widget.comm._reply_subshell_for = lambda data, default: default

    def mime_bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a notebook needs to display the page, and its metadata, which Colab needs."""
        found = self.widget._repr_mimebundle_()
        return ({}, {}) if found is None else (dict(found[0]), dict(found[1]))

    @property
    def is_closed(self) -> bool:
        return self.widget.comm is None

    def show(self, sections: Mapping[str, str]) -> None:
        """Show other HTML: at once, or a tenth of a second after the last; the newest is shown."""
        with self._lock:
            self._shown.update({name: str(html) for name, html in sections.items()})
            if self._timer is not None or self.is_closed:
                return
            rest = self._sent_at + _GAP - time.monotonic()
            if rest <= 0:
                self._send()
                return
            # ipykernel finds the cell that an update belongs to in the context.
            run = contextvars.copy_context().run
            self._timer = threading.Timer(rest, run, (self._send_late,))
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Send the whole page again, so that whoever executes the notebook stores it."""
        with self._lock:
            if not self.is_closed:
                self._send()
                self.widget.send_state()

    def close(self) -> None:
        """Take the page away, from the kernel and from where it is shown."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if not self.is_closed:
                # A widget leaves its layout behind.
                self.widget.layout.close()
                self.widget.close()

    def _send_late(self) -> None:
        with self._lock:
            if self._timer is not None and not self.is_closed:
                self._timer = None
                self._send()

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        known = {name: getattr(self.widget, _trait(name)) for name in self._shown}
        # Together in one message, so that the page is patched once.
        with self.widget.hold_sync():
            self.widget.revision += known != self._shown
            for name, html in self._shown.items():
                setattr(self.widget, _trait(name), html)

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        """Take an event from a browser, and tell it that it was taken."""
        if not isinstance(content, dict) or not isinstance(content.get("event"), str):
            return
        if content["event"] == "resync":
            self.flush()
            return
        key = content.get("key")
        event = Event(content["event"], key if isinstance(key, str) else None, content.get("value"))
        answer = {"answered": content.get("id")}
        try:
            self._on_event(event)
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        self.widget.send(answer)


def _trait(section: str) -> str:
    return f"html_{section}"
