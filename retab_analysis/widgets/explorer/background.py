"""Work that a view does meanwhile: one job after another, in a thread that ends with the last."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

_LOOK = 0.1

Job = Callable[[], None]


class Background:
    """Runs jobs in their order.

    Args:
        ended: Called in the thread after each job, with what it raised or None.
    """

    def __init__(self, ended: Callable[[BaseException | None], None]) -> None:
        self._ended = ended
        self._jobs: deque[tuple[Hashable, Job]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether there is a job that has not ended."""
        with self._lock:
            return self._thread is not None

    def run(self, name: Hashable, job: Job) -> None:
        """Have a job done, once if it is waiting under the same name already; returns at once."""
        with self._lock:
            if name not in [waiting for waiting, _ in self._jobs]:
                self._jobs.append((name, job))
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
                _, job = self._jobs.popleft()
            # All of it: polars' panics are no Exception, and a thread that dies is waited for.
            raised: BaseException | None = None
            try:
                job()
            except BaseException as error:
                raised = error
            with contextlib.suppress(BaseException):
                self._ended(raised)
