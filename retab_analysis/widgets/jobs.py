"""Work beside a view, which goes on meanwhile: it takes time, and it may fail."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from retab_analysis.errors import RetabAnalysisError

# Seconds; polars' signal handler keeps Ctrl-C from a longer wait.
_STEP = 0.1


def run_beside(work: Callable[[], object], name: str) -> threading.Thread:
    """Do something in a thread; what it shows belongs in Jupyter to the cell that asks for it."""
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(work,), daemon=True, name=f"retab_analysis-{name}")
    thread.start()
    return thread


class JobQueue:
    """Runs jobs one after another in a thread; ``on_end`` gets the exception of each, or None."""

    def __init__(self, on_end: Callable[[BaseException | None], None]) -> None:
        self._on_end = on_end
        self._jobs: deque[tuple[Hashable, Callable[[], object]]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._thread is not None

    def run(self, name: Hashable, job: Callable[[], object]) -> None:
        """Have a job done, once if it is waiting under the same name already; returns at once."""
        with self._lock:
            # A person who clicks twice means it once.
            if name not in [waiting for waiting, _ in self._jobs]:
                self._jobs.append((name, job))
            if self._thread is None:
                self._thread = run_beside(self._work, "jobs")

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all jobs have ended; False where they have not in time, in seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        # The next job may have a thread of its own.
        while (thread := self._thread) is not None:
            if end is not None and time.monotonic() >= end:
                return False
            thread.join(_STEP)
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                _, job = self._jobs.popleft()
            # Everything, because a panic of polars is not an Exception, and somebody may wait for
            # the thread: if it died here, the view would be busy for ever.
            raised: BaseException | None = None
            try:
                job()
            except BaseException as error:
                raised = error
            # A drawing that fails must not end the jobs that wait.
            with contextlib.suppress(BaseException):
                self._on_end(raised)


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
