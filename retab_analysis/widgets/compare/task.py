"""Work that a comparison view does beside the notebook: it takes time, and it may fail."""

from __future__ import annotations

import contextvars
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from retab_analysis.comparison import Comparison
from retab_analysis.errors import RetabAnalysisError
from retab_analysis.progress import Progress

STOPPED = "You stopped waiting. Runs that were started go on; Settle counts them first."


@dataclass(frozen=True, slots=True)
class TaskState:
    """How far some work is.

    Attributes:
        words: What is done.
        done: How much of it is done.
        total: How much there will be at most, or None while that is not known.
        note: What it says of itself.
        failure: Why it failed, or what it could not do.
        is_running: Whether it goes on.
    """

    words: str
    done: int = 0
    total: int | None = None
    note: str = ""
    failure: str | None = None
    is_running: bool = True


class Task:
    """Some work in a thread of its own; what it reports its progress to.

    Args:
        words: What is done.
        work: Makes a comparison, and reports to the progress that it is given.
        on_change: Called in that thread whenever the state has changed, at the end with the
            comparison that came, or that came before an error; else with None.
    """

    def __init__(
        self,
        words: str,
        work: Callable[[Progress], Comparison],
        on_change: Callable[[Comparison | None], object],
    ) -> None:
        self.state = TaskState(words)
        self._work, self._on_change = work, on_change
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin, and return at once."""
        # ipykernel finds the cell that an update belongs to in the context.
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="retab compare", daemon=True).start()

    def stop(self) -> None:
        """End the work at the next progress that it reports."""
        self._stopping.set()

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        """Take the progress of the work.

        Raises:
            RetabAnalysisError: It was stopped.
        """
        if self._stopping.is_set():
            raise RetabAnalysisError(STOPPED)
        note = note or self.state.note
        self.state = replace(self.state, done=done, total=total, note=note)
        self._on_change(None)

    def close(self) -> None:
        """Do nothing: the work ends when it returns."""

    def _run(self) -> None:
        found: Comparison | None = None
        # A warning would be printed into whatever cell runs; the view shows it instead.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = self._work(self)
                said = [str(each.message) for each in caught]
            except Exception as error:
                partial = getattr(error, "partial", None)
                found = partial if isinstance(partial, Comparison) else None
                # Of one that nobody expected, also its kind.
                kind = "" if isinstance(error, RetabAnalysisError) else f"{type(error).__name__}: "
                said = [f"{kind}{error}", *(str(each.message) for each in caught)]
        self.state = replace(self.state, failure="\n".join(said) or None, is_running=False)
        self._on_change(found)
