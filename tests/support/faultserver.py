"""A server on a raw socket, for what a well-behaved server cannot do."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """Bytes to be sent for one request, and what happens then: keep, close or reset."""

    data: bytes = b""
    then: str = "keep"
    drip: float = 0.0  # seconds between two bytes
    endless: bytes = b""  # sent after the data again and again, a ``pause`` in seconds between
    pause: float = 0.02


def reply(
    status: int = 200,
    body: Any = b"",
    headers: dict[str, str] | None = None,
    *,
    length: int | None = None,
    then: str = "keep",
    drip: float = 0.0,
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    fields = {"Content-Type": "application/json", "Content-Length": str(size), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return Reply(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content, then, drip)


def page(records: Iterable[Any], after: str | None = None) -> dict[str, Any]:
    return {"data": list(records), "list_metadata": {"before": None, "after": after}}


Answer = Reply | Callable[[str], Reply]


@dataclass
class FaultServer:
    """Gives its answers in order; the last one for ever.

    Whoever asks whose key it is has ``status``, and is counted apart: an error asks that once.
    """

    answers: list[Answer]
    tls: ssl.SSLContext | None = None
    banner: Reply | None = None  # sent to everybody who connects, and nothing after it
    refused: int = 0  # so many connections are closed at once, after they said something
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    status: Reply = field(default_factory=lambda: reply(404))
    asked_for_status: int = 0

    def __enter__(self) -> FaultServer:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The target of each request."""
        return [request.split(" ", 2)[1] for request in self.requests]

    @property
    def queries(self) -> list[dict[str, str]]:
        """The query of each request."""
        parts = (urlsplit(path).query for path in self.paths)
        return [dict(parse_qsl(query, keep_blank_values=True)) for query in parts]

    def header(self, name: str, request: int = -1) -> str | None:
        for line in self.requests[request].split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
                is_refused = self.connections <= self.refused
            arguments = (connection, is_refused)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection: socket.socket, is_refused: bool) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(self._close, connection)
            if is_refused:
                connection.recv(65536)
                return
            if self.banner is not None:
                self._send(connection, self.banner)
                return
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                stack.callback(connection.close)
            while (request := self._read(connection)) is not None:
                answer = self._next(request)
                self._send(connection, answer)
                if answer.then == "reset":
                    option = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
                if answer.then != "keep":
                    return

    def _close(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _next(self, request: str) -> Reply:
        with self._lock:
            if request.startswith("GET /v1/auth/status "):
                self.asked_for_status += 1
                return self.status
            index = min(len(self.requests), len(self.answers) - 1)
            self.requests.append(request)
        answer = self.answers[index]
        return answer(request) if callable(answer) else answer

    @staticmethod
    def _read(connection: socket.socket) -> str | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(rest) < length:
            rest += connection.recv(65536)
        return (head + b"\r\n\r\n" + rest).decode("latin-1")

    @staticmethod
    def _send(connection: socket.socket, answer: Reply) -> None:
        if not answer.drip:
            connection.sendall(answer.data)
            while answer.endless:
                connection.sendall(answer.endless)
                time.sleep(answer.pause)
            return
        head, separator, body = answer.data.partition(b"\r\n\r\n")
        connection.sendall(head + separator)
        for index in range(len(body)):
            time.sleep(answer.drip)
            connection.sendall(body[index : index + 1])
