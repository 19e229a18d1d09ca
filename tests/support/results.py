"""RESULTS and RUNS frames of a few rows that say only what matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.schema import RESULTS, RUNS

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """A moment, counted in days."""
    return BEGIN + timedelta(days=number)


def result(
    eval_id: str = "e", state: str = "passed", run: str | None = "r1", **fields: Any
) -> dict[str, Any]:
    """One result. A run ``r7`` was created on the seventh day, of version ``v7``."""
    number = int(run[1:]) if run and run[1:].isdigit() else 0
    return {
        "eval_id": eval_id,
        "state": state,
        "run_id": run,
        "block_id": "b",
        "condition_kind": "equals",
        "expected_value": '"x"',
        "handle_inputs_fingerprint": "in",
        "block_execution_fingerprint": "code",
        "workflow_version_id": f"v{number}",
        "run_created_at": day(number),
        "created_at": day(number),
        **fields,
    }


def results(*rows: dict[str, Any]) -> pl.DataFrame:
    """A RESULTS frame; whatever is not given is null, and every result has an id of its own."""
    named = [{"result_id": f"{row['run_id']}-{at:04}", **row} for at, row in enumerate(rows)]
    return pl.DataFrame(named, schema=RESULTS.schema)


def several(
    eval_id: str, run: str = "r1", /, *, passed: int = 0, failed: int = 0, **fields: Any
) -> list[dict[str, Any]]:
    """Results of one eval that passed so many times and failed so many times."""
    states = ["passed"] * passed + ["failed"] * failed
    return [result(eval_id, state, run, **fields) for state in states]


def runs(*rows: dict[str, Any]) -> pl.DataFrame:
    """A RUNS frame; whatever is not given is null."""
    return pl.DataFrame(list(rows), schema=RUNS.schema)


def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The same rows in another order."""
    return frame.sample(fraction=1.0, shuffle=True, seed=seed)
