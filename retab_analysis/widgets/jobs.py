"""Work beside a view, which goes on meanwhile: it takes time, and it may fail."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

from retab_analysis.errors import RetabAnalysisError


def run_beside(work: Callable[[], object], name: str) -> threading.Thread:
    """Do something in a thread; what it shows belongs in Jupyter to the cell that asks for it."""
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(work,), daemon=True, name=f"retab_analysis-{name}")
    thread.start()
    return thread


class JobProgress:
    """Says in words how far a job is."""

    def __init__(self, words: str, say: Callable[[str], None]) -> None:
        self._words, self._say, self._note = words, say, ""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        self._note = note or self._note
        known = f"{self._words}: {done:,}" + (f" of {total:,}" if total else "")
        self._say(" · ".join(each for each in (known, self._note) if each))

    def close(self) -> None:
        """Do nothing: a job has ended when it returns."""


def describe_error(error: BaseException) -> str:
    """An error in words; of one that nobody expected, also its kind."""
    kind = "" if isinstance(error, RetabAnalysisError) else f"{type(error).__name__}: "
    return f"{kind}{error}"
