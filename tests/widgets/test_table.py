"""Search, order, pages and choice of a table."""

from __future__ import annotations

import polars as pl
import pytest
from support.explored import RESULTS, RUNS
from support.inside import PAGE, RESULTS_LISTING, TableState, list_runs


@pytest.fixture
def runs() -> TableState:
    return TableState(list_runs(RUNS), RUNS)


def test_all_rows_the_newest_first_a_page_at_a_time(runs: TableState) -> None:
    assert runs.rows.height == 40
    assert runs.shown["run_id"].to_list() == [f"run_{n:03}" for n in range(39, 39 - PAGE, -1)]
    assert runs.pages == 3
    assert runs.position == "1 to 15 of 40 runs"
    runs.go_to(2)
    assert runs.position == "31 to 40 of 40 runs"
    assert runs.shown.height == 10
    runs.go_to(99)
    assert runs.page == 2
    runs.go_to(-1)
    assert runs.page == 0


def test_what_the_search_does_not_find_is_hidden(runs: TableState) -> None:
    runs.search("run_00")
    assert runs.select("run_id")["run_id"].to_list() == [f"run_00{n}" for n in range(10)]
    assert runs.position == "1 to 10 of 10 runs (of 40)"
    runs.search("nowhere")
    assert runs.rows.is_empty()
    assert runs.position == "none of 40 runs"
    assert runs.pages == 1
    runs.search("")
    assert runs.rows.height == 40


def test_a_version_is_found_by_its_short_name_once_it_has_one(runs: TableState) -> None:
    runs.search("first of may")
    assert runs.rows.is_empty()
    runs.names = {"v3": "First of May"}
    runs.sort_by("status")
    assert set(runs.rows["workflow_version_id"]) == {"v3"}
    row = {"workflow_version_id": "v3", "status": "v3"}
    assert runs.with_names(row) == {"workflow_version_id": "First of May", "status": "v3"}


def test_a_search_goes_to_the_first_page_and_new_rows_do_not(runs: TableState) -> None:
    runs.go_to(1)
    runs.frame = RUNS.head(30)
    assert runs.page == 1
    runs.frame = RUNS.head(10)
    assert runs.page == 0
    runs.frame = RUNS
    runs.go_to(1)
    runs.search("run_")
    assert runs.page == 0


def test_the_text_is_looked_for_in_whatever_case_and_literally(runs: TableState) -> None:
    runs.search("RUN_00")
    assert runs.rows.height == 10
    runs.search("run_.0")
    assert runs.rows.is_empty()


def test_a_heading_sorts_and_once_more_the_other_way_round(runs: TableState) -> None:
    runs.sort_by("passed")
    passed = runs.rows["passed"].to_list()
    assert passed == sorted(passed, reverse=True)
    runs.sort_by("passed")
    assert runs.rows["passed"].to_list() == sorted(passed)
    runs.sort_by("status")
    assert runs.rows["status"].to_list() == sorted(RUNS["status"])
    same = runs.rows.filter(pl.col("status") == "error")["run_id"].to_list()
    assert same == sorted(same)


def test_what_is_not_known_comes_last_either_way(runs: TableState) -> None:
    for _ in range(2):
        runs.sort_by("duration_ms")
        known = runs.rows["duration_ms"].is_not_null().to_list()
        assert known == sorted(known, reverse=True)
        assert not all(known)


def test_a_choice_stays_where_it_is_hidden(runs: TableState) -> None:
    runs.choose(36)
    assert runs.chosen == "run_036"
    assert runs.chosen_number == 36
    runs.search("run_00")
    assert runs.chosen_row is not None
    assert runs.chosen_row["run_id"] == "run_036"
    for nothing in (99, -1, None):
        runs.choose(nothing)
        assert runs.chosen_row is None
        assert runs.chosen is None
    runs.choose(39)
    runs.frame = RUNS.reverse()
    assert runs.chosen == "run_039"
    assert runs.chosen_number == 0
    runs.frame = RUNS.clear()
    assert runs.chosen_row is None


def test_a_row_is_chosen_by_its_place_where_keys_are_there_twice() -> None:
    twice = pl.concat([RUNS.head(2), RUNS.head(2).with_columns(status=pl.lit("error"))])
    runs = TableState(list_runs(twice), twice)
    assert runs.shown_numbers == [1, 3, 0, 2]
    runs.choose(3)
    assert runs.chosen_row is not None
    assert runs.chosen_row["status"] == "error"
    assert runs.chosen_row["run_id"] == runs.shown["run_id"][0] == runs.shown["run_id"][1]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    decomposed = "Ka\u0308se.pdf"
    results = RESULTS.with_columns(document_names=pl.concat_list(pl.lit(decomposed)))
    state = TableState(RESULTS_LISTING, results)
    state.search("käse")
    assert state.rows.height == results.height
