"""Faults on request, as a client meets them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.inside import Fault, FaultInjector, StoreServer
from support.sandbox_api import KEY, make_server

RUNS = "/v1/workflows/evals/runs"


@pytest.fixture(scope="module")
def served() -> Iterator[StoreServer]:
    with make_server() as running:
        yield running


@pytest.fixture
def server(served: StoreServer) -> Iterator[StoreServer]:
    yield served
    served.clear_faults()


def get(server: StoreServer, path: str = f"{RUNS}?limit=3") -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.base_url).port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def test_status(server: StoreServer) -> None:
    server.inject(Fault(match=RUNS, status=429, retry_after="0.5", message="Slow down", times=2))
    for _ in range(2):
        status, body, headers = get(server)
        assert (status, headers["Retry-After"]) == (429, "0.5")
        assert json.loads(body) == {"detail": "Slow down"}
        assert headers["x-request-id"]
    assert get(server)[0] == 200


def test_a_status_that_has_no_name(server: StoreServer) -> None:
    server.inject({"status": 599})
    assert get(server)[0] == 599


def test_a_fault_comes_before_the_key(server: StoreServer) -> None:
    server.inject({"match": "/v1/workflows", "status": 502})
    assert get(server, "/v1/workflows")[0] == 502


def test_reset(server: StoreServer) -> None:
    server.inject({"kind": "reset"})
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        get(server)
    assert get(server)[0] == 200


def test_cut(server: StoreServer) -> None:
    complete = get(server)[1]
    server.inject({"kind": "cut"})
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server)
    assert caught.value.partial == complete[: len(complete) // 2]


def test_html_and_empty(server: StoreServer) -> None:
    server.inject({"kind": "html"})
    server.inject({"kind": "empty", "after": 1})
    status, body, headers = get(server)
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b"<h1>" in body
    # The first request never reached the second fault, so this one is let through by `after`.
    assert get(server)[0] == 200
    assert get(server)[:2] == (200, b"")


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_slow_and_drip(server: StoreServer, kind: str) -> None:
    complete = get(server)[1]
    server.inject({"kind": kind, "delay": 0.15})
    start = time.perf_counter()
    status, body, _ = get(server)
    assert time.perf_counter() - start > 0.14
    assert (status, body) == (200, complete)


def test_clear_faults(server: StoreServer) -> None:
    server.inject({"kind": "status", "times": None})
    assert [get(server)[0] for _ in range(3)] == [503, 503, 503]
    server.clear_faults()
    assert get(server)[0] == 200


def test_faults_are_counted_across_threads(server: StoreServer) -> None:
    server.inject({"times": 10})
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: get(server)[0], range(40)))
    assert statuses.count(503) == 10


def test_match_method_and_after() -> None:
    injector = FaultInjector([Fault(match="limit=2", method="GET", after=1, times=2)])
    assert injector.next_fault("GET", "/v1?limit=3") is None
    assert injector.next_fault("POST", "/v1?limit=2") is None
    drawn = [injector.next_fault("GET", "/v1?limit=2") is not None for _ in range(5)]
    assert drawn == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "fire"}, "kind is one of"),
        ({"status": 200}, "status is between"),
        ({"delay": -1.0}, "delay is in seconds"),
        ({"delay": float("nan")}, "delay is in seconds"),
        ({"after": -1}, "after is at least 0"),
        ({"times": 0}, "times at least 1"),
        ({"times": True}, "times at least 1"),
        ({"match": None}, "match is a text"),
        ({"status": "503"}, "status is between"),
        ({"delay": "1"}, "delay is in seconds"),
        ({"delay": 1e12}, "delay is in seconds"),
        ({"retry_after": 5}, "retry_after is a text"),
        ({"retry_after": "1\r\nX: y"}, "fit in a header"),
    ],
)
def test_invalid_faults(server: StoreServer, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**fields)
    with pytest.raises(ValueError, match=message):
        server.inject(fields)
    assert get(server)[0] == 200
