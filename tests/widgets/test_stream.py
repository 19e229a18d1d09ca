"""The thread of a view: FAULTS.md 49 to 56, what it asks, and that it says what ``check`` says."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import View, list_rows, reading, tell_news
from support.lettered_api import FLOW, HOUR, LetteredApi, Run, alike
from support.made_runs import run_with
from support.studied import with_studies
from support.watched import WatchedSandbox
from support.watching import ENDED, GOING, RESULTS, client, in_order, routes, until

import retab_analysis as ra

LIST_OF_RUNS, SAVED = "GET /v1/workflows/evals/runs", "GET /v1/workflows/evals"
READ = "GET /v1/workflows/evals/results"


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


def seen(view: View) -> list[str]:
    return view.state.look.checked["status"].to_list()


def past(evals: int = 4, runs: int = 9) -> LetteredApi:
    """Earlier runs in which everything passed."""
    return LetteredApi(alike(evals, "P" * runs))


def going(api: LetteredApi, letters: str = "", **more: Any) -> Run:
    """A run that has just begun, and is so far."""
    return api.run(letters.ljust(len(api.evals), "U"), **{"id": "r9", **more})


def step(run: Run, letters: str) -> None:
    """Let the evals of a run end in this, those left over still to come."""
    run.letters = dict(zip(run.letters, letters.ljust(len(run.letters), "U"), strict=True))


def watch(api: LetteredApi, runs: Any = "r9", **more: Any) -> View:
    assert api.server is not None
    return ra.watch(runs, **{"interval": 0.02, "client": client(api.server.url), **more})


def counts(view: View) -> dict[str, int]:
    """How many evals the page counts under each word."""
    with view._lock:
        found = view._tell(view._shown_id).counts
    return Counter({each.word: each.number for each in found})


def headline(view: View) -> str:
    return str(view._tell(view._shown_id).heading)


def assert_as_check(view: View, checked: Any) -> None:
    """That a view and a comparison say the same of the same evals."""
    assert view.comparison is not None
    assert headline(view) == checked.headline
    said = ("eval_id", "transition", "p_regressed", "reason")
    both = (each.evals.select(said).sort("eval_id") for each in (view.comparison, checked))
    assert next(both).equals(next(both))
    assert checked.headline in repr(view)


# To the end


def test_callbacks_get_the_view_in_the_watching_thread_and_their_errors_are_told() -> None:
    updates: list[tuple[View, str]] = []

    def bad(view: View) -> None:
        updates.append((view, threading.current_thread().name))
        raise ZeroDivisionError("mine")

    with FaultServer([routes(in_order(GOING, ENDED))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url)).on_update(bad)
        view.wait(60)
    assert {name for _, name in updates} == {"retab_analysis-view"}
    assert all(each is view for each, _ in updates)
    assert any("A callback raised ZeroDivisionError: mine" in each for each in view.state.failures)


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
            until(lambda: seen(view))
        assert view.done
        assert view.state.look.phase == "stopped"
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
            until(lambda: seen(view))
            with pytest.raises(ra.WaitTimeout, match="still watched") as caught:
                view.wait(0.1)
            assert caught.value.runs is not None
            assert caught.value.runs["status"].to_list() == ["running"]


def test_49_watching_again_stops_the_watching_before() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        first = ra.watch("r1", interval=0.05, client=client(server.url))
        until(lambda: seen(first))
        with ra.watch(["r1"], interval=0.05, client=client(server.url)) as second:
            until(lambda: first.done)
            assert seen(first) == ["running"]
            with ra.watch("r2", interval=0.05, client=client(server.url)):
                assert not second.done


def test_a_view_that_nobody_holds_ends() -> None:
    with FaultServer([routes(in_order(GOING))]) as server:
        views = [ra.watch("r1", interval=0.05, client=client(server.url))]
        until(lambda: seen(views[0]))
        views.clear()
        # Its thread may hold it while it is told something, and it is part of a cycle.
        until(lambda: gc.collect() >= 0 and not watching_threads())


# What goes wrong


def test_50_a_key_that_is_refused_in_the_middle_ends_it() -> None:
    refused = reply(401, {"detail": "revoked"})
    with FaultServer([routes(in_order(GOING, refused), RESULTS)]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        with pytest.raises(ra.AuthenticationError, match="revoked"):
            view.wait(10)
    assert view.state.look.phase == "failed"
    assert "revoked" in view.state.look.trouble
    assert seen(view) == ["running"]
    assert view.state.look.results.height == 2


def test_a_run_that_never_was_raises_after_its_grace() -> None:
    said: list[str] = []
    with FaultServer([reply(404, {"detail": "no such run"})]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        view.on_update(lambda each: said.append(str(each)))
        with pytest.raises(ra.NotFoundError, match="no such run"):
            view.wait(10)
        assert len(server.requests) == 5  # the last asks whether the id is that of a workflow
    assert any("There is no run r1 so far; it may still appear" in each for each in said)
    assert str(view) == "‼ There is no run r1; ra.watch(workflow_id=…) watches a workflow"


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
    assert "Run r1 is not found any more." in view._states["wf_other"].look.notes


def test_53_a_run_that_has_ended_and_runs_again_is_watched_on() -> None:
    looks = {"r1": 0, "r2": 0}
    story = {
        "r1": ["completed", "running", "running", "completed"],
        "r2": ["running", "running", "completed", "completed"],
    }
    statuses: list[list[str]] = []

    def answer(request: str) -> Reply:
        run_id = request.split(" ")[1].rpartition("/")[2]
        if run_id not in looks:
            return reply(body=page([]))
        status = story[run_id][min(looks[run_id], 3)]
        looks[run_id] += 1
        return reply(body=run_with(run_id, status, running=1, workflow_id=f"wf_{run_id}"))

    with FaultServer([answer]) as server:
        view = ra.watch(["r1", "r2"], interval=0.05, client=client(server.url))
        view.on_update(lambda v: statuses.append(v._runs["status"].to_list()))
        assert view.wait(10)["status"].to_list() == ["completed", "completed"]
    assert ["running", "completed"] in statuses


def test_56_a_server_that_is_away_is_waited_for() -> None:
    troubles: list[str] = []
    with WatchedSandbox(speed=50) as sandbox:

        def go_away(view: View) -> None:
            """Once the run has been seen going, so that it cannot have ended before."""
            if not troubles:
                sandbox.inject(match="/v1/workflows/evals/runs", kind="reset", times=4)
            troubles.append(view.state.look.trouble)

        run = ra.start_runs("wf_claims", client=ra.Client(**sandbox.credentials))
        mine = ra.Client(**sandbox.credentials, max_attempts=1)
        view = ra.watch(run, interval=0.1, client=mine).on_update(go_away)
        assert view.wait(30)["status"].to_list() == ["completed"]
    assert any(text.startswith("retrying") for text in troubles)
    assert view.state.look.trouble == ""


def results_as(*answers: Reply, also: str = "/v1/workflows/evals/results") -> Callable[..., Reply]:
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
    assert view.state.look.results["state"].to_list() == ["passed", "failed"]


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_results_that_never_come_are_a_failure(status: int) -> None:
    with FaultServer([results_as(reply(status))]) as server:
        view = ra.watch("r1", interval=0.05, client=client(server.url))
        with pytest.raises(ra.APIError) as caught:
            view.wait(10)
    assert caught.value.status_code == status
    assert view.state.look.phase == "failed"


def test_numbers_freeze_while_the_server_is_away() -> None:
    with past() as api:
        run = going(api, "PF")
        with watch(api) as view:
            until(lambda: headline(view).startswith("… 2 of 4 done"))
            before = counts(view), view.state.look.line.title
            for piece in (READ, "GET /v1"):
                step(run, "PFP")
                api.broken = {piece: reply(503, {"detail": "away"})}
                until(lambda: view.state.look.trouble)
                asked = len(api.asked)
                until(lambda: len(api.asked) > asked + 3)  # noqa: B023
                assert (counts(view), "") == before
                assert headline(view).startswith("… 2 of 4 done")
                line = view.state.look.line
                assert "http" not in str(line), "an address is in the title alone"
                assert "retrying" in line.title
            api.broken = {}
            until(lambda: not view.state.look.trouble and "3 of 4 done" in headline(view))


@pytest.mark.parametrize("status", [403, 422, 503])
@pytest.mark.parametrize("piece", [f"{LIST_OF_RUNS}?", f"{READ}?run_id=run_"])
def test_a_past_that_cannot_be_read_is_told_and_not_fatal(status: int, piece: str) -> None:
    with past() as api:
        api.broken[piece] = reply(status, {"detail": "not now"})
        going(api, "PFPP")
        view = watch(api)
        assert view.wait(30)["status"].to_list() == ["completed"]
    (note,) = view.state.look.notes
    assert note.startswith("Held against nothing: ")
    assert str(status) in note
    assert headline(view) == "○ 3 of 4 pass; held against nothing"
    assert view.state.look.phase == "ended"


@pytest.mark.parametrize("piece", [f"{LIST_OF_RUNS}?", f"{SAVED}?"])
def test_what_comes_late_is_waited_for(piece: str) -> None:
    with past() as api:
        api.broken[piece] = reply(503)
        going(api, "PFPP")
        view = watch(api, interval=0.3)
        until(lambda: view.state.look.trouble)
        api.broken = {}
        view.wait(30)
        assert_as_check(view, api.check(candidate="r9"))
    assert view.state.look.notes == ()


def test_results_that_do_not_decode_are_left_out_and_told() -> None:
    with past() as api:
        going(api, "PFPP")
        api.change("res_run_8_fine 3", lifecycle=7)
        view = watch(api)
        view.wait(30)
    assert "1 result did not decode and is left out." in view.state.look.notes


# The same as check


@pytest.mark.parametrize("letters", ["PPFP", "FFBE", "PPPP", "PECC", "EEEE", "CCCC"])
def test_a_run_that_is_watched_to_its_end_says_what_check_says(letters: str) -> None:
    with LetteredApi({"gap": "F" * 9, **alike(3, "P" * 9), "broken": "P" * 5 + "F" * 4}) as api:
        run = going(api)
        with watch(api) as view:
            until(lambda: view.comparison is not None)
            step(run, letters[:2])
            until(lambda: headline(view).startswith("… 2 of 5"))
            step(run, letters + "C")
            view.wait(30)
        assert_as_check(view, api.check())


STORY = {"broken": "P" * 5 + "F" * 4, "error": "P" * 8 + "E", "flaky": "PFPPFPPFP"} | alike(
    5, "P" * 9
)
SCOPES = {"W": [*STORY], "B": [*STORY][:5], "E": ["fine 0"]}


EDITED = "A" * 9 + "B"


@pytest.mark.parametrize(
    ("scope", "codes"),
    with_studies(product(SCOPES, ("A", EDITED)), [("W", EDITED), ("B", "A"), ("E", "A")]),
)
def test_at_each_moment_of_a_run_a_page_and_check_say_the_same(scope: str, codes: str) -> None:
    """Nothing that was known is lost, from the queue to the end."""
    blocks = dict.fromkeys([*STORY][5:], "other")
    with LetteredApi(STORY, codes=codes, blocks=blocks) as api:
        known = api.check()
        its = SCOPES[scope]
        run = api.run(dict.fromkeys(its, "U"), scope=scope, id="r9", after=HOUR, status="queued")
        with watch(api) as view:
            until(lambda: view.comparison is not None)
            assert headline(view).startswith("… Queued: 1 eval is broken")
            first = counts(view)
            for ended in range(1, len(its)):
                run.status = "running"
                step(run, "PFFEPFPB"[:ended])
                until(lambda: headline(view).startswith(f"… {ended} of {len(its)} done"))  # noqa: B023
                assert view.comparison is not None
                assert {*view.comparison.broken["eval_id"]} == {*api.check().broken["eval_id"]}
                facts = view._tell(view._shown_id)
                assert {row.key for row in list_rows(facts.document.parts)} == {*STORY}
                assert (counts(view), facts.head.badge) == (first, badge(known))
                assert sum(each.number for each in facts.counts) == len(STORY)
                assert sum(each.number for each in facts.progress) == len(STORY)
            run.status = None
            step(run, "PFFEPFPB"[: len(its)])
            view.wait(30)
        assert {row.key for row in list_rows(view._tell(view._shown_id).document.parts)} == {*STORY}
        assert_as_check(view, api.check())


def test_the_end_of_a_run_is_no_news_of_evals_that_it_did_not_run() -> None:
    with LetteredApi(STORY) as api:
        run = api.run({"fine 0": "F"}, scope="E", id="r10", after=HOUR)
        view = watch(api, run.id)
        view.wait(30)
        assert {*view.comparison.broken["eval_id"]} == {"broken"}  # type: ignore[union-attr]
        (line,) = tell_news(view, set(), values=True)
    assert "fine 0" in line


def badge(made: Any) -> str:
    return ("gate holds", "gate fails", "gate undecided")[made.gate().exit_code]


@pytest.mark.parametrize("wanted", ["previous", "run_3", "version_A", "no_such"])
def test_any_baseline_is_the_one_of_check(wanted: str) -> None:
    with past() as api:
        going(api, "PFPP")
        view = watch(api, baseline=wanted)
        view.wait(30)
        if wanted == "no_such":
            assert "there is no such version or run" in view.state.look.notes[0]
            assert view.comparison is None
        else:
            assert_as_check(view, api.check(baseline=wanted))


def test_the_verdict_of_the_watched_runs_alone_can_be_chosen() -> None:
    with past() as api:
        ids = [
            going(api, each, id=f"r{at}", after=timedelta(minutes=1)).id
            for at, each in enumerate(("PFPP", "PPPP", "PPPB"))
        ]
        view = watch(api, ids[::-1])
        assert view.wait(30)["run_id"].to_list() == ids[::-1]
        assert_as_check(view, api.check())
        view._on_event("candidate", "0", "watched")
        until(lambda: not view.state.job)
        assert_as_check(view, api.check(candidate=ids))
        assert {*view.state.look.checked["run_id"]} == {*ids}


def test_runs_of_two_workflows_have_each_their_own_past() -> None:
    with WatchedSandbox(speed=STILL) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        runs = ra.fetch_runs("wf_contracts", limit=100, client=mine)
        invoices = ra.fetch_runs("wf_invoices", limit=40, client=mine)
        parts = runs.filter("is_terminal", pl.col("scope") == "block").head(2)
        other = invoices.filter("is_terminal", pl.col("scope") == "workflow").head(1)
        view = ra.watch(pl.concat([parts, other]), interval=0.1, client=mine)
        view.wait(120)
        for workflow_id in ("wf_contracts", "wf_invoices"):
            checked = ra.check(workflow_id, client=mine, progress=False)
            made = view._states[workflow_id].look.comparison
            assert made is not None
            assert made.headline == checked.headline


# What is read, and how often


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many results each comparison has on the candidate's side."""
    made: list[int] = []
    usual = reading.make_verdict

    def compare(*given: Any, **how: Any) -> Any:
        found = usual(*given, **how)
        made.append(found.comparison.evals["candidate_n"].sum())
        return found

    monkeypatch.setattr(reading, "make_verdict", compare)
    return made


def test_while_a_run_goes_on_only_its_results_are_read_and_nothing_is_compared(
    compared: list[int],
) -> None:
    with past() as api:
        run = going(api, "F")
        with watch(api) as view:
            until(lambda: compared)
            until(lambda: headline(view).startswith("… 1 of 4"))
            assert api.asked.count(READ) == 1 + 9, "each earlier run once"
            for ended in ("FF", "FFF"):
                before, rounds = len(api.asked), api.asked.count(READ)
                step(run, ended)
                until(lambda: headline(view).startswith(f"… {len(ended)} of 4"))  # noqa: B023
                until(lambda: len(api.asked) > before + 4)  # noqa: B023
                assert api.asked.count(READ) == rounds + 1, "only what has changed"
            assert len(compared) == 1
            assert api.asked.count(SAVED) == api.asked.count(LIST_OF_RUNS) == 1
            step(run, "FFFP")
            view.wait(30)
        assert len(compared) == 2, "of what had ended before, and of the run at its end"
        assert api.asked.count(SAVED) == api.asked.count(LIST_OF_RUNS) == 2, "again at the end"


def test_many_runs_of_a_workflow_are_one_request() -> None:
    with WatchedSandbox(speed=0.001) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        runs = ra.start_runs("wf_claims", repeat=12, client=mine)
        with ra.watch(runs, interval=0.05, client=mine) as view:
            until(lambda: view.comparison is not None)
            sandbox.requests.clear()
            until(lambda: len(sandbox.requests) >= 6)
        assert {each.path.partition("?")[0] for each in sandbox.requests} == {
            "/v1/workflows/evals/runs"
        }


# A followed workflow


def test_a_workflow_is_followed_with_what_starts_meanwhile() -> None:
    with past() as api:
        run = going(api)
        with watch(api, None, workflow_id=FLOW) as view:
            until(lambda: seen(view))
            api.run("PPPF", id="fast", after=timedelta(seconds=30))
            until(lambda: view._runs.height == 2)
            step(run, "PPPP")
            view.wait(30)
    assert {*view._runs["run_id"]} == {"r9", "fast"}, "what had ended before is not watched"


def test_more_runs_than_a_page_between_two_looks_are_seen() -> None:
    with past(1, runs=1) as api:
        going(api)
        with watch(api, None, workflow_id=FLOW) as view:
            until(lambda: view._runs.height == 1)
            for at in range(130):
                api.run("P", id=f"fast{at}", after=timedelta(seconds=1))
            until(lambda: view._runs.height == 131)


def test_a_workflow_with_nothing_in_flight_is_shown_as_it_is() -> None:
    with past() as api:
        api.run("PPFP")
        view = watch(api, None, workflow_id=FLOW)
        view.wait(30)
        assert_as_check(view, api.check())
    assert not view.state.look.is_watched


def test_of_several_workflows_one_that_cannot_be_judged_leaves_the_others() -> None:
    with WatchedSandbox(speed=STILL) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        view = ra.explore(["wf_untitled", "wf_claims"], client=mine)
        view.wait(60)
        assert {k: each.look.phase for k, each in view._states.items()} == {
            "wf_untitled": "failed",
            "wf_claims": "ended",
        }
        assert view.state.workflow_id == "wf_claims", "the worst stands first, and is open"
        names = dict(ra.fetch_workflows(client=mine)["workflow_id", "name"].iter_rows())
        assert view._states["wf_untitled"].look.name == (names["wf_untitled"] or "")
        assert view._states["wf_untitled"].look.trouble == "No saved eval yet: save one in Retab"
        for alone in (ra.explore("wf_untitled", client=mine), follow("wf_untitled", mine)):
            with pytest.raises(ra.ConfigError, match="has no saved eval"):
                alone.wait(60)
            assert repr(alone) == "○ No saved eval yet: save one in Retab"


def follow(workflow_id: str, client: ra.Client) -> View:
    return ra.watch(workflow_id=workflow_id, interval=0.1, client=client)


def test_a_workflow_that_is_being_read_says_how_far_it_is() -> None:
    with past(runs=9) as api:
        begun = threading.Event()
        api.broken = {"GET /v1/workflows/evals/results": lambda _: begun.wait(30) and None}
        said: list[str] = []
        view = ra.explore([FLOW], client=api.client)
        view.on_update(lambda each: said.append(repr(each)))
        begun.set()
        view.wait(30)
    assert any("… Reading 9 runs and their results" in each for each in said)
    assert any(re.search(r"\b[1-9] of 9 runs read", each) for each in said)


def test_a_workflow_that_never_ran_says_so_calmly() -> None:
    with LetteredApi(alike(3, "")) as api:
        for view in (ra.explore(FLOW, client=api.client), follow(FLOW, api.client)):
            with pytest.raises(ra.ConfigError, match="has no run yet"):
                view.wait(60)
            assert repr(view) == "○ No run yet"
            assert "ra." not in "".join(view._render().values())


def test_a_workflow_that_is_not_there_ends_the_watching() -> None:
    with WatchedSandbox(speed=STILL) as sandbox:
        mine = ra.Client(**sandbox.credentials)
        with pytest.raises(ra.ConfigError, match="there is no workflow 'nope'"):
            follow("nope", mine)
        view = follow("wf_nope", mine)
        with pytest.raises(ra.NotFoundError, match="No workflow with id 'wf_nope'"):
            view.wait(60)
        assert view.state.look.phase == "failed"
        assert "did you mean 'wf_invoices'?" in repr(view)
