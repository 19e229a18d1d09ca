"""Proxies for HTTPS: one that is itself reached over TLS, and one that ends the API's TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import trustme


class _Proxy:
    """Listens on this machine, and serves each connection in a thread of its own."""

    _scheme: str

    def __init__(self, server: int) -> None:
        self._server = server
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"{self._scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def _pass_on(self, client: ssl.SSLSocket) -> None:
        with socket.create_connection(("127.0.0.1", self._server)) as server:
            while True:
                # TLS may have read more from the wire than was taken from it.
                ready = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        server.sendall(data)
                    else:
                        self._answer(client, data)

    def _answer(self, client: ssl.SSLSocket, data: bytes) -> None:
        client.sendall(data)


class TlsProxy(_Proxy):
    """Answers CONNECT and passes on what comes, for each connection in a thread of its own.

    Args:
        tls: Its own TLS, which has nothing to do with that of the server behind it.
        server: The port on this machine that everybody is connected to, whatever was asked for.
        pause: Seconds between two bytes from the server to the client, once ``is_slow`` is set.
    """

    _scheme = "https"

    def __init__(self, tls: ssl.SSLContext, server: int, pause: float = 0.02) -> None:
        super().__init__(server)
        self._tls, self._pause = tls, pause
        self.is_slow = threading.Event()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            client = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            # As much at a time as there is, so that each byte goes out before the next is read.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.asked.append(client.recv(65536).decode("latin-1").split("\r\n")[0])
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            self._pass_on(client)

    def _answer(self, client: ssl.SSLSocket, data: bytes) -> None:
        if not self.is_slow.is_set():
            return super()._answer(client, data)
        for at in range(len(data)):
            time.sleep(self._pause)
            client.sendall(data[at : at + 1])


class EndingProxy(_Proxy):
    """Answers CONNECT and ends TLS there, as a company's proxy does that looks inside.

    What comes is passed on, in the clear, to a server on this machine.

    Args:
        authority: Signs a certificate for whatever host is asked for.
        server: The server's port.
    """

    _scheme = "http"

    def __init__(self, authority: trustme.CA, server: int) -> None:
        super().__init__(server)
        self._authority = authority

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            self.asked.append(connection.recv(65536).decode("latin-1").split(" ")[1])
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(self.asked[-1].partition(":")[0]).configure_cert(tls)
            client = stack.enter_context(tls.wrap_socket(connection, server_side=True))
            self._pass_on(client)
