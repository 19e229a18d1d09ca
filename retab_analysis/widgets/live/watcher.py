"""The thread that keeps a snapshot up to date."""

from __future__ import annotations

import contextvars
import math
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.catalog_endpoints import list_evals
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.result_endpoints import list_results
from retab_analysis.fetch.threads import is_away
from retab_analysis.progress import Silent
from retab_analysis.schema import RESULTS
from retab_analysis.transport import CancellationToken, Client
from retab_analysis.transport.cancellation import Cancelled
from retab_analysis.widgets.live.baselines import fetch_baseline
from retab_analysis.widgets.live.following import Following
from retab_analysis.widgets.live.snapshot import Baseline, Snapshot

# Where nothing changes, rounds become rarer, up to so many intervals.
SLOWEST = 5.0
SLOWER = 1.3
# However often it is asked to refresh.
LEAST_GAP = 0.1

# Ctrl-C does not end a wait where polars has set its signal handler, so that none may be long.
_STEP = 0.2

Listener = Callable[[Snapshot], None]
Baselines = str | pl.DataFrame | None


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
        baseline: Baselines,
        interval: float,
    ) -> None:
        self._client = client
        self._following = Following(client, ids, workflow_id)
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

    def listen(self, listener: Listener) -> None:
        """Have a function called with each new snapshot, in the watching thread."""
        self._listeners.append(listener)

    def start(self, key: object) -> None:
        """Start the thread, and stop the one that watches the same."""
        before = _running.get(key)
        _running[key] = self
        if before is not None:
            before.stop()
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
            failure = self._following.unread
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
            changed = self._round()
            if not self._following.pending() and self.snapshot.trouble is None:
                return
            slower = min(pause * SLOWER, self._interval * SLOWEST)
            pause = self._interval if changed else slower
            self._cancel.wait(LEAST_GAP)
            self._wake.wait(self._following.pause(pause) - LEAST_GAP)
            self._wake.clear()
            self._cancel.check()

    def _round(self) -> bool:
        """Look once; whether anything is new."""
        before = self.snapshot
        self._following.look()
        runs = self._following.frame()
        snapshot = replace(before, runs=runs, gone=frozenset(self._following.gone))
        trouble = self._following.away
        if trouble is None:
            try:
                snapshot = self._with_results(snapshot)
            except RetabAnalysisError as error:
                self._missing += 1
                if not (is_away(error) or self._may_come(error)):
                    self.snapshot = snapshot
                    raise
                trouble = error
        if trouble is None:
            self._missing = 0
            snapshot = replace(snapshot, trouble=None, seen_at=datetime.now(UTC))
        else:
            snapshot = replace(snapshot, trouble=str(trouble))
        self._publish(replace(snapshot, notes=self.snapshot.notes))
        return not (before.runs.equals(runs) and before.results.equals(snapshot.results))

    def _may_come(self, error: RetabAnalysisError) -> bool:
        """Whether it is a 404 that a new run is forgiven."""
        return isinstance(error, NotFoundError) and self._missing <= GRACE

    def _with_results(self, snapshot: Snapshot) -> Snapshot:
        """Fetch the results of the runs in which something ended since, and once what they need."""
        if self._names is None and snapshot.runs.height:
            snapshot = self._prepare(snapshot)
        marks = {run["run_id"]: _mark(run) for run in snapshot.runs.iter_rows(named=True)}
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
        frames = [self._results[each][1] for each in marks if each in self._results]
        return replace(snapshot, results=self._named(pl.concat([RESULTS.empty(), *frames])))

    def _prepare(self, snapshot: Snapshot) -> Snapshot:
        """Names, usual durations and the baseline: helpful, and not worth failing for."""
        names: list[pl.DataFrame] = []
        try:
            for workflow_id in snapshot.runs["workflow_id"].unique(maintain_order=True):
                evals = list_evals(
                    self._client, workflow_id, None, strict=False, progress=Silent()
                ).frame
                names.append(evals.select("eval_id", "name", "path", "latest_run_duration_ms"))
        except RetabAnalysisError as error:
            self._do_without("names of the evals", error)
        empty = pl.DataFrame(
            schema={
                "eval_id": pl.String,
                "name": pl.String,
                "path": pl.String,
                "latest_run_duration_ms": pl.Int64,
            }
        )
        self._names = pl.concat([empty, *names]).unique("eval_id")
        usual = self._names.select("eval_id", "latest_run_duration_ms").drop_nulls()
        return replace(
            snapshot, usual_ms=dict(usual.iter_rows()), baseline=self._baseline(snapshot.runs)
        )

    def _baseline(self, runs: pl.DataFrame) -> Baseline | None:
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
        states = {name: state for each in found for name, state in each.states.items()}
        return Baseline("; ".join(each.words for each in found), states)

    def _do_without(self, what: str, error: RetabAnalysisError) -> None:
        """Note what does not come, if it does not come later either.

        Raises:
            RetabAnalysisError: The error, while it is worth asking again.
        """
        self._refused += 1
        if is_away(error) and self._refused <= GRACE:
            raise error
        self.note(f"{what}: {error}")

    def _named(self, results: pl.DataFrame) -> pl.DataFrame:
        assert self._names is not None
        known = self._names.select("eval_id", pl.col("name").alias("eval_name"), "path")
        bare = results.drop("eval_name", "path")
        return bare.join(known, on="eval_id", how="left", maintain_order="left").select(
            results.columns
        )

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        for listener in list(self._listeners):
            try:
                listener(snapshot)
            except Exception as error:
                self.note(f"a callback raised {type(error).__name__}: {error}")


def _mark(run: dict[str, Any]) -> object:
    """Changes when an eval of the run has ended."""
    return (run["status"], *(run[name] for name in ("completed", "error", "cancelled", "running")))


_running: weakref.WeakValueDictionary[object, Watcher] = weakref.WeakValueDictionary()
