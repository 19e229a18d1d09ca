"""Run many requests at once, in threads that Ctrl-C stops within a second.

Outcomes have the order of the tasks, whichever ends first.
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
"""After so many general failures in a row, no further task is tried."""

_AWAY = (TransportError, ProtocolError, ServerError, RateLimitError)
# On Windows nothing interrupts a wait, so none may be long.
_STEP = 0.5
# Seconds to wait for stopped threads to end. A name lookup or a new connection cannot be cut short.
_GIVE_UP = 0.8
# How often, and after how many seconds, polars computes again after a Ctrl-C stopped it.
_TRIES, _TRY_AFTER = 100, 0.05


class OutOfPatienceError(Exception):
    """The caller of some tasks stopped waiting. This error never leaves the package."""


class Pool:
    """Threads that can be stopped within a second.

    The standard library's executor does not work here: it waits for its threads however long they
    take, and again when Python ends.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._cancel = CancellationToken()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        # A thread has an empty context: the caller's settings would not reach its requests.
        context = contextvars.copy_context()
        call = partial(context.run, self._cancel.run, function)
        task = partial(_fulfil, future, call)
        self._tasks.put(task)
        # Started when needed: a fetch of one run uses one thread, whatever the client allows.
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="retab_analysis", daemon=True)
            self._threads.append(thread)  # before its start: an interrupt must not forget one
            try:
                thread.start()
            except RuntimeError:  # no further thread is available, or Python is ending
                self._threads.remove(thread)
                if not self._threads:
                    self._tasks.get()
                    task()
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # else it would keep its results until the next task

    def stop(self) -> None:
        # First the running tasks, then one end for each thread, behind the waiting tasks: these see
        # that they were cancelled.
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
        # The error's traceback refers to this frame, and the future to the error: without this, the
        # cycle would keep both alive until a garbage collection.
        del future


@contextmanager
def threads(workers: int) -> Iterator[Pool]:
    """A pool for a block. Leaving the block stops its running tasks."""
    pool = Pool(workers)
    try:
        yield pool
    finally:
        pool.stop()


def next_done(running: Collection[Future[T]], end: float = math.inf) -> set[Future[T]]:
    """Wait until one has ended; an OutOfPatienceError at ``end``, on ``time.monotonic``."""
    while True:
        # This thread may itself be asked to stop.
        check_cancelled()
        left = end - time.monotonic()
        done = wait(running, max(0.0, min(_STEP, left)), FIRST_COMPLETED).done
        if done:
            return done
        if left <= 0:
            raise OutOfPatienceError


def apart(function: Callable[[], T]) -> T:
    """Call a function that computes with polars outside the main thread.

    In the main thread a Ctrl-C during it would do harm. It may raise twice: polars raises, then
    Python does, as soon as a block begins to clean up. Or it may not raise at all: polars calls
    Python, drops the exception, and fails with its own error instead. So the main thread only
    waits, and a Ctrl-C ends that once.
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
            # From polars, because Python raises it in the main thread only: after a Ctrl-C polars
            # stops its computations in all threads, and goes on once all have stopped.
            check_cancelled()
            time.sleep(_TRY_AFTER)
    return function()


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the API cannot answer now; it may answer later."""
    return isinstance(error, _AWAY) or (isinstance(error, APIError) and error.status_code == 408)


class TaskOutcomes(Generic[T]):
    """The result or error of each task, by its position; a task with neither was not tried."""

    def __init__(self) -> None:
        self.results: dict[int, T] = {}
        self.errors: dict[int, RetabAnalysisError] = {}
        self._failed_in_a_row = 0
        self._last_straw: RetabAnalysisError | None = None

    def add(self, index: int, future: Future[T]) -> None:
        """Take the result of a task, or its error if that is one of ours; raise any other."""
        error = future.exception()
        if error is None:
            self.results[index] = future.result()
        elif isinstance(error, RetabAnalysisError):
            self.errors[index] = error
        else:
            raise error
        # A key may be good for some workflows and not for others: one 403 says little about the
        # next task.
        is_general = is_away(error) or isinstance(error, PermissionDeniedError)
        self._failed_in_a_row = self._failed_in_a_row + 1 if is_general else 0
        if isinstance(error, AuthenticationError) or self._failed_in_a_row >= AWAY_LIMIT:
            self._last_straw = self._last_straw or error

    def hopeless(self) -> bool:
        return self._last_straw is not None

    def error(self) -> RetabAnalysisError | None:
        """The error that made it hopeless, or the first failed task's."""
        return self._last_straw or (self.errors[min(self.errors)] if self.errors else None)


def run_all(
    tasks: Sequence[Callable[[], T]],
    workers: int,
    outcomes: TaskOutcomes[T] | None = None,
    on_done: Callable[[], None] = lambda: None,
    *,
    patience: float | None = None,
    ahead: int = 0,
) -> TaskOutcomes[T]:
    """Run tasks in threads; one that fails does not stop the others.

    It ends early if every further task would fail: the API refuses the key, or is away for several
    tasks in a row. A single task needs no thread if this one can be stopped itself.

    It returns ``outcomes``, which get each outcome at once, so an interrupt loses none. This thread
    calls ``on_done`` after each; ``ahead`` is how many tasks are handed out meanwhile. After
    ``patience`` seconds it stops the others, with an OutOfPatienceError.
    """
    outcomes = TaskOutcomes() if outcomes is None else outcomes
    if len(tasks) == 1 and patience is None and current_token() is not None:
        # A watched run that is polled often must not start a thread each time.
        here: Future[T] = Future()
        _fulfil(here, partial(contextvars.copy_context().run, tasks[0]))
        outcomes.add(0, here)
        on_done()
        return outcomes
    end = math.inf if patience is None else time.monotonic() + patience
    # Handed out as threads become free: the rest never begins once it is hopeless.
    waiting = iter(enumerate(tasks))
    with threads(workers) as pool:
        running: dict[Future[T], int] = {}
        while True:
            room = 0 if outcomes.hopeless() else workers + ahead - len(running)
            for index, task in itertools.islice(waiting, room):
                running[pool.submit(task)] = index
            if not running:
                return outcomes
            for future in next_done(running, end):
                outcomes.add(running.pop(future), future)
                on_done()
