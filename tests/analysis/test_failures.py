"""What did not pass, row by row."""

from __future__ import annotations

import polars as pl
from support.frames import many, results
from support.inside import RESULTS, analysis


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


def test_failures_keep_columns_of_your_own() -> None:
    frame = results(*many("e", "FPFB")).with_columns(
        model=pl.Series(["m", "m", "n", "n"]),
        tags=pl.Series([["a"], ["a"], ["a", "b"], []], dtype=pl.List(pl.String)),
    )
    rows = analysis.failures(frame)
    assert rows.columns[-2:] == ["model", "tags"]
    assert rows["model"].to_list() == ["n", "n", "m"]
