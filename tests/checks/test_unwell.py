"""The saved evals of a workflow that do not pass now, and what changed since they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.inside import EVALS, UNWELL, WHY, list_unwell

MAY = datetime(2026, 5, 1, tzinfo=UTC)


def saved(eval_id: str, outcome: str | None = "failed", **more: Any) -> dict[str, Any]:
    """An eval that passed once, on the same code and inputs as now."""
    values = {
        "eval_id": eval_id,
        "eval_name": f"name of {eval_id}",
        "workflow_id": "wf",
        "block_id": "b",
        "latest_run_status": "completed",
        "latest_run_outcome": outcome,
        "last_passed_at": MAY,
        "latest_block_fingerprint": "code",
        "latest_inputs_fingerprint": "in",
        "last_passed_block_fingerprint": "code",
        "last_passed_inputs_fingerprint": "in",
    }
    return dict.fromkeys(EVALS.schema) | values | more


def evals(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=EVALS.schema)


def why(**more: Any) -> str | None:
    told = list_unwell(evals(saved("e", **more)))
    assert told.height == 1
    found: str | None = told["why"].item()
    return found


def test_why_an_eval_does_not_pass() -> None:
    assert why() == "same_code"
    assert why(latest_block_fingerprint="edited") == "block_changed"
    assert why(latest_inputs_fingerprint="other") == "inputs_changed"
    assert why(updated_at=MAY + timedelta(hours=1)) == "eval_edited"
    assert why(updated_at=MAY) == "same_code"
    assert why(last_passed_at=None) == "never_passed"


def test_inputs_come_before_the_block_and_that_before_the_eval() -> None:
    edited: dict[str, Any] = {
        "latest_block_fingerprint": "edited",
        "latest_inputs_fingerprint": "other",
    }
    assert why(**edited) == "inputs_changed"
    edited["updated_at"] = MAY + timedelta(hours=1)
    assert why(**edited, last_passed_at=None) == "never_passed"
    assert why(**edited | {"latest_inputs_fingerprint": "in"}) == "block_changed"


@pytest.mark.parametrize(
    "name",
    [
        *("latest_block_fingerprint", "last_passed_block_fingerprint"),
        *("latest_inputs_fingerprint", "last_passed_inputs_fingerprint"),
    ],
)
def test_a_fingerprint_that_is_not_known_leaves_it_open(name: str) -> None:
    assert why(**{name: None}) is None
    assert why(**{name: None, "updated_at": MAY + timedelta(hours=1)}) == "eval_edited"


def test_what_is_known_is_said_although_the_rest_is_not() -> None:
    assert why(latest_block_fingerprint="edited", latest_inputs_fingerprint=None) == "block_changed"
    assert why(latest_inputs_fingerprint="other", latest_block_fingerprint=None) == "inputs_changed"


def test_only_what_does_not_pass_is_listed() -> None:
    rows = [
        saved("failed"),
        saved("blocked", "blocked"),
        saved("errored", None, latest_run_status="error"),
        saved("passed", "passed"),
        saved("cancelled", None, latest_run_status="cancelled"),
        saved("running", None, latest_run_status="running"),
        saved("never run", None, latest_run_status=None),
    ]
    told = list_unwell(evals(*rows))
    assert dict(told.select("eval_id", "state").rows()) == {
        "failed": "failed",
        "blocked": "blocked",
        "errored": "error",
    }


def test_the_columns_and_their_order_also_of_nothing() -> None:
    for frame in (evals(), evals(saved("e"))):
        assert list_unwell(frame).schema == UNWELL
    row = list_unwell(evals(saved("e", last_failed_at=MAY))).row(0, named=True)
    assert row["eval_name"] == "name of e"
    assert row["last_passed_at"] == row["last_failed_at"] == MAY


def test_what_was_edited_comes_first() -> None:
    rows = [
        saved("d", last_passed_at=None),
        saved("c"),
        saved("b2", updated_at=MAY + timedelta(hours=1)),
        saved("b", latest_inputs_fingerprint="other"),
        saved("a", latest_block_fingerprint="edited"),
        saved("z", latest_block_fingerprint=None),
    ]
    told = list_unwell(evals(*reversed(rows)))
    assert told["eval_id"].to_list() == ["a", "b", "b2", "c", "d", "z"]
    assert told["why"].to_list() == [*WHY, None]


@given(st.permutations(range(6)))
def test_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    made = [saved(f"e{at}", block_id=None if at % 2 else "b") for at in range(6)]
    told = list_unwell(evals(*(made[at] for at in order)))
    assert told.equals(list_unwell(evals(*made)))
