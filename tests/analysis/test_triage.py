"""What does not pass now, and what changed since it did: from saved evals alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.inside import EVALS, WHY

import retab_analysis as ra

MAY = datetime(2026, 5, 1, tzinfo=UTC)
COLUMNS = (
    *("eval_name", "eval_id", "block_id", "why", "state", "last_passed_at", "last_failed_at"),
    "workflow_id",
)


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
    told = ra.triage(evals(saved("e", **more)))
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
    told = ra.triage(evals(*rows))
    assert dict(told.select("eval_id", "state").rows()) == {
        "failed": "failed",
        "blocked": "blocked",
        "errored": "error",
    }


def test_the_columns_and_their_order_also_of_nothing() -> None:
    for frame in (evals(), evals(saved("e"))):
        told = ra.triage(frame)
        assert tuple(told.columns) == COLUMNS
        assert told.schema["last_passed_at"] == pl.Datetime("us", "UTC")
    assert isinstance(ra.triage(evals(saved("e")).lazy()), pl.LazyFrame)
    row = ra.triage(evals(saved("e", last_failed_at=MAY))).row(0, named=True)
    assert row["eval_name"] == "name of e"
    assert row["last_passed_at"] == row["last_failed_at"] == MAY


def test_what_was_edited_comes_first() -> None:
    rows = [
        saved("d", workflow_id="a", last_passed_at=None),
        saved("c", workflow_id="a"),
        saved("b2", workflow_id="a", updated_at=MAY + timedelta(hours=1)),
        saved("b", workflow_id="a", latest_inputs_fingerprint="other"),
        saved("a", workflow_id="a", latest_block_fingerprint="edited"),
        saved("z", workflow_id="a", latest_block_fingerprint=None),
        saved("0", workflow_id="b", latest_block_fingerprint="edited"),
    ]
    told = ra.triage(evals(*reversed(rows)))
    assert told["eval_id"].to_list() == ["a", "b", "b2", "c", "d", "z", "0"]
    assert told["why"].to_list() == [*WHY, None, "block_changed"]


@given(st.permutations(range(6)))
def test_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    made = [saved(f"e{at}", block_id=None if at % 2 else "b") for at in range(6)]
    told = ra.triage(evals(*(made[at] for at in order)))
    assert told.equals(ra.triage(evals(*made)))


def test_what_is_not_a_frame_of_saved_evals() -> None:
    with pytest.raises(ra.ConfigError):
        ra.triage([saved("e")])  # type: ignore[arg-type]
    with pytest.raises(ra.SchemaError, match="last_passed_at"):
        ra.triage(evals(saved("e")).drop("last_passed_at"))
