"""Stop the requests of some threads from another thread.

A thread that waits for a server cannot be told to stop; its socket can be shut down, and then the
wait ends. Whoever starts threads gives each of them the same :class:`Cancel`; the requests of
other threads that use the same client are not touched.
"""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Cancelled(BaseException):
    """This thread was told to stop. It never leaves this package."""


class Cancel:
    """Tells all threads that run under it to stop."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[int, HTTPConnection] = {}

    def set(self) -> None:
        """End their waits; their next step raises :class:`Cancelled`."""
        self._event.set()
        with self._lock:
            for connection in self._connections.values():
                _shut_down(connection)

    def run(self, function: Callable[[], Any]) -> Any:
        """Call a function under this, in the current thread.

        Raises:
            Cancelled: It was told to stop before, or while it waited.
        """
        context = contextvars.copy_context()
        return context.run(self._run, function)

    def _run(self, function: Callable[[], Any]) -> Any:
        _current.set(self)
        self.check()
        return function()

    def wait(self, seconds: float) -> None:
        """Sleep, unless told to stop."""
        self._event.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise where told to stop.

        Raises:
            Cancelled: It was.
        """
        if self._event.is_set():
            raise Cancelled

    def hold(self, connection: HTTPConnection) -> None:
        """Remember what this thread is about to wait for."""
        with self._lock:
            self._connections[threading.get_ident()] = connection

    def release(self) -> None:
        """Forget it: the connection may soon be somebody else's."""
        with self._lock:
            self._connections.pop(threading.get_ident(), None)


_current: contextvars.ContextVar[Cancel | None] = contextvars.ContextVar("cancel", default=None)


def current() -> Cancel | None:
    """What may stop this thread, if anything."""
    return _current.get()


def check_cancelled() -> None:
    """Raise where this thread was told to stop.

    Raises:
        Cancelled: It was.
    """
    cancel = current()
    if cancel is not None:
        cancel.check()


@contextlib.contextmanager
def cancellable() -> Iterator[None]:
    """Around one request: stops before it, and lets go of its connection after it."""
    cancel = current()
    if cancel is None:
        yield
        return
    cancel.check()
    try:
        yield
    finally:
        cancel.release()


def _shut_down(connection: HTTPConnection) -> None:
    sock = getattr(connection, "twin", None) or connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class _Held(HTTPConnection):
    twin: socket.socket | None = None  # while connecting: TLS takes the socket itself away

    def connect(self) -> None:
        cancel = current()
        if cancel is None:
            super().connect()
            return
        cancel.hold(self)
        try:
            super().connect()
            cancel.check()
        finally:
            twin, self.twin = self.twin, None
            if twin is not None:
                twin.close()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        cancel = current()
        if cancel is not None:
            self.twin = sock.dup()
            try:
                cancel.check()  # told while there was no socket yet to be shut down
            except Cancelled:
                sock.close()
                raise
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        cancel = current()
        if cancel is None:
            super().request(*args, **kwargs)
            return
        cancel.hold(self)
        super().request(*args, **kwargs)
        cancel.check()  # told between two requests of this connection


class _HeldTLS(_Held, HTTPSConnection):
    pass


class _Releasing(HTTPConnectionPool):
    def _put_conn(self, conn: Any) -> None:
        """Take a connection back, which must be forgotten before another thread can have it."""
        cancel = current()
        if cancel is not None:
            cancel.release()
        super()._put_conn(conn)


class _Pool(_Releasing):
    ConnectionCls = _Held


class _TLSPool(_Releasing, HTTPSConnectionPool):
    ConnectionCls = _HeldTLS


class CancellableAdapter(HTTPAdapter):
    """An adapter whose connections can be found again."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make, or find, the pools of a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager
