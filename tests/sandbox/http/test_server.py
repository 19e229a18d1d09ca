"""Connections over real sockets: headers, broken requests, and many clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from support.inside import Connection, StoreServer, TcpServer
from support.sandbox_api import KEY, ask, make_server, port_of

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
    for length in (str(1 << 30), "9" * 18, "9" * 19, "9" * 5_000):
        status, document, headers = ask(server, RUNS, "POST", headers={"Content-Length": length})
        assert (status, document["detail"]["code"]) == (413, "body_too_large")
        assert headers["Connection"] == "close"


def test_71_two_lengths_are_one_too_many(server: StoreServer) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: {{}}\r\n\r\n{{{{}}}}"
    assert raw(server, head.format(3).encode()).startswith(b"HTTP/1.1 400")
    assert raw(server, head.format(2).encode()).startswith(b"HTTP/1.1 401")


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


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3:8000", "LocalHost:80", "[::1]", "[::1]:8"]
)
def test_70_this_machine_is_answered_by_all_its_names(server: StoreServer, host: str) -> None:
    assert ask(server, "/v1/workflows", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("evil.example@127.0.0.1", "10.0.0.1", "0.0.0.0", "[::2]", "127.0.0.1:80x", "", "127.1"),
    ],
)
def test_70_another_host_is_sent_away(server: StoreServer, host: str) -> None:
    """A web page can have its own name resolve to 127.0.0.1; its browser sends that name."""
    for path in ("/v1/workflows", "/v1/nothing"):
        status, document, headers = ask(server, path, headers={"Host": host})
        assert (status, headers["Connection"]) == (421, "close")
        assert "127.0.0.1 and localhost only" in document["detail"]


@pytest.mark.parametrize(("second", "status"), [("evil.example", b"421"), ("localhost", b"400")])
def test_70_one_host_is_enough(server: StoreServer, second: str, status: bytes) -> None:
    head = f"GET /v1/workflows HTTP/1.1\r\nHost: localhost\r\nHost: {second}\r\n\r\n"
    assert raw(server, head.encode()).startswith(b"HTTP/1.1 " + status)


def test_only_this_machine_is_listened_to(server: StoreServer) -> None:
    """Whoever listens to all addresses listens to this one, too."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port_of(server)), timeout=5)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    monkeypatch.setattr(Connection, "patience", 0.3)
    with make_server() as running:
        yield running


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"", b""),
        (b"GET /v1/work", b"408"),
        (b"GET /v1/workflows HTTP/1.1\r\nHost: loc", b"408"),
        (b"POST /v1/workflows HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", b"408"),
    ],
)
def test_71_half_a_request_is_waited_for_only_so_long(
    impatient: StoreServer, begun: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port_of(impatient)), timeout=5) as connection:
        connection.sendall(begun)
        answer = connection.recv(65_536)
        assert answer[9:12] == status
        # And then it is over; a reset says so as well as an end.
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_71_a_request_that_drips_has_no_more_time(impatient: StoreServer) -> None:
    with socket.create_connection(("127.0.0.1", port_of(impatient)), timeout=5) as connection:
        connection.settimeout(0.1)
        answer, sent = b"", 0
        while not answer and sent < 50:
            connection.sendall(b"G")
            sent += 1
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408")


def test_71_a_kept_connection_has_its_time_for_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Connection, "patience", 1.0)
    with make_server() as server:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
        connection.connect()
        sock = connection.sock
        for _ in range(3):
            time.sleep(0.4)
            connection.request("GET", f"{RUNS}?limit=5", headers={"Authorization": f"Bearer {KEY}"})
            assert connection.getresponse().read()
        assert connection.sock is sock
        connection.close()


def test_71_connections_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TcpServer, "most_connections", 3)
    with make_server() as server:
        address = ("127.0.0.1", port_of(server))
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(address, timeout=5))
            status, document, headers = ask(server, "/v1/workflows")
            assert (status, document["detail"]) == (503, "Too many connections are open")
            assert (headers["Retry-After"], headers["Connection"]) == ("1", "close")
        assert eventually(lambda: ask(server, "/v1/workflows")[0] == 200)


def eventually(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not (is_true := is_so()) and time.monotonic() < end:
        time.sleep(0.02)
    return is_true


def test_latency() -> None:
    with make_server(latency=0.06) as server:
        start = time.perf_counter()
        ask(server, "/v1/workflows")
        assert time.perf_counter() - start >= 0.06
