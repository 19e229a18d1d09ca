"""The marks of flaky evals and of breaks, in a frame of results."""

from __future__ import annotations

import polars as pl
from comparison.cases import history, many_evals
from support.frames import results
from support.inside import NEEDED, mark_results

import retab_analysis as ra

SHAKY = "PPFPPPFPPFPPPPFPPFPP"


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
