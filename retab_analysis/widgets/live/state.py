"""What a person is told: an immutable value, computed from a snapshot and a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retab_analysis.vocabulary import DECIDED as VERDICTS
from retab_analysis.widgets.common.evals import EvalLine, eval_line
from retab_analysis.widgets.common.words import in_words, shorten
from retab_analysis.widgets.live.pace import rate_per_minute, time_left
from retab_analysis.widgets.live.snapshot import Snapshot

DONE = (*VERDICTS, "error", "cancelled")
SEGMENTS = (*DONE, "unscored", "running", "queued", "pending")
_WAITING = ("pending", "queued")


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run, at a glance.

    Attributes:
        words: Its status in words.
        about: Workflow, version and scope.
        counts: How many evals are in each state, those with none left out.
        eta: Low and high end of the seconds left, or None.
        message: An error's message, a cancellation's reason.
        marks: What is odd about it.
    """

    run_id: str
    status: str
    words: str
    about: str
    counts: tuple[tuple[str, int], ...]
    done: int
    total: int
    waited: float | None
    ran: float | None
    rate: float | None
    eta: tuple[float, float] | None
    message: str | None
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WatchState:
    """The whole view.

    Attributes:
        news: Evals that do not pass and passed in the baseline, or were not in it; without a
            baseline, all that do not pass.
        known: Evals that do not pass and did not then.
        passed: Evals that pass.
        connection: Empty while the API answers.
    """

    heading: str
    runs: tuple[RunLine, ...]
    news: tuple[EvalLine, ...]
    known: tuple[EvalLine, ...]
    passed: tuple[EvalLine, ...]
    baseline: str | None
    connection: str
    refreshed: str
    failure: str | None
    phase: str
    notes: tuple[str, ...]
    can_cancel: bool


def compute(snapshot: Snapshot, now: datetime) -> WatchState:
    """Say what there is to say at a moment. A pure function.

    Args:
        snapshot: What is known.
        now: The present, in UTC.
    """
    results = _by_run(snapshot)
    runs = tuple(
        _run_line(run, results.get(run["run_id"], []), snapshot, now)
        for run in snapshot.runs.iter_rows(named=True)
    )
    ended = [row for rows in results.values() for row in rows if row["state"] in DONE]
    bad = [eval_line(row) for row in ended if row["state"] != "passed"]
    then = snapshot.baseline.states if snapshot.baseline else None
    # What the baseline does not have did not fail in it.
    news = [line for line in bad if then is None or then.get(line.eval_id, "passed") == "passed"]
    known = [line for line in bad if then and then.get(line.eval_id, "passed") != "passed"]
    return WatchState(
        heading=_heading(snapshot, runs, len(news)),
        runs=runs,
        news=tuple(news),
        known=tuple(known),
        passed=tuple(eval_line(row) for row in ended if row["state"] == "passed"),
        baseline=snapshot.baseline.words if snapshot.baseline else None,
        connection=_connection(snapshot, now),
        refreshed=f"{snapshot.seen_at:%H:%M:%S} UTC" if snapshot.seen_at else "not yet",
        failure=snapshot.failure,
        phase=snapshot.phase,
        notes=snapshot.notes,
        can_cancel=bool(not snapshot.runs["is_terminal"].all()),
    )


def _by_run(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """The results of each run in the order in which they ended."""
    ordered = snapshot.results.sort("completed_at", nulls_last=True, maintain_order=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in ordered.iter_rows(named=True):
        rows.setdefault(row["run_id"], []).append(row)
    return rows


def _heading(snapshot: Snapshot, runs: Sequence[RunLine], news: int) -> str:
    if snapshot.failure:
        return "Watching has ended"
    if not runs:
        return "No run is going on" if snapshot.seen_at else "Looking for the runs"
    going = sum(line.status not in ("completed", "error", "cancelled") for line in runs)
    noun = "run" if len(runs) == 1 else "runs"
    progress = f"{going} of {len(runs)} {noun} going on" if going else f"{len(runs)} {noun} ended"
    if len(runs) == 1:
        progress = runs[0].words
    if snapshot.baseline:
        return f"{progress}: {news} new" if news else f"{progress}: nothing new"
    bad = _not_passing(news)
    return f"{progress}: {bad}" if news and not progress.endswith(bad) else progress


def _connection(snapshot: Snapshot, now: datetime) -> str:
    if snapshot.trouble is None or snapshot.phase != "watching":
        return ""
    if snapshot.seen_at is None:
        return f"retrying, not seen yet: {snapshot.trouble}"
    ago = in_words((now - snapshot.seen_at).total_seconds())
    return f"retrying, last seen {ago} ago: {snapshot.trouble}"


def _run_line(
    run: Mapping[str, Any], results: Sequence[Mapping[str, Any]], snapshot: Snapshot, now: datetime
) -> RunLine:
    counts = _counts(run, results)
    done = sum(counts[state] for state in DONE) + counts["unscored"]
    waited, ran, marks = _times(run, now)
    if run["run_id"] in snapshot.gone:
        marks = (*marks, "not found any more")
    moving = run["status"] == "running" and (counts["running"] > 0 or counts["queued"] == 0)
    return RunLine(
        run_id=run["run_id"],
        status=run["status"],
        words=_words(run, counts, moving),
        about=_about(run),
        counts=tuple((state, count) for state, count in counts.items() if count),
        done=done,
        total=run["total_evals"],
        waited=waited,
        ran=ran,
        rate=rate_per_minute(done, ran or 0.0),
        eta=_eta(results, run, snapshot.usual_ms, done, ran) if moving else None,
        message=run["status_message"],
        marks=marks,
    )


def _counts(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Evals by state: the run's own counts, or its results where it gives none."""
    counts = {state: run.get(state) or 0 for state in SEGMENTS if state != "unscored"}
    if run["completed"] is None:
        seen = [row["state"] for row in results]
        return {state: seen.count(state) for state in SEGMENTS}
    judged = sum(counts[state] for state in VERDICTS)
    return {
        state: max(0, run["completed"] - judged) if state == "unscored" else counts[state]
        for state in SEGMENTS
    }


def _times(
    run: Mapping[str, Any], now: datetime
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Seconds in the queue and running, never negative, and a mark where they would be."""
    created, started, completed = run["created_at"], run["started_at"], run["completed_at"]
    end = completed or now
    queue_end = started or end
    waited = (queue_end - created).total_seconds() if created else None
    ran = (end - started).total_seconds() if started else None
    # A second is no news: the clocks of two machines are never the same.
    odd = any(each is not None and each < -1 for each in (waited, ran))
    clamped = [None if each is None else max(0.0, each) for each in (waited, ran)]
    return clamped[0], clamped[1], ("clocks disagree",) if odd else ()


def _words(run: Mapping[str, Any], counts: Mapping[str, int], moving: bool) -> str:
    status = run["status"]
    if status in _WAITING or (status == "running" and not moving):
        return "waiting in the queue"
    if status == "completed":
        bad = sum(counts[state] for state in DONE if state != "passed")
        return "completed, all pass" if run["ok"] else f"completed, {_not_passing(bad)}"
    words: dict[str, str] = {"running": "running", "error": "could not run"}
    return words.get(status, str(status))


def _not_passing(number: int) -> str:
    return f"{number} {'does' if number == 1 else 'do'} not pass"


def _about(run: Mapping[str, Any]) -> str:
    scope = {"workflow": "all evals", "block": f"block {run['target_block_id']}"}
    what = scope.get(run["scope"], f"eval {run['eval_id']}")
    return f"{run['workflow_id']} · {shorten(run['workflow_version_id'])} · {what}"


def _eta(
    results: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    usual_ms: Mapping[str, int],
    done: int,
    ran: float | None,
) -> tuple[float, float] | None:
    left: list[int | None] = [
        usual_ms.get(row["eval_id"]) for row in results if row["state"] not in DONE
    ]
    missing = run["total_evals"] - done
    left = left[:missing] + [None] * (missing - len(left))
    took = [
        (row["duration_ms"], usual_ms.get(row["eval_id"]))
        for row in results
        if row["state"] in DONE and row["duration_ms"]
    ]
    return time_left(took, left, ran or 0.0) if left else None
