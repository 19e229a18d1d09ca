"""Start runs, cancel them, and wait for them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.documents import run_document
from support.fakes import FakeTime, client_for
from support.faultserver import FaultServer, Reply, reply

import retab_analysis as ra
from retab_analysis.schema import RUNS

NOWHERE = "http://127.0.0.1:9"


def bodies(server: FaultServer) -> list[dict[str, Any]]:
    return [json.loads(request.partition("\r\n\r\n")[2]) for request in server.requests]


def started(*run_ids: str) -> list[Reply]:
    return [reply(201, run_document(run_id, lifecycle__status="pending")) for run_id in run_ids]


WHOLE = {"type": "workflow"}
ONE, TWO = {"type": "single", "eval_id": "e1"}, {"type": "single", "eval_id": "e2"}
BLOCK = {"type": "block", "block_id": "b1"}


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [
        ({}, [WHOLE]),
        ({"repeat": 3}, [WHOLE] * 3),
        ({"eval_ids": "e1"}, [ONE]),
        ({"eval_ids": ["e1", "e2", "e1"]}, [ONE, TWO]),
        ({"eval_ids": pl.Series(["e1", "e2"]), "repeat": 2}, [ONE, ONE, TWO, TWO]),
        ({"block_ids": ["b1"]}, [BLOCK]),
        ({"eval_ids": ["e1"], "block_ids": "b1"}, [ONE, BLOCK]),
        ({"eval_ids": []}, []),
    ],
)
def test_a_run_is_started_for_each_scope(
    arguments: dict[str, Any], scopes: list[dict[str, str]]
) -> None:
    with FaultServer(started(*(f"r{i}" for i in range(9)))) as server:
        runs = ra.start_runs("wf", client=client_for(server.url), **arguments)
        assert bodies(server) == [{"workflow_id": "wf", "scope": scope} for scope in scopes]
        assert all(
            request.startswith("POST /v1/workflows/evals/runs ") for request in server.requests
        )
    assert runs.schema == RUNS.schema
    assert runs["run_id"].to_list() == [f"r{i}" for i in range(len(scopes))]


@pytest.mark.parametrize(
    "fault",
    [reply(503), reply(429, headers={"Retry-After": "1"}), Reply(b"", "reset"), reply(body=b"<p>")],
)
def test_a_start_is_not_tried_again_and_what_was_started_is_kept(fault: Reply) -> None:
    with FaultServer([*started("r1", "r2"), fault]) as server:
        with pytest.raises(ra.RetabAnalysisError) as caught:
            ra.start_runs("wf", repeat=5, client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["r1", "r2"]


def test_an_interrupt_keeps_what_was_started() -> None:
    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return Reply(b"")

    with FaultServer([*started("r1", "r2"), interrupt]) as server:
        with ra.Client("key", server.url) as client:
            with pytest.raises(KeyboardInterrupt) as caught:
                ra.start_runs("wf", repeat=5, client=client)
        assert len(server.requests) == 3
    assert caught.value.partial["run_id"].to_list() == ["r1", "r2"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workflow_id": ""}, "workflow_id is empty"),
        ({"workflow_id": None}, "workflow_id must be a string"),
        ({"repeat": 0}, "repeat must be a whole number of at least 1, got 0"),
        ({"repeat": -1}, "repeat must be"),
        ({"repeat": 1.5}, "repeat must be"),
        ({"repeat": None}, "repeat must be"),
        ({"eval_ids": 7}, "eval_ids must be"),
        ({"block_ids": [""]}, "block_ids is empty"),
    ],
)
def test_bad_starts_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words):
        ra.start_runs(**{"workflow_id": "wf", **arguments}, client=client_for(NOWHERE))


def test_runs_are_cancelled_in_order() -> None:
    answers = [reply(body=run_document(each, lifecycle__status="cancelled")) for each in "ab"]
    with FaultServer(answers) as server:
        runs = ra.cancel_runs(["a", "b/c"], client=client_for(server.url))
        assert [path.rpartition("runs/")[2] for path in server.paths] == [
            "a/cancel",
            "b%2Fc/cancel",
        ]
        assert all(request.startswith("POST ") for request in server.requests)
    assert runs["status"].to_list() == ["cancelled", "cancelled"]
    assert ra.cancel_runs([], client=client_for(NOWHERE)).equals(RUNS.empty())


@pytest.mark.parametrize(("status", "error"), [(409, ra.ConflictError), (404, ra.NotFoundError)])
def test_a_run_that_cannot_be_cancelled_does_not_save_the_others(
    status: int, error: type[ra.APIError]
) -> None:
    good = [reply(body=run_document(each, lifecycle__status="cancelled")) for each in "ac"]
    with FaultServer([good[0], reply(status, {"detail": "has ended"}), good[1]]) as server:
        with pytest.raises(error, match="has ended") as caught:
            ra.cancel_runs(list("abc"), client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["a", "c"]


def test_a_failing_api_ends_the_cancelling() -> None:
    with FaultServer([reply(500)]) as server:
        with pytest.raises(ra.ServerError) as caught:
            ra.cancel_runs(list("abc"), client=client_for(server.url))
        assert len(server.requests) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.is_empty()


def test_what_ended_the_cancelling_is_told_rather_than_what_did_not() -> None:
    """The docstring says of a conflict that all the others were cancelled."""
    good = reply(body=run_document("b", lifecycle__status="cancelled"))
    with FaultServer([reply(409), good, reply(401)]) as server:
        with pytest.raises(ra.AuthenticationError) as caught:
            ra.cancel_runs(list("abcd"), client=client_for(server.url))
        assert len(server.requests) == 3
    assert caught.value.partial is not None
    assert caught.value.partial["run_id"].to_list() == ["b"]


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


def test_no_interval_is_no_hammer() -> None:
    clock = FakeTime()
    with FaultServer([run(), run(), run("completed")]) as server:
        wait(server, clock, interval=0)
    assert all(slept >= 0.05 for slept in clock.slept)


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


def test_nothing_to_wait_for() -> None:
    assert ra.wait_for_runs([], client=client_for(NOWHERE)).equals(RUNS.empty())


@pytest.mark.parametrize(
    "trouble",
    [reply(500), reply(503), reply(408), reply(429), Reply(b"", "reset"), reply(body=b"<html>")],
)
def test_an_api_that_is_away_is_ridden_out(trouble: Reply) -> None:
    clock = FakeTime()
    with FaultServer([run(), *[trouble] * 7, run("completed")]) as server:
        assert wait(server, clock, interval=2)["status"].item() == "completed"
        assert len(server.requests) == 9


def test_a_retry_after_is_obeyed() -> None:
    clock = FakeTime()
    with FaultServer([reply(503, headers={"Retry-After": "42"}), run("completed")]) as server:
        wait(server, clock, interval=2)
    assert clock.slept == [42]


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


def test_the_last_look_is_at_the_end_of_the_wait() -> None:
    clock = FakeTime()
    with FaultServer([run(), run("completed")]) as server:
        assert wait(server, clock, timeout=5, interval=60)["status"].item() == "completed"
    assert clock.slept == [5]


def test_three_404s_in_a_row_are_forgiven() -> None:
    gone = reply(404, {"detail": "no such run"})
    with FaultServer([gone, gone, gone, run(), gone, gone, gone, run("completed")]) as server:
        assert wait(server, FakeTime())["status"].item() == "completed"
    with FaultServer([run(), gone]) as server:
        with pytest.raises(ra.NotFoundError, match="no such run") as caught:
            wait(server, FakeTime())
        assert len(server.requests) == 5
    assert caught.value.partial is not None
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
    assert caught.value.runs is not None
    assert caught.value.runs["status"].item() == "running"
    assert clock.now == pytest.approx(60)


def test_the_end_of_the_wait_says_that_the_api_was_away() -> None:
    with FaultServer([reply(503, {"detail": "maintenance"})]) as server:
        with pytest.raises(ra.WaitTimeout, match=r"the API was away.*maintenance") as caught:
            wait(server, FakeTime(), timeout=10)
    assert caught.value.runs is not None
    assert caught.value.runs.is_empty()


def test_a_server_that_hangs_does_not_stretch_the_wait() -> None:
    began = time.monotonic()
    with FaultServer([Reply(b"")]) as server:
        with pytest.raises(ra.WaitTimeout, match="at last the API did not answer"):
            ra.wait_for_runs("r1", timeout=0.3, client=ra.Client("key", server.url))
    assert time.monotonic() - began < 3


def test_a_slow_server_does_not_stretch_the_wait_run_by_run() -> None:
    def answer(request: str) -> Reply:
        time.sleep(0.3)
        return run("completed", request.split(" ")[1].rpartition("/")[2])

    began = time.monotonic()
    names = [f"r{number}" for number in range(40)]
    with FaultServer([answer]) as server:
        with ra.Client("key", server.url, max_concurrency=2) as client:
            with pytest.raises(ra.WaitTimeout) as caught:
                ra.wait_for_runs(names, timeout=0.5, client=client)
    assert time.monotonic() - began < 3
    assert caught.value.runs is not None
    seen = caught.value.runs["run_id"].to_list()
    assert seen == names[: len(seen)]
    assert 2 <= len(seen) < 20


def test_no_time_is_time_for_one_look() -> None:
    def answer(request: str) -> Reply:
        time.sleep(0.2)
        return run("completed")

    with FaultServer([answer]) as server, ra.Client("key", server.url) as client:
        assert ra.wait_for_runs("r1", timeout=0, client=client)["status"].item() == "completed"


@pytest.mark.parametrize("timeout", [1e12, float("inf")])
def test_a_wait_without_end(timeout: float) -> None:
    clock = FakeTime()
    with FaultServer([run(), run("completed")]) as server:
        wait(server, clock, timeout=timeout, interval=float("inf"))
    assert clock.slept == [1e6]


def test_an_exception_of_the_callback_goes_to_the_caller() -> None:
    def bad(runs: pl.DataFrame) -> None:
        raise ZeroDivisionError

    with FaultServer([run()]) as server, pytest.raises(ZeroDivisionError):
        wait(server, FakeTime(), on_poll=bad)


def interrupted(after: int) -> Callable[[str], Reply]:
    looks: list[str] = []

    def answer(request: str) -> Reply:
        looks.append(request)
        if len(looks) == after:
            os.kill(os.getpid(), signal.SIGINT)
        return run()

    return answer


def test_an_interrupt_cancels_nothing() -> None:
    began = time.monotonic()
    with FaultServer([interrupted(2)]) as server:
        with pytest.raises(KeyboardInterrupt):
            ra.wait_for_runs("r1", interval=0.05, client=ra.Client("key", server.url))
        assert not [request for request in server.requests if request.startswith("POST")]
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("value", [-1, float("nan"), "5", None, True])
@pytest.mark.parametrize("name", ["timeout", "interval"])
def test_bad_waits_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ra.ConfigError, match=name):
        ra.wait_for_runs("r1", client=client_for(NOWHERE), **{name: value})


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (None, "runs is None"),
        (7, "runs must be"),
        ("", "runs is empty"),
        (pl.DataFrame({"id": ["r"]}), "no column run_id; it has id"),
        (pl.DataFrame({"run_id": [None]}, schema={"run_id": pl.String}), "runs must be a string"),
    ],
)
def test_bad_runs_are_refused(runs: Any, words: str) -> None:
    for function in (ra.wait_for_runs, ra.cancel_runs):
        with pytest.raises(ra.ConfigError, match=words):
            function(runs, client=client_for(NOWHERE))


def test_the_whole_way_in_the_sandbox() -> None:
    with ra.Sandbox(speed=200) as sandbox:
        client = ra.Client(**sandbox.credentials)
        started_runs = ra.start_runs("wf_claims", repeat=2, client=client)
        ended = ra.wait_for_runs(started_runs, interval=0.1, timeout=60, client=client)
        assert ended["run_id"].equals(started_runs["run_id"])
        assert ended["status"].to_list() == ["completed", "completed"]
        with pytest.raises(ra.ConflictError, match="completed"):
            ra.cancel_runs(ended, client=client)
        assert ra.wait_for_runs(ended.lazy(), client=client).equals(ended)
