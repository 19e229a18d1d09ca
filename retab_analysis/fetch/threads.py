"""Run many requests at once, in threads that Ctrl-C stops within a second.

What comes back is ordered by the tasks, not by which of them ended first.
"""

from __future__ import annotations

import contextvars
import itertools
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from retab_analysis.errors import (
    APIError,
    AuthenticationError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RetabAnalysisError,
    ServerError,
    TransportError,
)
from retab_analysis.transport import CancellationToken, check_cancelled, current_token

T = TypeVar("T")

AWAY_LIMIT = 8
"""After so many general failures in a row, further tasks are not tried."""

_AWAY = (TransportError, ProtocolError, ServerError, RateLimitError)
# On Windows nothing interrupts a wait, so none may be long.
_STEP = 0.5
# Seconds to wait for stopped threads to end. A name that is being looked up and a connection that
# is being made cannot be cut short.
_GIVE_UP = 0.8
# How often, and after how many seconds, polars is asked again for what a Ctrl-C stopped.
_TRIES, _TRY_AFTER = 100, 0.05


class OutOfPatienceError(Exception):
    """The caller of some tasks would not wait any longer. It never leaves this package."""


class Pool:
    """Threads that can be stopped within a second.

    The executor of the standard library will not do: it waits for its threads however long they
    take, and does so again when Python ends.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._cancel = CancellationToken()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        # A thread has an empty context: settings of the caller would not reach its requests.
        context = contextvars.copy_context()
        call = partial(context.run, self._cancel.run, function)
        task = partial(_fulfil, future, call)
        self._tasks.put(task)
        # Started as they are needed: a fetch of one run is one thread, whatever the client allows.
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="retab_analysis", daemon=True)
            self._threads.append(thread)  # before its start, so that an interrupt forgets none
            try:
                thread.start()
            except RuntimeError:  # no further thread can be had, or Python is ending
                self._threads.remove(thread)
                if not self._threads:
                    self._tasks.get()
                    task()
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # or its results would be kept until the next task comes

    def stop(self) -> None:
        # First what is under way, then one end for each thread, behind the tasks that still wait:
        # those see that they were cancelled.
        self._cancel.set()
        for _ in self._threads:
            self._tasks.put(None)
        end = time.monotonic() + _GIVE_UP
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        # The error's traceback refers to this frame, and the future to the error: without this,
        # the cycle would keep both alive until the garbage collector comes.
        del future


@contextmanager
def threads(workers: int) -> Iterator[Pool]:
    """A pool for a block. What is still under way when the block is left is stopped."""
    pool = Pool(workers)
    try:
        yield pool
    finally:
        pool.stop()


def next_done(running: Collection[Future[T]], end: float = math.inf) -> set[Future[T]]:
    """Wait until one has ended; an OutOfPatienceError at ``end``, on ``time.monotonic``."""
    while True:
        # This thread may itself be one that somebody wants to stop.
        check_cancelled()
        left = end - time.monotonic()
        done = wait(running, max(0.0, min(_STEP, left)), FIRST_COMPLETED).done
        if done:
            return done
        if left <= 0:
            raise OutOfPatienceError


def apart(function: Callable[[], T]) -> T:
    """Call a function that has polars compute, not in the main thread.

    There a Ctrl-C during that would do harm. It raises twice: polars raises, then Python does, as
    soon as a block begins to clean up. Or it does not raise at all, because polars calls Python and
    drops what that raises, and fails with an error of its own instead. So the main thread only
    waits, which a Ctrl-C ends once.
    """
    if threading.current_thread() is not threading.main_thread():
        return _insist(function)
    with threads(1) as pool:
        future = pool.submit(partial(_insist, function))
        next_done([future])
        return future.result()


def _insist(function: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        try:
            return function()
        except KeyboardInterrupt:
            # From polars, since Python raises it in the main thread only: for a Ctrl-C polars stops
            # what it computes in any thread, and goes on once all of that has stopped.
            check_cancelled()
            time.sleep(_TRY_AFTER)
    return function()


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the API cannot answer now; it may answer later."""
    return isinstance(error, _AWAY) or (isinstance(error, APIError) and error.status_code == 408)


class TaskOutcomes(Generic[T]):
    """What came of each task, by its position; one that has neither was not tried."""

    def __init__(self) -> None:
        self.results: dict[int, T] = {}
        self.errors: dict[int, RetabAnalysisError] = {}
        self._failed_in_a_row = 0
        self._last_straw: RetabAnalysisError | None = None

    def add(self, index: int, future: Future[T]) -> None:
        """Take the result of a task, or its error where that is one of ours; raise any other."""
        error = future.exception()
        if error is None:
            self.results[index] = future.result()
        elif isinstance(error, RetabAnalysisError):
            self.errors[index] = error
        else:
            raise error
        # A key may be good for some workflows and not for others, so one 403 says little about the
        # next task.
        is_general = is_away(error) or isinstance(error, PermissionDeniedError)
        self._failed_in_a_row = self._failed_in_a_row + 1 if is_general else 0
        if isinstance(error, AuthenticationError) or self._failed_in_a_row >= AWAY_LIMIT:
            self._last_straw = self._last_straw or error

    def hopeless(self) -> bool:
        return self._last_straw is not None

    def error(self) -> RetabAnalysisError | None:
        """The error that made it hopeless, else that of the first task that failed."""
        return self._last_straw or (self.errors[min(self.errors)] if self.errors else None)


def run_all(
    tasks: Sequence[Callable[[], T]],
    workers: int,
    outcomes: TaskOutcomes[T],
    on_done: Callable[[], None] = lambda: None,
    *,
    patience: float | None = None,
    ahead: int = 0,
) -> None:
    """Run tasks in threads; one that fails does not stop the others.

    What would make every further task fail ends it early: the key is refused, or the API is away
    for several tasks in a row. A single task needs no thread where this one can be stopped itself.

    ``outcomes`` is filled as they end, so that an interrupt loses none, and ``on_done`` is called
    in this thread after each. Where that takes its time, so many tasks are handed out ``ahead``.
    After ``patience`` seconds the others are stopped, with an OutOfPatienceError.
    """
    if len(tasks) == 1 and patience is None and current_token() is not None:
        # So that a watched run that is asked for again and again starts no thread each time.
        here: Future[T] = Future()
        _fulfil(here, partial(contextvars.copy_context().run, tasks[0]))
        outcomes.add(0, here)
        on_done()
        return
    end = math.inf if patience is None else time.monotonic() + patience
    # Handed out as threads become free, so that the rest is never begun once it is hopeless.
    waiting = iter(enumerate(tasks))
    with threads(workers) as pool:
        running: dict[Future[T], int] = {}
        while True:
            room = 0 if outcomes.hopeless() else workers + ahead - len(running)
            for index, task in itertools.islice(waiting, room):
                running[pool.submit(task)] = index
            if not running:
                return
            for future in next_done(running, end):
                outcomes.add(running.pop(future), future)
                on_done()
