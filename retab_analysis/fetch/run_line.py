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
from retab_analysis.vocabulary import SECONDS, say_day, say_duration

_PAGE = 100
WAITING = ("pending", "queued")
"""The statuses of a run that has not begun."""

_PACED_BY = 3  # runs of the whole workflow
_OWN = 5  # from so many results on, a run's own pace counts as much as so many of its results say


class RunStatus(NamedTuple):
    """A line about runs: its main part and the rest; ``title`` has what is too long for it.

    ``seconds`` since the first run began or was created; a live page counts on from there. ``left``
    is the time that is left, in words.
    """

    strong: str = ""
    rest: str = ""
    title: str = ""
    seconds: float | None = None
    left: str = ""

    def __str__(self) -> str:
        return f"{self.strong}{self.rest}"


class Seconds(NamedTuple):
    """The least and the most of a time in seconds."""

    least: float
    most: float

    def __str__(self) -> str:
        unit, name = (1, "s") if self.most < SECONDS else (60, "min")
        low, high = (max(1, round(each / unit)) for each in self)
        return f"{low} to {high} {name}" if low < high else say_duration(max(self.most, 1))

    def times(self, number: float) -> Seconds:
        return Seconds(self.least * number, self.most * number)


def list_open_runs(client: Client) -> pl.DataFrame:
    """The runs of all workflows that have not ended, of the newest that have not completed."""
    query = RunQuery.make(exclude_status="completed")
    return list_runs(client, query, limit=_PAGE, strict=False).frame.filter(~pl.col("is_terminal"))


def find_pace(runs: pl.DataFrame, least: int = 1) -> Seconds | None:
    """The seconds for an eval in the last three whole runs; None if fewer than ``least`` ran."""
    is_usual = ~pl.col("is_outage").fill_null(False) & (pl.col("total_evals") > 0)
    is_done = pl.col("duration_ms") > 0
    usual = runs.filter(is_usual, is_done, scope="workflow", status="completed")
    last = usual.sort("created_at", descending=True, nulls_last=True).head(_PACED_BY)
    paces = (last["duration_ms"] / last["total_evals"] / 1000).to_list()
    return Seconds(min(paces), max(paces)) if len(paces) >= least else None


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
) -> RunStatus:
    """How far runs are that go on, and how long it may last by the ``past`` of their workflows.

    ``queue`` are the runs of all workflows that have not ended.
    """
    left = _add(_find_left(each, past, now) for each in runs.iter_slices(1))
    ended, total = count_ended(runs)
    began = runs.select(pl.coalesce("started_at", "created_at").min()).item() or now
    seconds = max((now - began).total_seconds(), 0)
    if runs.height > 1:
        waiting = runs.filter(pl.col("status").is_in(WAITING))["total_evals"].sum()
        told = f": {ended} of {total} evals done{f', {waiting} queued' * bool(waiting)}"
        rest = f"{told}{f' · about {left} left' * bool(left)}"
        return RunStatus(f"{runs.height} runs go on", rest, "", seconds, str(left or ""))
    run = runs.row(0, named=True)
    if run["status"] == "running":
        about = "no estimate yet" if left is None else f"about {left} left"
        # In steps of five, so that it does not always change.
        so_far = say_duration(max(5 * (seconds // 5), 1) if seconds < SECONDS else seconds)
        rest = f", {about}" * (past is not None)
        return RunStatus(f"running for {so_far}", rest, "", seconds, str(left or ""))
    since = f" since {say_hour(run['created_at'], now)}" if run["created_at"] else ""
    if run["status"] == "pending":
        return RunStatus(f"being prepared{since}", "", "", seconds)
    before = None if queue is None else _list_before(queue, run)
    queued = _say_queued(since, before, left, past, now)
    return queued._replace(seconds=seconds, left=str(left or ""))


def _list_before(queue: pl.DataFrame, run: dict[str, Any]) -> pl.DataFrame:
    is_before = pl.col("created_at") < run["created_at"]
    return queue.filter(is_before.fill_null(False), pl.col("run_id") != run["run_id"])


def _say_queued(
    since: str,
    before: pl.DataFrame | None,
    left: Seconds | None,
    past: pl.DataFrame | None,
    now: datetime,
) -> RunStatus:
    if before is None or before.is_empty():
        return RunStatus("queued", f"{since}{f' · it takes about {left}' * bool(left)}")
    running = before.filter(status="running").height
    if running > 1:  # then it is no queue of one after the other
        return RunStatus("queued", f"{since}; {running} runs go on")
    strong = f"queued behind {before.height} run{'s' * (before.height > 1)}"
    starts = _add(_find_left(each, past, now, _PACED_BY) for each in before.iter_slices(1))
    about = f" · starts in about {starts}{f', then {left}' * bool(left)}" if starts else ""
    return RunStatus(strong, f",{since}{about}")


def _find_left(
    run: pl.DataFrame, past: pl.DataFrame | None, now: datetime, least: int = 1
) -> Seconds | None:
    """How long a run still lasts, if at least so many whole runs of its workflow are known.

    From five results on, its own pace counts as well: the more, the more results there are.
    """
    if past is None:
        return None
    pace = find_pace(past.filter(workflow_id=run["workflow_id"][0]), least)
    (ended, total), began = count_ended(run), run["started_at"][0]
    if began is not None and ended >= _OWN:
        own, weight = (now - began).total_seconds() / ended, ended / (ended + _OWN)
        pace = pace or Seconds(own, own)
        pace = Seconds(*(weight * own + (1 - weight) * each for each in pace))
    return None if pace is None else pace.times(total - ended)


def _add(spans: Iterable[Seconds | None]) -> Seconds | None:
    """The sum of some times; None if one of them is not known, or there is none."""
    known = [*spans]
    times = [each for each in known if each is not None]
    if not known or len(times) < len(known):
        return None
    return Seconds(sum(each.least for each in times), sum(each.most for each in times))


def say_away(since: datetime, seen: datetime | None, now: datetime, why: str) -> RunStatus:
    """That the API does not answer, and of when the shown state is."""
    state = f"; this is the state of {say_hour(seen, now)}" if seen else ""
    return RunStatus(f"no answer since {say_hour(since, now)}", f", trying again{state}", why)


def say_stopped(now: datetime, *, goes_on: bool) -> RunStatus:
    return RunStatus(f"watching stopped at {now:%H:%M}", "; the run goes on" * goes_on)


def say_hour(moment: datetime, now: datetime) -> str:
    """A moment as ``19:34``; with its day if that is another one."""
    day = "" if moment.date() == now.date() else f"{say_day(moment, now.year)} "
    return f"{day}{moment:%H:%M}"
