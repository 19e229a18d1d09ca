"""Threads that run many things at once, and how they are stopped."""

from __future__ import annotations

import contextvars
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import (
    AWAY_LIMIT,
    CancellationToken,
    Cancelled,
    TaskOutcomes,
    apart,
    current_token,
    run_all,
    threads,
)

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))


def our_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("retab_analysis")]


def fail_with(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


# --- run_all


def test_while_this_thread_is_busy_others_go_on_with_what_is_ahead() -> None:
    outcomes: TaskOutcomes[None] = TaskOutcomes()
    begun = [threading.Event() for _ in range(4)]
    waited: list[bool] = []
    tasks = [each.set for each in begun]
    run_all(tasks, 1, outcomes, lambda: waited.append(begun[2].wait(60)), ahead=2)
    assert waited == [True] * 4


def test_a_single_task_stays_in_a_thread_that_can_be_stopped_itself() -> None:
    outcomes: TaskOutcomes[threading.Thread] = TaskOutcomes()
    told: list[int] = []

    def note() -> threading.Thread:
        VARIABLE.set("theirs")
        return threading.current_thread()

    def run() -> None:
        run_all([note], 4, outcomes, lambda: told.append(len(outcomes.results)))
        assert VARIABLE.get() == "default"

    CancellationToken().run(run)
    assert outcomes.results == {0: threading.current_thread()}
    assert told == [1]
    run_all([note], 4, outcomes)  # Ctrl-C does not end what this thread does
    assert outcomes.results[0] is not threading.current_thread()


def test_the_error_is_that_of_the_first_task_that_failed() -> None:
    errors = [ra.NotFoundError(f"error {number}") for number in range(3)]
    first_may = threading.Event()

    def first() -> int:
        first_may.wait(5)
        raise errors[0]

    def last() -> int:
        first_may.set()
        raise errors[2]

    outcomes: TaskOutcomes[int] = TaskOutcomes()
    run_all([lambda: 7, first, fail_with(errors[1]), last], 8, outcomes)
    assert outcomes.error() is errors[0]
    assert outcomes.results == {0: 7}
    assert outcomes.errors == {1: errors[0], 2: errors[1], 3: errors[2]}


def api_error(status: int) -> ra.APIError:
    return ra.APIError(str(status), status_code=status)


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (ra.AuthenticationError("x", status_code=401), 1),
        (ra.PermissionDeniedError("x", status_code=403), AWAY_LIMIT),
        (ra.TransportError("x"), AWAY_LIMIT),
        (ra.ProtocolError("x"), AWAY_LIMIT),
        (ra.ServerError("x", status_code=503), AWAY_LIMIT),
        (ra.RateLimitError("x", status_code=429), AWAY_LIMIT),
        (api_error(408), AWAY_LIMIT),
        (ra.NotFoundError("x", status_code=404), 30),
        (ra.SchemaError("x"), 30),
        (api_error(418), 30),
    ],
)
def test_what_would_fail_every_task_ends_it_early(error: ra.RetabAnalysisError, tried: int) -> None:
    outcomes: TaskOutcomes[int] = TaskOutcomes()
    run_all([fail_with(error)] * 30, 1, outcomes)
    assert len(outcomes.errors) == tried
    assert outcomes.error() is error


def test_one_that_succeeds_in_between_gives_hope_again() -> None:
    bad = fail_with(ra.TransportError("x"))
    tasks = [*[bad] * (AWAY_LIMIT - 1), lambda: 1] * 3
    outcomes: TaskOutcomes[int] = TaskOutcomes()
    run_all(tasks, 1, outcomes)
    assert len(outcomes.results) == 3
    assert len(outcomes.errors) == 3 * (AWAY_LIMIT - 1)


# --- the pool


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def test_a_task_has_the_context_of_who_submits_it_and_no_other() -> None:
    token = VARIABLE.set("mine")
    try:
        with threads(1) as pool:
            pool.submit(lambda: VARIABLE.set("theirs")).result(5)
            assert pool.submit(VARIABLE.get).result(5) == "mine"
            assert pool.submit(current_token).result(5) is not None
    finally:
        VARIABLE.reset(token)
    assert current_token() is None


def test_a_thread_that_cannot_be_stopped_does_not_hold_the_caller_up() -> None:
    release = threading.Event()
    with threads(1) as pool:
        future = pool.submit(lambda: release.wait(120))
        late = pool.submit(lambda: 1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 120
    (left,) = our_threads()
    assert left.daemon, "Python could not end"
    release.set()
    left.join(5)
    assert future.result(5) is True
    with pytest.raises(Cancelled):  # what had not begun is not begun any more
        late.result(5)


def test_what_polars_stopped_for_an_interrupt_is_computed_again() -> None:
    tried: list[int] = []

    def compute() -> int:
        tried.append(threading.get_ident())
        if len(tried) < 3:
            raise KeyboardInterrupt
        return 7

    assert apart(compute) == 7
    assert threading.get_ident() not in tried
    assert our_threads() == []


def test_an_interrupt_ends_the_wait_for_polars_once_and_not_polars_itself() -> None:
    frame = pl.DataFrame({"a": range(100_000)})
    pressed: list[int] = []

    def compute() -> pl.DataFrame:
        if not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)
        return frame.select(pl.col("a").sort(descending=True))

    with pytest.raises(KeyboardInterrupt):
        apart(compute)
    assert our_threads() == []
    assert apart(lambda: frame.select(pl.col("a").sum()).item()) == 4_999_950_000


def test_an_interrupt_while_a_thread_is_started_forgets_it_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if len(our_threads()) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    outcomes: TaskOutcomes[int] = TaskOutcomes()
    with pytest.raises(KeyboardInterrupt):
        run_all([lambda: 1] * 5, 3, outcomes)
    assert our_threads() == []


# --- cancelling requests


@contextmanager
def stopped_when(ready: Callable[[], bool]) -> Iterator[CancellationToken]:
    """Set once something is so; what stands in the block ends by that, and not by itself."""
    cancel = CancellationToken()
    told: list[float] = []

    def tell() -> None:
        end = time.monotonic() + 60
        while not ready() and time.monotonic() < end:
            time.sleep(0.005)
        told.append(time.monotonic())
        cancel.set()

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    yield cancel
    thread.join(60)
    assert time.monotonic() - told[0] < 20


@contextmanager
def hanging() -> Iterator[tuple[FaultServer, threading.Event]]:
    """A server that answers when it is allowed to."""
    release = threading.Event()

    def answer(request: str) -> Reply:
        release.wait(60)
        return GOOD

    with FaultServer([answer]) as server:
        try:
            yield server, release
        finally:
            release.set()


def fetch(client: ra.Client) -> Any:
    return ra.fetch_runs(client=client)


@pytest.mark.parametrize(
    "first",
    [Reply(b""), reply(body=b" " * 100, drip=0.2), reply(503, headers={"Retry-After": "60"})],
    ids=["silence", "body", "backoff"],
)
def test_told_while_it_waits(first: Reply) -> None:
    with FaultServer([first, GOOD]) as server, ra.Client(KEY, server.url) as client:
        with stopped_when(lambda: bool(server.requests)) as cancel, pytest.raises(Cancelled):
            cancel.run(partial(fetch, client))
        assert fetch(client).height == 1


def test_told_while_it_connects_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the name's look-up and the socket there is nothing yet to be shut down."""
    cancel = CancellationToken()
    look_up = socket.getaddrinfo

    def slow_look_up(*args: Any, **kwargs: Any) -> Any:
        cancel.set()
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
    with FaultServer([GOOD]) as server, ra.Client(KEY, server.url) as client:
        with pytest.raises(Cancelled):
            cancel.run(partial(fetch, client))
        assert server.requests == []


def test_a_connection_that_was_given_back_is_not_shut_down() -> None:
    """It may be somebody else's by now."""
    cancel = CancellationToken()
    with hanging() as (server, release), ra.Client(KEY, server.url, max_concurrency=1) as client:
        release.set()
        assert cancel.run(partial(fetch, client)).height == 1
        release.clear()
        other: list[int] = []
        thread = threading.Thread(target=lambda: other.append(fetch(client).height))
        thread.start()
        while len(server.requests) < 2:
            time.sleep(0.005)
        cancel.set()
        release.set()
        thread.join(5)
        assert other == [1]
        assert server.connections == 1
        assert len(server.requests) == 2
