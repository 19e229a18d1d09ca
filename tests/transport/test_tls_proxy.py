"""A proxy that is reached over TLS: the API's own TLS goes through it, inside of the proxy's."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import Answer, FaultServer, Reply, page, reply
from support.forked import in_child
from support.inside import CancellationToken, Cancelled
from support.tlsproxy import TlsProxy

import retab_analysis as ra

DEADLINE = 0.6
GRACE = 60.0  # as in ``test_deadline``
GOOD = reply(body=page([run_document()]))

Through = Callable[[list[Answer]], tuple[FaultServer, TlsProxy]]


@pytest.fixture
def through(trusted_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Through]:
    """Starts an HTTPS server, and the proxy that clients made from now on go through."""
    with ExitStack() as stack:

        def start(answers: list[Answer]) -> tuple[FaultServer, TlsProxy]:
            server = stack.enter_context(FaultServer(answers, trusted_tls))
            proxy = stack.enter_context(TlsProxy(trusted_tls, server.port))
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            return server, proxy

        yield start


def seconds_until_exceeded(client: ra.Client) -> float:
    began = time.monotonic()
    with pytest.raises(ra.DeadlineExceeded):
        ra.fetch_runs(client=client)
    return time.monotonic() - began


def test_one_connection_through_it_serves_many_requests(through: Through) -> None:
    server, proxy = through([GOOD])
    with ra.Client(KEY, server.url) as client:
        for _ in range(3):
            assert ra.fetch_runs(client=client).height == 1
    assert [each.split(" ")[:2] for each in proxy.asked] == [
        ["CONNECT", f"127.0.0.1:{server.port}"]
    ]
    assert len(server.requests) == 3


def test_57_a_handshake_that_drips_inside_meets_the_deadline(through: Through) -> None:
    server, proxy = through([GOOD])
    proxy.is_slow.set()
    took = seconds_until_exceeded(ra.Client(KEY, server.url, deadline=DEADLINE))
    assert took < DEADLINE + GRACE
    assert server.requests == []


def test_57_an_answer_that_drips_inside_meets_the_deadline(through: Through) -> None:
    """Its TLS record comes byte by byte, and is of no use to anybody before it is whole."""

    def slowly(request: str) -> Reply:
        proxy.is_slow.set()
        return GOOD

    server, proxy = through([slowly])
    took = seconds_until_exceeded(ra.Client(KEY, server.url, deadline=DEADLINE))
    assert took < DEADLINE + GRACE
    assert len(server.requests) == 1


@pytest.mark.parametrize("is_slow", [False, True], ids=["answer", "handshake"])
def test_a_thread_that_waits_inside_can_be_told_to_stop(through: Through, is_slow: bool) -> None:
    server, proxy = through([Reply()])
    if is_slow:
        proxy.is_slow.set()
    token = CancellationToken()

    def tell() -> None:
        while not (proxy.asked if is_slow else server.requests):
            time.sleep(0.005)
        token.set()

    threading.Thread(target=tell, daemon=True).start()
    client = ra.Client(KEY, server.url, max_attempts=1)
    began = time.monotonic()
    with pytest.raises((Cancelled, ra.TransportError)):
        token.run(lambda: ra.fetch_runs(client=client))
    assert time.monotonic() - began < GRACE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_61_a_child_that_is_forked_makes_a_connection_of_its_own(through: Through) -> None:
    server, proxy = through([reply(body={"id": "run"})])
    with ra.Client(KEY, server.url, max_attempts=1) as client:

        def read() -> str:
            return str(client.get("/v1/workflows/evals/runs/run", parse=json.loads)["id"])

        assert read() == "run"
        assert in_child(read) == "run"
        assert [read(), read()] == ["run"] * 2
    assert len(proxy.asked) == 2
