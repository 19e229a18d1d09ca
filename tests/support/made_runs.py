"""RUNS and RESULTS frames of small documents."""

from __future__ import annotations

from typing import Any

import polars as pl

import retab_analysis as ra
from support.documents import changed, result_document, run_document

LIFECYCLE = ("pending", "queued", "running", "completed", "error", "cancelled")
OUTCOMES = ("passed", "failed", "blocked")


def run_with(run_id: str = "r1", status: str = "running", /, **counts: Any) -> dict[str, Any]:
    """A run whose counts are given; other arguments change the document."""
    numbers = {name: counts.pop(name, 0) for name in (*LIFECYCLE, *OUTCOMES)}
    numbers["completed"] = numbers["completed"] or sum(numbers[name] for name in OUTCOMES)
    document = run_document(
        run_id,
        lifecycle={"status": status},
        target=None,
        total_evals=sum(numbers[name] for name in LIFECYCLE),
        counts={
            "lifecycle_counts": {name: numbers[name] for name in LIFECYCLE},
            "outcome": {name: numbers[name] for name in OUTCOMES},
        },
    )
    if status in ("running", "queued", "pending"):
        document["timing"].update(completed_at=None, duration_ms=None)
    if status in ("queued", "pending"):
        document["timing"].update(started_at=None)
    return changed(document, **counts)


def result_with(eval_id: str, state: str, run_id: str = "r1", **changes: Any) -> dict[str, Any]:
    """A result in a state, with a duration of 2 s."""
    ended = state in OUTCOMES
    status = "completed" if ended else "queued" if state == "unscored" else state
    document = result_document(
        f"res_{run_id}_{eval_id}",
        eval_id=eval_id,
        workflow_eval_run_id=run_id,
        verdict=state if ended else None,
        lifecycle={"status": status},
        timing__duration_ms=2000 if ended else None,
    )
    if not ended:
        document["assertion_result"] = None
    elif state == "passed":
        document["assertion_result"].update(outcome="passed", failure=None)
    document.update(changes)
    return document


def runs_frame(*documents: dict[str, Any]) -> pl.DataFrame:
    return ra.decode_runs(list(documents))
