"""What did not pass, row by row and counted."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from support.frames import START, many, result, results
from support.inside import RESULTS, analysis

from retab_analysis import ConfigError


def test_failures_are_what_did_not_pass() -> None:
    frame = results(*many("e1", "PFBECU", 1), *many("e0", "F", 2))
    found = analysis.failures(frame)
    assert found.select("eval_id", "state", "run_id").rows() == [
        ("e1", "error", "run_4"),
        ("e1", "blocked", "run_3"),
        ("e0", "failed", "run_2"),
        ("e1", "failed", "run_2"),
    ]
    assert set(found.columns) < set(RESULTS.schema)


@pytest.mark.parametrize("by", ["block_id", "condition_kind", "failure_code", "path"])
def test_failures_are_counted_by_one_column(by: str) -> None:
    frame = results(
        result("e1", "failed", 2, **{by: "x"}),
        result("e1", "error", 3, **{by: "x"}),
        result("e2", "blocked", 1, **{by: "y"}),
        result("e3", "passed", 1, **{by: "y"}),
        result("e4", "failed", 4, **{by: None}),
    )
    found = analysis.count_failures(frame, by=by)
    assert found.drop("first_created_at", "last_created_at").rows() == [
        ("x", 2, 2, 1.0, 1, 0, 1, 1),
        ("y", 1, 2, 0.5, 0, 1, 0, 1),
        (None, 1, 1, 1.0, 1, 0, 0, 1),
    ]
    assert found["last_created_at"][0] == START + timedelta(days=3)


def test_failures_are_counted_for_each_document() -> None:
    frame = results(
        result("e1", "failed", 1, document_names=["a", "b"]),
        result("e2", "failed", 1, document_names=["b"]),
        result("e3", "failed", 1, document_names=[]),
        result("e4", "failed", 1, document_names=None),
    )
    found = analysis.count_failures(frame, by=["document_names", "block_id"])
    assert found.select("document_names", "n_failures").rows() == [("b", 2), (None, 2), ("a", 1)]


def test_a_name_and_an_id_are_of_one_document() -> None:
    frame = results(
        result("e1", "failed", 1, document_names=["a", "b", "a"], document_ids=["1", "2", "1"]),
        result("e2", "failed", 1, document_names=["b"], document_ids=["2"]),
        result("e3", "failed", 1, document_names=["b"], document_ids=None),
        result("e4", "failed", 1, document_names=[], document_ids=[]),
    )
    columns = ["document_names", "document_ids"]
    found = analysis.count_failures(frame, by=[*columns, "block_id"])
    assert sorted(found.select(*columns, "n_failures").rows(), key=str) == [
        ("a", "1", 1),
        ("b", "2", 2),
        ("b", None, 1),
        (None, None, 1),
    ]


def test_a_document_that_is_named_twice_counts_once() -> None:
    found = analysis.count_failures(
        results(result("e", "failed", document_names=["a", "a"])), by="document_names"
    )
    assert found.select("n_failures", "n_results").rows() == [(1, 1)]


def test_rates_are_of_what_ended_and_times_are_of_failures() -> None:
    frame = results(*many("e1", "PPFCUE", 1), *many("e2", "PB", 3))
    row = analysis.count_failures(frame).row(0, named=True)
    assert (row["n_failures"], row["n_results"]) == (3, 6)
    assert row["failure_rate"] == pytest.approx(0.5)
    assert (row["first_created_at"], row["last_created_at"]) == (
        START + timedelta(days=3),
        START + timedelta(days=6),
    )


def test_failures_by_columns_of_your_own() -> None:
    frame = results(*many("e", "FPFB")).with_columns(
        model=pl.Series(["m", "m", "n", "n"]),
        tags=pl.Series([["a"], ["a"], ["a", "b"], []], dtype=pl.List(pl.String)),
    )
    by_model = analysis.count_failures(frame, ["model", "state"])
    assert by_model.select("model", "state", "n_failures").rows() == [
        ("m", "failed", 1),
        ("n", "failed", 1),
        ("n", "blocked", 1),
    ]
    by_tag = analysis.count_failures(frame, "tags")
    assert by_tag.select("tags", "n_failures", "n_results").rows() == [
        ("a", 2, 3),
        ("b", 1, 1),
        (None, 1, 1),
    ]
    rows = analysis.failures(frame)
    assert rows.columns[-2:] == ["model", "tags"]
    assert rows["model"].to_list() == ["n", "n", "m"]


@pytest.mark.parametrize("name", ["n_failures", "failed", "failure_rate", "last_created_at"])
def test_failures_are_not_counted_by_a_column_of_the_outcome(name: str) -> None:
    frame = RESULTS.empty().with_columns(pl.lit(1).alias(name))
    with pytest.raises(ConfigError, match=f"by='{name}' is also a column of the outcome"):
        analysis.count_failures(frame, name)
