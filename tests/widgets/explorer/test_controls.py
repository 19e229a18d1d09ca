"""The widgets of the explorer, by their attributes and messages."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from support.drawn import control, walk
from support.explored import click, htmls, keys, turn_to, with_class
from support.made_runs import result_with, results_frame, run_with, runs_frame

import retab_analysis as ra

HOSTILE = "<img src=x onerror=alert(1)>"


def shows_only(widget: Any) -> bool:
    return type(widget).__name__ in ("HTML", "Label")


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
    assert heading.tooltip == "Sort by Pass rate: passed / (passed + failed + blocked + error)"


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
    control(explorer.widget, "Search").value = "ver_"

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
    assert explorer.frame["last_states"].list.len().max() == left.rows.height < 6


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


def test_the_file_is_named_like_the_tab(results: pl.DataFrame) -> None:
    explorer = ra.explore(results=results)
    path = control(explorer.widget, "to")
    assert path.value == "results.csv"
    turn_to(explorer, "evals")
    assert path.value == "evals.csv"
    path.value = "mine.csv"
    turn_to(explorer, "results")
    assert path.value == "mine.csv"


def test_names_from_outside_are_no_markup() -> None:
    run = run_with(HOSTILE, "error", workflow_version_id=HOSTILE, failed=1)
    run["lifecycle"] = {"status": "error", "message": HOSTILE, "details": {}}
    result = result_with(HOSTILE, "failed", HOSTILE, workflow_id="wf")
    explorer = ra.explore(runs_frame(run), results_frame(result))
    assert explorer.widget is not None
    for tab in explorer.state.tabs:
        turn_to(explorer, tab)
        explorer.state.listed.choose(0)
        explorer._follow()
    pages = htmls(explorer.widget) + explorer._repr_mimebundle_()["text/html"]
    assert "<img" not in pages
    assert "&lt;img" in pages
