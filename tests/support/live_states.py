"""States of the live view, from small documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import retab_analysis as ra
from support.fakes import KEY
from support.inside import (
    NO_NEWS,
    LiveState,
    LiveView,
    News,
    Snapshot,
    Watcher,
    _Look,
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


def news_of(
    transitions: Mapping[str, str], *run_ids: str, p: float | None = None, **more: Any
) -> News:
    """The news of one candidate, by eval; of the run r1 unless others are named."""
    counts = {name: [*transitions.values()].count(name) for name in NO_NEWS}
    evals = pl.DataFrame(
        {
            "eval_id": [*transitions],
            "candidate_state": ["passed"] * len(transitions),
            "transition": [*transitions.values()],
            "p_regressed": [p] * len(transitions),
            "reason": [f"why {name}" for name in transitions],
        },
        schema_overrides={"p_regressed": pl.Float64},
    )
    about = {"against": "v1", "compared": "Compared r1 with v1.", **more}
    return News(run_ids or ("r1",), counts=counts, evals=evals, **about)


RESULTS = [
    result_with("a", "passed"),
    result_with("b", "failed"),
    result_with("c", "blocked"),
    result_with("d", "error", lifecycle={"status": "error", "message": "boom"}),
    result_with("e", "cancelled"),
    result_with("f", "unscored"),
]


def view_of(snapshot: Snapshot, **look: bool) -> LiveView:
    """A view of what is known, which asks nobody; tell it more with :func:`tell`."""
    nobody = ra.Client(KEY, "http://127.0.0.1:9")
    shown = {"compact": False, "may_cancel": True, "save_values": False, **look}
    view = LiveView(Watcher(nobody, ["r1"], None, None, 2.0), nobody, _Look(**shown))
    tell(view, snapshot)
    return view


def tell(view: LiveView, snapshot: Snapshot) -> None:
    """Have a view show what is known now, as its watching thread does."""
    view._watcher._publish(snapshot)
