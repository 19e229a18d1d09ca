"""The whole deadline, FAULTS.md 57 and 58: whatever drips or floods, look-ups, dead addresses."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.documents import run_document
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.forked import in_child
from support.inside import MOST_LEFT_BEHIND, TimeSource

import retab_analysis as ra

HTTP = {http.client.__file__}
DEADLINE = 0.6
# All of it goes on for as long as the server does, so that an end within a minute is one that the
# deadline made; how soon it comes depends on the machine.
GRACE = 60.0

GOOD = reply(body=page([run_document()]))
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"
# A gzip header that says that a file name follows.
NAMED = GZIPPED + b"\x1f\x8b\x08\x08\0\0\0\0\0\3"
EMPTY_MEMBER = gzip.compress(b"")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The beginning of a server's part of a handshake, of 16 KiB.
HANDSHAKE = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"

DRIPS = {
    "nothing": Reply(),
    "half a body": Reply(OK + b"Content-Length: 99\r\n\r\n{"),
    "a body that is closed after it": Reply(
        OK + b"Connection: close\r\nContent-Length: 99\r\n\r\n{"
    ),
    "status line": Reply(b"HTTP/1.1 200 ", endless=b"x"),
    "header": Reply(OK + b"X: ", endless=b"x"),
    "headers": Reply(OK, endless=b"X: y\r\n", pause=0.1),
    "100 Continue": Reply(endless=CONTINUE),
    "chunk size": Reply(CHUNKED, endless=b"0"),
    "chunk extension": Reply(CHUNKED + b"1;", endless=b"x"),
    "chunks": Reply(CHUNKED, endless=b"1\r\n \r\n"),
    "trailer": Reply(CHUNKED + b"2\r\n{}\r\n0\r\nX: ", endless=b"x"),
    "trailers": Reply(CHUNKED + b"2\r\n{}\r\n0\r\n", endless=b"X: y\r\n"),
    "gzip header": Reply(NAMED, endless=b"x"),
    "empty gzip members": Reply(GZIPPED, endless=EMPTY_MEMBER),
}
FLOODS = {
    "100 Continue": Reply(endless=CONTINUE * 1000, pause=0.001),
    "trailers": Reply(CHUNKED + b"2\r\n{}\r\n0\r\n", endless=b"X: y\r\n" * 5000, pause=0.001),
    "gzip header": Reply(NAMED, endless=b"x" * 30_000, pause=0.001),
    "empty gzip members": Reply(GZIPPED, endless=EMPTY_MEMBER * 1000, pause=0.001),
}


def seconds_until_exceeded(client: ra.Client) -> float:
    began = time.monotonic()
    with pytest.raises(ra.DeadlineExceeded):
        ra.fetch_runs(client=client)
    return time.monotonic() - began


def all_at_once(tasks: dict[str, Callable[[], float]]) -> dict[str, float]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        running = {name: pool.submit(task) for name, task in tasks.items()}
        return {name: future.result() for name, future in running.items()}


def assert_all_meet_the_deadline(servers: dict[str, FaultServer], scheme: str = "http") -> None:
    clients = {
        name: ra.Client(KEY, each.url.replace("http:", f"{scheme}:"), deadline=DEADLINE)
        for name, each in servers.items()
    }
    took = all_at_once({name: partial(seconds_until_exceeded, c) for name, c in clients.items()})
    assert not {name: seconds for name, seconds in took.items() if seconds > DEADLINE + GRACE}
    assert_none_reads()


def assert_none_reads() -> None:
    """No thread goes on to read what comes."""
    end = time.monotonic() + 60
    while reading := [
        each for each in map(files_of, sys._current_frames().values()) if HTTP & each
    ]:
        assert time.monotonic() < end, reading
        time.sleep(0.01)


def files_of(frame: FrameType) -> set[str]:
    return {each.f_code.co_filename for each, _ in traceback.walk_stack(frame)}


@pytest.mark.parametrize("answers", [DRIPS, FLOODS], ids=["drips", "floods"])
def test_57_whatever_comes_slowly_or_for_ever_meets_the_deadline(
    answers: dict[str, Reply],
) -> None:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(FaultServer([each])) for name, each in answers.items()}
        assert_all_meet_the_deadline(servers)


PROXY_DRIPS = {name: DRIPS[name] for name in ("status line", "header", "headers", "nothing")}
PROXY_DRIPS["handshake"] = Reply(b"HTTP/1.1 200 OK\r\n\r\n" + HANDSHAKE, drip=DEADLINE / 30)


# Python itself leaves a TLS socket to the garbage collector where the one below was shut down.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("drip", PROXY_DRIPS.values(), ids=PROXY_DRIPS)
def test_57_a_proxy_meets_the_deadline(drip: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([drip]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = ra.Client(KEY, "https://api.retab.com", deadline=DEADLINE)
        assert seconds_until_exceeded(client) < DEADLINE + GRACE
        assert_none_reads()


def test_57_a_tls_handshake_meets_the_deadline(trusted_tls: ssl.SSLContext) -> None:
    """It drips, says nothing, or what is inside drips."""
    drips = Reply(HANDSHAKE, endless=b"\0")
    with ExitStack() as stack:
        servers = {
            "drips": stack.enter_context(FaultServer([], banner=drips)),
            "nothing": stack.enter_context(FaultServer([])),
            "inside": stack.enter_context(FaultServer([DRIPS["status line"]], trusted_tls)),
        }
        assert_all_meet_the_deadline(servers, "https")


# --- FAULTS.md 58: before there is a connection


Look = Callable[..., list[Any]]


@contextmanager
def resolver(look_up: Callable[[Look], Look], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names are found as a test wants it; there is no other way to have a system's resolver so."""
    monkeypatch.setattr(socket, "getaddrinfo", look_up(socket.getaddrinfo))
    yield


def fetch_at_last(client: ra.Client) -> Any:
    """Once the threads that were left behind have ended."""
    end = time.monotonic() + 20
    while True:
        try:
            return ra.fetch_runs(client=client)
        except ra.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def test_58_a_resolver_that_sleeps_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends a look-up, so a thread is left behind for each; but not for ever more."""
    release = threading.Event()

    def asleep(real: Look) -> Look:
        def look_up(*args: Any, **kwargs: Any) -> list[Any]:
            release.wait(60)
            return real("127.0.0.1", *args[1:], **kwargs)

        return look_up

    with FaultServer([GOOD]) as server, resolver(asleep, monkeypatch):
        client = ra.Client(
            KEY, server.url.replace("127.0.0.1", "localhost"), deadline=DEADLINE, max_attempts=1
        )
        one = partial(seconds_until_exceeded, client)
        took = all_at_once({f"thread {at}": one for at in range(MOST_LEFT_BEHIND)})
        assert max(took.values()) < DEADLINE + GRACE
        with pytest.raises(ra.TransportError, match="32 earlier requests") as caught:
            ra.fetch_runs(client=client)
        assert not isinstance(caught.value, ra.DeadlineExceeded)
        assert server.connections == 0
        release.set()
        later = ra.Client(KEY, client.base_url, max_attempts=1)
        assert fetch_at_last(later).height == 1
        # None of them sent what nobody waited for any more.
        assert len(server.requests) == 1


def test_58_a_dozen_dead_addresses_meet_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_address() as dead:

        def many(real: Look) -> Look:
            return lambda *args, **kwargs: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead) for _ in range(12)
            ]

        with resolver(many, monkeypatch):
            client = ra.Client(KEY, f"http://localhost:{dead[1]}", deadline=DEADLINE)
            assert seconds_until_exceeded(client) < DEADLINE + GRACE


@contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    """An address that does not answer at all: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'a' * 64}.invalid"])
def test_58_a_name_that_is_not_known_is_a_transport_error(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(real: Look) -> Look:
        def look_up(*args: Any, **kwargs: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        return look_up

    with resolver(fail, monkeypatch):
        client = ra.Client(KEY, f"https://{host}", max_attempts=1)
        with pytest.raises(ra.TransportError, match=r"not known|label empty or too long"):
            ra.fetch_runs(client=client)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_where_no_thread_can_be_had_the_request_is_sent_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with FaultServer([GOOD]) as server, ra.Client(KEY, server.url) as client:

        def fetch() -> list[Any]:
            monkeypatch.setattr(threading.Thread, "start", refuse)
            return client.get("/v1/workflows/evals/runs", parse=json.loads)["data"]

        assert len(in_child(fetch)) == 1  # which has no threads yet


# --- FAULTS.md 59: after the answer


class LookedAt(FakeTime):
    """A clock that goes on by a second whenever it is looked at: by work, not by speed."""

    def as_time(self) -> TimeSource:
        return replace(super().as_time(), monotonic=partial(next, itertools.count(self.now)))


NUMBER, LARGE = 500_000, b"[" + b"1," * 999 + b"1],"
BODIES = {
    "bad records": b'{"data":[' + b"{}," * NUMBER + b'{}],"list_metadata":{}}',
    "large bad records": b'{"data":[' + LARGE * 999 + b'{}],"list_metadata":{}}',
    "other members": b"{" + b'"a":1,' * NUMBER + b'"data":[{}],"list_metadata":{}}',
}
DOORS: dict[str, Callable[[ra.Client, Path], Any]] = {
    "fetch_runs": lambda client, _: ra.fetch_runs(client=client, strict=False),
    "sync": lambda client, path: ra.Archive(path).sync("wf_1", client=client),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_59_the_deadline_holds_in_parsing(
    body: bytes, door: Callable[[ra.Client, Path], Any], tmp_path: Path
) -> None:
    """A few kilobytes on the wire become millions of bad records."""
    answer = reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    with FaultServer([answer]) as server:
        client = client_for(server.url, LookedAt(), deadline=100.0)
        with pytest.raises(ra.DeadlineExceeded):
            door(client, tmp_path / "a.sqlite")
        assert len(server.requests) == 1
