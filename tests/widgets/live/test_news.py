"""What is news: the same as ``check`` counts, for each candidate against its own past."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.documents import eval_document
from support.fakes import STILL
from support.faultserver import FaultServer, reply
from support.inside import (
    DECIDED,
    EVALS,
    LISTS,
    TRANSITIONS,
    Comparison,
    LiveState,
    LiveView,
    SideReader,
    Sides,
    Suite,
    comparison,
    group_runs,
    news,
)
from support.inside import live_html as html
from support.lettered_api import FLOW, LetteredApi, Run, alike
from support.made_runs import results_frame, run_with, runs_frame
from support.watched import WatchedSandbox
from support.watching import client, until

import retab_analysis as ra

WORKFLOWS = ("wf_invoices", "wf_contracts", "wf_claims", "wf_statements")


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedSandbox]:
    """A world in which nothing happens, so that two looks at it see the same."""
    with WatchedSandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def mine(world: WatchedSandbox) -> ra.Client:
    return ra.Client(**world.credentials)


def counts(comparison: Any) -> dict[str, int]:
    found: dict[str, int] = comparison.summary.select(TRANSITIONS).row(0, named=True)
    return found


def told(view: LiveView) -> Mapping[str, int]:
    found = view.state.news
    assert found is not None, view
    return dict(found)


def watched(runs: Any, client: ra.Client, **more: Any) -> LiveView:
    view = ra.watch(runs, client=client, interval=0.1, **more)
    view.wait(60)
    return view


def newest(workflow_id: str, client: ra.Client) -> str:
    runs = ra.fetch_runs(workflow_id, client=client)
    found: str = runs.filter(pl.col("scope") == "workflow", "is_terminal")["run_id"][0]
    return found


# The same counts as check


@pytest.mark.parametrize("workflow_id", WORKFLOWS)
def test_an_ended_run_has_the_counts_of_check(workflow_id: str, mine: ra.Client) -> None:
    run = newest(workflow_id, mine)
    view = watched(run, mine)
    comparison = ra.check(workflow_id, candidate=run, client=mine, progress=False)
    assert told(view) == counts(comparison)
    assert view.state.heading.endswith(comparison.headline)
    assert sum(told(view).values()) == comparison.evals.height
    evals = comparison.evals.filter(pl.col("transition").is_in(("regressed", "newly_blocked")))
    assert {line.eval_id: (line.p, line.reason) for line in view.state.broke} == {
        row["eval_id"]: (row["p_regressed"], row["reason"]) for row in evals.iter_rows(named=True)
    }


@pytest.fixture(scope="module")
def moving() -> Iterator[ra.Client]:
    """A client of a world in which runs go on, and others start by themselves."""
    with ra.Sandbox(speed=60) as sandbox:
        yield ra.Client(**sandbox.credentials)


def compare_at_its_end(
    workflow_id: str, client: ra.Client, **scope: Any
) -> tuple[LiveView, Comparison]:
    """Watch a new run to its end, and check it.

    A run of somebody else may end between the two and change what both say; then again.
    """
    for _ in range(5):
        runs = ra.start_runs(workflow_id, client=client, **scope)
        view = watched(runs, client)
        comparison = ra.check(workflow_id, candidate=runs, client=client, progress=False)
        if told(view) == counts(comparison):
            break
    return view, comparison


@pytest.mark.parametrize("workflow_id", WORKFLOWS)
def test_a_run_that_was_watched_to_its_end_has_the_counts_of_check(
    workflow_id: str, moving: ra.Client
) -> None:
    view, comparison = compare_at_its_end(workflow_id, moving)
    assert told(view) == counts(comparison)
    assert view.state.heading.endswith(comparison.headline)


def test_the_planted_break_is_news_and_counts_add_up(mine: ra.Client) -> None:
    view = watched(newest("wf_invoices", mine), mine)
    found, state = told(view), view.state
    assert len(state.broke) == found["regressed"] + found["newly_blocked"] > 0
    assert len(state.suspects) == found["suspect"] + found["newly_errored"]
    assert len(state.known) == found["still_failing"]
    assert len(state.passed) == found["still_passing"]
    assert all(line.p is not None and line.p >= 0.5 for line in state.broke)
    assert all("broken since" in (line.reason or "") for line in state.broke)
    page = html.render_still_view(state, html.LiveLook(values=False))
    assert page.count("broken since") >= len(state.broke)


@pytest.mark.parametrize("wanted", ["last_ok", "previous", "run", "version", "frame"])
def test_any_baseline_has_the_counts_of_check(wanted: str, mine: ra.Client) -> None:
    runs = ra.fetch_runs("wf_contracts", status="completed", client=mine)
    suites = runs.filter(scope="workflow")
    older = suites[5:6]
    given: dict[str, Any] = {
        "run": older["run_id"].item(),
        "version": older["workflow_version_id"].item(),
        "frame": older,
    }
    candidate = suites["run_id"][0]
    baseline = given.get(wanted, wanted)
    comparison, refused = None, ""
    try:
        comparison = ra.check(
            "wf_contracts", candidate=candidate, baseline=baseline, client=mine, progress=False
        )
    except ra.ConfigError as error:
        refused = str(error)
    view = watched(candidate, mine, baseline=baseline)
    if comparison is None:
        assert any(refused in note for note in view.state.notes)
        assert view.state.news is None
        return
    assert told(view) == counts(comparison)
    assert view.state.compared is not None
    if wanted in given:
        assert older["workflow_version_id"].item() in view.state.compared


def test_without_a_baseline_there_is_no_news_and_no_request_for_it(
    world: WatchedSandbox, mine: ra.Client
) -> None:
    run = newest("wf_claims", mine)
    world.requests.clear()
    view = watched(run, mine, baseline=None)
    assert (view.state.news, view.state.compared, view.state.notes) == (None, None, ())
    assert len(world.requests.matching("/evals/results")) == 1


# Candidates


def test_each_workflow_is_held_against_its_own_past(mine: ra.Client) -> None:
    ids = [newest(each, mine) for each in WORKFLOWS[:2]]
    both = told(watched(ids, mine))
    each = [told(watched(run, mine)) for run in ids]
    assert both == {name: each[0][name] + each[1][name] for name in TRANSITIONS}


def test_runs_of_a_workflow_are_candidates_of_their_own(mine: ra.Client) -> None:
    runs = ra.fetch_runs("wf_contracts", status="completed", client=mine)
    two = runs.filter(scope="workflow")[:2]
    view = watched(two, mine)
    checked = [
        counts(ra.check("wf_contracts", candidate=run, client=mine, progress=False))
        for run in two["run_id"]
    ]
    assert told(view) == {name: checked[0][name] + checked[1][name] for name in TRANSITIONS}


def test_runs_started_block_by_block_are_one_candidate(moving: ra.Client) -> None:
    evals = ra.fetch_evals("wf_contracts", client=moving)
    blocks = evals["block_id"].unique().sort().to_list()
    assert len(blocks) > 1
    view, together = compare_at_its_end("wf_contracts", moving, block_ids=blocks)
    assert view.frame.height == len(blocks)
    assert told(view) == counts(together)
    assert view.state.heading.endswith(together.headline)


def groups(*documents: dict[str, Any], **blocks: str) -> list[tuple[str, ...]]:
    """The candidates that runs make; which block an eval is of is given by name."""
    runs = runs_frame(*documents)
    evals = ra.decode_evals(
        [
            eval_document(name, target={"type": "block", "block_id": its})
            for name, its in blocks.items()
        ]
    )
    results = dict.fromkeys(runs["run_id"], results_frame())
    return group_runs(runs, results, evals if blocks else EVALS.empty())


def block(run_id: str, name: str, **more: Any) -> dict[str, Any]:
    return run_with(run_id, target={"type": "block", "block_id": name}, **more)


def test_what_is_one_candidate_together() -> None:
    assert groups(run_with("a"), run_with("b")) == [("a",), ("b",)]
    assert groups(block("a", "b1"), block("b", "b2")) == [("a", "b")]
    assert groups(block("a", "b1"), block("b", "b1")) == [("a",), ("b",)]
    other = block("b", "b2", workflow_version_id="another")
    assert groups(block("a", "b1"), other) == [("a",), ("b",)]
    one, two = run_with("a", eval_id="e1"), run_with("b", eval_id="e2")
    assert groups(one, two) == [("a", "b")]
    assert groups(one, run_with("b", eval_id="e1")) == [("a",), ("b",)]
    assert groups(one, block("b", "b1"), e1="b1") == [("a",), ("b",)]
    assert groups(one, block("b", "b1"), e1="b2") == [("a", "b")]
    again = [run_with("c", eval_id="e1"), run_with("d", eval_id="e2")]
    assert groups(one, two, *again) == [("a", "b"), ("c", "d")], "each repetition"
    assert groups(block("a", "b1"), run_with("w"), block("b", "b2")) == [("a", "b"), ("w",)]


# What is read, and how often


def test_the_past_is_read_once(world: WatchedSandbox, mine: ra.Client) -> None:
    run = newest("wf_contracts", mine)
    world.requests.clear()
    watched(run, mine)
    assert len(world.requests.matching("/evals/results")) == 21
    assert len(world.requests.matching("/v1/workflows/evals?")) == 1


def past(evals: int = 4, runs: int = 9) -> LetteredApi:
    """Earlier runs in which everything passed."""
    return LetteredApi(alike(evals, "P" * runs))


def going(api: LetteredApi, letters: str = "") -> Run:
    """A run that has just begun, and is so far."""
    return api.run(letters.ljust(len(api.evals), "U"), id="r9")


def step(run: Run, letters: str) -> None:
    """Let the evals of a run end in this, those left over still to come."""
    run.letters = dict(zip(run.letters, letters.ljust(len(run.letters), "U"), strict=True))


def rounds_of(view: LiveView) -> list[LiveState]:
    """The states that a view has had, one for each of its rounds from now on."""
    states: list[LiveState] = []
    view.on_update(lambda each: states.append(each.state))
    return states


def test_news_come_while_it_runs_and_only_changes_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    usual = news.compare_sides

    def compare(sides: Sides, alpha: float, margin: float) -> Comparison:
        made.append(int(sides.candidate["state"].is_in(DECIDED).sum()))
        return usual(sides, alpha, margin)

    monkeypatch.setattr(news, "compare_sides", compare)
    api = past()
    run = going(api)
    with FaultServer([api]) as server:
        with ra.watch("r9", interval=0.02, client=client(server.url)) as view:
            states = rounds_of(view)
            for ended in ("P", "PF", "PFP"):
                step(run, ended)
                until(lambda: made and made[-1] == len(ended))  # noqa: B023
                more = len(states) + 3
                until(lambda: len(states) > more)  # noqa: B023
            assert made == [1, 2, 3]
            assert view.state.heading.startswith("running: ")
            (line,) = view.state.listed
            assert (line.eval_id, line.transition) == ("fine 1", "suspect")
            assert line.p is not None
            step(run, "PFPP")
            view.wait(10)
        assert made == [1, 2, 3, 4]
        comparison = ra.check(FLOW, candidate="r9", client=client(server.url))
    assert told(view) == counts(comparison)


def test_a_round_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    api = past()
    run = going(api)
    with FaultServer([api]) as server:
        with ra.watch("r9", interval=0.02, client=client(server.url)) as view:
            step(run, "F")
            until(lambda: view.state.listed)
            started.clear()
            for failed in (2, 3):
                step(run, "F" * failed)
                until(lambda: len(view.state.listed) == failed)  # noqa: B023
            assert [name for name in started if name.startswith("retab_analysis")] == []


def readers() -> list[SideReader]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, SideReader)]


def test_a_view_that_has_ended_holds_no_earlier_results() -> None:
    api = past()
    run = going(api)
    others = len(readers())
    with FaultServer([api]) as server:
        with ra.watch("r9", interval=0.02, client=client(server.url)) as view:
            step(run, "PFPP")
            view.wait(10)
        until(lambda: len(readers()) <= others)
    assert view.results.height == 4
    assert told(view)


def test_the_test_of_the_suite_is_made_at_the_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    usual = comparison.summarize

    def summarize(suite: Suite, alpha: float) -> pl.DataFrame:
        made.append(suite.evals.height)
        return usual(suite, alpha)

    monkeypatch.setattr(comparison, "summarize", summarize)
    api = past()
    run = going(api)
    with FaultServer([api]) as server:
        with ra.watch("r9", interval=0.02, client=client(server.url)) as view:
            step(run, "PF")
            until(lambda: view.state.listed)
            assert made == []
            step(run, "PFPP")
            view.wait(10)
    assert made == [4]


# Cancelling, a server that is away, fast runs


def test_a_run_that_is_cancelled_half_way_makes_no_news() -> None:
    with ra.Sandbox(speed=30) as sandbox:
        slow = ra.Client(**sandbox.credentials)
        run = ra.start_runs("wf_claims", client=slow)
        with ra.watch(run, interval=0.1, client=slow) as view:
            until(lambda: view.state.runs and view.state.runs[0].done >= 3, 30)
            ra.cancel_runs(run, client=slow)
            view.wait(30)
        state = view.state
        comparison = ra.check("wf_claims", candidate=run, client=slow, progress=False)
    cancelled = view.results.filter(state="cancelled")
    assert cancelled.height > 0
    shown = {line.eval_id for name in LISTS for line in getattr(state, name)}
    assert shown.isdisjoint(cancelled["eval_id"])
    assert told(view) == counts(comparison)
    unasked = comparison.evals.filter(pl.col("eval_id").is_in(cancelled["eval_id"].implode()))
    assert set(unasked["transition"]) <= {"incomplete", "added", "not_comparable"}
    (line,) = state.runs
    assert line.done == line.total - cancelled.height
    assert line.ran is not None
    assert line.rate is not None
    assert line.rate * line.ran / 60 == pytest.approx(line.done)
    assert f"{line.done} of {line.total} done" in html.plain_text(state)


def test_numbers_freeze_while_the_server_is_away() -> None:
    api = past()
    going(api, "PF")
    with FaultServer([api]) as server:
        with ra.watch("r9", interval=0.02, client=client(server.url)) as view:
            until(lambda: view.state.news and not view.state.is_comparing)
            before = view.state
            # First the results, then everything: neither makes card and list disagree.
            for piece in ("GET /v1/workflows/evals/results", "GET /v1"):
                api.runs[-1].letters["fine 2"] = "P"
                api.broken = {piece: reply(503, {"detail": "away"})}
                until(lambda: view.state.connection)
                states = rounds_of(view)
                until(lambda: len(states) > 3)  # noqa: B023
                assert view.state.runs == before.runs
                assert view.state.refreshed == before.refreshed
                assert view.state.listed == before.listed
                assert view.state.connection.startswith(f"as of {before.refreshed}, ")
            api.broken = {}
            until(lambda: not view.state.connection and len(view.state.passed) == 2)
            assert view.state.runs[0].done == 3


def test_a_run_that_starts_and_ends_between_two_looks_is_seen() -> None:
    api = past()
    run = going(api)
    with FaultServer([api]) as server:
        watching = ra.watch(workflow_id=FLOW, interval=0.02, client=client(server.url))
        with watching as view:
            until(lambda: view.frame.height == 1)
            api.run("PPPF", id="fast", after=timedelta(seconds=30))
            until(lambda: view.frame.height == 2)
            assert set(view.frame["run_id"]) == {"r9", "fast"}
            until(lambda: "fine 3" in [line.eval_id for line in view.state.listed])
            step(run, "PPPP")
            view.wait(10)
    assert view.frame["is_terminal"].all()
    assert view.frame.height == 2, "what had ended before is not watched"


def test_more_runs_than_a_page_between_two_looks_are_seen() -> None:
    api = past(1, runs=1)
    going(api)
    with FaultServer([api]) as server:
        watching = ra.watch(
            workflow_id=FLOW, baseline=None, interval=0.02, client=client(server.url)
        )
        with watching as view:
            until(lambda: view.frame.height == 1)
            for at in range(130):
                api.run("P", id=f"fast{at}", after=timedelta(seconds=1))
            until(lambda: view.frame.height == 131, 10)


# Where there is nothing to compare with


def test_a_workflow_without_a_past_says_so_and_goes_on() -> None:
    api = past(runs=0)
    going(api, "PFPP")
    with FaultServer([api]) as server:
        view = ra.watch("r9", interval=0.02, client=client(server.url))
        view.wait(10)
    (note,) = view.state.notes
    assert note.startswith("Held against nothing: baseline='last_good': there is no earlier run")
    assert view.state.news is None
    assert view.state.heading == "completed, 1 does not pass"
    assert note in repr(view)


@pytest.mark.parametrize("status", [403, 404, 422, 503])
@pytest.mark.parametrize(
    "piece", ["/v1/workflows/evals/runs?", "/v1/workflows/evals/results?run_id=run_"]
)
def test_a_past_that_cannot_be_read_is_told_and_not_fatal(status: int, piece: str) -> None:
    api = past()
    api.broken[f"GET {piece}"] = reply(status, {"detail": "not now"})
    going(api, "PFPP")
    with FaultServer([api]) as server:
        view = ra.watch("r9", interval=0.02, client=client(server.url))
        assert view.wait(20)["status"].to_list() == ["completed"]
    (note,) = view.state.notes
    assert note.startswith("Held against nothing: ")
    assert str(status) in note
    assert [line.eval_id for line in view.state.unjudged] == ["fine 1"]
    assert view.state.phase == "ended"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_past_that_comes_late_is_waited_for(status: int) -> None:
    api = past()
    api.broken["GET /v1/workflows/evals/runs?"] = reply(status)
    going(api, "PFPP")
    with FaultServer([api]) as server:
        view = ra.watch("r9", interval=0.3, client=client(server.url))
        until(lambda: view.state.connection)
        assert view.state.is_comparing
        api.broken = {}
        view.wait(10)
    assert told(view)["still_passing"] == 3
    assert view.state.notes == ()


def test_a_key_that_is_refused_ends_it() -> None:
    refused = reply(401, {"detail": "revoked"})
    api = past()
    api.broken["GET /v1/workflows/evals/runs?"] = refused
    going(api)
    with FaultServer([api]) as server:
        view = ra.watch("r9", interval=0.02, client=client(server.url))
        with pytest.raises(ra.AuthenticationError):
            view.wait(10)
    assert view.state.phase == "failed"
    assert view.frame.height == 1


@pytest.mark.parametrize("wanted", ["no_such_version", "published"])
def test_a_baseline_that_there_is_not_is_told(wanted: str, mine: ra.Client) -> None:
    view = watched(newest("wf_claims", mine), mine, baseline=wanted)
    with contextlib.suppress(ra.RetabAnalysisError):
        ra.check("wf_claims", baseline=wanted, client=mine, progress=False)
        assert view.state.news is not None
        return
    assert view.state.notes[0].startswith("Held against nothing: ")
    assert (view.state.news, view.state.compared) == (None, None)


def test_results_that_do_not_decode_are_left_out_and_told() -> None:
    api = past()
    going(api, "PFPP")
    api.change("res_run_8_fine 3", lifecycle=7)
    with FaultServer([api]) as server:
        view = ra.watch("r9", interval=0.02, client=client(server.url))
        view.wait(10)
    assert view.state.notes == ("1 earlier result did not decode and is left out",)
    assert told(view)["still_passing"] == 3


def test_many_ended_runs_are_all_compared_in_the_end() -> None:
    api = past(2, runs=28)
    with FaultServer([api]) as server:
        ids = [run.id for run in api.runs[-20:]]
        view = ra.watch(ids, interval=5.0, client=client(server.url))
        view.wait(60)
    assert told(view)["still_passing"] == 40
    assert not view.state.is_comparing
