"""The API's rate limit, FAULTS.md 122: all threads wait for it, and nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from support.documents import result_document, run_document
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import Answer, FaultServer, Reply, page, reply

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))
LIMITED = reply(429, {"detail": "slow down"})
NOW = FakeTime().wall_at_start


def read(answers: list[Answer], clock: FakeTime, **settings: float) -> int:
    """Fetch the runs; how many requests that took."""
    with FaultServer(answers) as server:
        ra.fetch_runs(client=client_for(server.url, clock, **settings))
        return len(server.requests)


def test_122_a_429_is_no_attempt_and_each_wait_is_twice_as_long() -> None:
    clock = FakeTime()
    assert read([LIMITED] * 7 + [GOOD], clock, max_attempts=1) == 8
    assert clock.slept == [1, 2, 4, 8, 16, 20, 20]
    half = FakeTime(chance=0.5)
    read([LIMITED, LIMITED, reply(503), GOOD], half, max_attempts=2)
    assert half.slept == [0.75, 1.5, 0.25]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "9", "RateLimit-Reset": "30"}, 9),
        ({"Retry-After": "soon", "RateLimit-Reset": "30"}, 30),
        ({"RateLimit-Reset": "0", "X-RateLimit-Reset": "7.5"}, 7.5),
        ({"X-RateLimit-Reset": str(int(NOW) + 42)}, 42),
        ({"Retry-After": formatdate(NOW + 42, usegmt=True)}, 42),
        ({"RateLimit": '"default";r=0;t=12'}, 12),
        ({"RateLimit": '"day";r=900;t=80000, "minute"; r=0; t=33'}, 33),
        ({"RateLimit": "limit=300, remaining=0, reset=5"}, 1),
        ({"X-RateLimit-Reset": "nan", "RateLimit": '"default";r=0;t=-4'}, 1),
    ],
)
def test_122_a_429_tells_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    clock = FakeTime()
    read([reply(429, headers=headers), GOOD], clock)
    assert clock.slept == [seconds]


def test_122_without_any_answer_the_deadline_holds() -> None:
    clock = FakeTime()
    with FaultServer([LIMITED]) as server, pytest.raises(ra.RateLimitError, match="slow down"):
        ra.fetch_runs(client=client_for(server.url, clock))
    assert 100 < clock.now <= 120


def test_122_once_an_answer_has_come_the_wait_may_exceed_the_deadline_by_ten_minutes() -> None:
    first = reply(body=page([run_document("r1")], after="c"))
    with FaultServer([first, *[LIMITED] * 32, GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 2
    clock = FakeTime()
    with FaultServer([first, LIMITED]) as server, pytest.raises(ra.RateLimitError) as caught:
        ra.fetch_runs(client=client_for(server.url, clock))
    assert caught.value.partial["run_id"].to_list() == ["r1"]
    assert 700 < clock.now <= 720


def test_122_a_wait_that_is_too_long_ends_the_requests_of_all_threads() -> None:
    clock = FakeTime()
    with FaultServer([reply(429, headers={"Retry-After": "500"})]) as server:
        client = client_for(server.url, clock)
        with pytest.raises(ra.RateLimitError) as caught:
            ra.fetch_runs(client=client)
        assert caught.value.retry_after == 500
        clock.now += 30
        with pytest.raises(ra.DeadlineExceeded) as caught_then:
            ra.fetch_runs(client=client)
        assert caught_then.value.retry_after == pytest.approx(470)
        assert caught_then.value.attempts == 0
        assert len(server.requests) == 1


def result_of(request: str) -> Reply:
    run_id = dict(parse_qsl(urlsplit(request.split(" ")[1]).query))["run_id"]
    return reply(body=page([result_document(f"result_{run_id}", workflow_eval_run_id=run_id)]))


def known_runs(server: FaultServer, number: int) -> pl.DataFrame:
    """A RUNS frame, which spares a request for each run."""
    server.answers[:] = [reply(body=page(run_document(f"r{at}") for at in range(number)))]
    return ra.fetch_runs(client=client_for(server.url))


class Window:
    """Answers 60 requests in any ten seconds, which last ``scale`` times as long."""

    def __init__(self, answer: Callable[[str], Reply], scale: float) -> None:
        self.answer, self.seconds = answer, 10 * scale
        self.taken, self.told, self.lock = deque[float](), Counter[str](), threading.Lock()

    def __call__(self, request: str) -> Reply:
        with self.lock:
            now = time.monotonic()
            while self.taken and self.taken[0] <= now - self.seconds:
                self.taken.popleft()
            is_free = len(self.taken) < 60
            self.told["answered" if is_free else "refused"] += 1
            if is_free:
                self.taken.append(now)
        return self.answer(request) if is_free else LIMITED


def test_122_a_rolling_window_loses_nothing_and_refuses_few() -> None:
    scale, window = 0.03, Window(result_of, 0.03)
    with FaultServer([]) as server:
        runs = known_runs(server, 150)
        server.answers[:] = [window]
        with ra.Client(KEY, server.url) as client:
            limit = client._loop
            limit.first, limit.longest = limit.first * scale, limit.longest * scale
            results = ra.fetch_results(runs, evals=False, client=client)
    assert results["run_id"].to_list() == runs["run_id"].to_list()
    assert window.told["answered"] == 150
    assert window.told["refused"] > 0
    assert window.told["refused"] < sum(window.told.values()) / 3


def test_122_the_bar_says_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer([LIMITED, GOOD]) as server:
        ra.fetch_runs(client=client_for(server.url, FakeTime()), progress=True)
    assert "waiting for the rate limit" in capsys.readouterr().err


def test_122_ctrl_c_ends_the_wait() -> None:
    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return reply(429, headers={"Retry-After": "100"})

    with FaultServer([]) as server:
        runs = known_runs(server, 20)
        server.answers[:] = [*[result_of] * 3, interrupt, LIMITED]
        with ra.Client(KEY, server.url) as client, pytest.raises(KeyboardInterrupt) as caught:
            ra.fetch_results(runs, evals=False, client=client)
    partial: pl.DataFrame = caught.value.partial  # type: ignore[attr-defined]
    assert partial.height <= 3
