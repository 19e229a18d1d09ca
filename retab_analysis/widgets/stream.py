"""Keeps the states of a view up to date, in its own thread."""

from __future__ import annotations

import contextvars
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import polars as pl

from retab_analysis.checks.defaults import archive_or_default, open_source
from retab_analysis.comparison.accepted import read_accepted
from retab_analysis.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    RetabAnalysisError,
)
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.run_line import (
    WAITING,
    RunStatus,
    list_open_runs,
    say_away,
    say_going,
    say_stopped,
)
from retab_analysis.fetch.threads import is_away
from retab_analysis.schema import RUNS
from retab_analysis.transport import CancellationToken, Cancelled, Client
from retab_analysis.widgets.reading import Followed
from retab_analysis.widgets.state import Phase, ViewState, WorkflowLook
from retab_analysis.widgets.watched_runs import WatchedRuns

# While nothing changes, each pause is longer than the one before, up to so many intervals.
_SLOWER, _SLOWEST = 1.3, 4.0
# Seconds without a look after which a page says that the API is silent.
_SILENCE = 10.0
# Seconds between two rounds, whatever interval is asked for: a Jupyter server drops messages for
# good if a kernel sends too many.
_LEAST_GAP = 0.1
# Seconds. Ctrl-C is noticed only between two waits where polars has set its signal handler.
_STEP = 0.2

Show = Callable[[str, WorkflowLook], None]
"""Shows the last look at a workflow; it takes the workflow's id, empty while none is known."""


def follow_as(client: Client, candidate: str | None, baseline: str) -> Callable[[str], Followed]:
    """Begins with workflows by their ids, with the defaults of this call and not of later ones."""
    archive, accepted = archive_or_default(), read_accepted()

    def follow(workflow_id: str) -> Followed:
        read = partial(open_source, client, workflow_id, False, archive=archive, strict=False)
        return Followed(read, accepted, candidate, baseline)

    return follow


class Stream:
    """Polls runs in a thread, compares their results, and passes each look to ``show``.

    Without ``pollers`` it judges the workflows once. ``follow`` begins with one of them, or with
    the workflow of a run that is watched. Starting stops the stream before of the same ``key``.
    """

    def __init__(
        self,
        client: Client,
        workflows: Iterable[str],
        follow: Callable[[str], Followed],
        pollers: Sequence[WatchedRuns] = (),
        interval: float = 2.0,
        key: object = None,
    ) -> None:
        self.followed = {each: follow(each) for each in workflows}
        self._follow, self._pollers, self._interval, self._key = follow, pollers, interval, key
        self._client = client
        self._unknown = WorkflowLook()  # while no workflow is known
        self._before = RUNS.empty()  # the watched runs at the look before
        self._queue: pl.DataFrame | None = None  # the runs of all workflows that have not ended
        self._away_at: datetime | None = None  # since when the API does not answer
        self._missing = 0  # how often in a row results did not come
        self._wake, self._ended, self.has_looked = (threading.Event() for _ in range(3))
        self._cancel = CancellationToken()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def start(self, show: Show) -> None:
        self._show = show
        if self._key is not None:
            if (before := _running.get(self._key)) is not None:
                before.stop()
            _running[self._key] = self
        self._thread = run_beside(self._run, "view")

    def stop(self) -> None:
        self._cancel.set()
        self._wake.set()

    def refresh(self) -> None:
        """Look at once."""
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        """Whether it still looks; when it ends, the view has its last state."""
        return self._thread is not None and not self._ended.is_set()

    @property
    def runs(self) -> pl.DataFrame:
        """The watched runs as last seen, a RUNS frame."""
        return pl.concat([RUNS.empty(), *(each.frame() for each in self._pollers)])

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False if it has not in time, in seconds."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        # Not Thread.join: a callback may call this in the thread itself.
        while self.is_alive and self._thread is not threading.current_thread():
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, _STEP))
        return not self.is_alive

    def _run(self) -> None:
        try:
            self._cancel.run(self._look_on)
            failures = [each.unread for each in self._pollers if each.unread is not None]
            self._end("failed" if failures else "ended", failures[0] if failures else None)
        except Cancelled:
            self._end("stopped", None)
        except Exception as error:
            self._end("failed", error)

    def _end(self, phase: Phase, error: BaseException | None) -> None:
        self.error = error
        gone = sorted(each for poller in self._pollers for each in poller.gone)
        looks = [(k, of.look) for k, of in self.followed.items() if of.look.phase != "failed"]
        for each, _ in looks or [("", self._unknown)]:
            of = self.followed.get(each)
            lack = of.lack if of else ""
            if of and lack:
                of.see()
            look = replace(of.look if of else self._unknown, phase=phase, is_away=False)
            if phase != "stopped":
                look = replace(look, trouble="" if error is None else lack or describe_error(error))
                self._away_at = None
            if gone and self.runs.is_empty():
                how = "ra.watch(workflow_id=…) watches a workflow"
                why = f"There is no run {' and no run '.join(gone)}; {how}"
                look = replace(look, trouble=why, notes=())
            self._tell(each, look)
        self._ended.set()
        self.has_looked.set()

    def _tell(self, workflow_id: str, look: WorkflowLook) -> None:
        """Keep a look, and show it."""
        look = replace(look, line=self._say_line(look))
        if workflow_id in self.followed:
            self.followed[workflow_id].look = look
        else:
            self._unknown = look
        self._show(workflow_id, look)

    def _say_line(self, look: WorkflowLook) -> RunStatus:
        """How far the runs of a workflow are, or why that is not known."""
        now, runs = self._client.api_time, look.watched if look.is_watched else look.checked
        is_going = not runs["is_terminal"].all()
        if look.phase == "stopped":
            return say_stopped(now, goes_on=is_going)
        if self._away_at is not None:
            return say_away(self._away_at, look.seen_at, now, look.trouble)
        if runs.is_empty() or look.phase == "failed":
            done, total = look.progress
            is_reading = total and look.phase == "reading"
            return RunStatus(rest=f"{done} of {total} runs read" * is_reading, title=look.trouble)
        if not is_going:
            return RunStatus()
        known = pl.concat([each.look.runs for each in self.followed.values()])
        past = None if look.comparison is None else known
        return self._say_going(runs.filter(~pl.col("is_terminal")), past)

    def _say_going(self, runs: pl.DataFrame, past: pl.DataFrame | None) -> RunStatus:
        line = say_going(runs, self._client.api_time, past, self._queue)
        # Rarer looks are no silence.
        is_rare = self._interval * _SLOWEST >= _SILENCE
        return line._replace(seconds=None) if is_rare else line

    def _read_queue(self, runs: pl.DataFrame) -> pl.DataFrame | None:
        """What a watched run waits for; None if none waits, or the API does not tell."""
        if runs.filter(pl.col("status").is_in(WAITING)).is_empty():
            return None
        try:
            return list_open_runs(self._client)
        except RetabAnalysisError:
            return None

    def _look_on(self) -> None:
        pause = self._interval
        while True:
            changed = self._look()
            is_due = any(each.is_due for each in self.followed.values())
            pending = any(each.pending() or each.away for each in self._pollers)
            if not (pending or is_due or self._missing):
                return
            slower = min(pause * _SLOWER, self._interval * _SLOWEST)
            pause = self._interval if changed else slower
            # A request for a look at once ends the second wait, not the first.
            self._cancel.wait(_LEAST_GAP)
            left = max((each.pause(pause) for each in self._pollers), default=pause)
            self._wake.wait(max(left - _LEAST_GAP, 0.0))
            self._wake.clear()
            self._cancel.check()

    def _look(self) -> bool:
        for poller in self._pollers:
            poller.look()
        away = next((each.away for each in self._pollers if each.away is not None), None)
        changed = False
        if away is None:
            try:
                runs = self.runs
                self._queue = self._read_queue(runs)
                changed = self._take_all(runs)
                self._missing = 0
            except RetabAnalysisError as error:
                self._missing += 1
                # A run that was just created is forgiven a 404 a few times.
                is_young = isinstance(error, NotFoundError) and self._missing <= GRACE
                may_come = is_young and not self.runs.is_empty()
                if not (is_away(error) or may_come) or not self._pollers:
                    raise
                away = error
        if away is None:
            self._away_at = None
        else:
            self._away_at = self._away_at or self._client.api_time
            looks = [(k, of.look) for k, of in self.followed.items()] or [("", self._unknown)]
            for each, look in looks:
                self._tell(each, replace(look, trouble=f"retrying: {away}", is_away=True))
        self.has_looked.set()
        return changed

    def _take_all(self, runs: pl.DataFrame) -> bool:
        gone = [each for poller in self._pollers for each in poller.gone]
        there = runs.filter(~pl.col("run_id").is_in(gone))
        for workflow_id in runs["workflow_id"].unique(maintain_order=True):
            if workflow_id not in self.followed:
                self.followed[workflow_id] = self._follow(workflow_id)
        changed, self._before = not self._before.equals(runs), runs
        for workflow_id, followed in self.followed.items():
            with followed.lock:
                followed.watch(there.filter(workflow_id=workflow_id))
                changed |= self._take(workflow_id, followed, gone)
        missing = [each for poller in self._pollers for each in poller.unfound]
        if missing and not self.followed:
            told = f"There is no run {', '.join(missing[:3])} so far; it may still appear."
            self._tell("", replace(self._unknown, notes=(told,)))
        return changed

    def _take(self, workflow_id: str, followed: Followed, gone: Sequence[str]) -> bool:
        """Show what has changed in a workflow, and compare if that is due."""
        changed = followed.look.is_watched and followed.read_results()
        if followed.look.comparison is None:  # a page shows how far the runs are meanwhile
            look = replace(followed.look, phase=followed.phase, watched=followed.runs)
            self._tell(workflow_id, look)
        if followed.is_due:
            self._compare(workflow_id, followed)
            changed = True
        elif changed or not followed.look.watched.equals(followed.runs):
            followed.see()
        look = followed.look
        notes = followed.list_notes(gone) if changed or gone else look.notes
        look = replace(look, notes=notes, phase=followed.phase, trouble=followed.why)
        if look.phase != "failed":
            look = replace(look, trouble="", is_away=False, seen_at=self._client.api_time)
        self._tell(workflow_id, look)
        return changed

    def _compare(self, workflow_id: str, followed: Followed) -> None:
        """Compare, or note why that cannot be done."""
        try:
            followed.judge(_Reading(lambda look: self._tell(workflow_id, look), followed))
            followed.refused, followed.why = 0, ""
        except AuthenticationError:
            raise
        except RetabAnalysisError as error:
            followed.refused += 1
            is_watched = followed.look.is_watched
            is_passing = is_away(error) and followed.refused <= GRACE and self._pollers
            is_alone = not is_watched and len(self.followed) == 1
            # A baseline that cannot be used is noticed once the watched runs have ended.
            is_refused = followed.look.is_going and isinstance(error, ConfigError)
            is_known = followed.look.comparison is not None and not is_refused
            if is_alone or is_passing or is_known:
                raise
            followed.look = replace(followed.look, comparison=None)
            followed.compared = followed.mark()
            # Other workflows are shown all the same; runs are watched without their past.
            why = followed.lack or describe_error(error)
            followed.why = f"Held against nothing: {error}" if is_watched else why
            followed.see()
            if not is_watched:
                followed.look = replace(followed.look, phase="failed")

    def sum_line(self) -> RunStatus:
        """How far the runs of all workflows are that go on."""
        looks = [each.look for each in [*self.followed.values()]]
        away = next((each.line for each in looks if each.is_away), None)
        going, past = (
            pl.concat([RUNS.empty(), *(getattr(each, name) for each in looks)])
            for name in ("going", "runs")
        )
        if away is not None or going.is_empty():
            return away or RunStatus()
        return self._say_going(going, past)

    def read_again(self, asked: ViewState) -> None:
        """Read what is new, and compare again."""
        followed = self.followed[asked.workflow_id]
        with followed.lock:
            followed.refresh()
            followed.look = replace(followed.look, seen_at=self._client.api_time)
            self.ask(asked)

    def ask(self, asked: ViewState) -> None:
        """Compare the chosen sides; if that fails, the earlier choice stays."""
        followed = self.followed[asked.workflow_id]
        with followed.lock:
            before = followed.candidate, followed.baseline
            followed.candidate, followed.baseline = asked.candidate, asked.baseline
            try:
                self._compare(asked.workflow_id, followed)
            except BaseException:  # a panic of polars is not an Exception
                followed.candidate, followed.baseline = before
                raise
            self._tell(asked.workflow_id, replace(followed.look, notes=followed.list_notes()))


class _Reading:
    """Shows how many runs of a workflow were read, until something is known of it."""

    def __init__(self, tell: Callable[[WorkflowLook], None], followed: Followed) -> None:
        self._tell, self._followed, self._told_at = tell, followed, -math.inf

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        now, look = time.monotonic(), self._followed.look
        if look.comparison is None and now >= self._told_at + _STEP:
            self._told_at, name = now, self._followed.kept.source.name
            self._tell(replace(look, name=name, progress=(done, total or 0)))

    def close(self) -> None: ...


def run_beside(work: Callable[[], object], name: str) -> threading.Thread:
    """Work in a thread; in Jupyter its output belongs to the cell that asks for it."""
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(work,), daemon=True, name=f"retab_analysis-{name}")
    thread.start()
    return thread


def describe_error(error: BaseException) -> str:
    """An error in words, and its kind if it is not one of ours."""
    kind = "" if isinstance(error, RetabAnalysisError) else f"{type(error).__name__}: "
    return f"{kind}{error}"


# The streams by what they watch, so that a cell that runs again stops the one before. Weak, so
# that a view without references is collected and stops.
_running: weakref.WeakValueDictionary[object, Stream] = weakref.WeakValueDictionary()
