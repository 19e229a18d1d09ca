"""What is known of the watched runs, and what a person is told: plain values.

:func:`compute_state` is a pure function of a :class:`Snapshot` and a clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, stdev
from typing import Any

import polars as pl

from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.vocabulary import DECIDED, STATES
from retab_analysis.widgets.common.text import (
    EvalLine,
    format_seconds,
    make_eval_line,
    shorten_version,
)

DONE = (*DECIDED, "error", "cancelled")
SEGMENTS = (*STATES, "running", "queued", "pending")
_WAITING = ("pending", "queued")

# Fewer finished evals say too little about those to come.
_LEAST_DONE = 3
# The two-sided 80 % quantile of the normal distribution.
_Z80 = 1.2816


@dataclass(frozen=True, slots=True)
class Baseline:
    """The earlier run that the watched runs are held against.

    Attributes:
        words: Which run it is.
        states: The state of each eval in it, by eval id.
    """

    words: str
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known, and how well.

    Attributes:
        runs: The watched runs as last seen, a RUNS frame.
        results: Their results as last seen, a RESULTS frame.
        baseline: What to compare with, or None.
        usual_ms: How long each eval took in its newest run, by eval id.
        seen_at: When the API answered last, or None.
        trouble: Why it did not answer since, or None.
        gone: The runs that were there and are not found any more.
        failure: Why watching ended early, or None.
        phase: ``watching``, ``ended`` (all runs have), ``stopped`` (by hand) or ``failed``.
        notes: What else a person should know, for example of a callback that raised.
    """

    runs: pl.DataFrame = field(default_factory=RUNS.empty)
    results: pl.DataFrame = field(default_factory=RESULTS.empty)
    baseline: Baseline | None = None
    usual_ms: Mapping[str, int] = field(default_factory=dict)
    seen_at: datetime | None = None
    trouble: str | None = None
    gone: frozenset[str] = frozenset()
    failure: str | None = None
    phase: str = "watching"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run, at a glance.

    Attributes:
        run_id: Its id.
        status: As the API gives it.
        words: Its status in words.
        about: Workflow, version and scope.
        counts: How many evals are in each state; apart from ``passed``, those with none left out.
        done: How many evals have ended.
        total: How many evals it has.
        waited: Seconds in the queue, or None.
        ran: Seconds of running, or None.
        rate: Evals that end per minute of running, or None.
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
class LiveState:
    """The whole view.

    Attributes:
        heading: In a few words, how far the runs are and how many evals are news.
        runs: The runs, in the order in which they were given or found.
        news: Evals that do not pass and passed in the baseline, or were not in it; without a
            baseline, all that do not pass.
        known: Evals that do not pass and did not then.
        passed: Evals that pass.
        baseline: Which run the results are held against, or None.
        connection: What is wrong with the connection; empty while the API answers.
        refreshed: When the API answered last.
        failure: Why watching ended early, or None.
        phase: As in :class:`Snapshot`.
        notes: What else a person should know.
        can_cancel: Whether a run has not ended.
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


def compute_state(snapshot: Snapshot, now: datetime) -> LiveState:
    """What a person is told at a moment.

    Args:
        snapshot: What is known.
        now: The present, in UTC.
    """
    results = _group_by_run(snapshot)
    runs = tuple(
        _make_run_line(run, results.get(run["run_id"], []), snapshot, now)
        for run in snapshot.runs.iter_rows(named=True)
    )
    ended = [row for rows in results.values() for row in rows if row["state"] in DONE]
    bad = [make_eval_line(row) for row in ended if row["state"] != "passed"]
    then = snapshot.baseline.states if snapshot.baseline else None
    # An eval that the baseline does not have did not fail in it either: it is news.
    news = [line for line in bad if then is None or then.get(line.eval_id, "passed") == "passed"]
    known = [line for line in bad if then and then.get(line.eval_id, "passed") != "passed"]
    return LiveState(
        heading=_describe_progress(snapshot, runs, len(news)),
        runs=runs,
        news=tuple(news),
        known=tuple(known),
        passed=tuple(make_eval_line(row) for row in ended if row["state"] == "passed"),
        baseline=snapshot.baseline.words if snapshot.baseline else None,
        connection=_describe_connection(snapshot, now),
        refreshed=f"{snapshot.seen_at:%H:%M:%S} UTC" if snapshot.seen_at else "not yet",
        failure=snapshot.failure,
        phase=snapshot.phase,
        notes=snapshot.notes,
        can_cancel=bool(not snapshot.runs["is_terminal"].all()),
    )


def _group_by_run(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """The results of each run in the order in which they ended."""
    # What ended first stands first, so that lists grow at their end and nothing jumps.
    ordered = snapshot.results.sort("completed_at", nulls_last=True, maintain_order=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in ordered.iter_rows(named=True):
        rows.setdefault(row["run_id"], []).append(row)
    return rows


def _describe_progress(snapshot: Snapshot, runs: Sequence[RunLine], news: int) -> str:
    if snapshot.failure:
        return "Watching has ended"
    if not runs:
        return "No run is going on" if snapshot.seen_at else "Looking for the runs"
    going = sum(line.status not in ("completed", "error", "cancelled") for line in runs)
    noun = "run" if len(runs) == 1 else "runs"
    progress = f"{going} of {len(runs)} {noun} going on" if going else f"{len(runs)} {noun} ended"
    # One run is described by its own words, several by how many go on.
    if len(runs) == 1:
        progress = runs[0].words
    if snapshot.baseline:
        return f"{progress}: {news} new" if news else f"{progress}: nothing new"
    # A completed run says so already in its own words.
    bad = _say_not_passing(news)
    return f"{progress}: {bad}" if news and not progress.endswith(bad) else progress


def _describe_connection(snapshot: Snapshot, now: datetime) -> str:
    # Once watching has ended, nobody retries any more.
    if snapshot.trouble is None or snapshot.phase != "watching":
        return ""
    if snapshot.seen_at is None:
        return f"retrying, not seen yet: {snapshot.trouble}"
    ago = format_seconds((now - snapshot.seen_at).total_seconds())
    return f"retrying, last seen {ago} ago: {snapshot.trouble}"


def _make_run_line(
    run: Mapping[str, Any], results: Sequence[Mapping[str, Any]], snapshot: Snapshot, now: datetime
) -> RunLine:
    counts = _count_states(run, results)
    done = sum(counts[state] for state in DONE) + counts["unscored"]
    waited, ran, marks = _measure_times(run, now)
    if run["run_id"] in snapshot.gone:
        marks = (*marks, "not found any more")
    # The API runs one eval after the other: a run that has begun may wait behind another one, and
    # then neither its rate nor the time that is left means anything.
    moving = run["status"] == "running" and (counts["running"] > 0 or counts["queued"] == 0)
    return RunLine(
        run_id=run["run_id"],
        status=run["status"],
        words=_describe_status(run, counts, moving),
        about=_describe_scope(run),
        counts=tuple(
            (state, count) for state, count in counts.items() if count or state == "passed"
        ),
        done=done,
        total=run["total_evals"],
        waited=waited,
        ran=ran,
        rate=compute_rate(done, ran or 0.0),
        eta=_estimate_time_left(results, run, snapshot.usual_ms, done, ran) if moving else None,
        message=run["status_message"],
        marks=marks,
    )


def _count_states(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Evals by state: the run's own counts, or its results where it gives none."""
    # ``running``, ``queued`` and the others are also columns of RUNS.
    counts = {state: run.get(state) or 0 for state in SEGMENTS if state != "unscored"}
    if run["completed"] is None:
        seen = [row["state"] for row in results]
        return {state: seen.count(state) for state in SEGMENTS}
    # The counts say how many evals have completed, but not how many of these have no verdict.
    unscored = max(0, run["completed"] - sum(counts[state] for state in DECIDED))
    return {state: unscored if state == "unscored" else counts[state] for state in SEGMENTS}


def _measure_times(
    run: Mapping[str, Any], now: datetime
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Seconds in the queue and running, never negative, and a mark where they would be."""
    created, started, completed = run["created_at"], run["started_at"], run["completed_at"]
    end = completed or now
    queue_end = started or end
    waited = (queue_end - created).total_seconds() if created else None
    ran = (end - started).total_seconds() if started else None
    # Up to a second is normal: the clocks of two machines are never quite the same.
    odd = any(each is not None and each < -1 for each in (waited, ran))
    clamped = [None if each is None else max(0.0, each) for each in (waited, ran)]
    return clamped[0], clamped[1], ("clocks disagree",) if odd else ()


def _describe_status(run: Mapping[str, Any], counts: Mapping[str, int], moving: bool) -> str:
    status = run["status"]
    if status in _WAITING or (status == "running" and not moving):
        return "waiting in the queue"
    if status == "completed":
        bad = sum(counts[state] for state in DONE if state != "passed")
        return "completed, all pass" if run["ok"] else f"completed, {_say_not_passing(bad)}"
    words: dict[str, str] = {"running": "running", "error": "could not run"}
    return words.get(status, str(status))


def _say_not_passing(number: int) -> str:
    return f"{number} {'does' if number == 1 else 'do'} not pass"


def _describe_scope(run: Mapping[str, Any]) -> str:
    scope = {"workflow": "all evals", "block": f"block {run['target_block_id']}"}
    what = scope.get(run["scope"], f"eval {run['eval_id']}")
    return f"{run['workflow_id']} · {shorten_version(run['workflow_version_id'])} · {what}"


def _estimate_time_left(
    results: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    usual_ms: Mapping[str, int],
    done: int,
    ran: float | None,
) -> tuple[float, float] | None:
    # Evals that have not begun may have no result yet: what is missing takes an unknown time.
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
    return estimate_seconds_left(took, left, ran or 0.0) if left else None


def compute_rate(done: int, seconds: float) -> float | None:
    """Finished evals per minute of running, or None where nothing has finished."""
    return 60 * done / seconds if done and seconds > 0 else None


def estimate_seconds_left(
    done_ms: Sequence[tuple[int, int | None]], left_ms: Sequence[int | None], ran_seconds: float
) -> tuple[float, float] | None:
    """Seconds until the last eval ends, as an 80 % range.

    The evals run one after the other. What is left is expected to take what each of them usually
    takes, as much faster or slower as the finished ones were, or else the mean of this run; and
    with the pauses between evals that this run has had. The width is that of a prediction of the
    sum of k further draws after n: k s² (1 + k/n) is its variance (Hahn and Meeker, "Statistical
    Intervals", 1991, section 4.8).

    Args:
        done_ms: How long each finished eval took, and usually takes, n of them.
        left_ms: How long each of the others usually takes, k of them; None where that is unknown.
        ran_seconds: How long the run has been going.

    Returns:
        The low and the high end, or None where too few have finished.
    """
    took = [each for each, _ in done_ms]
    n, k = len(took), len(left_ms)
    if n < _LEAST_DONE or sum(took) <= 0 or ran_seconds <= 0:
        return None
    # Between two evals there are pauses: a run takes longer than its evals together.
    pace = ran_seconds / sum(took)
    mean, speed = fmean(took), _compare_with_usual(done_ms)
    expected = pace * sum(mean if each is None else speed * each for each in left_ms)
    width = pace * _compute_t80(n - 1) * stdev(took) * math.sqrt(k * (1 + k / n))
    return max(0.0, expected - width), expected + width


def _compare_with_usual(done_ms: Sequence[tuple[int, int | None]]) -> float:
    """What the finished evals took, as a share of what they usually take."""
    known = [(took, usual) for took, usual in done_ms if usual]
    return sum(took for took, _ in known) / sum(usual for _, usual in known) if known else 1.0


def _compute_t80(freedom: int) -> float:
    """The same quantile of Student's t.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, formula 26.7.5.
    """
    return _Z80 + (_Z80**3 + _Z80) / (4 * freedom)
