"""One connection: requests read, and each answer written in one piece."""

import io
import re
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import ApiError, Request, Response, coded

_BODY_LIMIT = 1 << 20
# No number of bytes has more digits, and Python converts only so many.
_MOST_DIGITS = 18
# A web page can make its own name resolve to this machine, but its browser sends that name.
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?", re.IGNORECASE)
_LINE_LIMIT = 1 << 16


class TooSlowError(Exception):
    """A request did not come in whole in its time."""


class TimedSocket(io.RawIOBase):
    """The input of a socket until a moment, however slowly it arrives.

    A whole request has ``patience`` seconds; ``is_begun``: whether a part of it has come.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience = connection, patience
        self.await_request()

    def await_request(self) -> None:
        self._end, self.is_begun = time.monotonic() + self._patience, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._connection.settimeout(max(self._end - time.monotonic(), 0.001))
            size = self._connection.recv_into(buffer)
        except TimeoutError:
            raise TooSlowError from None
        finally:
            self._connection.settimeout(self._patience)
        self.is_begun = self.is_begun or size > 0
        return size


class Connection(BaseHTTPRequestHandler):
    """Reads the requests of one connection, and writes each answer in one piece."""

    protocol_version = "HTTP/1.1"
    # Otherwise an answer waits up to 40 ms for the client to acknowledge the one before.
    disable_nagle_algorithm = True
    # Seconds for a request to arrive, for the next use of a kept connection, and for the client to
    # take an answer: a client that keeps a thread here for longer has most likely gone.
    patience = 60.0
    # The `TcpServer` that accepted the connection.
    server: Any

    def setup(self) -> None:
        super().setup()
        self._incoming = TimedSocket(self.connection, self.patience)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """Read a request and answer it; it accepts any method, which the base class does not."""
        self.close_connection = True
        self.requestline, self.request_version, self.command, self.path = "", "", "", ""
        self._incoming.await_request()
        try:
            self._read_request()
        except TooSlowError:
            # A client that never began a request does not wait for an answer.
            if self._incoming.is_begun:
                self.send_error(408, "The request did not come in whole in its time")

    def _read_request(self) -> None:
        self.raw_requestline = self.rfile.readline(_LINE_LIMIT + 1)
        if len(self.raw_requestline) > _LINE_LIMIT:
            self.send_error(414)
        elif self.raw_requestline and self.parse_request():
            hosts = self.headers.get_all("Host", [])
            if not all(map(_LOOPBACK.fullmatch, hosts)):
                self.send_error(421, "This server answers as 127.0.0.1 and localhost only")
            elif len(hosts) > 1:
                self.send_error(400, "The request names two hosts")
            else:
                self._respond()

    def _respond(self) -> None:
        time.sleep(self.server.latency)
        try:
            body = self._body()
            authorization = self.headers.get("Authorization", "")
            base_url = self.server.base_url
            key = self.headers.get("Idempotency-Key", "")
            request = Request(self.command, self.path, authorization, body, base_url, key)
            response: Response = self.server.answer(request)
            self._send(response.status, response.body, {"Content-Type": response.media_type})
        except ApiError as error:
            self._send(error.status, error.body, error.headers)

    def _body(self) -> bytes:
        length, *others = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise coded(411, "length_required", "The body needs a Content-Length")
        if set(others) - {length}:
            self.close_connection = True
            raise coded(400, "several_lengths", "The body has two different Content-Lengths")
        if len(length) > _MOST_DIGITS or int(length) > _BODY_LIMIT:
            self.close_connection = True
            raise coded(413, "body_too_large", "The body is larger than 1 MiB")
        return self.rfile.read(int(length))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "x-request-id": f"req_{next(self.server.request_numbers):08d}",
            "Date": self.date_time_string(self.server.clock()),
            "RateLimit-Limit": "300",  # as documented, but the sandbox does not enforce it
            **headers,
        }
        if status == 204:
            del fields["Content-Type"], fields["Content-Length"]
        if self.close_connection:
            fields["Connection"] = "close"
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True
        self._send(code, to_json({"detail": message or _phrase(code)}), {})

    def log_message(self, *args: Any) -> None:
        """Print nothing: standard error belongs to the program that started the sandbox."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
