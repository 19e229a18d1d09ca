"""Progress of long work: the protocol, one that shows nothing, and tqdm's bar."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from retab_analysis.errors import ConfigError, as_shown


@runtime_checkable
class Progress(Protocol):
    """What a fetch reports to."""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how much is done, which never falls; ``total`` is None while it is not known."""
        ...

    def close(self) -> None:
        """The work has ended, well or not."""
        ...


class Silent:
    """Shows nothing."""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the work that one progress is told of; ``before`` is what was done before it."""

    whole: Progress
    before: int
    total: int | None

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how much of the whole is done; a note would be of this part alone."""
        self.whole.update(self.before + done, self.total)

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """A tqdm bar for a notebook or a terminal, shown once the work takes longer than a second."""

    def __init__(self, description: str, unit: str) -> None:
        from tqdm.auto import tqdm

        quiet = _quiet(tqdm)
        self._bar: Any = quiet(desc=description, unit=f" {unit}", delay=1.0, leave=False)

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Move the bar."""
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line above the bar, at once."""
        self._bar.clear()
        say(line)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def _quiet(tqdm: Any) -> Any:
    """The class of bars without the thread that watches over them, which would outlive them."""
    return type("Quiet", (tqdm,), {"monitor_interval": 0})


def choose_progress(progress: Progress | bool | None, description: str, unit: str) -> Progress:
    """What ``progress=`` asks for: a bar, or none; None means a bar where somebody sees it."""
    check_progress(progress)
    if progress is None:
        progress = in_kernel() or sys.stderr.isatty()
    if isinstance(progress, bool):
        return Bar(description, unit) if progress else Silent()
    return progress


def check_progress(progress: object) -> None:
    """Check what a public function's ``progress=`` is, before the first request is sent."""
    if not isinstance(progress, Progress | bool | None):
        raise ConfigError(
            "progress must be None, True, False or an object with update(done, total, note) and "
            f"close(); got {type(progress).__name__}"
        )


def announce(progress: Progress, line: str, done: int, total: int, *, starts: bool = False) -> None:
    """Say what is about to be done, before it is; without a bar only what ``starts`` runs."""
    if isinstance(progress, Bar):
        progress.say(line)
        line = ""
    elif starts and isinstance(progress, Silent):
        say(line)
    progress.update(done, total, line)


def say(line: str) -> None:
    """Say what somebody has to know, on the standard error; a notebook would show that in red."""
    # A program may have closed it, or have none; what was to be done is done all the same.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        (sys.stdout if in_kernel() else sys.stderr).write(f"{as_shown(line)}\n")


def in_kernel() -> bool:
    """Whether a notebook shows what this process displays; without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
