"""Wait for runs."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import FakeTime, Recorder, client_for
from support.faultserver import FaultServer, Reply, reply
from support.frames import run as run_row
from support.frames import runs
from support.inside import polling, say_going
from support.made_runs import run_with

import retab_analysis as ra


def run(status: str = "running", run_id: str = "r1") -> Reply:
    return reply(body=run_document(run_id, lifecycle={"status": status}))


def wait(server: FaultServer, clock: FakeTime, runs: Any = "r1", **more: Any) -> pl.DataFrame:
    client = client_for(server.url, clock, max_attempts=1)
    return ra.wait_for_runs(runs, client=client, **more)


def test_waiting_polls_at_the_interval_until_the_end() -> None:
    clock, seen = FakeTime(), []
    with FaultServer([run("pending"), run("queued"), run(), run("completed")]) as server:
        runs = wait(server, clock, interval=5, on_poll=lambda f: seen.append(f["status"].item()))
        assert len(server.requests) == 4
    assert runs["status"].item() == "completed"
    assert seen == ["pending", "queued", "running", "completed"]
    assert clock.slept == [5, 5, 5]


def test_what_has_ended_is_not_asked_again_and_the_order_stays() -> None:
    asked: list[str] = []

    def answer(request: str) -> Reply:
        run_id = request.split(" ")[1].rpartition("/")[2]
        asked.append(run_id)
        done = run_id == "b" or asked.count(run_id) == 3
        return run("completed" if done else "running", run_id)

    with FaultServer([answer]) as server:
        runs = wait(server, FakeTime(), ["a", "b", "a", "c"])
    assert runs["run_id"].to_list() == ["a", "b", "c"]
    assert (asked.count("a"), asked.count("b"), asked.count("c")) == (3, 1, 3)


@pytest.mark.parametrize(
    "trouble",
    [reply(500), reply(503), reply(408), reply(429), Reply(b"", "reset"), reply(body=b"<html>")],
)
def test_an_api_that_is_away_is_ridden_out(trouble: Reply) -> None:
    clock = FakeTime()
    with FaultServer([run(), *[trouble] * 7, run("completed")]) as server:
        assert wait(server, clock, interval=2)["status"].item() == "completed"
        assert len(server.requests) == 9


@pytest.mark.parametrize("run_ids", ["ab", "ba"])
def test_the_longest_retry_after_of_a_round_is_obeyed(run_ids: str) -> None:
    asked: list[str] = []

    def answer(request: str) -> Reply:
        run_id = request.split(" ")[1].rpartition("/")[2]
        asked.append(run_id)
        if asked.count(run_id) > 1:
            return run("completed", run_id)
        return reply(503, headers={"Retry-After": "42"}) if run_id == "a" else reply(503)

    clock = FakeTime()
    with FaultServer([answer]) as server:
        wait(server, clock, list(run_ids), interval=2)
    assert clock.slept == [42]


def test_a_retry_after_beyond_the_end_of_the_wait_is_obeyed() -> None:
    clock = FakeTime()
    with FaultServer([reply(503, headers={"Retry-After": "90"}), run("completed")]) as server:
        with pytest.raises(ra.WaitTimeout, match="API was away"):
            wait(server, clock, timeout=60, interval=2)
        assert len(server.requests) == 1
    assert clock.slept == [60]


def test_three_404s_in_a_row_are_forgiven() -> None:
    gone = reply(404, {"detail": "no such run"})
    with FaultServer([gone, gone, gone, run(), gone, gone, gone, run("completed")]) as server:
        assert wait(server, FakeTime())["status"].item() == "completed"
    with FaultServer([run(), gone]) as server:
        with pytest.raises(ra.NotFoundError, match="no such run") as caught:
            wait(server, FakeTime())
        assert len(server.requests) == 5
    assert caught.value.partial["status"].item() == "running"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(400), ra.InvalidRequestError),
        (reply(401), ra.AuthenticationError),
        (reply(403), ra.PermissionDeniedError),
        (reply(422), ra.InvalidRequestError),
        (reply(body=run_document(total_evals="many")), ra.SchemaError),
    ],
)
def test_what_waiting_does_not_cure_is_raised_at_once(
    answer: Reply, error: type[Exception]
) -> None:
    with FaultServer([run(), answer]) as server:
        with pytest.raises(error):
            wait(server, FakeTime())
        assert len(server.requests) == 2


def test_the_wait_ends_in_time_with_the_last_frame() -> None:
    clock = FakeTime()
    with FaultServer([run()]) as server:
        with pytest.raises(
            ra.WaitTimeout, match=r"1 runs? ha.* not ended after 60 s: r1"
        ) as caught:
            wait(server, clock, timeout=60, interval=7)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.runs["status"].item() == "running"
    assert clock.now == pytest.approx(60)


def test_the_end_of_the_wait_says_that_the_api_was_away() -> None:
    with FaultServer([reply(503, {"detail": "maintenance"})]) as server:
        with pytest.raises(ra.WaitTimeout, match=r"the API was away.*maintenance") as caught:
            wait(server, FakeTime(), timeout=10)
    assert caught.value.runs.is_empty()


def test_a_server_that_hangs_does_not_stretch_the_wait() -> None:
    began = time.monotonic()
    with FaultServer([Reply(b"")]) as server:
        with pytest.raises(ra.WaitTimeout, match="at last the API did not answer"):
            ra.wait_for_runs("r1", timeout=0.3, client=ra.Client("some_key", server.url))
    assert time.monotonic() - began < 20


def test_a_slow_server_does_not_stretch_the_wait_run_by_run() -> None:
    def answer(request: str) -> Reply:
        time.sleep(0.3)
        return run("completed", request.split(" ")[1].rpartition("/")[2])

    names = [f"r{number}" for number in range(40)]
    with FaultServer([answer]) as server:
        with ra.Client("some_key", server.url, max_concurrency=2) as client:
            with pytest.raises(ra.WaitTimeout) as caught:
                ra.wait_for_runs(names, timeout=0.5, client=client)
    seen = caught.value.runs["run_id"].to_list()
    assert seen == names[: len(seen)]
    assert len(seen) < 20


def test_no_time_is_time_for_one_look() -> None:
    def answer(request: str) -> Reply:
        time.sleep(0.2)
        return run("completed")

    with FaultServer([answer]) as server, ra.Client("some_key", server.url) as client:
        assert ra.wait_for_runs("r1", timeout=0, client=client)["status"].item() == "completed"


def test_an_exception_of_the_callback_goes_to_the_caller() -> None:
    def bad(runs: pl.DataFrame) -> None:
        raise ZeroDivisionError

    with FaultServer([run()]) as server, pytest.raises(ZeroDivisionError):
        wait(server, FakeTime(), on_poll=bad)


def test_a_wait_in_a_terminal_says_how_far_the_runs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Recorder()
    monkeypatch.setattr(polling, "show_progress", lambda *_: contextlib.closing(told))
    queued = run_with("r1", "queued", queued=4)
    half = run_with("r1", "running", passed=2, running=2)
    ended = run_with("r1", "completed", passed=4)
    with FaultServer([reply(body=each) for each in (queued, half, ended)]) as server:
        ra.wait_for_runs("r1", client=client_for(server.url))
        assert told.seen == [0, 2, 4]
        notes = [note for _, _, note in told.told]
        assert [note.split(" ")[0] for note in notes] == ["queued", "running", ""]
        assert told.closed == 1
        ra.wait_for_runs("r1", client=client_for(server.url), on_poll=lambda _: None)
    assert told.closed == 1, "who asks for each poll shows it"


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("ended", [10, 40, 90])
def test_the_time_left_is_within_a_factor_of_two_from_ten_results_on(
    speed: float, ended: int
) -> None:
    began = datetime(2026, 11, 20, 10, tzinfo=UTC)
    about = {"workflow_id": "wf", "total_evals": 100, "created_at": began, "is_terminal": True}
    past = runs(*(run_row(f"r{at}", at, **about, duration_ms=1_000_000) for at in (1, 2, 3)))
    own = {"status": "running", "is_terminal": False, "completed": ended, "started_at": began}
    going = runs(run_row("r9", 9, **{**about, **own}, duration_ms=None))
    now, left = began + timedelta(seconds=10 / speed * ended), (100 - ended) * 10 / speed
    said = re.search(r"about (\d+) (s|min) left", f"{say_going(going, now, past)}")
    assert said is not None
    told = int(said[1]) * {"s": 1, "min": 60}[said[2]]
    assert left / 2 - 30 <= told <= left * 2 + 30, "minutes are rounded"
    few = going.with_columns(completed=pl.lit(4, pl.Int64))
    assert "about 16 min left" in f"{say_going(few, now, past)}"
