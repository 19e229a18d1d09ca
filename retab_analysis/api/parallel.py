"""Many things at once: politely, in an order that does not depend on timing, and interruptible."""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Generic, TypeVar

from retab_analysis.errors import (
    AuthenticationError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RetabAnalysisError,
    ServerError,
    TransportError,
)
from retab_analysis.transport import Cancel

T = TypeVar("T")

REFUSED = (AuthenticationError, PermissionDeniedError)
AWAY = (TransportError, ProtocolError, ServerError, RateLimitError)
AWAY_LIMIT = 8


class OutOfPatienceError(Exception):
    """The caller of some tasks would not wait any longer. It never leaves this package."""


class Pool:
    """Threads that stop within a second when the block that uses them is left by an exception."""

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="retab_analysis")
        self._cancel = Cancel()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Have a function called in a thread, with this thread's context."""
        context = contextvars.copy_context()
        return self._executor.submit(context.run, self._cancel.run, function)

    def stop(self) -> None:
        """End all that is under way, and wait for the threads to be gone."""
        self._cancel.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def finish(self) -> None:
        """Wait for all that is under way."""
        self._executor.shutdown(wait=True)


@contextmanager
def threads(workers: int) -> Iterator[Pool]:
    """A pool for a block: its work is finished at the end, or stopped by an exception."""
    pool = Pool(workers)
    try:
        yield pool
    except BaseException:
        pool.stop()
        raise
    pool.finish()


class Outcomes(Generic[T]):
    """What came of each task, by its position.

    Attributes:
        results: Of those that succeeded.
        errors: Of those that failed; a position that is in neither was not tried.
    """

    def __init__(self) -> None:
        self.results: dict[int, T] = {}
        self.errors: dict[int, RetabAnalysisError] = {}
        self._away_in_a_row = 0
        self._refused = False

    def add(self, index: int, future: Future[T]) -> None:
        """Sort a result from an error of ours; any other goes to the caller."""
        error = future.exception()
        if error is None:
            self.results[index] = future.result()
        elif isinstance(error, RetabAnalysisError):
            self.errors[index] = error
        else:
            raise error
        self._away_in_a_row = self._away_in_a_row + 1 if isinstance(error, AWAY) else 0
        self._refused |= isinstance(error, REFUSED)

    def hopeless(self) -> bool:
        """Whether there is no sense in trying further tasks."""
        return self._refused or self._away_in_a_row >= AWAY_LIMIT

    def first_error(self) -> RetabAnalysisError | None:
        """The error of the first task that failed."""
        return self.errors[min(self.errors)] if self.errors else None


def run_all(
    tasks: Sequence[Callable[[], T]],
    workers: int,
    outcomes: Outcomes[T],
    on_done: Callable[[], None] = lambda: None,
    *,
    patience: float | None = None,
) -> None:
    """Run tasks in threads, each apart from the others: one that fails does not stop them.

    What would fail every further task ends it early: the key is refused, or the API is away for
    several tasks in a row.

    Args:
        tasks: What to run.
        workers: How many at once.
        outcomes: Filled as they end, so that an interrupt loses none.
        on_done: Called in this thread after each.
        patience: Seconds to wait for the next task to end, or None.

    Raises:
        OutOfPatienceError: None ended in that time; all are stopped.
    """
    waiting = iter(enumerate(tasks))
    with threads(min(workers, len(tasks)) or 1) as pool:
        running: dict[Future[T], int] = {}
        while True:
            room = 0 if outcomes.hopeless() else workers - len(running)
            for index, task in itertools.islice(waiting, room):
                running[pool.submit(task)] = index
            if not running:
                return
            done = wait(running, patience, return_when=FIRST_COMPLETED).done
            if not done:
                raise OutOfPatienceError
            for future in done:
                outcomes.add(running.pop(future), future)
                on_done()
