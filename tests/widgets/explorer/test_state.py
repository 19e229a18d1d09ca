"""What the explorer knows."""

from __future__ import annotations

import polars as pl
import pytest
from support.explored import RUNS, keys, section, send
from support.inside import ExplorerState
from support.made_runs import result_with, results_frame, run_with, runs_frame

import retab_analysis as ra


def test_results_that_name_no_run_stay_when_runs_are_asked_for_again() -> None:
    known = results_frame(result_with("e1", "passed", "r1"), result_with("e2", "passed", "r2"))
    nameless = known.head(1).with_columns(run_id=pl.lit(None, pl.String), result_id=pl.lit("none"))
    going = runs_frame(run_with("r1", running=1), run_with("r2", "completed", passed=1))
    explored = ExplorerState(going, pl.concat([known, nameless]))
    explored.take_runs(runs_frame(run_with("r1", "completed", passed=1)))
    assert explored.known["run_id"].to_list() == ["r2", None]


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
    assert len(keys(explorer)) == 15
    explorer = ra.explore(results=results)
    explorer.tab = "evals"
    assert explorer.frame.height == results["eval_id"].n_unique(), "whoever types it waits for it"


def test_missing_runs_are_told_the_newest_first() -> None:
    explored = ExplorerState(RUNS, None)
    explored.fetched, explored.failed = {"run_039", "run_000"}, {"run_037"}
    assert explored.list_missing(newest=5) == ["run_038", "run_036", "run_035"]
    assert len(explored.list_missing()) == 37
