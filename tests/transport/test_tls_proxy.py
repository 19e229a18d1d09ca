"""A proxy that is reached over TLS: the API's own TLS goes through it, inside of the proxy's."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import Answer, FaultServer, Reply, page, reply
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


def test_57_an_answer_that_drips_inside_meets_the_deadline(through: Through) -> None:
    """Its TLS record comes byte by byte, and is of no use to anybody before it is whole."""

    def slowly(request: str) -> Reply:
        proxy.is_slow.set()
        return GOOD

    server, proxy = through([slowly])
    took = seconds_until_exceeded(ra.Client(KEY, server.url, deadline=DEADLINE))
    assert took < DEADLINE + GRACE
    assert len(server.requests) == 1
