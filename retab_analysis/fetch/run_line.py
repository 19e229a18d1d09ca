"""How far runs are, in words. Pages, terminals and progress bars say it in these words alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from retab_analysis.fetch.params import RunQuery
from retab_analysis.fetch.runs import list_runs
from retab_analysis.progress import Progress
from retab_analysis.transport import Client
from retab_analysis.vocabulary import say_day

_PAGE = 100
_PACED_BY = 3  # runs of the whole workflow
_MOST_SECONDS, _MOST_MINUTES = 100, 100  # beyond them a time is said in the next unit


class RunLine(NamedTuple):
    """A line about runs: its main part and the rest; ``title`` has what is too long for it."""

    strong: str
    rest: str = ""
    title: str = ""

    def __str__(self) -> str:
        return f"{self.strong}{self.rest}"


class Span(NamedTuple):
    """The least and the most of a time in seconds."""

    least: float
    most: float

    def __str__(self) -> str:
        names = (_MOST_SECONDS, 1, "s"), (60 * _MOST_MINUTES, 60, "min"), (float("inf"), 3600, "h")
        unit, name = next((unit, name) for below, unit, name in names if self.most < below)
        low, high = (max(1, round(each / unit)) for each in self)
        return f"{low} to {high} {name}" if low < high else f"{high} {name}"

    def times(self, number: float) -> Span:
        return Span(self.least * number, self.most * number)


def list_open_runs(client: Client) -> pl.DataFrame:
    """The runs of all workflows that have not ended, of the newest that have not completed."""
    query = RunQuery.make(exclude_status="completed")
    return list_runs(client, query, limit=_PAGE, strict=False).frame.filter(~pl.col("is_terminal"))


def find_pace(runs: pl.DataFrame, least: int = 1) -> Span | None:
    """The seconds for an eval in the last three whole runs; None if fewer than ``least`` ran."""
    whole = runs.filter(pl.col("duration_ms") > 0, scope="workflow", status="completed")
    usual = whole.filter(~pl.col("is_outage").fill_null(False), pl.col("total_evals") > 0)
    last = usual.sort("created_at", descending=True, nulls_last=True).head(_PACED_BY)
    paces = (last["duration_ms"] / last["total_evals"] / 1000).to_list()
    return Span(min(paces), max(paces)) if len(paces) >= least else None


def count_ended(runs: pl.DataFrame) -> tuple[int, int]:
    """How many evals of some runs have ended, of how many."""
    parts = pl.sum_horizontal("completed", "error", "cancelled").fill_null(0).sum()
    return int(runs.select(parts).item()), int(runs["total_evals"].sum())


def report(runs: pl.DataFrame, bar: Progress, client: Client) -> None:
    """Show how far some runs are."""
    going = runs.filter(~pl.col("is_terminal"))
    bar.update(*count_ended(runs), str(say_going(going, client.api_time)) if going.height else "")


def say_going(
    runs: pl.DataFrame,
    now: datetime,
    past: pl.DataFrame | None = None,
    queue: pl.DataFrame | None = None,
) -> RunLine:
    """How far runs are that go on, and how long it may last by the ``past`` of their workflows.

    ``queue`` are the runs of all workflows that have not ended.
    """
    pace = None if past is None else find_pace(past.join(runs, on="workflow_id", how="semi"))
    ended, total = count_ended(runs)
    left = None if pace is None else pace.times(total - ended)
    if runs.height > 1:
        waiting = runs.filter(pl.col("started_at").is_null())["total_evals"].sum()
        told = f": {ended} of {total} evals done{f', {waiting} queued' * bool(waiting)}"
        return RunLine(f"{runs.height} runs go on", f"{told}{f' · about {left} left' * bool(left)}")
    run = runs.row(0, named=True)
    if run["status"] == "running":
        since = run["started_at"] or run["created_at"] or now
        about = "no estimate yet" if left is None else f"about {left} left"
        return RunLine(
            f"running for {say_duration(now - since)}", f", {about}" * (past is not None)
        )
    since = f" since {say_hour(run['created_at'], now)}" if run["created_at"] else ""
    if run["status"] == "pending":
        return RunLine(f"being prepared{since}")
    before = None if queue is None else _list_before(queue, run)
    return _say_queued(since, before, left, past)


def _list_before(queue: pl.DataFrame, run: dict[str, Any]) -> pl.DataFrame:
    is_before = pl.col("created_at") < run["created_at"]
    return queue.filter(is_before.fill_null(False), pl.col("run_id") != run["run_id"])


def _say_queued(
    since: str, before: pl.DataFrame | None, left: Span | None, past: pl.DataFrame | None
) -> RunLine:
    if before is None or before.is_empty():
        return RunLine("queued", since, f", then {left}" * bool(left))
    running = before.filter(status="running").height
    if running > 1:  # then it is no queue of one after the other
        return RunLine("queued", f"{since}; {running} runs go on")
    strong = f"queued behind {before.height} run{'s' * (before.height > 1)}"
    starts = (
        None if past is None else _add(_find_left(each, past) for each in before.iter_slices(1))
    )
    about = f" · starts in about {starts}{f', then {left}' * bool(left)}" if starts else ""
    return RunLine(strong, f",{since}{about}")


def _find_left(run: pl.DataFrame, past: pl.DataFrame) -> Span | None:
    """How long a run still lasts, if three whole runs of its workflow are known."""
    pace = find_pace(past.join(run, on="workflow_id", how="semi"), _PACED_BY)
    ended, total = count_ended(run)
    return None if pace is None else pace.times(total - ended)


def _add(spans: Iterable[Span | None]) -> Span | None:
    """The sum of some times; None if one of them is not known, or there is none."""
    known = [*spans]
    times = [each for each in known if each is not None]
    if not known or len(times) < len(known):
        return None
    return Span(sum(each.least for each in times), sum(each.most for each in times))


def say_ended(runs: pl.DataFrame, now: datetime, *, is_watched: bool) -> RunLine:
    """When some runs were that have ended, and how long one took."""
    newest = runs.sort("created_at", nulls_last=False).row(-1, named=True)
    at, lasted = newest["created_at"], newest["duration_ms"]
    when = "" if at is None else f" of {say_day(at, now.year)} {at:%H:%M}"
    if runs.height > 1:
        return RunLine(f"{runs.height} runs", f", the newest{when}" * bool(when))
    word = {"cancelled": "cancelled after", "error": "broke off after"}.get(newest["status"])
    verb = word or ("ended after" if is_watched else "took")
    took = "" if lasted is None else f", {verb} {Span(lasted / 1000, lasted / 1000)}"
    return RunLine(f"run{when}", took)


def say_duration(time: Any) -> str:
    """A timedelta in words, of seconds in steps of five, so that it does not always change."""
    seconds = max(time.total_seconds(), 0)
    steps = max(5 * (seconds // 5), 1) if seconds < _MOST_SECONDS else seconds
    return str(Span(steps, steps))


def say_hour(moment: datetime, now: datetime) -> str:
    """A moment as ``19:34``; with its day if that is another one."""
    day = "" if moment.date() == now.date() else f"{say_day(moment, now.year)} "
    return f"{day}{moment:%H:%M}"
