"""How long a request may take: it is made in a thread that nobody waits for beyond the deadline.

The HTTP library knows timeouts of single reads only, so a server that sends a byte now and then
could hold a caller for ever. A caller hands each attempt over to a thread of a pool, and waits
until the deadline, until Ctrl-C, or until it is told to stop. Then it shuts the connection's socket
down, so that the thread soon ends. Only a look-up of a name and a connection that is being made
cannot be ended so; of the threads that they hold there are few, or no further request is sent.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
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

# Seconds between two looks at whether this thread was told to stop. On Windows Ctrl-C does not
# interrupt a wait either.
_STEP = 0.1


class Cancelled(BaseException):
    """This thread was told to stop. It never leaves this package."""


class CancellationToken:
    """Tells all threads that run under it to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """End the waits of these threads; the next thing they do raises :class:`Cancelled`."""
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
        """Sleep until the time is over or the token is set, and raise then."""
        self._event.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the token was set."""
        if self._event.is_set():
            raise Cancelled


class Attempt:
    """One attempt of a request, which a thread of the pool makes while the caller waits."""

    def __init__(self, state: RetryState, redact: Callable[[str], str]) -> None:
        self.state, self.redact = state, redact
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.done, self._lock = threading.Event(), threading.Lock()
        self._is_over = self._is_given_up = False
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def call(self, work: Callable[[], T]) -> T:
        """Call a function in a thread of the pool; what it raises comes without its frames."""
        check_cancelled()
        number = len(_threads.left_behind)
        if number >= MOST_LEFT_BEHIND:
            raise TransportError(
                f"{self.state.request}: not sent, because {number} earlier requests still look up "
                "a name or connect although their time is up: is the network there?",
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
        """Note what is waited for from now on; raise if nothing may be sent any more."""
        check_cancelled()
        with self._lock:
            # The socket too: an answer that is the connection's last takes it over.
            self._connection, self._socket = connection, connection.sock
        self.check()

    def check(self) -> None:
        """Raise if nobody waits for this attempt any more."""
        if self._is_given_up:
            raise TimeoutError("nobody waits for the answer any more")

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
    """End all waits for a socket; False where there is none yet that could be shut down."""
    inner = getattr(sock, "socket", sock)  # TLS inside of a proxy's TLS is no socket itself
    if inner is None:
        return False
    try:
        # Not the method of a TLS socket: that ends TLS first, and what is still being sent must
        # not go out in the clear.
        socket.socket.shutdown(inner, socket.SHUT_RDWR)
    except OSError:
        return False
    return True


class _Threads:
    """The threads of this process that make requests; they end with it."""

    def __init__(self) -> None:
        self.left_behind: set[Attempt] = set()
        # Each has a queue of its own, so that no lock is shared which a fork could leave locked,
        # and the one that was used last is used next.
        self._idle: list[SimpleQueue[_Task]] = []

    def forget(self) -> None:
        """Begin anew in a process that was forked, where none of them exists."""
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
            except RuntimeError:  # no further thread can be had, or Python is ending
                task[0].run(attempt.run, work)
                attempt.done.set()

    def _serve(self, tasks: SimpleQueue[_Task]) -> None:
        while True:
            context, attempt, work = tasks.get()
            context.run(attempt.run, work)
            self._idle.append(tasks)  # first, so that the caller's next request finds it
            attempt.done.set()
            del context, attempt, work  # or the answer would be kept until the next request


_threads = _Threads()
# What this thread runs under, and which attempt is under way in it, if any.
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
    """Raise if an attempt is under way here that must not go on; for what takes long."""
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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.forget)
