"""Small RUNS and RESULTS frames, for tests of what is done with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from support.inside import EDITS, RESULTS, RUNS
from support.lettered_api import STATES

START = datetime(2026, 5, 18, tzinfo=UTC)


def result(eval_id: str, state: str, run: int = 1, **more: Any) -> dict[str, Any]:
    """One result; whatever is not said is the same in all of them."""
    moment = START + timedelta(days=run)
    values: dict[str, Any] = {
        "eval_name": f"name of {eval_id}",
        "eval_id": eval_id,
        "state": state,
        "block_id": "block_1",
        "document_names": ["a.pdf"],
        "duration_ms": 1000,
        "expected_value": "1",
        "actual_value": "1" if state == "passed" else "2",
        "path": "total",
        "condition_kind": "equals",
        "run_id": f"run_{run}",
        "workflow_version_id": "v1",
        "run_created_at": moment,
        "created_at": moment,
        "result_id": f"{eval_id}/{run}",
        "workflow_id": "wf",
        "handle_inputs_fingerprint": "in",
        "block_execution_fingerprint": "code",
    }
    return values | more


def results(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [dict.fromkeys(RESULTS.schema) | row for row in rows], schema=RESULTS.schema
    )


def many(eval_id: str, states: str, first_run: int = 1, **more: Any) -> list[dict[str, Any]]:
    """One result per run, by the letters of :data:`STATES`."""
    return [
        result(eval_id, STATES[letter], first_run + at, **more) for at, letter in enumerate(states)
    ]


def run(run_id: str, day: int, **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "run_id": run_id,
        "status": "completed",
        "passed": 1,
        "failed": 0,
        "blocked": 0,
        "error": 0,
        "cancelled": 0,
        "total_evals": 1,
        "ok": True,
        "scope": "workflow",
        "duration_ms": 1000,
        "queue_ms": 100,
        "created_at": START + timedelta(days=day),
        "workflow_version_id": "v1",
        "workflow_id": "wf",
        "is_terminal": True,
    }
    return values | more


def runs(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(RUNS.schema) | row for row in rows], schema=RUNS.schema)


class ArrowFrame:
    """A frame of a library that speaks Arrow, as pyarrow's and duckdb's do."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame, self.columns = frame, frame.columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def edits(*eras: tuple[str, int, list[int]], **more: Any) -> pl.DataFrame:
    """An EDITS frame of a block's eras: its id, the day of the edit, and the versions that have it.

    An era lasts until the next one of its block.
    """
    rows = []
    for at, (block, day, versions) in enumerate(eras):
        later = [each[1] for each in eras[at + 1 :] if each[0] == block]
        rows.append(
            dict.fromkeys(EDITS.schema)
            | {
                "block_id": block,
                "block_label": f"label of {block}",
                "first_seen_at": START + timedelta(days=day),
                "last_seen_at": START + timedelta(days=min(later, default=day)),
                "config_fingerprint": f"{block} {day}",
                "versions": versions,
                "is_draft": not later,
                "workflow_id": "wf",
                "workflow_name": "Letters",
            }
            | more
        )
    return pl.DataFrame(rows, schema=EDITS.schema)
