"""What the explorer fetches, in a thread, and what comes of it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import polars as pl
import pytest
from support.documents import eval_document
from support.explored import buttons, htmls, keys, open_row, section, send, sort_by
from support.fakes import KEY
from support.faultserver import FaultServer, page, reply
from support.html_elements import Elements
from support.inside import JobQueue
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client, until

import retab_analysis as ra

WORKFLOW = "wf_invoices"
FIRST, LAST = "2026-05-18T10:00:00Z", "2026-05-20T10:00:00Z"


def test_choosing_a_run_fetches_its_results(runs: pl.DataFrame, api: ra.Client) -> None:
    explorer = ra.explore(runs, client=api)
    assert section(explorer, "panel") == ""
    broken = runs.filter(pl.col("ok").not_(), scope="workflow")["run_id"][0]
    open_row(explorer, keys(explorer).index(broken))
    explorer.wait(20)
    assert f'data-copy="{broken}"' in section(explorer, "panel")
    known = explorer.state.results_of(broken)
    assert known is not None
    states = known["state"].to_list()
    assert states[0] != "passed"
    assert "passed" not in states[: states.index("passed")]
    assert states[states.index("passed") :] == ["passed"] * states.count("passed")
    assert known["eval_name"].null_count() < known.height
    assert explorer.results["run_id"].unique().to_list() == [broken]


def test_results_that_are_given_are_not_fetched(
    runs: pl.DataFrame, results: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    explorer = ra.explore(runs, results)
    assert explorer.state.tabs == ["runs", "results", "evals"]
    known = results["run_id"][0]
    send(explorer, "search", known)
    open_row(explorer, 0)
    assert not explorer.busy
    assert f'data-copy="{known}"' in section(explorer, "panel")


def test_a_fetch_that_fails_is_told_and_raised(
    runs: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    explorer = ra.explore(runs)
    open_row(explorer, 2)
    with pytest.raises(ra.ConfigError) as error:
        explorer.wait(20)
    shown = htmls(explorer)
    assert escape(str(error.value)) in shown
    assert "Its results could not be fetched." in shown
    explorer.wait(20)  # told once


# A workflow.


def test_a_workflow_is_fetched_in_the_background(api: ra.Client) -> None:
    whole = ra.fetch_runs("wf_invoices", client=api)
    explorer = ra.explore(workflow_id="wf_invoices", client=api)
    first = explorer.wait(30)
    assert first.height == explorer.frame.height > 50
    assert f"since {explorer._fetcher.since:%Y-%m-%d}" in repr(explorer)
    send(explorer, "more")
    assert explorer.wait(30).height > first.height
    send(explorer, "more")
    explorer.wait(30)
    assert set(explorer.wait(30)["run_id"]) >= set(whole["run_id"])
    send(explorer, "more")
    explorer.wait(30)
    assert "There is no run before those since" in explorer.message


def test_refresh_brings_new_runs_and_what_became_of_the_others() -> None:
    with ra.Sandbox(speed=200.0) as sandbox:
        api = ra.Client(**sandbox.credentials)
        started = ra.start_runs("wf_claims", client=api)
        explorer = ra.explore(workflow_id="wf_claims", client=api)
        before = explorer.wait(30)
        open_row(explorer, before["run_id"].to_list().index(started["run_id"][0]))
        explorer.wait(30)
        ra.wait_for_runs(started, interval=0.1, client=api)
        second = ra.start_runs("wf_claims", client=api)
        send(explorer, "refresh")
        after = explorer.wait(30)
        assert second["run_id"][0] in after["run_id"]
        now = after.filter(run_id=started["run_id"][0])
        assert now["is_terminal"][0]
        # Its results, read while it was going on, have been read again.
        known = explorer.state.results_of(started["run_id"][0])
        assert known is not None
        assert "unscored" not in known["state"]


def test_no_runs_at_all_is_said() -> None:
    with FaultServer([reply(body=page([]))]) as server:
        explorer = ra.explore(workflow_id="wf_1", client=client(server.url))
        assert explorer.wait(10).is_empty()
        assert explorer.frame.columns == ra.decode_runs([]).columns
        assert "There is no run since" in repr(explorer)
        assert "There is no workflow 'wf_1'; there are none." in repr(explorer)
        assert "no runs" in htmls(explorer)


def test_a_workflow_without_runs_is_not_called_unknown(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_untitled", client=api)
    assert explorer.wait(30).is_empty()
    assert "There is no run since" in explorer.message
    assert "There is no workflow" not in explorer.message


def test_what_came_before_a_failure_is_kept() -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    run = run_with("r1", "completed", passed=1, workflow_id="wf_1", timing__created_at=yesterday)
    first = reply(body=page([run], after="next"))
    with FaultServer([first, reply(500, b"{}")]) as server:
        explorer = ra.explore(workflow_id="wf_1", client=client(server.url))
        with pytest.raises(ra.ServerError) as error:
            explorer.wait(10)
        assert explorer.frame["run_id"].to_list() == ["r1"]
        assert str(error.value) in repr(explorer)


def test_waiting_has_an_end() -> None:
    with FaultServer([reply(body=page([]), drip=0.5)]) as server:
        explorer = ra.explore(workflow_id="wf_1", client=client(server.url, timeout=5.0))
        assert "Not all is here yet: .wait() blocks until it is." in repr(explorer)
        with pytest.raises(ra.WaitTimeout) as caught:
            explorer.wait(0.2)
        assert caught.value.runs.is_empty()
        assert explorer.busy


# Frames of one's own, refreshed.


def test_refresh_asks_only_for_what_goes_on() -> None:
    runs = runs_frame(run_with("r1", "completed", passed=1), run_with("r2", "running", running=1))
    now = page([run_with("r2", "completed", passed=1), run_with("r3", "completed", passed=1)])
    with FaultServer([reply(body=now)]) as server:
        explorer = ra.explore(runs, client=client(server.url))
        explorer.refresh()
        frame = explorer.wait(10)
        assert sorted(frame["run_id"]) == ["r1", "r2"]
        assert frame["is_terminal"].all()
        explorer.refresh()
        explorer.wait(10)
        assert explorer.message == "Every run has ended: there is nothing to ask again."
        assert len(server.requests) == 1


def test_refresh_of_runs_that_do_not_say_of_which_workflow_they_are() -> None:
    """They may be of any; the time they are of is what narrows the list down."""
    moments = {"r1": FIRST, "r2": LAST}
    going = runs_frame(
        *(run_with(name, running=1, timing__created_at=at) for name, at in moments.items())
    )
    nameless = pl.when(pl.col("run_id") != "r1").then("workflow_id").alias("workflow_id")
    now = [run_with(name, "completed", passed=1) for name in moments]
    with FaultServer([reply(body=page(now))]) as server:
        explorer = ra.explore(going.with_columns(nameless), client=client(server.url))
        explorer.refresh()
        frame = explorer.wait(10)
        assert frame["is_terminal"].to_list() == [True, True]
        (query,) = server.queries
    assert "workflow_id" not in query
    assert (query["from_date"][:10], query["to_date"][:10]) == (FIRST[:10], LAST[:10])


def test_refresh_of_results_asks_for_those_that_are_not_decided() -> None:
    known = results_frame(result_with("e1", "unscored", "r1"), result_with("e1", "passed", "r2"))
    answers = {
        "/v1/workflows/evals/results": page([result_with("e1", "failed", "r1")]),
        "/v1/workflows/evals/runs/": run_with("r1", "completed", failed=1),
        "/v1/workflows/evals?": page([eval_document("e1", name="The total")]),
        "/v1/workflows/wf_invoices/published-versions?": page([]),
        "/v1/workflows/blocks?": page([]),
    }

    def answer(request: str) -> Any:
        path = request.split(" ")[1]
        return reply(body=next(body for start, body in answers.items() if path.startswith(start)))

    with FaultServer([answer]) as server:
        explorer = ra.explore(results=known, client=client(server.url))
        assert explorer.state.tabs == ["results", "evals"]
        send(explorer, "refresh")
        frame = explorer.wait(10)
        assert dict(frame.select("run_id", "state").iter_rows()) == {"r1": "failed", "r2": "passed"}
        send(explorer, "refresh")
        explorer.wait(10)
        assert "nothing to ask again" in explorer.message


def test_ones_own_columns_names_and_payloads_outlive_a_refresh() -> None:
    known = results_frame(result_with("e1", "unscored", "r1"), result_with("e2", "passed", "r1"))
    known = known.with_columns(eval_name="eval_id", mine=pl.Series([7, 8]))
    bodies = {
        "/v1/workflows/evals/results": page(
            [result_with("e1", "failed", "r1"), result_with("e2", "passed", "r1")]
        ),
        "/v1/workflows/evals/runs/": run_with("r1", "completed", failed=1),
    }

    def answer(request: str) -> Any:
        path = request.split(" ")[1]
        found = (body for start, body in bodies.items() if path.startswith(start))
        return (
            reply(body=next(found, None))
            if path.split("?")[0] != "/v1/workflows/evals"
            else reply(404, {})
        )

    with FaultServer([answer]) as server:
        explorer = ra.explore(results=known, client=client(server.url))
        explorer.refresh()
        frame = explorer.wait(10).sort("eval_id")
        assert frame["state"].to_list() == ["failed", "passed"]
        assert frame["mine"].to_list() == [7, 8]
        assert frame["eval_name"].to_list() == ["e1", "e2"]


def test_a_run_that_cannot_be_read_costs_nothing_of_the_others_and_is_asked_for_once() -> None:
    runs = runs_frame(run_with("r1", "completed", passed=1), run_with("r2", "completed", passed=1))
    asked: list[str] = []

    def answer(request: str) -> Any:
        path = request.split(" ")[1]
        if "results" not in path:
            return reply(body=page([]))
        asked.append(path)
        if "r2" in path:
            return reply(404, {"detail": "gone"})
        return reply(body=page([result_with("e1", "passed", "r1")]))

    with FaultServer([answer]) as server:
        explorer = ra.explore(runs, client=client(server.url))
        assert explorer.widget is not None
        explorer.tab = "evals"
        with pytest.raises(ra.NotFoundError):
            explorer.wait(10)
        assert explorer.frame["eval_id"].to_list() == ["e1"]
        assert "ra-alert" in htmls(explorer)
        before = len(asked)
        sort_by(explorer, "Eval")
        explorer.wait(10)
        assert len(asked) == before
        explorer.refresh()
        with pytest.raises(ra.NotFoundError):
            explorer.wait(10)
        assert len(asked) > before


def test_the_same_results_are_not_fetched_twice(runs: pl.DataFrame) -> None:
    asked: list[str] = []
    gate = threading.Event()

    def answer(request: str) -> Any:
        path = request.split(" ")[1]
        asked.append(path)
        gate.wait(5)
        return reply(body=page([]))

    with FaultServer([answer]) as server:
        explorer = ra.explore(runs, client=client(server.url))
        explorer.refresh()
        open_row(explorer, 1)
        sort_by(explorer, "Ran (s)")
        sort_by(explorer, "Ran (s)")
        explorer.refresh()
        gate.set()
        explorer.wait(10)
    results = [path for path in asked if "results" in path]
    assert len(results) == len(set(results)) == 1


def test_opening_the_evals_reads_the_newest_runs(runs: pl.DataFrame, api: ra.Client) -> None:
    explorer = ra.explore(runs, client=api)
    assert explorer.widget is not None
    send(explorer, "tab", "evals")
    explorer.wait(60)
    assert explorer.results["run_id"].n_unique() == 20
    left = runs.height - 20
    assert f"Evals over 20 runs; {left} further runs are not read" in repr(explorer)
    assert buttons(explorer)["more"]["title"] == f"The results of 20 of {left} further runs"
    send(explorer, "more")
    explorer.wait(60)
    assert explorer.results["run_id"].n_unique() == 40


def test_a_run_is_checked_where_somebody_asks(api: ra.Client) -> None:
    explorer = ra.explore(
        ra.fetch_runs(WORKFLOW, scope="workflow", limit=5, client=api), client=api
    )
    open_row(explorer, 0)
    explorer.wait(60)
    send(explorer, "check")
    explorer.wait(60)
    checked = ra.check(WORKFLOW, candidate=keys(explorer)[0], client=api)
    panel = section(explorer, "panel")
    assert checked.headline.split(" since ")[0] in Elements(panel).text
    assert explorer.message == ""
    broken = checked.broken["eval_id"][0]
    send(explorer, "eval", broken)
    panel = section(explorer, "panel")
    assert "gate fails" in panel
    assert "rtd-below" in panel
    assert broken in Elements(panel).text


class Panic(BaseException):
    """No Exception, as what polars raises where it finds itself broken."""


def test_jobs_run_one_after_another_and_none_is_lost() -> None:
    done: list[int] = []
    ended: list[BaseException | None] = []
    jobs = JobQueue(ended.append)
    problem, gate = Panic(), threading.Event()

    def wait() -> None:
        gate.wait(10)
        done.append(1)

    def fail() -> None:
        raise problem

    jobs.run("wait", wait)
    until(lambda: not jobs._jobs)
    jobs.run("fail", fail)
    jobs.run("last", lambda: done.append(2))
    jobs.run("last", lambda: done.append(3))
    assert jobs.busy
    assert not jobs.wait(0.05)
    gate.set()
    assert jobs.wait(5)
    assert done == [1, 2]
    assert ended == [None, problem, None]
    until(
        lambda: not [each for each in threading.enumerate() if each.name == "retab_analysis-jobs"]
    )


def test_progress_is_told_while_it_is_fetched() -> None:
    steps: list[str] = []
    bodies = [page([run_with(f"r{n}")], after=f"c{n}") for n in range(3)] + [page([])]

    def answer(_: str) -> Any:
        time.sleep(0.12)  # what changes within a tenth of a second is shown together
        return reply(body=bodies.pop(0))

    with FaultServer([answer]) as server:
        explorer = ra.explore(
            runs_frame(run_with("r0", "running", running=1)), client=client(server.url)
        )
        assert explorer.widget is not None
        explorer.widget.observe(lambda change: steps.append(change["new"]), "html_head")
        explorer.refresh()
        explorer.wait(10)
        section(explorer, "head")
    assert any("Fetching runs: " in step for step in steps)
    assert "Fetching" not in steps[-1]
    assert KEY not in "".join(steps)
