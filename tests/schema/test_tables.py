"""Cells of the columns that are computed, or that come from a part of a document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from support.documents import eval_document, result_document

import retab_analysis as ra


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ({"at": [1.10, "x"]}, '{"at":[1.1,"x"]}'),
        ({}, "{}"),
        (None, None),
        (..., None),
    ],
)
def test_details_of_a_failure(value: Any, cell: str | None) -> None:
    result = result_document(assertion_result__failure__details=value)
    assert ra.decode_results(result)["failure_details"].to_list() == [cell]


@pytest.mark.parametrize(
    ("value", "cell"), [(["a", "b"], '["a","b"]'), ([], "[]"), (None, None), (..., None)]
)
def test_routing_decisions(value: Any, cell: str | None) -> None:
    document = {**result_document(), **({} if value is ... else {"routing_decisions": value})}
    assert ra.decode_results(document)["routing_decisions"].to_list() == [cell]


def test_a_result_that_passed_has_no_details() -> None:
    for change in ({"assertion_result": None}, {"assertion_result__failure": None}):
        frame = ra.decode_results(result_document(**change))
        assert frame.select("failure_details", "failure_code").row(0) == (None, None)


def summary(name: str, day: int, **more: Any) -> dict[str, Any]:
    return {
        "run_record_id": name,
        "status": "completed",
        "started_at": f"2026-05-{day:02}T10:00:00Z",
        "completed_at": f"2026-05-{day:02}T10:00:05Z",
        "block_execution_fingerprint": f"block_{name}",
        "handle_inputs_fingerprint": f"inputs_{name}",
    } | more


LAST = ["last_passed_at", "last_failed_at"]
PRINTS = [
    f"{when}_{what}_fingerprint"
    for when in ("latest", "last_passed", "last_failed")
    for what in ("block", "inputs")
]


def evals_with(**summaries: Any) -> pl.DataFrame:
    document = {**eval_document(latest_run_summary=None), **summaries}
    return ra.decode_evals(document)


def test_when_an_eval_passed_and_failed_last_and_on_what() -> None:
    evals = evals_with(
        latest_run_summary=summary("now", 3, outcome="failed"),
        latest_passing_run_summary=summary("good", 1, outcome="passed"),
        latest_failing_run_summary=summary("bad", 3, outcome="failed"),
    )
    assert evals.select(LAST).row(0) == (
        datetime(2026, 5, 1, 10, 0, 5, tzinfo=UTC),
        datetime(2026, 5, 3, 10, 0, 5, tzinfo=UTC),
    )
    names = ("now", "good", "bad")
    prints = [f"{what}_{name}" for name in names for what in ("block", "inputs")]
    assert evals.select(PRINTS).row(0) == tuple(prints)


def test_an_eval_that_never_ran_knows_nothing_of_it() -> None:
    assert set(evals_with().select(LAST + PRINTS).row(0)) == {None}
    assert set(evals_with(latest_passing_run_summary=None).select(LAST).row(0)) == {None}


def test_an_eval_that_passed_at_an_unknown_moment_has_passed_nevertheless() -> None:
    passed = summary("good", 1, completed_at=None, block_execution_fingerprint=None)
    evals = evals_with(latest_passing_run_summary=passed)
    assert evals["last_passed_at"].to_list() == [datetime(2026, 5, 1, 10, tzinfo=UTC)]
    assert evals["last_passed_block_fingerprint"].to_list() == [None]
