"""States of the live view, from small documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import retab_analysis as ra
from support.fakes import KEY
from support.frames import many, results
from support.inside import (
    LiveState,
    LiveView,
    News,
    Sides,
    Snapshot,
    Watcher,
    compare_sides,
    compute_state,
    list_outcomes,
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


def news_of(letters: Mapping[str, str], *run_ids: str, run_id: str = "r1", **row: Any) -> News:
    """The news of one workflow, by eval: a letter for each earlier run, the last for the one now.

    Args:
        letters: What each eval did; a dot is no result.
        *run_ids: The watched runs; r1 unless named.
        run_id: The one of them that the newest results are of.
        **row: What else the results have.
    """
    ids = run_ids or (run_id,)
    rows = {True: [], False: []}  # type: dict[bool, list[dict[str, Any]]]
    last = max(map(len, letters.values()))
    for eval_id, its in letters.items():
        for at, letter in enumerate(its.rjust(last, "."), 1):
            if letter != ".":
                (made,) = many(eval_id, letter, at, **row)
                now = {"run_id": ids[0], "block_execution_fingerprint": "edited"}
                rows[at == last].append(made | (now if at == last else {}))
    sides = Sides(results(*rows[True]), history=results(*rows[False]))
    outcomes = list_outcomes(sides.candidate)
    return News(ids, compare_sides(sides, 0.05, 0.05), "v1", outcomes=outcomes)


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
    view = LiveView(
        Watcher(nobody, ["r1"], None, None, 2.0), nobody, **{"may_cancel": True, **look}
    )
    tell(view, snapshot)
    return view


def tell(view: LiveView, snapshot: Snapshot) -> None:
    """Have a view show what is known now, as its watching thread does."""
    view._watcher._publish(snapshot)
