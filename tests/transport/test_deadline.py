"""The whole deadline, FAULTS.md 57 and 58: whatever drips or floods, look-ups, dead addresses."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra

DEADLINE = 0.6
# A second is what the library may take on top. The rest is for machines that do much else: before
# there was one deadline for everything, all of these went on for as long as the server did.
GRACE = 4.0

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


def clients_of(servers: dict[str, FaultServer]) -> dict[str, ra.Client]:
    return {name: ra.Client(KEY, each.url, deadline=DEADLINE) for name, each in servers.items()}


def all_at_once(tasks: dict[str, Callable[[], float]]) -> dict[str, float]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        running = {name: pool.submit(task) for name, task in tasks.items()}
        return {name: future.result() for name, future in running.items()}


def assert_all_meet_the_deadline(clients: dict[str, ra.Client]) -> None:
    took = all_at_once(
        {name: lambda c=each: seconds_until_exceeded(c) for name, each in clients.items()}
    )
    assert not {name: seconds for name, seconds in took.items() if seconds > DEADLINE + GRACE}
    # One client after the other: its threads, if it had any, do not outlive the deadline.
    assert not [each for each in threading.enumerate() if each.name.startswith("retab_analysis")]


@pytest.mark.parametrize("answers", [DRIPS, FLOODS], ids=["drips", "floods"])
def test_57_whatever_comes_slowly_or_for_ever_meets_the_deadline(
    answers: dict[str, Reply],
) -> None:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(FaultServer([each])) for name, each in answers.items()}
        assert_all_meet_the_deadline(clients_of(servers))


def test_57_a_proxy_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        clients = {}
        for name in ("status line", "header", "headers", "nothing"):
            proxy = stack.enter_context(FaultServer([DRIPS[name]]))
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            clients[name] = ra.Client(KEY, "https://api.retab.com", deadline=DEADLINE)
        assert_all_meet_the_deadline(clients)


def test_57_a_tls_handshake_meets_the_deadline(
    trusted_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It drips, says nothing, or comes after a slow answer of a proxy; and what is inside drips."""
    drips = Reply(HANDSHAKE, endless=b"\0")
    slow_proxy = Reply(b"HTTP/1.1 200 OK\r\n\r\n" + HANDSHAKE, drip=DEADLINE / 30)
    with ExitStack() as stack:
        servers = {
            "drips": stack.enter_context(FaultServer([], banner=drips)),
            "nothing": stack.enter_context(FaultServer([])),
            "inside": stack.enter_context(FaultServer([DRIPS["status line"]], trusted_tls)),
        }
        clients = {
            name: ra.Client(KEY, each.url.replace("http:", "https:"), deadline=DEADLINE)
            for name, each in servers.items()
        }
        proxy = stack.enter_context(FaultServer([slow_proxy]))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        clients["after a proxy"] = ra.Client(KEY, "https://api.retab.com", deadline=DEADLINE)
        assert_all_meet_the_deadline(clients)


def test_57_an_error_status_whose_body_drips_is_told_by_the_deadline() -> None:
    empty = b"HTTP/1.1 404 X\r\nContent-Encoding: gzip\r\n\r\n"
    answers = [
        Reply(b"HTTP/1.1 404 X\r\n\r\n", endless=b"x"),
        Reply(empty, endless=EMPTY_MEMBER * 1000, pause=0.001),
    ]
    began = time.monotonic()
    for answer in answers:
        with FaultServer([answer]) as server:
            with pytest.raises(ra.NotFoundError, match="404"):
                ra.fetch_run("r", client=ra.Client(KEY, server.url, deadline=DEADLINE / 2))
    assert time.monotonic() - began < DEADLINE + GRACE


def test_57_a_body_compressed_twice_is_refused_before_it_is_unpacked() -> None:
    """A megabyte of empty members that is packed again is a few kilobytes, and minutes of work."""
    bomb = gzip.compress(EMPTY_MEMBER * 200_000)
    assert len(bomb) < 20_000
    answer = reply(body=bomb, headers={"Content-Encoding": "gzip, gzip"})
    began = time.monotonic()
    with FaultServer([answer]) as server:
        with pytest.raises(ra.TransportError, match="compressed more than once"):
            ra.fetch_runs(client=ra.Client(KEY, server.url, max_attempts=1))
    assert time.monotonic() - began < GRACE


# --- FAULTS.md 58: before there is a connection


Look = Callable[..., list[Any]]


@contextmanager
def resolver(look_up: Callable[[Look], Look], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names are found as a test wants it; there is no other way to have a system's resolver so."""
    monkeypatch.setattr(socket, "getaddrinfo", look_up(socket.getaddrinfo))
    yield


def test_58_a_resolver_that_sleeps_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), []

    def asleep(real: Look) -> Look:
        def look_up(*args: Any, **kwargs: Any) -> list[Any]:
            calls.append(args)
            release.wait(20)
            return real("127.0.0.1", *args[1:], **kwargs)

        return look_up

    good = reply(body=page([run_document()]))
    with FaultServer([good]) as server, resolver(asleep, monkeypatch):
        url = server.url.replace("127.0.0.1", "localhost")
        clients = [ra.Client(KEY, url, deadline=DEADLINE) for _ in range(8)]
        tasks = {
            f"client {at}": lambda c=each: seconds_until_exceeded(c)
            for at, each in enumerate(clients)
        }
        took = all_at_once(tasks)
        assert max(took.values()) < DEADLINE + GRACE
        # Nothing ends a look-up, so one thread is left; it is shared, and does not hold Python up.
        left = [each for each in threading.enumerate() if each.name.startswith("retab_analysis")]
        assert len(left) == len(calls) == 1
        assert left[0].daemon
        release.set()
        left[0].join(5)
        assert not left[0].is_alive()
        assert ra.fetch_runs(client=clients[0]).height == 1


def test_58_a_dozen_dead_addresses_meet_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_address() as dead, ExitStack() as stack:
        server = stack.enter_context(FaultServer([Reply()]))

        def many(real: Look) -> Look:
            return lambda *args, **kwargs: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead) for _ in range(12)
            ]

        stack.enter_context(resolver(many, monkeypatch))
        url = server.url.replace("127.0.0.1", "localhost")
        assert_all_meet_the_deadline({"dead": ra.Client(KEY, url, deadline=DEADLINE)})


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


def test_58_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    good = reply(body=page([run_document()]))
    with FaultServer([good]) as server, FaultServer([good]) as closed:
        refused = ("127.0.0.1", closed.port)
        closed.__exit__()

        def two(real: Look) -> Look:
            alive = ("127.0.0.1", server.port)
            return lambda *args, **kwargs: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in (refused, alive)
            ]

        with resolver(two, monkeypatch):
            client = ra.Client(KEY, "http://localhost:9", max_attempts=1)
            assert ra.fetch_runs(client=client).height == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "not known"),
        (UnicodeError("label empty or too long"), "is not the name of a host"),
    ],
)
def test_58_a_name_that_is_not_known_is_a_transport_error(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(real: Look) -> Look:
        def look_up(*args: Any, **kwargs: Any) -> list[Any]:
            raise error

        return look_up

    with resolver(fail, monkeypatch):
        client = ra.Client(KEY, "http://localhost:9", max_attempts=1)
        with pytest.raises(ra.TransportError, match=words):
            ra.fetch_runs(client=client)


def test_58_where_no_thread_can_be_had_the_name_is_looked_up_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultServer([reply(body=page([run_document()]))]) as server:
        client = ra.Client(KEY, server.url.replace("127.0.0.1", "localhost"))
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name.startswith("retab_analysis"):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert ra.fetch_runs(client=client).height == 1


# --- FAULTS.md 59: after the answer


def test_59_the_deadline_holds_in_parsing() -> None:
    """A few kilobytes on the wire become two million bad records."""
    body = b'{"data":[' + b"{}," * 2_000_000 + b'{}],"list_metadata":{}}'
    wire = gzip.compress(body)
    assert len(wire) < 12 * 1024
    with FaultServer([reply(body=wire, headers={"Content-Encoding": "gzip"})]) as server:
        took = seconds_until_exceeded(ra.Client(KEY, server.url, deadline=DEADLINE))
    assert took < DEADLINE + GRACE
