"""Evals that fail now and then, told from those that broke and from what has passed by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from comparison.cases import Rows, history, many_evals
from statsmodels.stats.proportion import proportion_confint
from support.frames import START, results
from support.inside import NEEDED, mark_results

import retab_analysis as ra

SHAKY = "PPFPPPFPPFPPPPFPPFPP"


def found(*parts: Rows, kind: str = "flaky") -> list[dict[str, Any]]:
    frame = ra.summarize_evals(results(*(row for part in parts for row in part)))
    return frame.filter(kind=kind).to_dicts()


def test_one_row_tells_how_often_an_eval_fails_whatever_the_code() -> None:
    codes = "A" * 20 + "B" * 20
    (row,) = found(history("shaky", SHAKY * 2, codes), many_evals(4, "P" * 40, codes))
    assert (row["eval_id"], row["kind"]) == ("shaky", "flaky")
    assert (row["outcomes"], row["failures"], row["rate"]) == (40, 10, 0.25)
    low, high = proportion_confint(10, 40, method="wilson")
    assert (row["rate_low"], row["rate_high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["last_failed_at"] == START + timedelta(days=38)


def test_an_eval_that_was_edited_starts_anew() -> None:
    rows = [
        *history("e", "PFPFPFPFPF"),
        *history("e", "." * 10 + "P" * 10, expected_value="9"),
    ]
    assert found(rows, many_evals(4, "P" * 20)) == []
    rows = [
        *history("e", "F" * 10),
        *history("e", "." * 10 + SHAKY, expected_value="9"),
    ]
    (row,) = found(rows, many_evals(4, "P" * 30))
    assert (row["outcomes"], row["failures"]) == (20, 5)


def test_outcomes_of_flaky_evals_are_marked_and_nothing_else_changes() -> None:
    rows = [*history("shaky", SHAKY), *history("odd", "PPECUP"), *many_evals(2, "P" * 20)]
    rows += history("shaky", "." * 20 + "EC")
    frame = results(*rows).with_columns(mine=pl.int_range(pl.len()))
    marked = mark_results(frame.lazy().select(*NEEDED, "mine")).collect()
    assert marked.drop("flaky", "broke").equals(frame.select(*NEEDED, "mine"))
    is_flaky = (pl.col("eval_id") == "shaky") & pl.col("state").is_in(("passed", "failed"))
    assert marked["flaky"].to_list() == frame.select(is_flaky).to_series().to_list()
    assert not marked["broke"].any()


def test_the_results_of_the_run_that_broke_an_eval_are_marked() -> None:
    frame = results(*many_evals(2, "P" * 20), *history("late", "P" * 12 + "F" * 8))
    marked = mark_results(frame.lazy().select(NEEDED)).collect()
    (since,) = ra.summarize_evals(frame)["since_run_id"].drop_nulls()
    assert marked.filter("broke").select("eval_id", "run_id").rows() == [("late", since)]
