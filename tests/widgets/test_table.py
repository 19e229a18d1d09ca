"""Filters, order, pages and choice of a table, and the code that gives the same rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.explored import RESULTS, RUNS, STATUSES, run_code
from support.inside import (
    MOST_OPTIONS,
    PAGE,
    RESULTS_LISTING,
    Facet,
    Option,
    TableState,
    list_runs,
)


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


def test_filters_are_taken_together(runs: TableState) -> None:
    assert runs.filter(facets={"status": ("completed", "error"), "target_block_id": (None,)})
    assert set(runs.rows["status"]) == {"completed", "error"}
    assert runs.rows["target_block_id"].null_count() == runs.rows.height == 16
    assert runs.position == "1 to 15 of 16 runs (of 40)"
    assert runs.filter(since=date(2026, 5, 10), until=date(2026, 5, 10))
    assert runs.rows["run_id"].to_list() == ["run_009"]
    assert runs.filter(text="nowhere")
    assert runs.rows.is_empty()
    assert runs.position == "none of 40 runs"
    assert runs.pages == 1
    assert runs.describe_filters() == (
        "Status: completed, error, Block: (none), since 2026-05-10, until 2026-05-10, "
        "with “nowhere”"
    )


def test_a_filter_goes_to_the_first_page_and_new_rows_do_not(runs: TableState) -> None:
    runs.go_to(1)
    runs.frame = RUNS.head(30)
    assert runs.page == 1
    runs.frame = RUNS.head(10)
    assert runs.page == 0
    runs.frame = RUNS
    runs.go_to(1)
    runs.filter(text="run_")
    assert runs.page == 0


def test_the_text_is_looked_for_in_whatever_case_and_literally(runs: TableState) -> None:
    runs.filter(text="RUN_00")
    assert runs.rows.height == 10
    runs.filter(text="run_.0")
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
    runs.filter(text="run_00")
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


def test_what_is_chosen_in_a_filter_stays_to_be_given_up(runs: TableState) -> None:
    status = next(each for each in runs.listing.facets if each.name == "status")
    runs.toggle(status, "running")
    runs.frame = RUNS.filter(pl.col("status") != "running")
    assert runs.rows.is_empty()
    assert runs.choices(status)[-1] == Option("3", "running", 0, True)
    runs.toggle(status, "running")
    assert runs.rows.height == 30
    assert "running" not in runs.values(status)


def test_of_many_values_the_first_and_the_chosen_ones_are_offered() -> None:
    names = [f"v{number:03}" for number in range(MOST_OPTIONS + 20)]
    frame = (
        pl.concat([RUNS] * 3).head(len(names)).with_columns(workflow_version_id=pl.Series(names))
    )
    state = TableState(list_runs(frame), frame)
    version = Facet("Version", "workflow_version_id")
    assert [each.words for each in state.choices(version)] == names[:MOST_OPTIONS]
    state.toggle(version, names[-1])
    assert state.choices(version)[-1] == Option(str(len(names) - 1), names[-1], 1, True)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    decomposed = "Ka\u0308se.pdf"
    results = RESULTS.with_columns(document_names=pl.concat_list(pl.lit(decomposed)))
    state = TableState(RESULTS_LISTING, results)
    state.filter(text="käse")
    assert state.rows.height == results.height
    assert run_code(state.code(), results=results).equals(state.rows)


def test_what_can_be_chosen_the_most_frequent_or_the_newest_first(runs: TableState) -> None:
    found = runs.choices(Facet("Block", "target_block_id"))
    assert found == [Option("0", "(none)", 33), Option("1", "extract", 7)]
    newest = runs.choices(Facet("Version", "workflow_version_id", newest_first=True))
    assert [each.words for each in newest] == ["v4", "v3", "v2", "v1", "v0"]


def test_counts_are_of_the_rows_that_pass_the_other_filters(runs: TableState) -> None:
    status, version = (Facet("", name) for name in ("status", "workflow_version_id"))
    runs.toggle(status, "error")
    runs.filter(until=date(2026, 5, 20), text="run_0")
    left = RUNS.head(20)
    assert {each.words: each.count for each in runs.choices(status)} == dict(
        left["status"].value_counts().iter_rows()
    )
    of_status = dict(left.filter(status="error")["workflow_version_id"].value_counts().iter_rows())
    assert {each.words: each.count for each in runs.choices(version)} == {
        name: of_status.get(name, 0) for name in ("v0", "v1", "v2", "v3", "v4")
    }
    # What is kept of one step is not told after another.
    runs.toggle(status, "error")
    assert sum(each.count for each in runs.choices(version)) == 20


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("x", True, "yes"),
        ("x", False, "no"),
        ("x", None, "(none)"),
        ("x", "two\nlines", "two lines"),
        ("x", "wfv_a465", "wfv_a465"),
        ("workflow_version_id", "wfv_a465", "v5"),
        ("workflow_version_id", "other", "other"),
    ],
)
def test_a_value_as_it_is_chosen(runs: TableState, column: str, value: Any, said: str) -> None:
    runs.versions = {"wfv_a465": "v5"}
    assert runs.label(column, value) == said


chosen_values = st.lists(st.sampled_from((*STATUSES, None)), max_size=3, unique=True).map(tuple)
versions = st.lists(st.sampled_from(("v0", "v3", "it's", None)), max_size=2, unique=True).map(tuple)
days = st.none() | st.dates(date(2026, 4, 28), date(2026, 6, 12))
sorts = st.sampled_from([column.name for column in list_runs(RUNS).columns])


@given(chosen_values, versions, days, days, st.sampled_from(["", "api", "'\"\\", "é", "V3"]), sorts)
def test_the_code_gives_the_same_rows(
    statuses: Any, versions: Any, since: Any, until: Any, text: str, sort: str
) -> None:
    runs = TableState(list_runs(RUNS), RUNS)
    facets = {"status": statuses, "workflow_version_id": versions}
    runs.filter(facets=facets, since=since, until=until, text=text)
    runs.sort_by(sort)
    assert run_code(runs.code(), runs=RUNS).equals(runs.rows)
    # In whatever order things are asked for: what is kept is of these filters.
    runs.filter(text="", until=None)
    assert run_code(runs.code(), runs=RUNS).equals(runs.rows)
