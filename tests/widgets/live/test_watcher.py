"""Watching runs: FAULTS.md 49 to 56, the thread, and what it asks."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.documents import eval_document
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import LiveView
from support.made_runs import run_with
from support.watched import WatchedSandbox
from support.watching import ENDED, GOING, RESULTS, client, in_order, routes, until

import retab_analysis as ra


def watching_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("retab_analysis")]


@pytest.fixture(autouse=True, scope="module")
def garbage_of_ones_own() -> Iterator[None]:
    """What was there before is not gone through by each collection."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    gc.collect()
    until(lambda: not watching_threads())


def test_a_run_is_watched_to_its_end() -> None:
    with FaultServer([routes(in_order(GOING, GOING, ENDED), RESULTS)]) as server:
        began = time.monotonic()
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        assert time.monotonic() - began < 0.5
        runs = view.wait(10)
    assert runs["status"].to_list() == ["completed"]
    assert view.frame.equals(runs)
    assert view.results["eval_id"].to_list() == ["e1", "e2"]
    assert view.results["eval_name"].to_list() == ["Total of invoice 1", None]
    assert view.done
    assert view.state.phase == "ended"
    assert "completed, 1 does not pass" in repr(view)


def test_callbacks_get_the_view_in_the_watching_thread() -> None:
    updates: list[tuple[LiveView, str]] = []
    done: list[LiveView] = []
    with FaultServer([routes(in_order(GOING, ENDED))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        view.on_update(lambda v: updates.append((v, threading.current_thread().name)))
        view.on_done(done.append)
        view.wait(10)
    assert {name for _, name in updates} == {"retab_analysis-watch"}
    assert all(each is view for each, _ in updates)
    assert done == [view]
    view.on_done(done.append)
    assert done == [view, view]


def test_an_exception_of_a_callback_shows_in_the_view() -> None:
    def bad(view: LiveView) -> None:
        raise ZeroDivisionError("mine")

    with FaultServer([routes(in_order(GOING, GOING, ENDED))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url)).on_update(bad)
        view.wait(10)
    assert "a callback raised ZeroDivisionError: mine" in view.state.notes


def test_it_can_be_awaited() -> None:
    async def main(url: str) -> list[str]:
        runs = await ra.watch("r1", interval=0.05, client=client(url))
        return runs["status"].to_list()

    with FaultServer([routes(in_order(GOING, ENDED))]) as server:
        # In a thread of its own: another test's browser keeps a loop in this one.
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(lambda: asyncio.run(main(server.url))).result() == ["completed"]


def test_a_with_block_stops_it() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        with ra.watch("r1", interval=0.05, client=client(server.url)) as view:
            until(lambda: view.frame.height)
        assert view.done
        assert view.state.phase == "stopped"
        asked = len(server.requests)
        time.sleep(0.2)
        assert len(server.requests) == asked
        assert view.wait().height == 1


def test_stopping_does_not_wait_for_a_server_that_hangs() -> None:
    with FaultServer([Reply(b"")]) as server:
        view = ra.watch("r1", client=client(server.url))
        until(lambda: server.requests)
        began = time.monotonic()
        view.stop()
        assert time.monotonic() - began < 1
        assert view.done


def test_waiting_ends_in_time() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        with ra.watch("r1", interval=0.05, client=client(server.url)) as view:
            until(lambda: view.frame.height)
            with pytest.raises(ra.WaitTimeout, match="still watched") as caught:
                view.wait(0.1)
            assert caught.value.runs is not None
            assert caught.value.runs["status"].to_list() == ["running"]


def test_49_watching_again_stops_the_watcher_before() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        first = ra.watch("r1", interval=0.05, client=client(server.url))
        until(lambda: first.frame.height)
        with ra.watch(["r1"], interval=0.05, client=client(server.url)) as second:
            until(lambda: first.done)
            assert first.frame.height == 1
            assert not second.done
            with ra.watch("r2", interval=0.05, client=client(server.url)):
                assert not second.done


def test_a_view_that_nobody_holds_ends() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        views = [ra.watch("r1", interval=0.05, client=client(server.url))]
        until(lambda: views[0].frame.height)
        views.clear()
        # Its thread may hold it while it is told something, and it is part of a cycle.
        until(lambda: gc.collect() >= 0 and not watching_threads())


def test_50_a_key_that_is_refused_in_the_middle_ends_it() -> None:
    refused = reply(401, {"detail": "revoked"})
    with FaultServer([routes(in_order(GOING, refused), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        with pytest.raises(ra.AuthenticationError, match="revoked"):
            view.wait(10)
    assert view.state.phase == "failed"
    assert "revoked" in (view.state.failure or "")
    assert view.frame.height == 1
    assert view.results.height == 2


def test_a_run_that_never_was_raises_after_its_grace() -> None:
    with FaultServer([reply(404, {"detail": "no such run"})]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        with pytest.raises(ra.NotFoundError, match="no such run"):
            view.wait(10)
        assert len(server.requests) == 5  # the last asks whether the id is that of a workflow
    assert "watch takes ids of runs; of a workflow, watch(workflow_id=…)" in str(view.state.failure)


def test_until_a_run_is_there_the_view_says_that_it_is_not() -> None:
    said: list[str] = []
    with FaultServer([reply(404)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        view.on_update(lambda each: said.append(str(each)))
        with pytest.raises(ra.NotFoundError):
            view.wait(10)
    assert {*said[:-1]} == {"There is no run r1 so far; one that was just started may still appear"}
    assert said[-1].startswith("There is no run r1. ")


@pytest.mark.parametrize("workflow_id", ["wf_claims", "wrk_claims"])
def test_the_id_of_a_workflow_is_told_at_the_first_answer(workflow_id: str) -> None:
    with FaultServer([reply(404)]) as server:
        view = ra.watch(workflow_id, interval=60, client=client(server.url))
        with pytest.raises(ra.NotFoundError):
            view.wait(10)
        assert len(server.requests) == 1
    assert str(view) == (
        f"{workflow_id} looks like the id of a workflow, and no run has it: "
        f"ra.watch(workflow_id='{workflow_id}') watches its runs"
    )


def test_a_run_that_is_called_as_a_workflow_is_watched() -> None:
    ended = run_with("wf_run", "completed", passed=1)
    with FaultServer([routes(in_order(reply(body=ended)))]) as server:
        view = ra.watch("wf_run", interval=0.05, client=client(server.url))
        assert view.wait(10)["run_id"].to_list() == ["wf_run"]


def test_51_a_run_that_is_gone_does_not_end_the_others() -> None:
    looks = {"r1": 0, "r2": 0}

    def answer(request: str) -> Reply:
        path = request.split(" ")[1]
        run_id = path.rpartition("/")[2]
        if run_id not in looks:
            return reply(body=page([]))
        looks[run_id] += 1
        if run_id == "r1":
            return reply(404) if looks[run_id] > 1 else reply(body=run_with("r1", running=1))
        other = {"workflow_id": "wf_other"}
        if looks[run_id] > 8:
            return reply(body=run_with("r2", "completed", passed=1, **other))
        return reply(body=run_with("r2", running=1, **other))

    with FaultServer([answer]) as server:
        view = ra.watch(["r1", "r2"], interval=0.05, client=client(server.url))
        runs = view.wait(10)
    assert runs["status"].to_list() == ["running", "completed"]
    assert view.state.runs[0].marks[-1:] == ("not found any more",)


def test_53_a_run_that_has_ended_and_runs_again_is_watched_on() -> None:
    looks = {"r1": 0, "r2": 0}
    story = {
        "r1": ["completed", "running", "running", "completed"],
        "r2": ["running", "running", "completed", "completed"],
    }
    seen: list[list[str]] = []

    def answer(request: str) -> Reply:
        run_id = request.split(" ")[1].rpartition("/")[2]
        if run_id not in looks:
            return reply(body=page([]))
        status = story[run_id][min(looks[run_id], 3)]
        looks[run_id] += 1
        return reply(body=run_with(run_id, status, running=1, workflow_id=f"wf_{run_id}"))

    with FaultServer([answer]) as server:
        view = ra.watch(["r1", "r2"], interval=0.05, client=client(server.url))
        view.on_update(lambda v: seen.append(v.frame["status"].to_list()))
        assert view.wait(10)["status"].to_list() == ["completed", "completed"]
    assert ["running", "completed"] in seen


def test_56_a_server_that_is_away_is_waited_for() -> None:
    troubles: list[str] = []
    with WatchedSandbox(speed=50) as sandbox:

        def go_away(view: LiveView) -> None:
            """Once the run has been seen going, so that it cannot have ended before."""
            if not troubles:
                sandbox.inject(match="/v1/workflows/evals/runs", kind="reset", times=4)
            troubles.append(view.state.connection)

        run = ra.start_runs("wf_claims", client=ra.Client(**sandbox.credentials))
        mine = ra.Client(**sandbox.credentials, max_attempts=1)
        view = ra.watch(run, interval=0.1, client=mine).on_update(go_away)
        assert view.wait(30)["status"].to_list() == ["completed"]
    assert any(text.startswith("as of ") and "retrying" in text for text in troubles)
    assert view.state.connection == ""


def results_as(
    *answers: Reply, also: str = "/v1/workflows/evals/results"
) -> Callable[[str], Reply]:
    """An ended run whose results, or what else begins so, are answered in this order."""
    usual, asked = routes(in_order(ENDED), RESULTS), iter(range(10**6))

    def answer(request: str) -> Reply:
        if request.split(" ")[1].startswith(also):
            return answers[min(next(asked), len(answers) - 1)]
        return usual(request)

    return answer


@pytest.mark.parametrize("status", [503, 404, 429])
def test_the_results_of_a_run_that_has_ended_are_waited_for(status: int) -> None:
    with FaultServer(
        [results_as(reply(status), reply(status), reply(body=page(RESULTS)))]
    ) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        view.wait(10)
    assert view.results["state"].to_list() == ["passed", "failed"]
    assert view.state.heading.startswith("completed, 1 does not pass")


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_results_that_never_come_are_a_failure(status: int) -> None:
    with FaultServer([results_as(reply(status))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        with pytest.raises(ra.APIError) as caught:
            view.wait(10)
    assert caught.value.status_code == status
    assert view.state.phase == "failed"
    assert view.frame["status"].to_list() == ["completed"]


def test_names_are_asked_for_again_and_then_done_without() -> None:
    away, path = reply(503), "/v1/workflows/evals?"
    for answers, name in (
        ((away, reply(body=page([eval_document("e1")]))), True),
        ((away,), False),
    ):
        with FaultServer([results_as(*answers, also=path)]) as server:
            view = ra.watch("r1", baseline=None, interval=0.05, client=client(server.url))
            view.wait(10)
        assert (view.results["eval_name"][0] is not None) == name
        assert bool(view.state.notes) != name


def test_a_retry_after_is_obeyed() -> None:
    busy = reply(503, headers={"Retry-After": "1"})
    times: list[float] = []

    def look(number: int) -> Reply:
        times.append(time.monotonic())
        return busy if number == 0 else ENDED

    with FaultServer([routes(look)]) as server:
        ra.watch("r1", interval=0.05, client=client(server.url)).wait(10)
    assert times[1] - times[0] >= 0.95


def test_many_runs_of_a_workflow_are_one_request() -> None:
    with WatchedSandbox(speed=0.001) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        runs = ra.start_runs("wf_claims", repeat=12, client=mine)
        with ra.watch(runs, interval=0.05, client=mine) as view:
            until(lambda: view.frame.height == 12 and not view.state.is_comparing)
            time.sleep(0.1)
            sandbox.requests.clear()
            rounds: list[int] = []
            view.on_update(lambda v: rounds.append(1))
            until(lambda: len(rounds) >= 4, 10)
        assert len(sandbox.requests) <= len(rounds) + 2


def test_a_workflow_is_followed_with_what_starts_meanwhile() -> None:
    with ra.Sandbox(speed=100) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        first = ra.start_runs("wf_claims", client=mine)["run_id"].item()
        view = ra.watch(workflow_id="wf_claims", interval=0.05, client=mine)
        until(lambda: first in view.frame["run_id"])
        second = ra.start_runs("wf_claims", client=mine)["run_id"].item()
        until(lambda: second in view.frame["run_id"])
        view.stop()


def test_a_workflow_with_nothing_in_flight_ends() -> None:
    with FaultServer([reply(body=page([run_with("r1", "completed", passed=1)]))]) as server:
        view = ra.watch(workflow_id="wf_invoices", interval=0.05, client=client(server.url))
        assert view.wait(5).height == 0
    assert view.state.heading == "No run is going on"
