"""Connections: HTTP requests read, and each answer written in one piece."""

import contextlib
import itertools
import math
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.faults import Fault, FaultBook
from retab_analysis.sandbox.http.messages import ApiError, coded
from retab_analysis.sandbox.http.request_log import Journal, Served
from retab_analysis.sandbox.http.routes import RawRequest, answer
from retab_analysis.sandbox.store import Store

_BODY_LIMIT = 1 << 20
_PAGE = b"<!doctype html>\n<title>502 Bad Gateway</title>\n<h1>Bad Gateway</h1>\n"
_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Service:
    """What the connections of a server share."""

    store: Store
    api_key: str
    latency: float
    faults: FaultBook
    journal: Journal = field(default_factory=Journal)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Accepts connections, a thread for each, and knows them so that it can close them."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, service: Service) -> None:
        self.service = service
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def base_url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its own thread, noted before it runs so that `stop` misses none."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.pop(threading.current_thread(), None)

    def close_connections(self) -> None:
        """Close what is still open, and wait for the threads."""
        for thread, connection in list(self._connections.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients break connections as they like, and some tests are about that."""


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, and writes each answer in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Take what the server shares with its connections."""
        super().setup()
        self._service = cast(TcpServer, self.server).service

    def handle_one_request(self) -> None:
        """Read a request and answer it; any method will do, which the base class does not allow."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65_537)
        if len(self.raw_requestline) > 65_536:
            self.requestline, self.request_version, self.command = "", "", ""
            self.send_error(414)
        elif self.raw_requestline and self.parse_request():
            self._respond()

    def _respond(self) -> None:
        time.sleep(self._service.latency)
        fault = self._service.faults.draw(self.command, self.path)
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.delay)
        status, body, headers = self._answer()
        if fault is None or fault.kind == "slow":
            self._send(status, body, headers)
        else:
            self._misbehave(fault, status, body, headers)

    def _answer(self) -> tuple[int, bytes, dict[str, str]]:
        try:
            body = self._body()
            authorization = self.headers.get("Authorization", "")
            base_url = cast(TcpServer, self.server).base_url
            raw = RawRequest(self.command, self.path, authorization, body, base_url)
            done = answer(self._service.store, self._service.api_key, raw)
            return done.status, done.body, {"Content-Type": done.media_type}
        except ApiError as error:
            return error.status, _problem_json(error), error.headers

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise coded(411, "length_required", "The body needs a Content-Length")
        if int(length) > _BODY_LIMIT:
            self.close_connection = True
            raise coded(413, "body_too_large", "The body is larger than 1 MiB")
        return self.rfile.read(int(length))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        head = self._head(status, len(body), headers)
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _head(self, status: int, length: int, headers: Mapping[str, str]) -> bytes:
        self._service.journal.add(Served(self.command or "", getattr(self, "path", ""), status))
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(length),
            "x-request-id": f"req_{next(self._service.numbers):08d}",
            "Date": self.date_time_string(),
            **headers,
        }
        if self.close_connection:
            fields["Connection"] = "close"
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _misbehave(
        self, fault: Fault, status: int, body: bytes, headers: Mapping[str, str]
    ) -> None:
        if fault.kind == "status":
            retry = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            self._send(fault.status, to_json({"detail": fault.message}), retry)
        elif fault.kind == "html":
            self._send(200, _PAGE, {"Content-Type": "text/html; charset=utf-8"})
        elif fault.kind == "empty":
            self._send(200, b"", {})
        elif fault.kind == "drip":
            self._drip(self._head(status, len(body), headers), body, fault.delay)
        else:
            self.close_connection = True
            head = self._head(status, len(body), headers)
            if fault.kind == "cut":
                self.wfile.write(head + body[: len(body) // 2])
            else:
                # With no time to linger, closing sends a reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                self.connection.close()

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        pieces = 20
        size = max(1, math.ceil(len(body) / pieces))
        self.wfile.write(head)
        for start in range(0, len(body), size):
            time.sleep(seconds / pieces)
            self.wfile.write(body[start : start + size])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request; called by the base class while it parses."""
        self.close_connection = True
        self._send(code, to_json({"detail": message or _phrase(code)}), {})

    def log_message(self, *args: object) -> None:
        """Say nothing: standard error belongs to the program that started the sandbox."""


def _problem_json(error: ApiError) -> bytes:
    return to_json({"detail": error.detail})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
