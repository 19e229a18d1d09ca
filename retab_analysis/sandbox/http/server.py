"""A Retab API on a port of this machine: it starts, gives each connection a thread, and stops."""

import contextlib
import itertools
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from retab_analysis.sandbox.http.connection import Connection
from retab_analysis.sandbox.http.messages import Request, Response
from retab_analysis.sandbox.http.routes import answer
from retab_analysis.sandbox.store import Store

SHORTEST_KEY = 8

# Longer than any caller waits, and valid for `time.sleep` everywhere.
_LONGEST = 86_400.0
_BUSY_BODY = b'{"detail":"Too many connections are open"}'
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BUSY_BODY), _BUSY_BODY)
)


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Accepts connections, a thread for each, and keeps a list to close them."""

    # More than the clients of one machine need, and few enough to leave threads for others.
    most_connections = 256

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    clock: Callable[[], float] = staticmethod(time.time)

    def __init__(self, port: int, answer: Callable[[Request], Response], latency: float) -> None:
        self.answer, self.latency = answer, latency
        self.request_numbers = itertools.count(1)
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", port), Connection)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its own thread, noted before it runs: closing must miss none."""
        if len(self._connections) >= self.most_connections:
            with contextlib.suppress(OSError):
                request.settimeout(1.0)
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.pop(threading.current_thread(), None)

    def close_connections(self) -> None:
        for thread, connection in list(self._connections.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients break connections as they like, and some tests are about that."""


class StoreServer:
    """A Retab API on 127.0.0.1 for any store; a context manager, or `start` and `stop`.

    Without a key, a random one is made.
    """

    def __init__(self, store: Store, *, key: str | None = None, latency: float = 0.0) -> None:
        # A client refuses any other key: a shorter one cannot be masked in texts without damage,
        # and other characters do not fit in a header.
        fits = isinstance(key, str) and len(key) >= SHORTEST_KEY
        if key is not None and not (fits and all("!" <= letter <= "~" for letter in key)):
            raise ValueError(
                f"key is at least {SHORTEST_KEY} visible ASCII characters, without spaces"
            )
        is_number = isinstance(latency, int | float) and not isinstance(latency, bool)
        if not (is_number and 0 <= latency <= _LONGEST):
            raise ValueError(f"latency is in seconds, from 0 to a day, not {latency!r}")
        self._store, self._latency = store, latency
        self._key = f"sandbox-{secrets.token_urlsafe(24)}" if key is None else key
        self._lock = threading.Lock()
        self._tcp: TcpServer | None = None
        self._thread: threading.Thread | None = None

    def _answer(self, request: Request) -> Response:
        return answer(self._store, self._key, request)

    def start(self, port: int = 0) -> Self:
        """Begin to serve; a second call does nothing.

        Args:
            port: The port; 0 lets the system choose.

        Raises:
            ValueError: The port is not a whole number from 0 to 65535.
            OSError: The port is not free.
        """
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
            raise ValueError(f"port is a whole number from 0 to 65535, not {port!r}")
        with self._lock:
            if self._tcp is None:
                self._tcp = TcpServer(port, self._answer, self._latency)
                self._tcp.clock = self._store.clock
                self._thread = threading.Thread(
                    target=self._tcp.serve_forever, args=(0.05,), name="retab-sandbox", daemon=True
                )
                self._thread.start()
        return self

    def stop(self) -> None:
        """End serving: free the port, close open connections, and end all threads."""
        with self._lock:
            tcp, thread, self._tcp, self._thread = self._tcp, self._thread, None, None
            if tcp is not None and thread is not None:
                tcp.shutdown()
                tcp.server_close()
                thread.join()
                tcp.close_connections()

    @property
    def running(self) -> bool:
        """Whether the server is serving."""
        return self._tcp is not None

    @property
    def base_url(self) -> str:
        """The address of the server.

        Raises:
            RuntimeError: It is not running.
        """
        tcp = self._tcp
        if tcp is None:
            raise RuntimeError("the sandbox is not running: call .start(), or use it in a `with`")
        return tcp.base_url

    @property
    def credentials(self) -> dict[str, str]:
        """A client's arguments for this server, by name.

        Raises:
            RuntimeError: The server is not running.
        """
        return {"api_key": self._key, "base_url": self.base_url}

    def __repr__(self) -> str:
        state = f"running at {self.base_url}" if self.running else "stopped"
        workflows, evals, runs = self._store.sizes()
        return f"<{type(self).__name__} {state}: {workflows} workflows, {evals} evals, {runs} runs>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
