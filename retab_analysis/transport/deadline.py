"""The deadline of a request: a thread makes it, and the caller waits only until the deadline.

The HTTP library only has timeouts for single reads: a server that sends a byte now and then could
hold a caller for ever. A caller hands each attempt to a thread of a pool, and waits until the
deadline, Ctrl-C, or an order to stop. Then it shuts the connection's socket down, and the thread
soon ends. Only a name look-up and a new connection cannot be ended like that. If they hold too many
threads, no further request is sent.
"""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from urllib3.connection import HTTPConnection

from retab_analysis.errors import DeadlineExceeded, TransportError
from retab_analysis.transport.retry import RetryState, attempts_made

T = TypeVar("T")
_Task = tuple[contextvars.Context, "Attempt", Callable[[], Any]]

MOST_LEFT_BEHIND = 32

# Seconds between two checks whether this thread has to stop. On Windows, Ctrl-C does not interrupt
# a wait either.
_STEP = 0.1


class Cancelled(BaseException):
    """This thread was stopped. The error never leaves this package."""


class CancellationToken:
    """Stops all threads that run under it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """End the waits of these threads; their next step raises :class:`Cancelled`."""
        self._event.set()

    def run(self, function: Callable[[], T]) -> T:
        """Call a function under this token, in the current thread."""
        before = _token.set(self)
        try:
            self.check()
            return function()
        finally:
            _token.reset(before)

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over; raise if the token is set."""
        self._event.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the token was set."""
        if self._event.is_set():
            raise Cancelled


class Attempt:
    """One attempt of a request, made by a thread of the pool while the caller waits."""

    def __init__(self, state: RetryState, redact: Callable[[str], str]) -> None:
        self.state, self.redact = state, redact
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.done, self._lock = threading.Event(), threading.Lock()
        self._is_over = self._is_given_up = False
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def call(self, work: Callable[[], T]) -> T:
        """Call a function in a thread of the pool; its exceptions lose their frames."""
        check_cancelled()
        number = len(_threads.left_behind)
        if number >= MOST_LEFT_BEHIND:
            raise TransportError(
                f"{self.state.request}: not sent: {number} earlier requests still look up a name "
                "or connect although their time is up. Is the network there?",
                attempts=self.state.attempt,
            )
        try:
            _threads.start(self, work)
            while not self.done.wait(min(_STEP, self.state.remaining())):
                check_time()
        except BaseException:
            self._give_up()
            raise
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback refers to this frame
        outcome: T = self._outcome
        return outcome

    def run(self, work: Callable[[], Any]) -> None:
        try:
            self._outcome = work()
        except BaseException as error:
            # Without the frames of the HTTP library, which hold the key.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            self._error = error
        with self._lock:
            self._is_over = True
            _threads.left_behind.discard(self)

    def hold(self, connection: HTTPConnection) -> None:
        """Note the connection in use; raise if nothing may be sent any more."""
        check_cancelled()
        with self._lock:
            # The socket too: the last answer of a connection takes it over.
            self._connection, self._socket = connection, connection.sock
        self.check()

    def check(self) -> None:
        """Raise if the caller has stopped waiting for this attempt."""
        if self._is_given_up:
            raise TimeoutError("the caller has stopped waiting for the answer")

    def release(self) -> None:
        """Forget the connection, because another request may use it next."""
        with self._lock:
            self._connection = self._socket = None

    def _give_up(self) -> None:
        with self._lock:
            self._is_given_up = True
            connecting = self._connection and self._connection.sock
            ended = [_shut_down(each) for each in (self._socket, connecting)]
            if not self._is_over and not any(ended):
                _threads.left_behind.add(self)


def _shut_down(sock: Any) -> bool:
    """End all waits for a socket; False if there is none yet."""
    inner = getattr(sock, "socket", sock)  # TLS inside of a proxy's TLS is no socket itself
    if inner is None:
        return False
    with contextlib.suppress(OSError):
        # Not the method of a TLS socket: it ends TLS first, and the rest of the request must not go
        # out in the clear.
        socket.socket.shutdown(inner, socket.SHUT_RDWR)
        return True
    return False


class _Threads:
    """The threads of this process that make requests; they end with it."""

    def __init__(self) -> None:
        self.left_behind: set[Attempt] = set()
        # Each has its own queue: a fork could leave a shared lock locked. The last used is next.
        self._idle: list[SimpleQueue[_Task]] = []

    def forget(self) -> None:
        """Begin anew in a forked process, which has none of them."""
        self.left_behind, self._idle = set(), []

    def start(self, attempt: Attempt, work: Callable[[], Any]) -> None:
        task = (contextvars.copy_context(), attempt, work)
        try:
            self._idle.pop().put(task)
        except IndexError:
            tasks = SimpleQueue[_Task]()
            tasks.put(task)
            serve = partial(self._serve, tasks)
            thread = threading.Thread(target=serve, name="retab-request", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no further thread is available, or Python is ending
                task[0].run(attempt.run, work)
                attempt.done.set()

    def _serve(self, tasks: SimpleQueue[_Task]) -> None:
        while True:
            context, attempt, work = tasks.get()
            context.run(attempt.run, work)
            self._idle.append(tasks)  # first: the caller's next request finds it
            attempt.done.set()
            del context, attempt, work  # else it would keep the answer until the next request


_threads = _Threads()
forget_threads = _threads.forget
# The token of this thread, and its current attempt, if any.
_token = contextvars.ContextVar[CancellationToken | None]("token", default=None)
_attempt = contextvars.ContextVar[Attempt]("attempt")
current_token, current_attempt = _token.get, _attempt.get


@contextlib.contextmanager
def under_way(attempt: Attempt) -> Iterator[Attempt]:
    before = _attempt.set(attempt)
    try:
        yield attempt
    finally:
        _attempt.reset(before)


def check_cancelled() -> None:
    token = _token.get()
    if token is not None:
        token.check()


def check_time() -> None:
    """Raise if this thread's attempt must not go on; for long computations."""
    check_cancelled()
    attempt = _attempt.get(None)
    if attempt is None or attempt.state.remaining() > 0:
        return
    state = attempt.state
    raise DeadlineExceeded(
        f"{state.request}: not finished within the deadline of {state.deadline:g} s"
        f"{attempts_made(state.attempt)}",
        attempts=state.attempt,
    )
