"""Watches runs: polls them in a thread of its own and keeps a snapshot up to date."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from retab_analysis.errors import AuthenticationError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.lists import read_saved
from retab_analysis.fetch.params import RunList, Runs
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.threads import Pool, is_away
from retab_analysis.markup import count_noun
from retab_analysis.progress import Silent
from retab_analysis.schema import EVALS, RESULTS
from retab_analysis.transport import CancellationToken, Cancelled, Client
from retab_analysis.widgets.jobs import run_beside
from retab_analysis.widgets.live.news import News, NewsFinder
from retab_analysis.widgets.live.state import Snapshot
from retab_analysis.widgets.live.watched_runs import WatchedRuns, is_workflow_id

if TYPE_CHECKING:
    from retab_analysis.archive import Archive

# Where nothing changes, each pause is longer than the one before, up to so many intervals.
_SLOWER = 1.3
_SLOWEST = 5.0
# Seconds between two rounds, however often a refresh is asked for: a Jupyter server drops messages
# for good where a kernel sends too many.
_LEAST_GAP = 0.1

# Seconds that a round waits for the news, so that they mostly come with the results they are of.
_PATIENCE = 0.3
# A comparison follows the one before after so many times the seconds that this took, and after so
# many seconds at most; later where what has ended since changes nothing but counts.
_REST, _LONG_REST = (20.0, 5.0), (300.0, 30.0)

# Seconds. Ctrl-C is noticed only between two waits where polars has set its signal handler.
_STEP = 0.2

Listener = Callable[[Snapshot], None]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The results of a run as last read, and the counts that the run had then."""

    mark: object
    results: pl.DataFrame


class Watcher:
    """Polls runs in a thread and tells listeners; without ``ids`` it follows ``workflow_id``."""

    def __init__(
        self,
        client: Client,
        ids: Sequence[str],
        workflow_id: str | None,
        baseline: Runs | None,
        interval: float,
        archive: Archive | None = None,
    ) -> None:
        self._client, self._archive = client, archive
        self._runs = WatchedRuns(client, ids, workflow_id)
        self.baseline = baseline
        self._finder = NewsFinder(client, baseline, archive)
        # One thread for all news: each new one may be given another arena by the C library, which
        # keeps as much memory as finding them took.
        self._pool = Pool(1)
        # The news that are being found, and what they were asked for; when the last ones had been
        # found, and from when on others are.
        self._job: Future[tuple[News, ...]] | None = None
        self._asked: Snapshot | None = None
        self._found_at = self._due_at = 0.0
        self._patience = _PATIENCE
        self._interval = interval
        self._listeners: list[Listener] = []
        self._results: dict[str, _Seen] = {}
        self._evals: dict[str, pl.DataFrame] = {}
        # How often in a row results did not come, and how often names did not.
        self._missing = self._refused = 0
        self._wake, self._ended = threading.Event(), threading.Event()
        self._cancel = CancellationToken()
        self._thread: threading.Thread | None = None
        self.snapshot = Snapshot()
        self.error: BaseException | None = None

    def add_listener(self, listener: Listener) -> None:
        """Have a function called with each new snapshot, in the watching thread."""
        self._listeners.append(listener)

    def start(self, key: object) -> None:
        """Start the thread, and stop the one that watches the same."""
        before = _running.get(key)
        _running[key] = self
        if before is not None:
            before.stop()
        self._thread = run_beside(self._run, "watch")

    def stop(self) -> None:
        self._cancel.set()
        self._wake.set()

    def refresh(self) -> None:
        """Look at once."""
        self._wake.set()

    def join(self, timeout: float | None = None) -> bool:
        end = math.inf if timeout is None else time.monotonic() + timeout
        # Not Thread.join: the event is set once all listeners have been told, and one of them may
        # call this in the thread itself.
        while self.is_alive() and self._thread is not threading.current_thread():
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, _STEP))
        return not self.is_alive()

    def wait_for_look(self, seconds: float) -> None:
        """Wait until the API has answered once, or has failed to, but not for long."""
        end = time.monotonic() + seconds
        while self.snapshot.seen_at is None and not self.snapshot.trouble and self.is_alive():
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, _STEP / 4))

    def is_alive(self) -> bool:
        """Whether it still watches; its listeners have all been told when it does not."""
        return self._thread is not None and not self._ended.is_set()

    def note(self, text: str) -> None:
        if text not in self.snapshot.notes:
            self.snapshot = replace(self.snapshot, notes=(*self.snapshot.notes, text))

    def _run(self) -> None:
        try:
            self._cancel.run(self._watch)
            failure = self._runs.unread
            self._end("failed" if failure else "ended", failure)
        except Cancelled:
            self._end("stopped", None)
        except Exception as error:
            self._end("failed", error)

    def _end(self, phase: str, error: BaseException | None) -> None:
        self.error = error
        words = None if error is None else f"{type(error).__name__}: {error}"
        if isinstance(error, NotFoundError) and self.snapshot.runs.is_empty():
            words = _say_not_there(sorted(self._runs.gone))
        self._publish(replace(self.snapshot, phase=phase, failure=words))
        self._ended.set()
        self._pool.stop()
        # A notebook keeps the views of all its outputs, but nobody needs what their news were
        # found in.
        self._finder = NewsFinder(self._client, self.baseline, self._archive)
        self._job = self._asked = None
        self._results.clear()

    def _watch(self) -> None:
        pause = self._interval
        while True:
            changed = self._look_once()
            # Runs may all have ended while the results of the last evals could not be fetched, or
            # while not all of them are held against their past.
            is_complete = self.snapshot.trouble is None and not self.snapshot.is_comparing
            if not self._runs.pending() and is_complete:
                return
            slower = min(pause * _SLOWER, self._interval * _SLOWEST)
            pause = self._interval if changed else slower
            # A refresh ends the second wait, not the first.
            self._cancel.wait(_LEAST_GAP)
            left = self._runs.pause(pause) - _LEAST_GAP
            # Where there is more to compare, as soon as that may be; while a comparison goes on,
            # its end wakes.
            if self.snapshot.trouble is None and self.snapshot.is_comparing and self._job is None:
                left = min(left, self._due_at - time.monotonic())
            self._wake.wait(max(left, 0.0))
            self._wake.clear()
            self._cancel.check()

    def _look_once(self) -> bool:
        """Look once at the runs and their results, and publish; whether anything is new."""
        before = self.snapshot
        snapshot = self._look(before)
        if snapshot.trouble is None:
            snapshot = self._add_news(snapshot)
        # Other threads may have added notes meanwhile.
        self._publish(replace(snapshot, notes=self.snapshot.notes))
        return not (before.runs.equals(snapshot.runs) and before.results.equals(snapshot.results))

    def _look(self, before: Snapshot) -> Snapshot:
        """Look at the runs and then at their results; both are taken over, or neither."""
        self._runs.look()
        runs = self._runs.frame()
        gone, unfound = frozenset(self._runs.gone), tuple(self._runs.unfound)
        snapshot = replace(before, runs=runs, gone=gone, unfound=unfound)
        trouble = self._runs.away
        if trouble is None:
            try:
                snapshot = self._add_results(self._add_evals(snapshot))
            except RetabAnalysisError as error:
                self._missing += 1
                # A run that was just created is forgiven a 404 a few times.
                may_come = isinstance(error, NotFoundError) and self._missing <= GRACE
                if not (is_away(error) or may_come):
                    # The runs were seen, and stay to be read in the view that failed.
                    self.snapshot = snapshot
                    raise
                trouble = error
        if trouble is None:
            self._missing = 0
            return replace(snapshot, trouble=None, seen_at=datetime.now(UTC))
        # Before the first contact there is nothing that these runs could disagree with.
        kept = snapshot if before.seen_at is None else before
        return replace(kept, trouble=str(trouble))

    def _add_results(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the results of runs in which an eval has ended since."""
        # Results are asked for again only where the counts of their run have changed.
        names = ("run_id", "status", "completed", "error", "cancelled", "running")
        marks = {row[0]: row[1:] for row in snapshot.runs.select(names).iter_rows()}
        stale = [
            each
            for each, mark in marks.items()
            if each not in self._results or self._results[each].mark != mark
        ]
        if not stale:
            return snapshot
        chosen = RunList.make(snapshot.runs.filter(pl.col("run_id").is_in(stale)))
        evals = pl.concat([EVALS.empty(), *self._evals.values()])
        fetched = list_results(
            self._client, chosen, RESULTS, evals=evals, strict=False, progress=Silent()
        )
        if fetched.problems:
            self.note(_say_left_out(len(fetched.problems), "result"))
        parts = fetched.frame.partition_by("run_id", as_dict=True)
        for run_id in stale:
            results = parts.get((run_id,), RESULTS.empty())
            before = self._results.get(run_id)
            # The same frame as before where they are the same.
            if before is not None and before.results.equals(results):
                results = before.results
            self._results[run_id] = _Seen(marks[run_id], results)
        # polars cannot put together no frames at all, so that an empty one comes first.
        frames = [self._results[each].results for each in marks]
        return replace(snapshot, results=pl.concat([RESULTS.empty(), *frames]))

    def _add_evals(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the saved evals, once: names and usual durations. Without them watching goes on."""
        listed = snapshot.runs["workflow_id"].unique(maintain_order=True)
        new = [each for each in listed if each not in self._evals]
        for workflow_id in new:
            evals = EVALS.empty()
            try:
                evals = read_saved(self._client, workflow_id).frame
            except RetabAnalysisError as error:
                # Without them it is watched on, but for a refused key, and a while for an API that
                # is away and may come back.
                self._refused += 1
                is_passing = is_away(error) and self._refused <= GRACE
                if isinstance(error, AuthenticationError) or is_passing:
                    raise
                self.note(f"names of the evals: {error}")
            self._evals[workflow_id] = evals
        if not new:
            return snapshot
        usual = pl.concat([EVALS.empty(), *self._evals.values()])
        durations = usual.select("eval_id", "latest_run_duration_ms").drop_nulls()
        return replace(snapshot, usual_ms=dict(durations.iter_rows()))

    def _add_news(self, snapshot: Snapshot) -> Snapshot:
        """Hold the runs against their past, in a thread, because that may take long."""
        if self._finder.wanted is None:
            return snapshot
        try:
            snapshot = self._collect_news(snapshot, 0.0)
            if self._job is None and time.monotonic() >= self._look_for_news(snapshot)[1]:
                results = {run_id: seen.results for run_id, seen in self._results.items()}
                find = partial(self._finder.find, snapshot.runs, results, dict(self._evals))
                self._job = self._pool.submit(partial(self._cancel.run, find))
                self._asked = snapshot
            snapshot = self._collect_news(snapshot, self._patience)
        except AuthenticationError:
            self.snapshot = snapshot
            raise
        except RetabAnalysisError as error:
            self._asked = None
            return replace(snapshot, trouble=str(error), is_comparing=True)
        is_new, self._due_at = self._look_for_news(snapshot)
        return replace(snapshot, is_comparing=self._job is not None or is_new)

    def _look_for_news(self, snapshot: Snapshot) -> tuple[bool, float]:
        """Whether a comparison may say something new, and from when on one is made."""
        asked, status = self._asked, ("run_id", "is_terminal")
        if asked is None or not asked.runs.select(status).equals(snapshot.runs.select(status)):
            return True, 0.0
        if not snapshot.later:
            return False, math.inf
        is_first = all(each.comparison is None for each in snapshot.news)
        if is_first or snapshot.runs["is_terminal"].all():
            return True, 0.0
        is_new = any(snapshot.later.values())
        times, most = _REST if is_new else _LONG_REST
        took = sum(each.took for each in snapshot.news)
        return is_new, self._found_at + min(times * took, most)

    def _collect_news(self, snapshot: Snapshot, patience: float) -> Snapshot:
        """Take over the news that were asked for, once they are there."""
        job = self._job
        if job is None:
            return snapshot
        if not wait([job], patience).done:
            job.add_done_callback(lambda _: self._wake.set())
            return snapshot
        self._job, self._found_at = None, time.monotonic()
        news = job.result()
        # While a cell computes, waiting would only make the rounds rarer.
        self._patience = _PATIENCE if sum(each.took for each in news) < _PATIENCE else 0.0
        if self._finder.unread:
            self.note(_say_left_out(self._finder.unread, "earlier result"))
        return replace(snapshot, news=news)

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        # A copy: a listener may add another one.
        for listener in list(self._listeners):
            try:
                listener(snapshot)
            except Exception as error:
                self.note(f"a callback raised {type(error).__name__}: {error}")


def _say_not_there(ids: Sequence[str]) -> str:
    workflows = [each for each in ids if is_workflow_id(each)]
    if workflows:
        which = f"{workflows[0]} looks like the id of a workflow, and no run has it"
        return f"{which}: ra.watch(workflow_id={workflows[0]!r}) watches its runs"
    missing = " and ".join(ids) or "with this id"
    takes = "watch takes ids of runs; of a workflow, watch(workflow_id=…)"
    return f"There is no run {missing}. {takes}"


def _say_left_out(number: int, noun: str) -> str:
    verb = "is" if number == 1 else "are"
    return f"{count_noun(number, noun)} did not decode and {verb} left out"


# The watchers by what they watch, so that a cell that runs again stops the one before. Weak, so
# that a view that nobody holds any more is collected and stops.
_running: weakref.WeakValueDictionary[object, Watcher] = weakref.WeakValueDictionary()
