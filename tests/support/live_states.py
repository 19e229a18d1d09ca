"""States of the live view, from small documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import retab_analysis as ra
from support.fakes import KEY
from support.inside import (
    EVALS_SCHEMA,
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
    transitions: Mapping[str, str],
    *run_ids: str,
    p: float | None = None,
    candidate_state: str | None = "passed",
    candidate_result_id: str | None = None,
    **more: Any,
) -> News:
    """The news of one workflow, by eval; of the run r1 unless others are named."""
    counts = {name: [*transitions.values()].count(name) for name in NO_NEWS}
    rows = [
        {
            "eval_id": eval_id,
            "eval_name": f"name of {eval_id}",
            "document_names": ["invoice 1.pdf"],
            "candidate_state": candidate_state,
            "candidate_result_id": candidate_result_id,
            "transition": name,
            "p_regressed": p,
            "reason": f"why {eval_id}",
        }
        for eval_id, name in transitions.items()
    ]
    known = {name: EVALS_SCHEMA[name] for name in rows[0]} if rows else {}
    evals = pl.DataFrame(rows, schema=known, orient="row")
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
