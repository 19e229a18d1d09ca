"""The explorer: what it fetches, shows, sends, writes and keeps."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.documents import eval_document
from support.drawn import control, walk
from support.fakes import KEY, STILL
from support.faultserver import FaultServer, page, reply
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client, until

import retab_analysis as ra
from retab_analysis.widgets import Explorer
from retab_analysis.widgets.explorer.background import Background

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ra.Sandbox]:
    with ra.Sandbox(speed=STILL) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def api(sandbox: ra.Sandbox) -> ra.Client:
    return ra.Client(**sandbox.credentials)


@pytest.fixture(scope="module")
def runs(api: ra.Client) -> pl.DataFrame:
    return ra.fetch_runs("wf_invoices", client=api)


@pytest.fixture(scope="module")
def results(api: ra.Client, runs: pl.DataFrame) -> pl.DataFrame:
    ended = runs.filter("is_terminal", pl.col("scope") == "workflow").head(6)
    return ra.fetch_results(ended, evals=ra.fetch_evals("wf_invoices", client=api), client=api)


def with_class(widget: Any, name: str) -> Any:
    return next(each for each in walk(widget) if name in each._dom_classes)


def keys(explorer: Explorer) -> list[str]:
    """The ids of the rows that are seen, by what their buttons are called."""
    return [each.split()[-1] for each in with_class(explorer.widget, "ra-picks").options]


def htmls(widget: Any) -> str:
    return "\n".join(each.value for each in walk(widget) if type(each).__name__ == "HTML")


def click(explorer: Explorer, words: str) -> None:
    control(explorer.widget, words).click()


def turn_to(explorer: Explorer, tab: str) -> None:
    tabs = explorer.state.tabs
    next(
        each for each in explorer.widget.children if hasattr(each, "titles")
    ).selected_index = tabs.index(tab)


def shows_only(widget: Any) -> bool:
    return type(widget).__name__ in ("HTML", "Label")


def pandas_frame() -> Any:
    """What looks like pandas' frame: the library itself is no dependency."""
    return type("DataFrame", (), {"__module__": "pandas", "columns": ["run_id"]})()


# What it takes.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "pass runs, results= or both"),
        ({"runs": ra.decode_runs([]), "workflow_id": "wf"}, "pass runs, results= or both"),
        ({"workflow_id": ""}, "workflow_id"),
        ({"runs": [1]}, "runs must be a RUNS frame (polars), got list"),
        ({"runs": "wf_1"}, "explore(workflow_id='wf_1')"),
        ({"runs": pandas_frame()}, "pandas.DataFrame (polars.from_pandas converts it)"),
        ({"results": "run_1"}, "results must be a RESULTS frame"),
    ],
)
def test_what_it_cannot_use(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ra.ConfigError) as caught:
        ra.explore(**arguments)
    assert words in str(caught.value)


def test_a_frame_of_another_kind_says_what_is_missing(results: pl.DataFrame) -> None:
    with pytest.raises(ra.SchemaError) as caught:
        ra.explore(results)
    assert str(caught.value) == "runs is a RESULTS frame: pass it as results="
    with pytest.raises(ra.SchemaError) as caught:
        ra.explore(results.select("run_id"))
    assert "runs is not a RUNS frame: it has no column status, passed, failed," in str(caught.value)
    assert "and 23 more; it has run_id" in str(caught.value)
    with pytest.raises(ra.SchemaError, match="column passed is String, expected Int64"):
        ra.explore(ra.decode_runs([]).cast({"passed": pl.String}))


def test_without_a_key_a_workflow_cannot_be_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    with pytest.raises(ra.ConfigError):
        ra.explore(workflow_id="wf_invoices")


def test_lazy_frames_and_columns_of_nulls_and_of_ones_own(runs: pl.DataFrame) -> None:
    mine = runs.with_columns(eval_id=None, mine=1)
    explorer = ra.explore(mine.lazy())  # type: ignore[arg-type]
    assert explorer.frame.columns == mine.columns
    assert explorer.frame["eval_id"].dtype == pl.String


def test_columns_of_ones_own_are_shown_chosen_from_and_searched(
    runs: pl.DataFrame, results: pl.DataFrame
) -> None:
    team = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("billing")).otherwise(pl.lit("ops"))
    explorer = ra.explore(runs.with_columns(team=team, cost=1.5, tags=pl.lit(["x"])))
    shown = [column.title for column in explorer.state.listed.listing.columns]
    assert shown[-2:] == ["team", "cost"]
    control(explorer.widget, "team").value = ("billing",)
    assert set(explorer.frame["team"]) == {"billing"}
    click(explorer, "Clear filters")
    control(explorer.widget, "Search").value = "billing"
    assert set(explorer.frame["team"]) == {"billing"}
    assert "<bdi>billing</bdi>" in htmls(explorer.widget)
    by_results = ra.explore(results=results.with_columns(handle_inputs=pl.lit("{}"), team=team))
    listing = by_results.state.listed.listing
    assert [column.title for column in listing.columns][-1:] == ["team"]


def test_a_heading_says_what_it_means(runs: pl.DataFrame) -> None:
    heading = control(ra.explore(runs).widget, "Pass rate")
    assert heading.tooltip == "Sort by Pass rate: passed / (passed + failed + blocked)"


# Runs.


def test_runs_are_seen_the_newest_first(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    assert (
        explorer.frame["run_id"].to_list()
        == runs.sort(["created_at", "run_id"], descending=[True, False])["run_id"].to_list()
    )
    shown = htmls(explorer.widget)
    assert f"{runs.height} runs" in shown
    assert shown.count("<svg") == 2
    assert keys(explorer) == explorer.frame["run_id"][:15].to_list()


def test_controls_change_what_is_seen(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    control(explorer.widget, "Status").value = ("completed",)
    assert set(explorer.frame["status"]) == {"completed"}
    control(explorer.widget, "Search").value = " extract_LINES "
    assert set(explorer.frame["target_block_id"]) == {"extract_lines"}
    click(explorer, "Pass rate")
    assert control(explorer.widget, "Pass rate ▼") is not None
    rates = explorer.frame["pass_rate"].drop_nulls().to_list()
    assert rates == sorted(rates, reverse=True)
    click(explorer, "Clear filters")
    assert explorer.frame.height == runs.height
    assert control(explorer.widget, "Search").value == ""
    assert control(explorer.widget, "Status").value == ()


def test_pages(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    number = control(explorer.widget, "Page")
    assert number.max == -(-runs.height // 15)
    click(explorer, "Next ›")
    assert explorer.state.listed.page == 1
    assert number.value == 2
    number.value = number.max
    assert control(explorer.widget, "Next ›").disabled
    click(explorer, "‹ Previous")
    assert explorer.state.listed.page == number.max - 2


def test_a_control_with_nothing_to_choose_is_not_shown(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    assert control(explorer.widget, "Workflow").layout.display == "none"
    assert control(explorer.widget, "Status").layout.display != "none"


def test_every_control_has_a_label(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    spoken = [each for each in walk(explorer.widget) if hasattr(each, "description")]
    unlabelled = [each for each in spoken if not each.description and not shows_only(each)]
    # The rows: each of their buttons has the run's id for its label.
    rows = [each for each in unlabelled if "ra-picks" in each._dom_classes]
    assert unlabelled == rows
    assert len(rows) == len(explorer.state.tabs)


def test_one_change_is_drawn_once(runs: pl.DataFrame, sent: list[dict[str, Any]]) -> None:
    explorer = ra.explore(runs)
    status = control(explorer.widget, "Status")
    control(explorer.widget, "Search").value = "wfv_"

    def messages(mark: str) -> int:
        return sum(mark in str(state.get("value")) for state in sent)

    sent.clear()
    status.value = ("completed",)
    assert messages("ra-list") == messages("<svg") == 1
    sent.clear()
    click(explorer, "Clear filters")
    assert messages("ra-list") == messages("<svg") == 1
    sent.clear()
    click(explorer, "Created (UTC) ▼")
    assert messages("ra-list") == 1
    assert messages("<svg") == 0


def test_only_the_page_is_sent(runs: pl.DataFrame, sent: list[dict[str, Any]]) -> None:
    many = pl.concat([runs.with_columns(pl.col("run_id") + str(n)) for n in range(50)])
    explorer = ra.explore(many)
    number = control(explorer.widget, "Page")
    sent.clear()
    number.value = 7
    assert sum(len(str(state)) for state in sent) < 20_000


def test_plots_follow_the_filters_and_the_choice(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    choice = control(explorer.widget, "Plots")
    shown = {
        name: htmls(explorer.widget) for choice.value in choice.options for name in [choice.value]
    }
    assert len(set(shown.values())) == len(choice.options)
    assert "Durations by version" in shown["Durations"]
    assert "The newest 30 runs in time" in shown["Timeline"]
    assert "<svg" not in shown["None"]
    many = pl.concat(
        [runs.with_columns(workflow_version_id=pl.lit(f"v{n}")) for n in range(14)]
    ).with_columns(pl.col("run_id") + pl.col("workflow_version_id"))
    assert "of the newest 12 of 14 versions" in htmls(ra.explore(many).widget)


def test_the_plots_have_the_ink_of_the_page(runs: pl.DataFrame) -> None:
    shown = htmls(ra.explore(runs).widget)
    assert "currentColor" in shown
    assert "#010203" not in shown


def test_choosing_a_run_fetches_its_results(runs: pl.DataFrame, api: ra.Client) -> None:
    explorer = ra.explore(runs, client=api)
    assert "Choose a run above." in htmls(explorer.widget)
    broken = runs.filter(pl.col("ok").not_(), scope="workflow")["run_id"][0]
    rows = with_class(explorer.widget, "ra-picks")
    rows.index = keys(explorer).index(broken)
    explorer.wait(20)
    shown = htmls(explorer.widget)
    assert f"<code>{broken}</code>" in shown
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
    rows = with_class(explorer.widget, "ra-picks")
    control(explorer.widget, "Search").value = known
    rows.index = 0
    assert not explorer.busy
    assert f"<code>{known}</code>" in htmls(explorer.widget)


def test_a_fetch_that_fails_is_told_and_raised(
    runs: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    explorer = ra.explore(runs)
    with_class(explorer.widget, "ra-picks").index = 2
    with pytest.raises(ra.ConfigError):
        explorer.wait(20)
    shown = htmls(explorer.widget)
    assert "ConfigError: " in shown
    assert "Its results could not be read." in shown
    explorer.wait(20)  # told once


# A workflow.


def test_a_workflow_is_fetched_in_the_background(api: ra.Client) -> None:
    whole = ra.fetch_runs("wf_invoices", client=api)
    explorer = ra.explore(workflow_id="wf_invoices", client=api)
    first = explorer.wait(30)
    assert first.height == explorer.frame.height > 50
    assert f"since {explorer._reader.since:%Y-%m-%d}" in repr(explorer)
    click(explorer, "Load more")
    assert explorer.wait(30).height > first.height
    click(explorer, "Load more")
    explorer.wait(30)
    assert set(explorer.wait(30)["run_id"]) >= set(whole["run_id"])
    click(explorer, "Load more")
    explorer.wait(30)
    assert "There is no run before those since" in explorer.message


def test_its_code_gives_the_same_runs(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_claims", client=api)
    explorer.wait(30)
    control(explorer.widget, "Status").value = ("completed",)
    ra.use(api)
    scope: dict[str, Any] = {}
    exec(explorer.code(), scope)
    assert scope["rows"].equals(explorer.frame)
    click(explorer, "Copy code")
    area = control(explorer.widget, "Code")
    assert area.layout.display == ""
    assert area.value == explorer.code()
    status = control(explorer.widget, "Status")
    (other,) = (value for _, value in status.options if value != "completed")
    status.value = (other,)
    assert f"[{other!r}]" in area.value
    click(explorer, "Copy code")
    assert area.layout.display == "none"


def test_refresh_brings_new_runs_and_what_became_of_the_others() -> None:
    with ra.Sandbox(speed=200.0) as sandbox:
        api = ra.Client(**sandbox.credentials)
        started = ra.start_runs("wf_claims", client=api)
        explorer = ra.explore(workflow_id="wf_claims", client=api)
        before = explorer.wait(30)
        with_class(explorer.widget, "ra-picks").index = (
            before["run_id"].to_list().index(started["run_id"][0])
        )
        explorer.wait(30)
        ra.wait_for_runs(started, interval=0.1, client=api)
        second = ra.start_runs("wf_claims", client=api)
        click(explorer, "Refresh")
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
        assert "no runs" in htmls(explorer.widget)


def test_a_workflow_without_runs_is_not_called_unknown(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_untitled", client=api)
    assert explorer.wait(30).is_empty()
    assert "There is no run since" in explorer.message
    assert "There is no workflow" not in explorer.message


def test_what_came_before_a_failure_is_kept() -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    run = run_with("r1", "completed", passed=1, timing__created_at=yesterday)
    first = reply(body=page([run], after="next"))
    with FaultServer([first, reply(500, b"{}")]) as server:
        explorer = ra.explore(workflow_id="wf_1", client=client(server.url))
        with pytest.raises(ra.ServerError):
            explorer.wait(10)
        assert explorer.frame["run_id"].to_list() == ["r1"]
        assert "ServerError: " in repr(explorer)


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


def test_refresh_of_results_asks_for_those_that_are_not_decided() -> None:
    known = results_frame(result_with("e1", "unscored", "r1"), result_with("e1", "passed", "r2"))
    answers = {
        "/v1/workflows/evals/results": page([result_with("e1", "failed", "r1")]),
        "/v1/workflows/evals/runs/": run_with("r1", "completed", failed=1),
        "/v1/workflows/evals?": page([eval_document("e1", name="The total")]),
    }

    def answer(request: str) -> Any:
        path = request.split(" ")[1]
        return reply(body=next(body for start, body in answers.items() if path.startswith(start)))

    with FaultServer([answer]) as server:
        explorer = ra.explore(results=known, client=client(server.url))
        assert explorer.state.tabs == ["results", "evals"]
        click(explorer, "Refresh")
        frame = explorer.wait(10)
        assert dict(frame.select("run_id", "state").iter_rows()) == {"r1": "failed", "r2": "passed"}
        click(explorer, "Refresh")
        explorer.wait(10)
        assert "nothing to ask again" in explorer.message


def test_results_that_name_no_run_cannot_be_asked_for_again() -> None:
    known = results_frame(result_with("e1", "unscored", "r1"))
    explorer = ra.explore(results=known.with_columns(run_id=pl.lit(None, pl.String)))
    explorer.refresh()
    explorer.wait(10)
    assert "name no run to ask for" in explorer.message


@pytest.mark.parametrize("turned", [False, True])
def test_refresh_covers_every_run_that_goes_on_in_whatever_order(turned: bool) -> None:
    first, last = "2026-05-01T10:00:00Z", "2026-05-03T10:00:00Z"
    documents = [
        run_with("r1", "running", running=1, timing__created_at=first),
        run_with("r2", "running", running=1, timing__created_at=last),
    ]
    runs = runs_frame(*(reversed(documents) if turned else documents))
    asked: list[str] = []

    def answer(request: str) -> Any:
        asked.append(request.split(" ")[1])
        return reply(body=page([]))

    with FaultServer([answer]) as server:
        explorer = ra.explore(runs, client=client(server.url))
        explorer.refresh()
        explorer.wait(10)
    assert "from_date=2026-05-01T09%3A59%3A59" in asked[0]
    assert "to_date=2026-05-03T10%3A00%3A01" in asked[0]


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
        assert "some of its rows have been fetched again" in explorer.code()


def test_a_failed_refresh_adds_no_run_that_was_not_there() -> None:
    runs = runs_frame(run_with("r1", "running", running=1))
    came = page([run_with("r1", "completed", passed=1), run_with("r9", "completed")], after="c")
    with FaultServer([reply(body=came), reply(500, b"{}")]) as server:
        explorer = ra.explore(runs, client=client(server.url))
        explorer.refresh()
        with pytest.raises(ra.ServerError):
            explorer.wait(10)
        assert explorer.frame["run_id"].to_list() == ["r1"]
        assert explorer.frame["is_terminal"].all()


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
        assert "ra-alert" in htmls(explorer.widget)
        before = len(asked)
        click(explorer, "Eval")
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
        rows = with_class(explorer.widget, "ra-picks")
        explorer.refresh()
        rows.index = 1
        click(explorer, "Ran for")
        click(explorer, "Ran for ▼")
        explorer.refresh()
        gate.set()
        explorer.wait(10)
    results = [path for path in asked if "results" in path]
    assert len(results) == len(set(results)) == 1


# Results and evals.


def test_a_result_with_what_was_expected_and_what_came(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    control(explorer.widget, "State").value = ("failed",)
    rows = with_class(explorer.widget, "ra-picks")
    rows.index = 0
    row = explorer.frame.row(0, named=True)
    shown = htmls(explorer.widget)
    assert row["eval_id"] in shown
    assert ">Expected</th>" in shown
    assert ">Actual</th>" in shown


@pytest.mark.parametrize(
    ("score", "threshold", "said"),
    [(0.5, 0.8, "0.5, threshold 0.8"), (0.5, None, "0.5"), (None, 0.8, None)],
)
def test_a_result_has_a_score_where_there_is_one(
    results: pl.DataFrame, score: float | None, threshold: float | None, said: str | None
) -> None:
    row = results.head(1).with_columns(
        score=pl.lit(score, pl.Float64),
        threshold=pl.lit(threshold, pl.Float64),
        actual_value=pl.lit(None, pl.String),
    )
    explorer = ra.explore(results=row)
    with_class(explorer.widget, "ra-picks").index = 0
    shown = htmls(explorer.widget)
    assert ">Expected</th>" in shown
    assert ">Actual</th>" not in shown
    if said is None:
        assert ">Score</th>" not in shown
    else:
        assert f'<th scope="row">Score</th><td>{said}</td>' in shown


def test_evals_over_the_runs_that_pass_the_filters(
    runs: pl.DataFrame, results: pl.DataFrame
) -> None:
    here = runs.filter(pl.col("run_id").is_in(results["run_id"].unique().implode()))
    explorer = ra.explore(here, results)
    turn_to(explorer, "evals")
    whole = explorer.frame
    assert whole.height == results["eval_id"].n_unique()
    assert "Evals over 6 runs" in htmls(explorer.widget)
    turn_to(explorer, "runs")
    version = control(explorer.widget, "Version")
    version.value = [results["workflow_version_id"][0]]
    turn_to(explorer, "evals")
    left = explorer.state.runs
    assert left is not None
    assert explorer.frame["runs"].max() == left.rows.height < 6


def test_an_eval_has_a_history(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    turn_to(explorer, "evals")
    table = next(each for each in explorer.widget.children if hasattr(each, "titles")).children[1]
    with_class(table, "ra-picks").index = 0
    eval_id = explorer.frame["eval_id"][0]
    shown = htmls(table)
    assert f"{results.filter(eval_id=eval_id).height} runs, the newest first" in shown
    history = explorer.state.history_of(eval_id)
    assert history["run_created_at"].is_sorted(descending=True)


def test_opening_the_evals_reads_the_newest_runs(runs: pl.DataFrame, api: ra.Client) -> None:
    explorer = ra.explore(runs, client=api)
    assert explorer.widget is not None
    turn_to(explorer, "evals")
    explorer.wait(60)
    assert explorer.results["run_id"].n_unique() == 20
    left = runs.height - 20
    assert f"Evals over 20 runs; {left} further runs pass the filters" in repr(explorer)
    assert (
        control(explorer.widget, "Load more").tooltip == f"The results of 20 of {left} further runs"
    )
    click(explorer, "Load more")
    explorer.wait(60)
    assert explorer.results["run_id"].n_unique() == 40
    ra.use(api)
    scope: dict[str, Any] = {}
    exec(explorer.code(), scope)
    assert scope["rows"].equals(explorer.frame)


def test_the_code_of_given_results(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    scope: dict[str, Any] = {"results": results, "runs": runs}
    only = ra.explore(results=results)
    only.state.tab = "evals"
    exec(only.code(), scope)
    assert scope["rows"].equals(only.frame)
    both = ra.explore(runs, results)
    state = both.state.runs
    assert state is not None
    state.filter(text=results["workflow_version_id"][0])
    both.state.tab = "evals"
    exec(both.code(), scope)
    assert scope["rows"].equals(both.frame)


def test_the_code_of_given_results_and_of_those_that_were_fetched(
    runs: pl.DataFrame, results: pl.DataFrame, api: ra.Client
) -> None:
    explorer = ra.explore(runs.head(8), results, client=api)
    explorer.tab = "evals"
    explorer.wait(30)
    ra.use(api)
    for tab in ("evals", "results", "runs"):
        explorer.tab = tab
        scope: dict[str, Any] = {"results": results, "runs": runs.head(8)}
        exec(explorer.code(), scope)
        assert scope["rows"].equals(explorer.frame), tab


def test_its_code_names_the_evals_of_several_workflows(api: ra.Client) -> None:
    several = pl.concat(
        ra.fetch_runs(each, client=api).filter("is_terminal").head(2)
        for each in ("wf_invoices", "wf_claims")
    )
    explorer = ra.explore(several, client=api)
    explorer.tab = "evals"
    explorer.wait(30)
    ra.use(api)
    scope: dict[str, Any] = {"runs": several}
    exec(explorer.code(), scope)
    assert scope["rows"].equals(explorer.frame)
    assert scope["rows"]["eval_name"].n_unique() > 100


def test_there_is_code_before_anything_is_there() -> None:
    explorer = ra.explore(runs_frame())
    explorer.state.tab = "evals"
    assert "fetch_results([])" in explorer.code()
    with FaultServer([reply(body=page([]))]) as server:
        whole = ra.explore(workflow_id="wf_1", client=client(server.url))
        assert "runs = ra.fetch_runs('wf_1', from_date='" in whole.code()
        whole.wait(10)


def test_tabs_are_turned_to_from_code(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    explorer = ra.explore(runs, results)
    tabs = next(each for each in explorer.widget.children if hasattr(each, "titles"))
    explorer.tab = "results"
    assert tabs.selected_index == 1
    assert explorer.frame.columns == results.columns
    with pytest.raises(ra.ConfigError, match="tab must be runs or results or evals, got 'x'"):
        explorer.tab = "x"


def test_evals_are_computed_where_they_are_looked_at(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    assert explorer.widget is not None
    assert explorer.state.list_of("evals").frame.is_empty()
    explorer.tab = "evals"
    first = explorer.frame
    assert first.height > 50
    assert explorer.frame is first


def test_long_details_are_cut(results: pl.DataFrame) -> None:
    value = "x" * 50_000
    row = results.head(1).with_columns(expected_value=pl.lit(value))
    explorer = ra.explore(results=row)
    with_class(explorer.widget, "ra-picks").index = 0
    shown = htmls(explorer.widget)
    assert "and 30,000 more" not in shown
    assert "… and 30,000 characters more" in shown
    many = pl.concat([row.with_columns(run_id=pl.lit(f"r{n}")) for n in range(250)])
    evals = ra.explore(results=many)
    assert evals.widget is not None
    evals.tab = "evals"
    with_class(evals._view._lists["evals"].table, "ra-picks").index = 0
    assert "and 50 earlier ones" in htmls(evals.widget)


def test_closing_takes_the_widgets_away(runs: pl.DataFrame) -> None:
    explorer = ra.explore(runs)
    box = explorer.widget
    explorer.close()
    assert all(each.comm is None for each in walk(box))
    assert explorer.frame.height == runs.height
    assert explorer.widget is not box


# CSV, saved pages, terminals.


def test_what_passes_the_filters_is_written(runs: pl.DataFrame, tmp_path: Path) -> None:
    explorer = ra.explore(runs)
    control(explorer.widget, "Status").value = ("completed",)
    target = tmp_path / "some runs.csv"
    control(explorer.widget, "to").value = str(target)
    click(explorer, "Export CSV")
    assert ra.read_csv(target, "runs").equals(explorer.frame)
    assert f"{explorer.frame.height} runs written to {target}" in htmls(explorer.widget)


def test_a_file_that_cannot_be_written_is_told(runs: pl.DataFrame, tmp_path: Path) -> None:
    explorer = ra.explore(runs)
    path = control(explorer.widget, "to")
    assert path.value == "runs.csv"
    path.value = str(tmp_path / "nowhere" / "runs.csv")
    click(explorer, "Export CSV")
    assert explorer.message.startswith("Nothing was written: ")
    with pytest.raises(ra.ConfigError, match="say where"):
        explorer.export("")
    for no_path in ("~nobody-of-that-name/x.csv", "a\0b.csv"):
        with pytest.raises(ra.ConfigError, match="there is no file"):
            explorer.export(no_path)


def test_the_file_is_named_like_the_tab(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    path = control(explorer.widget, "to")
    assert path.value == "results.csv"
    turn_to(explorer, "evals")
    assert path.value == "evals.csv"
    path.value = "mine.csv"
    turn_to(explorer, "results")
    assert path.value == "mine.csv"


def test_a_terminal_shows_a_table(runs: pl.DataFrame) -> None:
    text = repr(ra.explore(runs))
    lines = text.splitlines()
    assert lines[0] == f"{runs.height} runs"
    assert lines[1].startswith("Status")
    assert len(lines) == 3 + 15
    assert lines[-1].startswith(f"1 to 15 of {runs.height} runs; .frame is all of them")


def test_a_saved_page_has_no_values(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    explorer = ra.explore(runs, results)
    run_id = results.filter(pl.col("expected_value").str.len_chars() > 5)["run_id"][0]
    for state in (explorer.state.runs, explorer.state.results):
        assert state is not None
        state.filter(text=run_id)
        state.choose(0)
    values = results.filter(run_id=run_id).select("expected_value", "actual_value")
    # What names say as well, "invoice" for example, proves nothing.
    named = str(results.select("eval_name", "document_names", "block_id", "path").to_dicts())
    said = {each.strip('"') for column in values for each in column.drop_nulls()}
    secrets = {each for each in said if len(each) > 5 and each not in named}
    assert len(secrets) > 30
    for tab in explorer.state.tabs:
        explorer.state.tab = tab
        bundle = explorer._repr_mimebundle_()
        assert "<table" in bundle["text/html"]
        assert bundle["text/plain"] == repr(explorer)
        assert "Filtered by with" in bundle["text/html"] or tab == "evals"
        for text in bundle.values():
            assert not [each for each in secrets if each in text]
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_a_kernel_gets_the_widget(runs: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(kernel=object())
    fake = types.SimpleNamespace(get_ipython=lambda: shell, version_info=(9,))
    monkeypatch.setitem(sys.modules, "IPython", fake)  # type: ignore[arg-type]
    bundle = ra.explore(runs)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<table" in bundle["text/html"]


def test_names_from_outside_are_no_markup() -> None:
    run = run_with(HOSTILE, "error", workflow_version_id=HOSTILE, failed=1)
    run["lifecycle"] = {"status": "error", "message": HOSTILE, "details": {}}
    result = result_with(HOSTILE, "failed", HOSTILE, workflow_id="wf")
    explorer = ra.explore(runs_frame(run), results_frame(result))
    assert explorer.widget is not None
    for tab in explorer.state.tabs:
        turn_to(explorer, tab)
        explorer.state.listed.choose(0)
        explorer._looked()
    pages = htmls(explorer.widget) + explorer._repr_mimebundle_()["text/html"]
    assert "<img" not in pages
    assert "&lt;img" in pages


# The thread.


class Panic(BaseException):
    """No Exception, as what polars raises where it finds itself broken."""


def test_jobs_run_one_after_another_and_none_is_lost() -> None:
    done: list[int] = []
    ended: list[BaseException | None] = []
    background = Background(ended.append)
    problem, gate = Panic(), threading.Event()

    def wait() -> None:
        gate.wait(10)
        done.append(1)

    def fail() -> None:
        raise problem

    background.run("wait", wait)
    until(lambda: not background._jobs)
    background.run("fail", fail)
    background.run("last", lambda: done.append(2))
    background.run("last", lambda: done.append(3))
    assert background.busy
    assert not background.wait(0.05)
    gate.set()
    assert background.wait(5)
    assert done == [1, 2]
    assert ended == [None, problem, None]
    until(lambda: not [each for each in threading.enumerate() if each.name == "retab-explore"])


def test_a_drawing_that_fails_does_not_stop_the_thread() -> None:
    def broken(_: BaseException | None) -> None:
        raise Panic

    background = Background(broken)
    done: list[int] = []
    background.run(1, lambda: done.append(1))
    assert background.wait(5)
    background.run(2, lambda: done.append(2))
    assert background.wait(5)
    assert done == [1, 2]


def test_progress_is_told_while_it_is_fetched() -> None:
    steps: list[str] = []
    bodies = [reply(body=page([run_with(f"r{n}")], after=f"c{n}")) for n in range(3)]
    with FaultServer([*bodies, reply(body=page([]))]) as server:
        explorer = ra.explore(
            runs_frame(run_with("r0", "running", running=1)), client=client(server.url)
        )
        assert explorer.widget is not None
        head = explorer.widget.children[1]
        head.observe(lambda change: steps.append(change["new"]), "value")
        explorer.refresh()
        explorer.wait(10)
    assert any("Fetching runs: " in step for step in steps)
    assert "Fetching" not in steps[-1]
    assert KEY not in "".join(steps)


def test_what_cannot_be_a_path_or_a_client_is_refused() -> None:
    explorer = ra.explore(ra.decode_runs([]))
    for path in ("", None, 1):
        with pytest.raises(ra.ConfigError, match="path must say where"):
            explorer.export(path)  # type: ignore[arg-type]
    with pytest.raises(ra.ConfigError, match="client must be a Client"):
        ra.explore(ra.decode_runs([]), client="nonsense")  # type: ignore[arg-type]
