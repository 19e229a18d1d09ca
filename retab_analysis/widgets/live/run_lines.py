"""One run at a glance: its counts, its times, how fast it is and how long it will take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, stdev
from typing import Any

from retab_analysis.markup import one_line
from retab_analysis.vocabulary import DECIDED, FAILING, STATES, TERMINAL
from retab_analysis.widgets.phrases import shorten_version

GOING = ("running", "queued", "pending")
SEGMENTS = (*STATES, *GOING)
# What has ended by itself; a cancelled eval is neither news nor speed.
TOLD = (*DECIDED, "error")
_DONE = (*TOLD, "unscored")

# Fewer finished evals say too little about those to come.
_LEAST_DONE = 3
# Seconds after the end of an eval in which another run's is not yet suspected to go on.
_BETWEEN = 10.0
# The two-sided 80 % quantile of the normal distribution.
_Z80 = 1.2816

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run, at a glance; times are in seconds, ``rate`` is in evals per minute of running."""

    run_id: str
    status: str
    words: str
    about: str
    counts: tuple[tuple[str, int], ...]
    done: int  # without those that were cancelled
    total: int
    waited: float | None
    ran: float | None
    rate: float | None
    eta: tuple[float, float] | None  # low and high end of what is left
    message: str | None
    marks: tuple[str, ...]


def make_run_line(
    run: Row,
    results: Sequence[Row],
    usual_ms: Mapping[str, int],
    then: datetime,
    *,
    is_gone: bool = False,
) -> RunLine:
    """What is told of one run; what has not ended has lasted until ``then``, when it was seen."""
    counts = _count_states(run, results)
    done = sum(counts[state] for state in _DONE)
    created, started = run["created_at"], run["started_at"]
    end = run["completed_at"] or then
    waited = ((started or end) - created).total_seconds() if created else None
    ran = (end - started).total_seconds() if started else None
    marks = []
    # Up to a second is normal: the clocks of two machines are never quite the same.
    if any(each is not None and each < -1 for each in (waited, ran)):
        marks.append("clocks disagree")
    if is_gone:
        marks.append("not found any more")
    waited, ran = (None if each is None else max(0.0, each) for each in (waited, ran))
    # The API runs one eval after the other: a run that has begun may wait behind another one, and
    # then neither its rate nor the time that is left means anything.
    # Between two of its evals it waits for a moment.
    newest = max((row["completed_at"] for row in results if row["completed_at"]), default=None)
    is_going = newest is not None and (then - newest).total_seconds() < _BETWEEN
    moving = run["status"] == "running" and (
        counts["running"] > 0 or counts["queued"] == 0 or is_going
    )
    left = _list_left(results, run, usual_ms, counts) if moving else []
    scope = {"workflow": "all evals", "block": f"block {run['target_block_id']}"}
    what = scope.get(run["scope"], f"eval {run['eval_id']}")
    return RunLine(
        run_id=run["run_id"],
        status=run["status"],
        words=_describe_status(run, counts, moving or done > 0),
        about=f"{run['workflow_id']} · {shorten_version(run['workflow_version_id'])} · {what}",
        counts=tuple(
            (state, count) for state, count in counts.items() if count or state == "passed"
        ),
        done=done,
        total=run["total_evals"],
        waited=waited,
        ran=ran,
        rate=compute_rate(done, ran or 0.0),
        eta=estimate_seconds_left(_list_done(results, usual_ms), left, ran or 0.0),
        message=run["status_message"],
        marks=tuple(marks),
    )


def _count_states(run: Row, results: Sequence[Row]) -> dict[str, int]:
    """Evals by state, so that they agree with the lists, which are made of the results.

    Results are asked for after their run, so that they may be ahead of the run's own counts. Where
    they are behind (some did not decode), the run's own counts are told.
    """
    states = Counter(row["state"] for row in results)
    # A result without a verdict is of an eval that has ended only if its status says so.
    done = [row["status"] in TERMINAL for row in results if row["state"] == "unscored"]
    states["unscored"] = sum(done)
    if run["completed"] is None:
        going = Counter(row["status"] for row in results if row["status"] in GOING)
        return {state: states[state] + going[state] for state in SEGMENTS}
    # ``running``, ``queued`` and the others are also columns of RUNS.
    counts = {state: run.get(state) or 0 for state in SEGMENTS}
    # The counts say how many evals have completed, but not how many of these have no verdict.
    counts["unscored"] = max(0, run["completed"] - sum(counts[state] for state in DECIDED))
    ahead = sum(states[state] for state in STATES) - sum(counts[state] for state in STATES)
    if ahead >= 0:
        counts |= {state: states[state] for state in STATES}
        # What has ended meanwhile was running, or waited.
        for state in GOING:
            ended = min(counts[state], ahead)
            counts[state], ahead = counts[state] - ended, ahead - ended
    return counts


def _describe_status(run: Row, counts: Mapping[str, int], begun: bool) -> str:
    status = run["status"]
    if status in ("pending", "queued") or (status == "running" and not begun):
        return "waiting in the queue"
    if status == "completed":
        bad = sum(counts[state] for state in FAILING)
        return "completed, all pass" if run["ok"] else f"completed, {say_not_passing(bad)}"
    words: dict[str, str] = {"running": "running", "error": "could not run"}
    return words.get(status, one_line(status))


def say_not_passing(number: int) -> str:
    return f"{number} {'does' if number == 1 else 'do'} not pass"


def _list_left(
    results: Sequence[Row], run: Row, usual_ms: Mapping[str, int], counts: Mapping[str, int]
) -> list[int | None]:
    """How long each eval usually takes that has not ended; None where that is unknown."""
    going = (row["eval_id"] for row in results if row["status"] not in TERMINAL)
    # Evals that have not begun may have no result yet.
    missing = max(0, run["total_evals"] - sum(counts[state] for state in STATES))
    left = [usual_ms.get(each) for each in going][:missing]
    return left + [None] * (missing - len(left))


def _list_done(results: Sequence[Row], usual_ms: Mapping[str, int]) -> list[tuple[int, int | None]]:
    return [
        (row["duration_ms"], usual_ms.get(row["eval_id"]))
        for row in results
        if row["state"] in TOLD and row["duration_ms"]
    ]


def estimate_all(
    runs: Sequence[Row],
    results: Mapping[str, Sequence[Row]],
    usual_ms: Mapping[str, int],
    then: datetime,
) -> tuple[float, float] | None:
    """Seconds until the last of several runs ends, as an 80 % range, or None.

    The API runs one eval after the other, of whichever run: what has ended of all runs says how
    fast, and what is left of all of them is to come.
    """
    done: list[tuple[int, int | None]] = []
    left: list[int | None] = []
    for run in runs:
        rows = results.get(run["run_id"], [])
        done += _list_done(rows, usual_ms)
        if run["status"] not in TERMINAL:
            left += _list_left(rows, run, usual_ms, _count_states(run, rows))
    # Seconds during which at least one of the runs was going on.
    spans = ((run["started_at"], run["completed_at"] or then) for run in runs if run["started_at"])
    running, until = 0.0, None
    for start, end in sorted(spans):
        begin = start if until is None else max(start, until)
        running += max(0.0, (end - begin).total_seconds())
        until = end if until is None else max(until, end)
    return estimate_seconds_left(done, left, running)


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

    ``done_ms`` pairs the time that each of the n finished evals took with its usual time;
    ``left_ms`` has the usual times of the k others, None if unknown. Returns None if nothing is
    left or too few have finished.
    """
    took = [each for each, _ in done_ms]
    n, k = len(took), len(left_ms)
    if not k or n < _LEAST_DONE or sum(took) <= 0 or ran_seconds <= 0:
        return None
    known = [(each, usual) for each, usual in done_ms if usual]
    speed = sum(each for each, _ in known) / sum(usual for _, usual in known) if known else 1.0
    # Between two evals there are pauses: a run takes longer than its evals together.
    pace, mean = ran_seconds / sum(took), fmean(took)
    expected = pace * sum(mean if each is None else speed * each for each in left_ms)
    # The same quantile of Student's t: Abramowitz and Stegun, "Handbook of Mathematical Functions",
    # 1964, formula 26.7.5.
    t80 = _Z80 + (_Z80**3 + _Z80) / (4 * (n - 1))
    width = pace * t80 * stdev(took) * math.sqrt(k * (1 + k / n))
    return max(0.0, expected - width), expected + width
