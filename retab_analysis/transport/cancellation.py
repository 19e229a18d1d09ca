"""Stop the requests of some threads from another thread.

A thread that waits for a server cannot be told to stop, but its socket can be shut down, and then
the wait ends. Code that starts threads gives each of them the same :class:`CancellationToken`; the
requests of other threads that use the same client are not touched.
"""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from urllib3.connection import HTTPConnection


class Cancelled(BaseException):
    """This thread was told to stop. It never leaves this package."""


class CancellationToken:
    """Tells all threads that run under it to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[int, HTTPConnection] = {}

    def set(self) -> None:
        """End the waits of these threads; the next thing they do raises :class:`Cancelled`."""
        self._event.set()
        with self._lock:
            for connection in self._connections.values():
                _shut_down(connection)

    def run(self, function: Callable[[], Any]) -> Any:
        """Call a function under this token, in the current thread.

        Raises:
            Cancelled: The token was set before, or while the function waited.
        """
        # In a context of its own, so that the token is this thread's only during the call.
        context = contextvars.copy_context()
        return context.run(self._run, function)

    def _run(self, function: Callable[[], Any]) -> Any:
        _current.set(self)
        self.check()
        return function()

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over or the token is set.

        Raises:
            Cancelled: It was set.
        """
        self._event.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise if the token was set.

        Raises:
            Cancelled: It was set.
        """
        if self._event.is_set():
            raise Cancelled

    def hold(self, connection: HTTPConnection) -> None:
        """Remember the connection that this thread is about to wait for."""
        with self._lock:
            self._connections[threading.get_ident()] = connection

    def release(self) -> None:
        """Forget this thread's connection: another thread may use it next."""
        with self._lock:
            self._connections.pop(threading.get_ident(), None)


_current: contextvars.ContextVar[CancellationToken | None] = contextvars.ContextVar(
    "cancellation_token", default=None
)


def current_token() -> CancellationToken | None:
    """The token that this thread runs under, if any."""
    return _current.get()


def check_cancelled() -> None:
    """Raise if this thread was told to stop.

    Raises:
        Cancelled: It was.
    """
    token = current_token()
    if token is not None:
        token.check()


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Around one request: raises before it if told to stop, and forgets its connection after it."""
    token = current_token()
    if token is None:
        yield
        return
    token.check()
    try:
        yield
    finally:
        token.release()


def _shut_down(connection: HTTPConnection) -> None:
    # Shut down, not closed: only that wakes a thread which waits in recv.
    sock = getattr(connection, "twin", None) or system_socket(connection)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def system_socket(connection: HTTPConnection) -> socket.socket | None:
    """The socket of a connection; for TLS inside of a proxy's TLS, the one that goes to the proxy.

    What urllib3 has in its place there can neither be shut down nor detached.
    """
    sock: socket.socket | None = getattr(connection.sock, "socket", connection.sock)
    return sock
