"""What the explorer knows, and the code that gives the same rows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from support.explored import RUNS, keys, pick, run_code, section, send
from support.faultserver import FaultServer, page, reply
from support.html_elements import Elements
from support.inside import ExplorerState, FrameOrigin
from support.made_runs import result_with, results_frame, run_with, runs_frame
from support.watching import client

import retab_analysis as ra


def test_its_code_gives_the_same_runs(api: ra.Client) -> None:
    explorer = ra.explore(workflow_id="wf_claims", client=api)
    explorer.wait(30)
    pick(explorer, "Status", "completed")
    ra.use(api)
    scope: dict[str, Any] = {}
    exec(explorer.code(), scope)
    assert scope["rows"].equals(explorer.frame)
    code = Elements(section(explorer, "code"))
    assert explorer.code() in code.text
    (copy,) = (
        each["data-copy"]
        for each in Elements(section(explorer, "actions")).attributes("button")
        if "data-copy" in each
    )
    assert copy == explorer.code()
    (other,) = set(explorer.state.listed.frame["status"]) - {"completed"}
    pick(explorer, "Status", "completed", other)
    assert f"[{other!r}]" in Elements(section(explorer, "code")).text


def test_the_code_of_given_results(runs: pl.DataFrame, results: pl.DataFrame) -> None:
    scope: dict[str, Any] = {"results": results, "runs": runs}
    only = ra.explore(results=results)
    only.state.tab = "evals"
    exec(only.code(), scope)
    assert scope["rows"].equals(only.frame)
    both = ra.explore(runs, results)
    given = both.state.runs
    assert given is not None
    given.filter(text=results["workflow_version_id"][0])
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


def test_results_that_name_no_run_stay_when_runs_are_asked_for_again() -> None:
    known = results_frame(result_with("e1", "passed", "r1"), result_with("e2", "passed", "r2"))
    nameless = known.head(1).with_columns(run_id=pl.lit(None, pl.String), result_id=pl.lit("none"))
    going = runs_frame(run_with("r1", running=1), run_with("r2", "completed", passed=1))
    explored = ExplorerState(going, pl.concat([known, nameless]), FrameOrigin())
    explored.take_runs(runs_frame(run_with("r1", "completed", passed=1)))
    assert explored.known["run_id"].to_list() == ["r2", None]


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
    explorer.tab = "results"
    assert 'aria-label="Results"' in section(explorer, "list")
    assert explorer.frame.columns == results.columns
    with pytest.raises(ra.ConfigError, match="tab must be runs or results or evals, got 'x'"):
        explorer.tab = "x"


def test_evals_are_weighed_in_the_background_where_they_are_seen(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    assert explorer.widget is not None
    send(explorer, "tab", "evals")
    assert explorer.wait(60).height == results["eval_id"].n_unique()
    assert "Evals over 6 runs" in section(explorer, "head")
    assert run_code(explorer.code(), results=results).equals(explorer.frame)
    assert len(keys(explorer)) == 15
    explorer = ra.explore(results=results)
    explorer.tab = "evals"
    assert explorer.frame.height == results["eval_id"].n_unique(), "whoever types it waits for it"


def test_missing_runs_are_told_the_newest_first() -> None:
    explored = ExplorerState(RUNS, None, FrameOrigin())
    explored.fetched, explored.failed = {"run_039", "run_000"}, {"run_037"}
    assert explored.list_missing(newest=5) == ["run_038", "run_036", "run_035"]
    assert len(explored.list_missing()) == 37
