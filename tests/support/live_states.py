"""States of the live view, from small documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from retab_analysis.widgets.live.state import (
    LiveState,
    Snapshot,
    compute_state,
)
from support.made_runs import result_with, results_frame, runs_frame

CREATED = datetime(2026, 5, 18, 10, tzinfo=UTC)
NOW = CREATED + timedelta(seconds=31)  # it started after a second


def seen(
    *runs: dict[str, Any], results: list[dict[str, Any]] | None = None, **more: Any
) -> LiveState:
    snapshot = Snapshot(
        runs=runs_frame(*runs), results=results_frame(*(results or [])), seen_at=NOW, **more
    )
    return compute_state(snapshot, more.pop("now", NOW))


RESULTS = [
    result_with("a", "passed"),
    result_with("b", "failed"),
    result_with("c", "blocked"),
    result_with("d", "error", lifecycle={"status": "error", "message": "boom"}),
    result_with("e", "cancelled"),
    result_with("f", "unscored"),
]
