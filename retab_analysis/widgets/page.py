"""A page of HTML in the output of cells. It reports what a person does on it.

``page.js`` says at its head what the HTML may ask for (slots, events, keys), and ``pieces`` makes
such HTML. ``page.js`` of ``render`` does what needs no kernel. Nothing here knows of evals.

An output has two parts. The first is the page, a widget. The second is HTML that stands for it
where no script drives it; the page hides it. It is as large as the whole page, and is replaced when
the verdict changes and at the end: a notebook that is saved, exported or reopened then shows that.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Int, Unicode

from retab_analysis.render.html import SCRIPT, STYLE

# Seconds between two messages: a Jupyter server drops them for good if a kernel sends too many.
_GAP = 0.1
# Seconds until a page is sent that has not asked. Its question waits while a cell runs, and until
# then it shows what may be saved.
_UNASKED = 1.0
_NOTHING = {"text/html": "", "text/plain": ""}
_HERE = Path(__file__).parent

BUSY = (
    "The kernel has not answered yet. It answers when the running cell has ended. "
    "`await view` keeps the kernel free, `view.wait()` does not. "
    "If no cell is running, the kernel is gone: run the cell again."
)


OnEvent = Callable[[str, str | None, Any], None]
"""Takes what a person did: its name, the number of the view, and a value that may be anything."""


class PageWidget(AnyWidget):
    """The state of a page in a browser; :class:`HtmlPage` makes and uses it.

    A front end that asks for the state (it opens the page, or saves the notebook) gets
    the ``pieces`` that may be saved. What the page shows live travels in messages alone.
    """

    # Texts and not paths: anywidget would keep every widget for as long as it has the file.
    _esm = SCRIPT + (_HERE / "page.js").read_text(encoding="utf-8")
    _css = STYLE
    pieces = Int(0).tag(sync=True, to_json=lambda _, widget: _write(widget.make_saved()))
    label = Unicode().tag(sync=True)
    busy = Unicode().tag(sync=True)
    token = Unicode().tag(sync=True)

    def __init__(self, make_saved: Callable[[], Mapping[str, str]], **more: str) -> None:
        self.make_saved = make_saved
        super().__init__(**more)


class HtmlPage:
    """HTML in a notebook. Methods may be called from any thread.

    ``pieces`` are HTML with slots for one another, the outermost is ``root``; ``make_saved`` gives
    them as they may be saved. ``make_still`` gives what stands for the page, by media type; its
    root names the page's token in ``data-stands-for``. ``on_event`` may be called in any thread;
    the page shows what it raises.
    """

    def __init__(
        self,
        pieces: Mapping[str, str],
        make_saved: Callable[[], Mapping[str, str]],
        make_still: Callable[[str], dict[str, str]],
        on_event: OnEvent,
    ) -> None:
        self._lock = threading.RLock()
        self._shown, self._sent = dict(pieces), dict(pieces)
        # Each message has the next number: a page notices a lost one.
        self._revision = 0
        self._sent_at = time.monotonic()
        self._timer: threading.Timer | None = None
        self._asked = threading.Event()
        self._on_event, self._make_still = on_event, make_still
        # The displays of the page and of its stand-in, and what that is.
        self._outputs: list[tuple[Any, Any]] = []
        self._kept, self._has_ended = _NOTHING, False
        self.token = uuid.uuid4().hex
        self.widget = PageWidget(make_saved, label="Eval runs", busy=BUSY, token=self.token)
        self.widget.on_msg(self._answer)

    def mime_bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a notebook needs to display the page, and its metadata, which Colab needs."""
        found = self.widget._repr_mimebundle_()
        return ({}, {}) if found is None else (dict(found[0]), dict(found[1]))

    @property
    def is_closed(self) -> bool:
        return self._has_ended or self.widget.comm is None

    def display(self) -> None:
        """Show it in the output of the cell that runs."""
        from IPython import display

        # Untyped in some versions of IPython.
        show: Any = display.display
        bundle, about = self.mime_bundle()
        self._kept = self._make_still(self.token)
        live = show({**bundle, **_NOTHING}, raw=True, metadata=about, display_id=True)
        self._outputs.append((live, show(self._kept, raw=True, display_id=True)))
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._send_unasked,), daemon=True).start()

    def show(self, pieces: Mapping[str, str], *, now: bool = False) -> None:
        """Show other HTML: at once, or a tenth of a second after the last; the newest is shown.

        The HTML that stands for the page changes only ``now``.
        """
        with self._lock:
            self._shown = dict(pieces)
            rest = self._sent_at + _GAP - time.monotonic()
            if self._timer is None and not self.is_closed and rest <= 0:
                self._send()
            elif self._timer is None and not self.is_closed:
                # ipykernel finds the cell that an update belongs to in the context.
                run = contextvars.copy_context().run
                self._timer = threading.Timer(rest, run, (self._send_late,))
                self._timer.daemon = True
                self._timer.start()
        if now:
            self._keep(always=False)

    def flush(self) -> None:
        """Send all again from the running cell: programs that execute notebooks store that.

        Without a browser, only the messages of the running cell are stored.
        """
        with self._lock:
            if not self.is_closed:
                self._send()
                self.widget.send_state("pieces")
        self._keep(always=True)

    def _keep(self, *, always: bool) -> None:
        """Replace the HTML that stands for the page, if it has changed or ``always``."""
        still = self._make_still(self.token) if self._outputs else self._kept
        if always or still != self._kept:
            self._kept = still
            for _, stands in self._outputs:
                stands.update(still, raw=True)

    def close(self) -> None:
        """Take the page away; the HTML that stands for it stays."""
        for live, _ in self._outputs:
            live.update(_NOTHING, raw=True)
        self._keep(always=True)
        with self._lock:
            if not self.is_closed:
                # A widget leaves its layout behind.
                self.widget.layout.close()
                self.widget.close()
            self.end()

    def end(self) -> None:
        """Send nothing any more: the kernel ends."""
        with self._lock:
            self._outputs, self._has_ended = [], True
            self._asked.set()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

    def _send_late(self) -> None:
        with self._lock:
            if self._timer is not None and not self.is_closed:
                self._timer = None
                self._send()

    def _send(self) -> None:
        """Send the pieces that have changed, and the names of those that are gone."""
        self._sent_at = time.monotonic()
        patch = _write({k: v for k, v in self._shown.items() if self._sent.get(k) != v})
        gone = [each for each in self._sent if each not in self._shown]
        if patch or gone:
            self._revision += 1
            self._sent = self._shown
            self.widget.send({"patch": patch, "gone": gone, "revision": self._revision})

    def _send_unasked(self) -> None:
        if not self._asked.wait(_UNASKED):
            self._send_all()

    def _send_all(self) -> None:
        with self._lock:
            if not self.is_closed:
                self._send()
                self.widget.send({"pieces": _write(self._shown), "revision": self._revision})

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        """Take an event from a browser, and tell it that it was taken."""
        if not isinstance(content, dict) or not isinstance(content.get("event"), str):
            return
        if content["event"] == "resync":
            self._asked.set()
            self._send_all()
            return
        scope = content.get("scope")
        answer = {"answered": content.get("id")}
        try:
            about = content["event"], scope if isinstance(scope, str) else None
            self._on_event(*about, content.get("value"))
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        self.widget.send(answer)


def _write(pieces: Mapping[str, str]) -> dict[str, str]:
    """Pieces as plain texts: marimo sends a text of a class of its own as an object."""
    return {name: str(text) for name, text in pieces.items()}


# For each cell: the execution that displayed views last, and these.
_displayed: dict[str, tuple[str, list[weakref.ref[Any]]]] = {}


def find_cell() -> tuple[str, str] | None:
    """The cell that runs, and its execution; programs that execute notebooks do not tell it."""
    try:
        parent = sys.modules["IPython"].get_ipython().kernel.get_parent()
    except (AttributeError, LookupError):
        return None
    cell = parent.get("metadata", {}).get("cellId")
    return None if cell is None else (cell, parent.get("header", {}).get("msg_id", ""))


def close_earlier(view: Any) -> None:
    """Close what an earlier execution of the same cell displayed: nothing shows it any more."""
    if (found := find_cell()) is None:
        return
    cell, execution = found
    before, views = _displayed.get(cell, ("", []))
    if before != execution:
        _displayed[cell] = execution, []
        for each in views:
            if (earlier := each()) is not None and earlier is not view:
                earlier.close()
    _displayed[cell][1].append(weakref.ref(view))
