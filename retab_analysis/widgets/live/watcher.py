"""Watches runs: polls them in a thread of its own and keeps a snapshot up to date."""

from __future__ import annotations

import contextvars
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retab_analysis._baseline import RunWindow, choose_baseline
from retab_analysis.analysis import latest_results
from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.evals import list_evals
from retab_analysis.fetch.params import RunList, RunQuery
from retab_analysis.fetch.polling import GRACE, Poller
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.runs import list_runs
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.schema import RESULTS
from retab_analysis.transport import CancellationToken, Client
from retab_analysis.transport.cancellation import Cancelled
from retab_analysis.widgets.common.text import shorten_version
from retab_analysis.widgets.live.state import Baseline, Snapshot

# Where nothing changes, each pause is longer than the one before, up to so many intervals.
_SLOWER = 1.3
_SLOWEST = 5.0
# Seconds between two rounds, however often a refresh is asked for: a Jupyter server drops messages
# for good where a kernel sends too many.
_LEAST_GAP = 0.1

# Seconds. Ctrl-C is noticed only between two waits where polars has set its signal handler.
_STEP = 0.2

# The list of runs is asked for its newest page only.
_PAGE = 100

# What is taken from the list of saved evals.
_NAMES = {
    "eval_id": pl.String,
    "name": pl.String,
    "path": pl.String,
    "latest_run_duration_ms": pl.Int64,
}

Listener = Callable[[Snapshot], None]
WantedBaseline = str | pl.DataFrame | None


class WatchedRuns(Poller):
    """The watched runs: given ones, or all of a workflow that are in flight.

    A run that has ended is looked at too while others go on: it may be running again.

    Attributes:
        gone: Runs that are not found any more, or never were.
        unread: The error of a run that could never be read.
    """

    def __init__(self, client: Client, ids: Sequence[str], workflow_id: str | None) -> None:
        super().__init__(client, ids)
        self._workflow_id = workflow_id
        self.gone: set[str] = set()
        self.unread: RetabAnalysisError | None = None

    def pending(self) -> list[str]:
        """The runs that are not known to have ended, without those that are gone."""
        return [run_id for run_id in super().pending() if run_id not in self.gone]

    def look(self) -> None:
        """Look once at every run.

        Raises:
            RetabAnalysisError: One that waiting does not cure.
        """
        self.away = None
        listed: set[str] = set()
        # Polling resets ``away``; what the lists met is put there afterwards.
        away = None
        for workflow_id, since in self._choose_lists():
            try:
                listed |= self._take_list(workflow_id, since)
            except RetabAnalysisError as error:
                if not is_away(error):
                    raise
                away = error
        if away is None:
            # What no list showed is asked for by its id.
            self.poll(ids=[each for each in self._seen if each not in listed | self.gone])
        self.away = self.away or away

    def give_up(self, run_id: str, error: RetabAnalysisError) -> None:
        """Leave out a run that is not found; anything else ends the watching."""
        if not isinstance(error, NotFoundError):
            raise error
        self.gone.add(run_id)
        if self._seen[run_id] is None:
            self.unread = error

    def _choose_lists(self) -> Iterator[tuple[str, datetime | None]]:
        """The lists to ask for: of a followed workflow, or of one that has several of the runs.

        One page of a workflow's runs costs one request, however many of them are watched.
        """
        if self._workflow_id is not None:
            yield self._workflow_id, None
            return
        seen = self.frame().filter(~pl.col("run_id").is_in(list(self.gone)))
        several = seen.group_by("workflow_id", maintain_order=True).agg(
            pl.len(), pl.col("created_at").min(), pl.col("created_at").null_count().alias("nulls")
        )
        # A run without a date could be on any page of the list, and is asked for by its id.
        for workflow_id, count, since, nulls in several.iter_rows():
            if count > 1 and not nulls:
                yield workflow_id, since

    def _take_list(self, workflow_id: str, since: datetime | None) -> set[str]:
        """Take what is watched, or in flight where a workflow is followed, from one page."""
        query = RunQuery.make(workflow_id=workflow_id, from_date=since)
        runs = list_runs(
            self._client, query, limit=_PAGE, after=None, strict=True, progress=Silent()
        ).frame
        followed = self._workflow_id is not None
        for run in runs.iter_slices(1):
            run_id = run["run_id"].item()
            if run_id in self._seen or (followed and not run["is_terminal"].item()):
                self._seen.setdefault(run_id, None)
                self.take(run_id, run)
                # A run that was not found may be there again.
                self.gone.discard(run_id)
        return set(runs["run_id"])


def fetch_baseline(client: Client, wanted: str | pl.DataFrame, runs: pl.DataFrame) -> Baseline:
    """Fetch the states of the evals in the baseline of some runs.

    Args:
        client: What to ask.
        wanted: As ``baseline`` of :func:`watch`.
        runs: The watched runs of one workflow.

    Raises:
        ConfigError: There is nothing to compare with.
        RetabAnalysisError: The API failed.
    """
    window = RunWindow.read(client, runs["workflow_id"][0])
    then = choose_baseline(window, runs, wanted, 1).runs
    # One record that does not decode must not cost the whole baseline: strict=False.
    results = list_results(
        client, RunList.make(then), RESULTS, strict=False, progress=Silent()
    ).frame
    created = then["created_at"][0]
    when = f", run of {created:%Y-%m-%d %H:%M}" if created else ""
    words = f"{shorten_version(then['workflow_version_id'][0])}{when}"
    states = latest_results(results).select("eval_id", "state")
    return Baseline(words, dict(states.iter_rows()))


class Watcher:
    """Polls runs in a thread of its own, and tells its listeners of each change.

    Args:
        client: What to ask.
        ids: The runs, or none where a workflow is followed.
        workflow_id: The workflow to follow, or None.
        baseline: What to compare with, or None.
        interval: Seconds between two rounds, at least.
    """

    def __init__(
        self,
        client: Client,
        ids: Sequence[str],
        workflow_id: str | None,
        baseline: WantedBaseline,
        interval: float,
    ) -> None:
        self._client = client
        self._runs = WatchedRuns(client, ids, workflow_id)
        self.baseline = baseline
        self._interval = interval
        self._listeners: list[Listener] = []
        self._results: dict[str, tuple[object, pl.DataFrame]] = {}
        self._names: pl.DataFrame | None = None
        # How often in a row results did not come, and how often names or a baseline did not.
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
        # By the context Jupyter knows which cell the updates of the widgets belong to.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._run,), daemon=True, name="retab_analysis-watch"
        )
        self._thread.start()

    def stop(self) -> None:
        """End the watching; the runs go on."""
        self._cancel.set()
        self._wake.set()

    def refresh(self) -> None:
        """Look at once."""
        self._wake.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread to end; whether it has."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        # Not Thread.join: the event is set once all listeners have been told, and one of them may
        # call this in the thread itself.
        while self.is_alive() and self._thread is not threading.current_thread():
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, _STEP))
        return not self.is_alive()

    def is_alive(self) -> bool:
        """Whether it still watches; its listeners have all been told when it does not."""
        return self._thread is not None and not self._ended.is_set()

    def note(self, text: str) -> None:
        """Add something that a person should know."""
        if text not in self.snapshot.notes:
            self.snapshot = replace(self.snapshot, notes=(*self.snapshot.notes, text))

    def _run(self) -> None:
        try:
            self._cancel.run(self._watch)
            failure = self._runs.unread
            phase = "failed" if failure else "ended"
            self._end(phase, failure)
        except Cancelled:
            self._end("stopped", None)
        except Exception as error:
            self._end("failed", error)

    def _end(self, phase: str, error: BaseException | None) -> None:
        self.error = error
        words = None if error is None else f"{type(error).__name__}: {error}"
        if isinstance(error, NotFoundError) and self.snapshot.runs.is_empty():
            words = f"{words} (watch takes ids of runs; of a workflow, watch(workflow_id=…))"
        self._publish(replace(self.snapshot, phase=phase, failure=words))
        self._ended.set()

    def _watch(self) -> None:
        pause = self._interval
        while True:
            changed = self._look_once()
            # Runs may all have ended while the results of the last evals could not be fetched.
            if not self._runs.pending() and self.snapshot.trouble is None:
                return
            slower = min(pause * _SLOWER, self._interval * _SLOWEST)
            pause = self._interval if changed else slower
            # A refresh ends the second wait, not the first.
            self._cancel.wait(_LEAST_GAP)
            self._wake.wait(self._runs.pause(pause) - _LEAST_GAP)
            self._wake.clear()
            self._cancel.check()

    def _look_once(self) -> bool:
        """Look once at the runs and their results, and publish; whether anything is new."""
        before = self.snapshot
        self._runs.look()
        runs = self._runs.frame()
        snapshot = replace(before, runs=runs, gone=frozenset(self._runs.gone))
        trouble = self._runs.away
        if trouble is None:
            try:
                snapshot = self._add_results(snapshot)
            except RetabAnalysisError as error:
                self._missing += 1
                if not (is_away(error) or self._may_come_later(error)):
                    # The runs were seen, and stay to be read in the view that failed.
                    self.snapshot = snapshot
                    raise
                trouble = error
        if trouble is None:
            self._missing = 0
            snapshot = replace(snapshot, trouble=None, seen_at=datetime.now(UTC))
        else:
            snapshot = replace(snapshot, trouble=str(trouble))
        # Other threads may have added notes meanwhile.
        self._publish(replace(snapshot, notes=self.snapshot.notes))
        return not (before.runs.equals(runs) and before.results.equals(snapshot.results))

    def _may_come_later(self, error: RetabAnalysisError) -> bool:
        """Whether it is a 404, which a run that was just created is forgiven a few times."""
        return isinstance(error, NotFoundError) and self._missing <= GRACE

    def _add_results(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the results of runs in which an eval has ended since, and at first the names."""
        if self._names is None and snapshot.runs.height:
            snapshot = self._prepare(snapshot)
        # Results are asked for again only where the counts of their run have changed.
        marks = {
            run["run_id"]: _summarize_progress(run) for run in snapshot.runs.iter_rows(named=True)
        }
        stale = [each for each, mark in marks.items() if self._results.get(each, (0,))[0] != mark]
        if not stale:
            return snapshot
        chosen = RunList.make(snapshot.runs.filter(pl.col("run_id").is_in(stale)))
        fetched = list_results(self._client, chosen, RESULTS, strict=False, progress=Silent())
        if fetched.problems:
            self.note(f"{len(fetched.problems)} results did not decode and are left out")
        parts = fetched.frame.partition_by("run_id", as_dict=True)
        for run_id in stale:
            found = parts.get((run_id,), RESULTS.empty())
            self._results[run_id] = (marks[run_id], found)
        # polars cannot put together no frames at all, so that an empty one comes first.
        frames = [self._results[each][1] for each in marks if each in self._results]
        return replace(snapshot, results=self._add_names(pl.concat([RESULTS.empty(), *frames])))

    def _prepare(self, snapshot: Snapshot) -> Snapshot:
        """Fetch names, usual durations and the baseline: watching does not fail without them."""
        names = [pl.DataFrame(schema=_NAMES)]
        try:
            for workflow_id in snapshot.runs["workflow_id"].unique(maintain_order=True):
                evals = list_evals(
                    self._client, workflow_id, None, strict=False, progress=Silent()
                ).frame
                names.append(evals.select(*_NAMES))
        except RetabAnalysisError as error:
            self._do_without("names of the evals", error)
        # Once: evals that are saved while a run goes on are not in it.
        self._names = pl.concat(names).unique("eval_id")
        usual = self._names.select("eval_id", "latest_run_duration_ms").drop_nulls()
        return replace(
            snapshot,
            usual_ms=dict(usual.iter_rows()),
            baseline=self._fetch_baselines(snapshot.runs),
        )

    def _fetch_baselines(self, runs: pl.DataFrame) -> Baseline | None:
        if self.baseline is None:
            return None
        found: list[Baseline] = []
        for its in runs.partition_by("workflow_id", maintain_order=True):
            try:
                found.append(fetch_baseline(self._client, self.baseline, its))
            except RetabAnalysisError as error:
                self._do_without("baseline", error)
        if not found:
            return None
        # Eval ids are unique over all workflows.
        states = {name: state for each in found for name, state in each.states.items()}
        return Baseline("; ".join(each.words for each in found), states)

    def _do_without(self, what: str, error: RetabAnalysisError) -> None:
        """Go on without something that does not come, and note why.

        Raises:
            RetabAnalysisError: The error, while the API is away and may come back.
        """
        self._refused += 1
        if is_away(error) and self._refused <= GRACE:
            raise error
        self.note(f"{what}: {error}")

    def _add_names(self, results: pl.DataFrame) -> pl.DataFrame:
        assert self._names is not None
        known = self._names.select("eval_id", pl.col("name").alias("eval_name"), "path")
        # Results do not carry the names of their evals.
        bare = results.drop("eval_name", "path")
        return bare.join(known, on="eval_id", how="left", maintain_order="left").select(
            results.columns
        )

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        # A copy: a listener may add another one.
        for listener in list(self._listeners):
            try:
                listener(snapshot)
            except Exception as error:
                self.note(f"a callback raised {type(error).__name__}: {error}")


def _summarize_progress(run: dict[str, Any]) -> object:
    """What is different once an eval of the run has ended, and costs no request to know."""
    return (run["status"], *(run[name] for name in ("completed", "error", "cancelled", "running")))


# The watchers by what they watch, so that a cell that runs again stops the one before. Weak, so
# that a view that nobody holds any more is collected and stops.
_running: weakref.WeakValueDictionary[object, Watcher] = weakref.WeakValueDictionary()
