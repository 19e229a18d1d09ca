"""Progress of long work: the protocol, one that shows nothing, and tqdm's bar."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from retab_analysis.errors import ConfigError, as_shown


@runtime_checkable
class Progress(Protocol):
    """What a fetch reports to."""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report how much is done, which never falls; ``total`` is None while it is unknown."""
        ...

    def close(self) -> None:
        """The work has ended, well or not."""
        ...


class Silent:
    """Shows nothing."""

    def update(self, done: int, total: int | None = None, note: str = "") -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the work of one progress; ``before`` counts the work done before it."""

    whole: Progress
    before: int
    total: int | None

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report how much of the whole is done; a note would describe only this part."""
        self.whole.update(self.before + done, self.total)

    def close(self) -> None: ...


class Bar:
    """A tqdm bar for a notebook or a terminal, shown once the work takes longer than a second."""

    def __init__(self, description: str, unit: str) -> None:
        from tqdm.auto import tqdm

        # Without tqdm's monitor thread, which would outlive the bar.
        quiet: Any = type("Quiet", (tqdm,), {"monitor_interval": 0})
        self._bar: Any = quiet(desc=description, unit=f" {unit}", delay=1.0, leave=False)

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line above the bar, at once."""
        self._bar.clear()
        say(line)

    def note(self, note: str) -> None:
        """Show a note at once, until the next update; any thread may call this."""
        self._bar.set_postfix_str(note)

    def close(self) -> None:
        self._bar.close()


@dataclass(slots=True)
class Work:
    """One call that shows its progress, whichever of its threads asks the API."""

    progress: Progress
    has_answers: bool = False  # the API has answered it, and not only with a 429

    def note(self, note: str) -> None:
        """Show a note in the bar, if there is one."""
        if isinstance(self.progress, Bar):
            self.progress.note(note)


_work = ContextVar[Work | None]("work", default=None)
current_work = _work.get


@contextlib.contextmanager
def show_progress(
    progress: Progress | bool | None, description: str, unit: str
) -> Iterator[Progress]:
    """The chosen progress for a block, which is the current work; it closes the progress."""
    chosen = choose_progress(progress, description, unit)
    with contextlib.closing(chosen):
        if isinstance(chosen, Silent) and current_work() is not None:
            yield chosen  # a silent part of work that may be shown
            return
        before = _work.set(Work(chosen))
        try:
            yield chosen
        finally:
            _work.reset(before)


def choose_progress(progress: Progress | bool | None, description: str, unit: str) -> Progress:
    """The progress for ``progress=``: a bar or none; None means a bar in a notebook or terminal."""
    check_progress(progress)
    if progress is None:
        progress = in_kernel() or sys.stderr.isatty()
    if isinstance(progress, bool):
        return Bar(description, unit) if progress else Silent()
    return progress


def check_progress(progress: object) -> None:
    """Check the ``progress=`` of a public function, before the first request."""
    if not isinstance(progress, Progress | bool | None):
        raise ConfigError(
            "progress must be None, True, False or an object with update(done, total, note) and "
            f"close(); got {type(progress).__name__}"
        )


def announce(progress: Progress, line: str, done: int, total: int) -> None:
    """Say the next step, or its outcome."""
    if isinstance(progress, Bar):
        progress.say(line)
        line = ""
    elif isinstance(progress, Silent):
        say(line)
    progress.update(done, total, line)


def say(line: str) -> Any:
    """Print a line that the user must see: in a notebook as its own output, else on stderr.

    Gives what replaces that output, or None.
    """
    if in_kernel():
        from IPython.display import display

        return display({"text/plain": as_shown(line)}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    # A program may have closed stderr, or have none; that must not stop the work.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{as_shown(line)}\n")
    return None


_together: dict[str, tuple[int, list[Any], Any]] = {}


def say_together(key: str, item: Any, write: Callable[[list[Any]], str]) -> None:
    """Say a line about an item; a notebook has one line about all items of a cell."""
    cell = sys.modules["IPython"].get_ipython().execution_count if in_kernel() else 0
    before, items, shown = _together.get(key, (0, [], None))
    if shown is not None and before == cell:
        items.append(item)
        shown.update({"text/plain": as_shown(write(items))}, raw=True)
    else:
        _together[key] = cell, [item], say(write([item]))


def in_kernel() -> bool:
    """Whether a notebook shows this process's displays; without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
