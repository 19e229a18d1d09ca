"""Work that a view does meanwhile: one job after another, in a thread that ends with the last."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable

_LOOK = 0.1

Job = Callable[[], None]


class Background:
    """Runs jobs in their order.

    Args:
        ended: Called in the thread after each job, with what it raised or None.
    """

    def __init__(self, ended: Callable[[Exception | None], None]) -> None:
        self._ended = ended
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether there is a job that has not ended."""
        with self._lock:
            return self._thread is not None

    def run(self, job: Job) -> None:
        """Have a job done; returns at once."""
        with self._lock:
            self._jobs.append(job)
            if self._thread is None:
                # Jupyter finds out by the context which cell a message belongs to.
                context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=context.run, args=(self._work,), daemon=True, name="retab-explore"
                )
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all jobs have ended; False where they have not in time, in seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (thread := self._thread) is not None:
            if end is not None and time.monotonic() >= end:
                return False
            # Short, for polars keeps Ctrl-C from a longer one.
            thread.join(_LOOK)
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                job = self._jobs.popleft()
            raised: Exception | None = None
            try:
                job()
            except Exception as error:
                raised = error
            self._ended(raised)
