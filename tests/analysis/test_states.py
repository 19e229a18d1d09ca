"""The states of evals side by side."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import many, result, results
from support.inside import RESULTS, analysis

from retab_analysis import ConfigError


def test_states_side_by_side() -> None:
    frame = results(
        *many("e1", "PPF", 1, workflow_version_id="old"),
        *many("e2", "FB", 2, workflow_version_id="old"),
        *many("e2", "P", 9, workflow_version_id="new"),
        *many("e1", "U", 9, workflow_version_id="new"),
        result("e3", "something new", 10, workflow_version_id="new"),
    )
    found = analysis.states(frame, by="workflow_version_id")
    assert found.schema == pl.Schema(
        {
            **dict.fromkeys(("eval_id", "eval_name", "workflow_version_id", "state"), pl.String()),
            "n": pl.Int64(),
            "pass_rate": pl.Float64(),
        }
    )
    assert found.rows() == [
        ("e1", "name of e1", "old", "mixed", 3, pytest.approx(2 / 3)),
        ("e2", "name of e2", "old", "blocked", 2, 0.0),
        ("e1", "name of e1", "new", "unscored", 0, None),
        ("e2", "name of e2", "new", "passed", 1, 1.0),
        ("e3", "name of e3", "new", "unscored", 0, None),
    ]
    assert analysis.states(frame)["run_id"].n_unique() == 5


WIDE = results(*many("e1", "PF", 1), *many("e2", "BE", 2)).with_columns(
    day=pl.col("run_created_at").dt.date(), half=pl.Series([0.5, None, 0.5, None])
)


def test_states_wide_have_a_column_for_each_group_in_time_order() -> None:
    found = analysis.states(WIDE.reverse(), wide=True)
    assert found.columns == ["eval_id", "eval_name", "run_1", "run_2", "run_3"]
    assert found.rows() == [
        ("e1", "name of e1", "passed", "failed", None),
        ("e2", "name of e2", None, "blocked", "error"),
    ]
    assert found.schema == pl.Schema(dict.fromkeys(found.columns, pl.String()))


@pytest.mark.parametrize(
    ("by", "columns"),
    [("day", ["2026-05-19", "2026-05-20", "2026-05-21"]), ("half", ["0.5", "null"])],
)
def test_states_by_a_column_of_your_own(by: str, columns: list[str]) -> None:
    assert analysis.states(WIDE, by, wide=True).columns[2:] == columns
    assert analysis.states(WIDE, by).columns[2] == by
    assert analysis.states(WIDE, by).schema[by] == WIDE.schema[by]


def test_states_wide_of_no_results_have_no_groups() -> None:
    found = analysis.states(RESULTS.empty(), wide=True)
    assert (found.columns, found.height) == (["eval_id", "eval_name"], 0)


@pytest.mark.parametrize("runs", [["eval_id", "r"], ["null", None]])
def test_states_wide_refuse_two_columns_of_one_name(runs: list[str | None]) -> None:
    rows = [result("e", "passed", at, run_id=each) for at, each in enumerate(runs)]
    assert analysis.states(results(*rows)).height == 2
    with pytest.raises(ConfigError, match=r"two columns would have one name, .* run_id"):
        analysis.states(results(*rows), wide=True)


@examples(40)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("PFBECU"), st.integers(1, 5))))
def test_wide_and_long_say_the_same(cells: list[tuple[int, str, int]]) -> None:
    rows = [row for at, letter, day in cells for row in many(f"e{at}", letter, day)]
    frame = results(*rows)
    long, wide = analysis.states(frame), analysis.states(frame, wide=True)
    melted = wide.unpivot(index=["eval_id", "eval_name"], variable_name="run_id").drop_nulls()
    assert sorted(melted.rows()) == sorted(long.drop("n", "pass_rate").rows())
    assert wide.columns[2:] == long["run_id"].unique(maintain_order=True).to_list()
