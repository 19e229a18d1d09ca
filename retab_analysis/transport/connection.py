"""Connections that keep to the time of a request and can be shut down by another thread.

They are urllib3's own, with three differences. Names are looked up in threads of their own, since
nothing else ends a look-up that takes too long. Each wait asks ``exchange`` how long it may take.
And a thread that runs under a :class:`CancellationToken` leaves its connection there while it
waits.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import os
import socket
import ssl
import threading
import time
import weakref
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.connection import allowed_gai_family

from retab_analysis.transport.cancellation import check_cancelled, current_token, system_socket
from retab_analysis.transport.exchange import wait_limit

_STEP = 0.1  # seconds between two looks whether a thread that waits for a name was told to stop

Address = tuple[Any, ...]  # as socket.getaddrinfo gives it


class Resolver:
    """Looks names up, each in a thread of its own.

    The system has no way to end a look-up. One that takes too long is left alone, and whoever asks
    for the same name meanwhile waits for the same thread, so that they do not pile up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Future[list[Address]]] = {}

    def find(self, host: str, port: int) -> list[Address]:
        """The addresses of a host.

        Raises:
            OSError: The name is not known.
            TimeoutError: It was not found in the time that the request has.
            Cancelled: This thread was told to stop.
        """
        host = host.strip("[]")
        if _is_address(host):
            return _look_up(host, port)
        limit, found = wait_limit(), self._start(host, port)
        end = None if limit is None else time.monotonic() + limit
        while not found.done():
            check_cancelled()
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"no address of {host} was found in {limit:.3g} s")
            wait([found], _STEP if end is None else max(0.0, min(_STEP, end - time.monotonic())))
        try:
            return found.result()
        finally:
            del found  # the traceback of an error in it would refer to this frame

    def _start(self, host: str, port: int) -> Future[list[Address]]:
        with self._lock:
            running = self._running.get((host, port))
            if running is not None:
                return running
            found = self._running[host, port] = Future()
        run = partial(self._run, host, port, found)
        try:
            threading.Thread(target=run, name="retab_analysis-lookup", daemon=True).start()
        except RuntimeError:  # no further thread can be had, or Python is ending
            run()
        return found

    def _run(self, host: str, port: int, found: Future[list[Address]]) -> None:
        try:
            addresses = _look_up(host, port)
        except Exception as error:
            self._forget(host, port)
            found.set_exception(error)
        else:
            self._forget(host, port)
            found.set_result(addresses)

    def _forget(self, host: str, port: int) -> None:
        # Before the result is there, so that who asks after that asks anew.
        with self._lock:
            self._running.pop((host, port), None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> list[Address]:
    try:
        return list(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
    except UnicodeError:
        reason = "a part of it is empty or too long"
    raise OSError(f"{host!r} is not the name of a host: {reason}")


_resolver = Resolver()


class _TimedReader(io.RawIOBase):
    """Reads a socket; each read waits no longer than the request may."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(wait_limit())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        # The socket counts who reads it, and is closed when the last one is.
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response whose status, headers, chunk sizes and trailers keep to the time as well."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


# A child that is forked lets all of them go, because the parent goes on to use the same sockets.
_connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
_pools: weakref.WeakSet[HTTPConnectionPool] = weakref.WeakSet()


class _HeldConnection(HTTPConnection):
    response_class = _TimedResponse
    # A second descriptor of the socket while it connects: during TLS's handshake the socket itself
    # has been taken away, and this is what can still be shut down.
    twin: socket.socket | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _connections.add(self)

    def connect(self) -> None:
        token = current_token()
        if token is None:
            super().connect()
            return
        token.hold(self)
        try:
            super().connect()
            token.check()
        finally:
            twin, self.twin = self.twin, None
            if twin is not None:
                twin.close()

    def _new_conn(self) -> socket.socket:
        failure = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in _resolver.find(self._dns_host, self.port):
            try:
                sock = self._connect_to(socket.socket(family, kind, protocol), address)
            except OSError as error:
                failure = error.with_traceback(None)
            else:
                sock.settimeout(wait_limit())  # for the TLS handshake, if there is one
                return sock
        try:
            raise failure
        finally:
            del failure  # its traceback refers to this frame

    def _connect_to(self, sock: socket.socket, address: Any) -> socket.socket:
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            self._leave_twin(sock)
            sock.settimeout(wait_limit())
            sock.connect(address)
            check_cancelled()  # or a socket that was shut down would seem to be connected
        except BaseException:
            sock.close()
            raise
        return sock

    # Whoever debugs with ``HTTPConnection.debuglevel`` has all headers printed, with the key.
    debuglevel = 0

    def _leave_twin(self, sock: socket.socket) -> None:
        token = current_token()
        if token is not None:
            if self.twin is not None:
                self.twin.close()
            self.twin = sock.dup()
            token.check()  # set while there was no socket yet that could be shut down

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(wait_limit())

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.timeout = wait_limit()
        token = current_token()
        if token is None:
            super().request(*args, **kwargs)
            return
        token.hold(self)
        super().request(*args, **kwargs)
        token.check()  # set between two requests of this connection


class _TimedTLSSocket(ssl.SSLSocket):
    """A connection to a proxy. What reads TLS inside of it does so for as long as bytes come."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self.settimeout(wait_limit())
        return super().recv(buflen, flags)


class _HeldTLSConnection(_HeldConnection, HTTPSConnection):
    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        wrapped = super()._connect_tls_proxy(hostname, sock)
        # urllib3 makes it, with a context of its own that cannot be given another class.
        wrapped.__class__ = _TimedTLSSocket
        return wrapped


class _ReleasingPool(HTTPConnectionPool):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _pools.add(self)

    def _put_conn(self, conn: Any) -> None:
        """Take a connection back; it is forgotten first, because another thread may get it."""
        token = current_token()
        if token is not None:
            token.release()
        super()._put_conn(conn)


class _Pool(_ReleasingPool):
    ConnectionCls = _HeldConnection


class _TLSPool(_ReleasingPool, HTTPSConnectionPool):
    ConnectionCls = _HeldTLSConnection


class TimedAdapter(HTTPAdapter):
    """An adapter of requests that makes such connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make, or find, the pools of a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

    def close(self) -> None:
        """Close the kept connections; what is under way goes on, further requests make new ones.

        urllib3 leaves it to the garbage collector, which may come late: an exception that it has
        raised keeps its pool alive.
        """
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            pools = [manager.pools.get(key) for key in manager.pools.keys()]  # noqa: SIM118
            manager.clear()
            for pool in pools:
                if pool is not None:
                    pool.close()


def _leave_to_parent() -> None:
    """In a child that was just forked: let go of what only the parent may use."""
    global _resolver
    _resolver = Resolver()  # the threads of the look-ups exist in the parent only
    for connection in list(_connections):
        sock = system_socket(connection)
        if sock is not None:
            with contextlib.suppress(OSError):
                # Only this process's descriptor is closed; nothing is said to the server.
                os.close(sock.detach())
    for pool in list(_pools):
        if pool.pool is not None:
            # Emptied, with new locks: a thread of the parent may have held the old ones.
            pool.pool.__init__(pool.pool.maxsize)  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
