"""What is news: what ``check`` says, with the watched runs so far as the candidate."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.fakes import STILL
from support.faultserver import reply
from support.inside import TRANSITIONS, LiveView, OpenEval, news, say_reason, watcher
from support.inside import live_html as html
from support.lettered_api import FLOW, LetteredApi, Run, alike
from support.watched import WatchedSandbox
from support.watching import client, until

import retab_analysis as ra

LIST_OF_RUNS, SAVED = "GET /v1/workflows/evals/runs", "GET /v1/workflows/evals"
RESULTS = "GET /v1/workflows/evals/results"
VERSIONS = "GET /v1/workflows/versions"


@pytest.fixture(autouse=True)
def _compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if comparing took no time, which rests for twenty times that."""
    monkeypatch.setattr(watcher, "_REST", (0.0, 0.0))


def counts(comparison: Any) -> dict[str, int]:
    found: dict[str, int] = comparison.summary.select(TRANSITIONS).row(0, named=True)
    return found


def told(view: LiveView) -> dict[str, int]:
    assert view.state.news is not None, view
    return dict(view.state.news)


def names(lines: Any) -> list[str]:
    return [line.id for line in lines]


def past(evals: int = 4, runs: int = 9) -> LetteredApi:
    """Earlier runs in which everything passed."""
    return LetteredApi(alike(evals, "P" * runs))


def going(api: LetteredApi, letters: str = "", **more: Any) -> Run:
    """A run that has just begun, and is so far."""
    return api.run(letters.ljust(len(api.evals), "U"), **{"id": "r9", **more})


def step(run: Run, letters: str) -> None:
    """Let the evals of a run end in this, those left over still to come."""
    run.letters = dict(zip(run.letters, letters.ljust(len(run.letters), "U"), strict=True))


def watch(api: LetteredApi, runs: Any = "r9", **more: Any) -> LiveView:
    assert api.server is not None
    return ra.watch(runs, **{"interval": 0.02, "client": client(api.server.url), **more})


def assert_as_check(view: LiveView, checked: Any) -> None:
    """That a view and a comparison say the same of the same evals."""
    state = view.state
    assert told(view) == counts(checked)
    assert state.heading.endswith(checked.headline)
    (news,) = state.told
    said = ("eval_id", "transition", "p_regressed", "reason")
    assert news.comparison is not None
    both = (each.evals.select(said).sort("eval_id") for each in (news.comparison, checked))
    assert next(both).equals(next(both))
    found = told(view)
    assert len(state.broke) == found["regressed"] + found["newly_blocked"]
    assert checked.headline in html.plain_text(state)


# The same as check at the end


@pytest.mark.parametrize("letters", ["PPFP", "FFBE", "PPPP", "PECC", "EEEE", "CCCC"])
def test_a_run_that_is_watched_to_its_end_says_what_check_says(letters: str) -> None:
    with LetteredApi({"gap": "F" * 9, **alike(3, "P" * 9), "broken": "P" * 5 + "F" * 4}) as api:
        run = going(api)
        with watch(api) as view:
            until(lambda: view.state.news)
            step(run, letters[:2])
            until(lambda: view.results.filter(pl.col("state") != "unscored").height == 2)
            step(run, letters + "C")
            view.wait(30)
        assert_as_check(view, api.check(candidate="r9"))


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedSandbox]:
    """A world in which nothing happens, so that two looks at it see the same."""
    with WatchedSandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def mine(world: WatchedSandbox) -> ra.Client:
    return ra.Client(**world.credentials)


@pytest.mark.parametrize("workflow_id", ["wf_invoices", "wf_contracts", "wf_claims"])
def test_an_ended_run_of_the_sandbox_has_the_news_of_check(
    workflow_id: str, mine: ra.Client
) -> None:
    runs = ra.fetch_runs(workflow_id, limit=40, client=mine)
    run = runs.filter(pl.col("scope") == "workflow", "is_terminal")["run_id"][0]
    with ra.watch(run, interval=0.1, client=mine) as view:
        view.wait(120)
    assert_as_check(view, ra.check(workflow_id, candidate=run, client=mine, progress=False))
    if workflow_id == "wf_invoices":
        assert view.state.broke, "the planted break"
        text = html.plain_text(view.state, values=True)
        assert "lines.2.amount < 0" in text, "the operator is never missing"
        shown = html.render_sections(view.state, html.LiveLook(), OpenEval(None, lambda: None))
        assert "extract_lines was edited" in shown["news"]
        assert "<ins>" in shown["news"], "the edit itself"


@pytest.mark.parametrize("wanted", ["last_ok", "previous", "run_3", "version_A", "no_such"])
def test_any_baseline_is_the_one_of_check(wanted: str) -> None:
    with past() as api:
        going(api, "PFPP")
        view = watch(api, baseline=wanted)
        view.wait(30)
        if wanted == "no_such":
            with pytest.raises(ra.ConfigError, match="not a run or a version") as refused:
                api.check(candidate="r9", baseline=wanted)
            assert view.state.notes == (f"Held against nothing: {refused.value}",)
            assert (view.state.news, view.state.compared) == (None, None)
            assert names(view.state.listed) == ["fine 1"]
        else:
            assert_as_check(view, api.check(candidate="r9", baseline=wanted))


def test_without_a_baseline_there_is_no_news_and_no_request_for_it() -> None:
    with past() as api:
        going(api, "PFPP")
        view = watch(api, baseline=None)
        view.wait(30)
        assert (view.state.news, view.state.compared, view.state.notes) == (None, None, ())
        assert api.asked.count(RESULTS) == 1
        assert LIST_OF_RUNS not in api.asked


# Several runs


@pytest.mark.parametrize("letters", [("FPPP", "FPPP", "FFPP"), ("PFPP", "PPPP", "PPPB")])
def test_three_repeats_of_a_suite_are_one_news(letters: tuple[str, ...]) -> None:
    with past() as api:
        ids = [
            going(api, each, id=f"r{at}", after=timedelta(minutes=1)).id
            for at, each in enumerate(letters)
        ]
        view = watch(api, ids)
        view.wait(30)
        assert_as_check(view, api.check(candidate=ids))
        assert sum(told(view).values()) == 4


def test_two_cancelled_runs_hide_no_known_break() -> None:
    with LetteredApi({**alike(3, "P" * 9), "broken": "P" * 5 + "F" * 4}) as api:
        ids = [going(api, id=each).id for each in ("one", "two")]
        with watch(api, ids) as view:
            until(lambda: view.state.news)
            assert told(view)["incomplete"] == 0, "what is still to come is not missed"
            ra.cancel_runs(ids, client=client(api.server.url))  # type: ignore[union-attr]
            view.wait(30)
        assert names(view.state.broke) == ["broken"]
        assert "not run since" in (say_reason(view.state.broke[0], None) or "")
        assert told(view)["incomplete"] == 3
        assert "✗ broken" in repr(view)
        assert_as_check(view, api.check(candidate=ids))


def test_what_is_still_to_come_is_not_missed_where_another_run_was_cancelled() -> None:
    with past() as api:
        going(api, "CCCC", id="cancelled")
        run = going(api, "PP")
        with watch(api, ["cancelled", "r9"]) as view:
            until(lambda: view.state.news and told(view)["still_passing"] == 2)
            assert told(view)["incomplete"] == 0
            step(run, "PPPP")
            view.wait(30)
        assert told(view)["still_passing"] == 4


def test_what_was_cancelled_is_missed_at_once_where_only_other_evals_are_still_to_come() -> None:
    blocks = {"fine 0": "other", "fine 1": "other"}
    with LetteredApi(alike(4, "P" * 9), blocks=blocks) as api:
        api.run({"fine 0": "P", "fine 1": "C"}, scope="B", id="one")
        run = api.run({"fine 2": "P", "fine 3": "U"}, scope="B", id="two")
        ids = ["one", "two"]
        with watch(api, ids) as view:
            until(lambda: view.state.news and told(view)["still_passing"] == 2)
            assert told(view)["incomplete"] == 1
            made = api.check(candidate=ids)
            assert dict(made.evals.select("eval_id", "transition").iter_rows()) == {
                "fine 0": "still_passing",
                "fine 1": "incomplete",
                "fine 2": "still_passing",
            }
            gate = made.gate()
            assert gate.failing == ("fine 1",)
            assert "still to come" in gate.reasons[0]
            run.letters["fine 3"] = "P"
            view.wait(30)
        assert told(view)["still_passing"] == 3
        assert_as_check(view, api.check(candidate=ids))


def test_runs_of_blocks_are_one_candidate_and_each_workflow_has_its_own_past(
    mine: ra.Client,
) -> None:
    runs = ra.fetch_runs("wf_contracts", limit=100, client=mine)
    invoices = ra.fetch_runs("wf_invoices", limit=40, client=mine)
    parts = runs.filter("is_terminal", pl.col("scope") == "block").head(2)
    other = invoices.filter("is_terminal", pl.col("scope") == "workflow").head(1)
    views = []
    for watched in (parts, other, pl.concat([parts, other])):
        with ra.watch(watched, interval=0.1, client=mine) as view:
            view.wait(120)
        views.append(view)
    found = [told(view) for view in views]
    assert found[2] == {name: found[0][name] + found[1][name] for name in TRANSITIONS}
    checked = ra.check("wf_contracts", candidate=parts, client=mine, progress=False)
    assert_as_check(views[0], checked)


# What is read, and how often


def test_news_come_while_it_runs_and_a_comparison_costs_no_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    compared: list[int] = []
    start, usual = threading.Thread.start, news.compare_sides

    def start_noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    def compare(sides: Any, *levels: float) -> Any:
        compared.append(sides.candidate.height)
        return usual(sides, *levels)

    monkeypatch.setattr(threading.Thread, "start", start_noted)
    monkeypatch.setattr(news, "compare_sides", compare)
    with past() as api:
        run = going(api, "P")
        with watch(api) as view:
            until(lambda: view.state.news and not view.state.is_comparing)
            assert api.asked.count(RESULTS) == 1 + 9, "each earlier run once"
            started.clear()
            for ended in ("PF", "PFF"):
                before, rounds = len(api.asked), api.asked.count(RESULTS)
                step(run, ended)
                until(lambda: len(compared) == len(ended))  # noqa: B023
                until(lambda: len(view.state.listed) == len(ended) - 1)  # noqa: B023
                until(lambda: len(api.asked) > before + 4)  # noqa: B023
                assert api.asked.count(RESULTS) == rounds + 1, "only what has changed"
            assert compared == [1, 2, 3], "only where results have changed"
            assert api.asked.count(SAVED) == api.asked.count(LIST_OF_RUNS) == 1
            assert [name for name in started if name.startswith("retab_analysis")] == []
            assert names(view.state.listed) == ["fine 1", "fine 2"]
            assert view.state.heading.startswith("running: ")
            step(run, "PFFP")
            view.wait(30)
        assert api.asked.count(SAVED) == api.asked.count(LIST_OF_RUNS) == 2, "again at the end"


def test_that_evals_pass_as_before_is_told_at_once_and_compared_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    usual = news.compare_sides

    def compare(sides: Any, *levels: float) -> Any:
        compared.append(sides.candidate.filter(state="passed").height)
        return usual(sides, *levels)

    monkeypatch.setattr(news, "compare_sides", compare)
    # Nothing rests for long enough to be seen where a comparison takes no time.
    monkeypatch.setattr(watcher, "_LONG_REST", (1e6, 30.0))
    with past() as api:
        run = going(api, "P")
        with watch(api) as view:
            until(lambda: view.state.told and not view.state.is_comparing)
            step(run, "PPP")
            until(lambda: view.state.later)
            assert view.state.later.startswith("2 more ended as before")
            assert view.state.runs[0].done == 3
            assert compared == [1]
            step(run, "PPPF")
            view.wait(30)
        assert view.state.later == ""
        assert compared[1] == 3
        assert_as_check(view, api.check(candidate="r9"))


def test_one_more_failure_of_what_is_broken_is_not_compared_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "_LONG_REST", (1e6, 30.0))
    with past() as api:
        for _ in range(3):
            api.run("FPPP")
        going(api, "FPPP")
        other = going(api, "", id="other", after=timedelta(minutes=1))
        with watch(api, ["r9", "other"]) as view:
            until(lambda: view.state.told and not view.state.is_comparing)
            assert told(view)["regressed"] == 1
            found = view.state.told
            step(other, "F")
            until(lambda: view.state.runs[1].done == 1)
            asked = len(api.asked)
            until(lambda: len(api.asked) > asked + 3)
            before = view.state
            assert before.told == found
            assert before.later
            assert not before.is_comparing
            assert before.headings[0].strong == "5 of 8 done"
            step(other, "FF")
            until(lambda: view.state.told != found)
            until(lambda: not view.state.is_comparing)
            assert view.state.later == ""


def test_an_earlier_run_that_ended_meanwhile_counts_at_the_end() -> None:
    with past() as api:
        other = going(api, id="other")
        run = going(api)
        with watch(api) as view:
            until(lambda: view.state.news)
            step(other, "PPPF")
            step(run, "PPPF")
            view.wait(30)
        assert_as_check(view, api.check(candidate="r9"))


# A server that is away, and what is not there


def test_numbers_freeze_while_the_server_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_LONG_REST", (0.0, 0.0))
    with past() as api:
        run = going(api, "PF")
        with watch(api) as view:
            until(lambda: view.state.news and not view.state.is_comparing)
            before = view.state
            # First the results, then everything: neither makes card and list disagree.
            for piece in (RESULTS, "GET /v1"):
                step(run, "PFP")
                api.broken = {piece: reply(503, {"detail": "away"})}
                until(lambda: view.state.connection)
                asked = len(api.asked)
                until(lambda: len(api.asked) > asked + 3)  # noqa: B023
                assert view.state.runs == before.runs
                assert view.state.listed == before.listed
                assert view.state.connection.startswith(f"as of {before.refreshed}, ")
            api.broken = {}
            until(lambda: not view.state.connection and told(view)["still_passing"] == 2)
            assert view.state.runs[0].done == 3


def test_a_first_run_says_what_fails_and_that_nothing_is_known() -> None:
    with past(runs=0) as api:
        api.evals = alike(3, "")
        going(api, "PFP")
        view = watch(api)
        view.wait(30)
        assert names(view.state.listed) == ["fine 1"]
        assert view.state.notes == ()
        assert_as_check(view, api.check(candidate="r9"))


@pytest.mark.parametrize("status", [403, 422, 503])
@pytest.mark.parametrize("piece", [f"{LIST_OF_RUNS}?", f"{RESULTS}?run_id=run_"])
def test_a_past_that_cannot_be_read_is_told_and_not_fatal(status: int, piece: str) -> None:
    with past() as api:
        api.broken[piece] = reply(status, {"detail": "not now"})
        going(api, "PFPP")
        view = watch(api)
        assert view.wait(30)["status"].to_list() == ["completed"]
    (note,) = view.state.notes
    assert note.startswith("Held against nothing: ")
    assert str(status) in note
    assert names(view.state.listed) == ["fine 1"]
    assert view.state.phase == "ended"


@pytest.mark.parametrize(("failures", "asked"), [(1, 2), (99, 4)])
def test_what_was_edited_is_asked_for_again_with_the_next_news_but_not_for_ever(
    failures: int, asked: int
) -> None:
    with LetteredApi(alike(12, "P" * 9), codes="A" * 9 + "B", published="AB") as api:
        run = going(api, "FFF")
        was = "GET /v1/workflows/blocks/extract/config-history"
        api.fail(was, reply(503), times=failures)
        with watch(api) as view:
            for broken in range(3, 9):
                step(run, "F" * broken)
                until(lambda: len(view.state.broke) == broken)  # noqa: B023
            step(run, "F" * 8 + "P" * 4)
            view.wait(30)
        assert api.asked.count(was) == asked
        (found,) = view.state.told
        assert found.comparison is not None
        assert found.comparison.config_changes.is_empty() == (failures > 1)


@pytest.mark.parametrize("piece", [f"{LIST_OF_RUNS}?", f"{SAVED}?"])
def test_what_comes_late_is_waited_for(piece: str) -> None:
    with past() as api:
        api.broken[piece] = reply(503)
        going(api, "PFPP")
        view = watch(api, interval=0.3)
        until(lambda: view.state.connection)
        api.broken = {}
        view.wait(30)
        assert_as_check(view, api.check(candidate="r9"))
    assert view.state.notes == ()


def test_without_the_saved_evals_nothing_is_called_removed() -> None:
    with past() as api:
        api.fail(f"{SAVED}?", reply(403, {"detail": "not yours"}))
        run = going(api, "P")
        with watch(api) as view:
            until(lambda: view.state.news)
            assert told(view)["removed"] == 0
            step(run, "PPPP")
            view.wait(30)
        assert_as_check(view, api.check(candidate="r9"))


def test_results_that_do_not_decode_are_left_out_and_told() -> None:
    with past() as api:
        going(api, "PFPP")
        api.change("res_run_8_fine 3", lifecycle=7)
        view = watch(api)
        view.wait(30)
    assert view.state.notes == ("1 earlier result did not decode and is left out",)
    assert told(view)["still_passing"] == 3


# A followed workflow


def test_a_run_that_starts_and_ends_between_two_looks_is_seen() -> None:
    with past() as api:
        run = going(api)
        with watch(api, None, workflow_id=FLOW) as view:
            until(lambda: view.frame.height == 1)
            api.run("PPPF", id="fast", after=timedelta(seconds=30))
            until(lambda: "fine 3" in names(view.state.listed))
            step(run, "PPPP")
            view.wait(30)
    assert set(view.frame["run_id"]) == {"r9", "fast"}, "what had ended before is not watched"


def test_more_runs_than_a_page_between_two_looks_are_seen() -> None:
    with past(1, runs=1) as api:
        going(api)
        with watch(api, None, workflow_id=FLOW, baseline=None) as view:
            until(lambda: view.frame.height == 1)
            for at in range(130):
                api.run("P", id=f"fast{at}", after=timedelta(seconds=1))
            until(lambda: view.frame.height == 131)
