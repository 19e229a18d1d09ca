"""Results counted by what they have in common."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.frames import many, result, results
from support.inside import NOT_PASSING, RATED, STATES

from retab_analysis import SchemaError, summarize_results

COUNTS = (*RATED, "cancelled")
SCHEMA = {
    "n_results": pl.Int64(),
    **dict.fromkeys(COUNTS, pl.Int64()),
    **dict.fromkeys(("rated_evals", "n_in_outages", "n_left_out"), pl.Int64()),
    **dict.fromkeys(("pass_rate", "pass_rate_low", "pass_rate_high"), pl.Float64()),
    **dict.fromkeys(("duration_ms_p50", "duration_ms_p95"), pl.Float64()),
}
HOSTILE = ("^.*$", "*", "a\nb", "'; --", "retab_analysis key 0", "state ", "é🚗", "", "key_0", "n")


def test_a_group_has_its_counts_its_rate_and_how_long_it_takes() -> None:
    from statsmodels.stats.proportion import proportion_confint

    rows = [
        *many("e1", "PPFBECU", block_id="extract", duration_ms=1000),
        result("e2", "passed", 3, block_id="extract", duration_ms=3000),
        result("e3", "novel", 3, block_id="extract", duration_ms=None),
        *many("e4", "PFFF", block_id="classify", duration_ms=None),
    ]
    found = summarize_results(results(*rows).with_columns(run_scope=pl.lit("workflow")))
    assert found.schema == {"block_id": pl.String(), **SCHEMA}
    first, second = found.iter_rows(named=True)
    assert (first["block_id"], first["failed"], first["pass_rate"]) == ("classify", 3, 0.25)
    assert (first["duration_ms_p50"], first["duration_ms_p95"]) == (None, None)
    assert [second[name] for name in ("n_results", *COUNTS)] == [9, 3, 1, 1, 1, 1]
    assert second["pass_rate"] == 0.5
    low, high = proportion_confint(3, 6, method="wilson")
    assert (second["pass_rate_low"], second["pass_rate_high"]) == pytest.approx((low, high))
    assert (second["duration_ms_p50"], second["duration_ms_p95"]) == pytest.approx((1000, 2400))


@pytest.mark.parametrize("by", [["state", "duration_ms"], ["block_id", "model"], ["day"], ["half"]])
def test_columns_of_ours_and_of_ones_own(by: list[str]) -> None:
    frame = results(*many("e", "PFPFB")).with_columns(
        model=pl.Series(["m", "m", "n", "n", None], dtype=pl.Categorical),
        day=pl.lit(date(2026, 5, 1)),
        half=pl.Series([0.5, None, 0.5, float("nan"), 1.0]),
    )
    found = summarize_results(frame, by)
    assert found.columns == [*by, *SCHEMA]
    assert found.select(by).schema == frame.select(by).schema
    assert found["n_results"].sum() == 5


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_only_a_name(name: str) -> None:
    frame = results(*many("e", "PFF")).with_columns(key_0=pl.lit("mine"))
    frame = frame.with_columns(pl.Series(name, ["one", "two", "two"]))
    for given_ in (frame, frame.lazy()):
        found = summarize_results(given_, [name, "block_id"]).lazy().collect()
        assert found.columns[:2] == [name, "block_id"]
        assert found.to_series(0).to_list() == ["two", "one"]


def test_a_column_of_ours_that_the_frame_lacks() -> None:
    with pytest.raises(SchemaError, match="has no column block_id"):
        summarize_results(results(*many("e", "P")).drop("block_id"))


ROWS = st.lists(
    st.builds(
        lambda number, at, state, block, code, took: result(
            f"e{number}", state, at, block_id=block, failure_code=code, duration_ms=took
        ),
        st.integers(0, 3),
        st.integers(1, 6),
        st.sampled_from([*STATES, "novel"]),
        st.sampled_from(["extract", "split", None]),
        st.sampled_from(["type_error", "", None]),
        st.sampled_from([0, 17, 2**40, None]),
    ),
    max_size=20,
    unique_by=lambda row: row["result_id"],
)
BY = st.lists(st.sampled_from(["block_id", "failure_code", "state"]), min_size=1, unique=True)


@examples(60)
@given(ROWS, BY)
def test_the_groups_add_up_to_the_frame(rows: list[Any], by: list[str]) -> None:
    frame = results(*rows)
    found = summarize_results(frame, by)
    assert found.select(by).is_unique().all()
    assert found.height == frame.select(by).n_unique()
    assert found["n_results"].sum() == frame.height
    for state in COUNTS:
        assert found[state].sum() == frame.filter(state=state).height
    parts = pl.sum_horizontal("rated_evals", "n_in_outages", "n_left_out")
    assert found.select(parts).to_series().equals(found["n_results"], check_names=False)
    failing = found.select(pl.sum_horizontal(NOT_PASSING)).to_series()
    assert failing.is_sorted(descending=True)
    rated = found.drop_nulls("pass_rate")
    low, rate, high = (rated[f"pass_rate{end}"] for end in ("_low", "", "_high"))
    assert ((low >= 0) & (low <= rate) & (rate <= high) & (high <= 1)).all()
