"""Connections over real sockets: headers, broken requests, many clients, and the log."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.sandbox_api import KEY, ask, make_server, port_of

from retab_analysis.sandbox.http.connection import Connection
from retab_analysis.sandbox.sandbox import StoreServer

RUNS = "/v1/workflows/evals/runs"


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with make_server() as running:
        yield running


def raw(server: StoreServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def test_an_answer_has_its_headers(server: StoreServer) -> None:
    status, document, headers = ask(server, f"{RUNS}?limit=2")
    assert status == 200
    assert len(document["data"]) == 2
    assert headers["Content-Type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert int(headers["Content-Length"]) > 1_000
    assert ask(server, "/v1/nothing")[2]["x-request-id"] != headers["x-request-id"]


def test_bodies_without_a_length_or_too_large(server: StoreServer) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(server, RUNS, "POST", b"0\r\n\r\n", chunked)[0] == 411
    for length in ("-3", "²", ""):
        assert ask(server, RUNS, "POST", headers={"Content-Length": length})[0] == 411
    status, document, headers = ask(server, RUNS, "POST", headers={"Content-Length": str(1 << 30)})
    assert (status, document["detail"]["code"]) == (413, "body_too_large")
    assert headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_what_is_not_a_request_is_refused_in_json(
    server: StoreServer, data: bytes, status: bytes
) -> None:
    answer = raw(server, data)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Type: application/json" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["detail"]


def test_an_empty_connection_is_nothing(server: StoreServer) -> None:
    assert raw(server, b"") == b""


def test_connections_are_kept(server: StoreServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
    connection.connect()
    sock = connection.sock
    for _ in range(3):
        connection.request("GET", f"{RUNS}?limit=5", headers={"Authorization": f"Bearer {KEY}"})
        assert connection.getresponse().read()
    assert connection.sock is sock
    connection.close()


def test_an_answer_is_one_write_that_does_not_wait(
    server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nagle's algorithm and delayed acknowledgements together would make each answer 40 ms."""
    writes: list[int] = []
    setup = Connection.setup

    def watched(handler: Any) -> None:
        setup(handler)
        assert handler.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        write = handler.wfile.write
        handler.wfile = _Counting(write, writes)

    monkeypatch.setattr(Connection, "setup", watched)
    ask(server, f"{RUNS}?limit=100")
    assert len(writes) == 1


class _Counting:
    closed = False

    def __init__(self, write: Any, writes: list[int]) -> None:
        self._write, self._writes = write, writes

    def write(self, data: bytes) -> int:
        self._writes.append(len(data))
        return int(self._write(data))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_many_threads_at_once(server: StoreServer) -> None:
    paths = [f"{RUNS}?limit=7", "/v1/workflows", "/v1/workflows/evals?workflow_id=wf_claims"] * 20
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda path: ask(server, path)[:2], paths))
    assert all(status == 200 for status, _ in answers)
    assert answers[:3] * 20 == answers


def test_http_1_0_closes(server: StoreServer) -> None:
    head = f"GET /v1/workflows HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    answer = raw(server, head)
    assert b"Connection: close" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]


def test_requests_are_recorded(server: StoreServer) -> None:
    server.requests.clear()
    ask(server, f"{RUNS}?limit=2&order=asc")
    ask(server, f"{RUNS}/x")
    ask(server, RUNS, "POST", b"{}")
    ask(server, RUNS, key=None)
    assert [tuple(served) for served in server.requests] == [
        ("GET", f"{RUNS}?limit=2&order=asc", 200),
        ("GET", f"{RUNS}/x", 404),
        ("POST", RUNS, 422),
        ("GET", RUNS, 401),
    ]
    assert len(server.requests) == 4
    assert len(server.requests.matching(RUNS, "GET")) == 3
    assert [served.path for served in server.requests.matching("order=asc")] == [
        f"{RUNS}?limit=2&order=asc"
    ]
    assert repr(server.requests) == "<4 requests served>"
    server.requests.clear()
    assert len(server.requests) == 0


def test_latency() -> None:
    with make_server(latency=0.06) as server:
        start = time.perf_counter()
        ask(server, "/v1/workflows")
        assert time.perf_counter() - start >= 0.06
