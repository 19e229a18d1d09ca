"""Keeps the states of a view up to date, in a thread of its own."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from retab_analysis.checks.plan import LAST_GOOD
from retab_analysis.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    RetabAnalysisError,
)
from retab_analysis.fetch.lists import read_saved
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.threads import is_away
from retab_analysis.markup import count_noun
from retab_analysis.progress import Silent
from retab_analysis.schema import RESULTS, RUNS
from retab_analysis.transport import CancellationToken, Cancelled, Client
from retab_analysis.vocabulary import BROKEN, DECIDED
from retab_analysis.widgets.jobs import run_beside
from retab_analysis.widgets.reading import Answer, Reader, WorkflowReader
from retab_analysis.widgets.watched_runs import WatchedRuns, is_workflow_id

# Where nothing changes, each pause is longer than the one before, up to so many intervals.
_SLOWER, _SLOWEST = 1.3, 5.0
# Seconds between two rounds, whatever interval is asked for: a Jupyter server drops messages for
# good where a kernel sends too many.
_LEAST_GAP = 0.1
# A comparison follows the one before after so many times its cost.
_REST = 100.0
# Seconds. Ctrl-C is noticed only between two waits where polars has set its signal handler.
_STEP = 0.2

Change = Callable[..., None]
"""Changes the state of a workflow: takes its id, and attributes by their names."""


@dataclass(eq=False)
class Followed:
    """One workflow of a stream: its reader, and what its state was told last."""

    reader: Reader
    candidate: str | None = None
    baseline: str = LAST_GOOD
    is_watched: bool = False
    runs: pl.DataFrame = field(default_factory=RUNS.empty)  # that are watched
    results: dict[str, tuple[object, pl.DataFrame]] = field(default_factory=dict)
    answer: Answer | None = None
    told: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    outcomes: frozenset[tuple[str, str, str]] = frozenset()  # that were compared
    compared: object = None  # the runs that were, and whether each had ended
    due_at: float = 0.0
    refused: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether all watched runs have."""
        return bool(self.runs["is_terminal"].all())

    def judge(self) -> Answer:
        """Compare, and remember what was."""
        watched = self.runs if self.is_watched and not self.runs.is_empty() else None
        outcomes, marks = self._list_outcomes(), self.mark()
        if self.has_ended and self.answer is not None and self.is_watched:
            self.reader.refresh()  # what else ran or was saved meanwhile
        self.answer = self.reader.judge(self.candidate, self.baseline, watched)
        self.outcomes, self.compared = outcomes, marks
        evals = self.answer.comparison.evals
        rows = evals.select("eval_id", "transition", "candidate_state").iter_rows()
        self.told = {eval_id: (transition, state) for eval_id, transition, state in rows}
        self.due_at = time.monotonic() + _REST * self.answer.took
        return self.answer

    def find_due(self) -> float:
        """From when on another comparison is due; never where it would say the same."""
        if self.compared != self.mark():
            return 0.0
        if self.answer is None or self.candidate is not None:
            return math.inf
        new = self._list_outcomes() - self.outcomes
        return math.inf if all(map(self._is_plain, new)) else self.due_at

    def mark(self) -> object:
        """The runs that are watched, and whether each has ended."""
        return self.runs.select("run_id", "is_terminal").rows()

    def _list_outcomes(self) -> frozenset[tuple[str, str, str]]:
        frames = [RESULTS.empty(), *(each for _, each in self.results.values())]
        ended = pl.concat(frames).filter(pl.col("state").is_in((*DECIDED, "error")))
        return frozenset(ended.select("run_id", "eval_id", "state").iter_rows())

    def _is_plain(self, outcome: tuple[str, str, str]) -> bool:
        """Whether an outcome is a pass of what passes, or a failure of what is broken."""
        assert self.answer is not None
        _, eval_id, state = outcome
        transition, shown = self.told.get(eval_id, ("", None))
        if not transition:
            return state == "passed" and eval_id in self.answer.passing
        return (transition in (*BROKEN, "still_passing")) and shown == state


class Stream:
    """Polls runs in a thread, has their results compared, and tells ``change`` of it.

    Args:
        client: What to ask; None for frames that are there already.
        change: Is told of what has changed; called in the thread.
        pollers: The runs that are watched.
        readers: The workflows that are known from the start.
        interval: Seconds between two rounds of requests.
    """

    def __init__(
        self,
        client: Client | None,
        change: Change,
        pollers: Sequence[WatchedRuns],
        readers: Mapping[str, Followed],
        baseline: str,
        interval: float,
    ) -> None:
        self._client, self._change, self._pollers = client, change, pollers
        self._followed, self._baseline = dict(readers), baseline
        self._interval = interval
        self._missing = 0
        self._wake, self._ended = threading.Event(), threading.Event()
        self._cancel = CancellationToken()
        self._thread: threading.Thread | None = None
        self._failed: set[str] = set()  # workflows that cannot be judged
        self.has_looked = threading.Event()
        self.error: BaseException | None = None

    def start(self, key: object) -> None:
        """Start the thread, and stop the one that watches the same."""
        before = _running.get(key) if self._pollers else None
        _running[key] = self
        if before is not None:
            before.stop()
        self._thread = run_beside(self._run, "view")

    def stop(self) -> None:
        """Stop; no run is cancelled."""
        self._cancel.set()
        self._wake.set()

    def refresh(self) -> None:
        """Look at once."""
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        """Whether it still looks; everybody has been told when it does not."""
        return self._thread is not None and not self._ended.is_set()

    @property
    def runs(self) -> pl.DataFrame:
        """The watched runs as last seen, a RUNS frame."""
        return pl.concat([RUNS.empty(), *(each.frame() for each in self._pollers)])

    def find(self, workflow_id: str) -> Followed:
        """A workflow of this stream."""
        return self._followed[workflow_id]

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False where it has not in time, in seconds."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        # Not Thread.join: who is told may call this in the thread itself.
        while self.is_alive and self._thread is not threading.current_thread():
            left = end - time.monotonic()
            if left <= 0:
                break
            self._ended.wait(min(left, _STEP))
        return not self.is_alive

    def _run(self) -> None:
        try:
            self._cancel.run(self._follow)
            failures = [each.unread for each in self._pollers if each.unread is not None]
            self._end("failed" if failures else "ended", failures[0] if failures else None)
        except Cancelled:
            self._end("stopped", None)
        except Exception as error:
            self._end("failed", error)

    def _end(self, phase: str, error: BaseException | None) -> None:
        self.error = error
        trouble = "" if error is None else _describe(error)
        gone = sorted(each for poller in self._pollers for each in poller.gone)
        if isinstance(error, NotFoundError) and self.runs.is_empty():
            trouble = _say_not_there(gone)
        for workflow_id in {*(self._followed or {"": None})} - self._failed:
            more = {} if phase == "stopped" else {"trouble": trouble}
            self._change(workflow_id, phase=phase, **more)
        self._ended.set()
        self.has_looked.set()

    def _follow(self) -> None:
        pause = self._interval
        while True:
            changed = self._look()
            due = min((each.find_due() for each in self._followed.values()), default=math.inf)
            if self._is_complete() and math.isinf(due):
                return
            pause = self._interval if changed else self._slow_down(pause)
            # What asks for a look at once ends the second wait, not the first.
            self._cancel.wait(_LEAST_GAP)
            left = max((each.pause(pause) for each in self._pollers), default=pause)
            if due > 0:  # else it could not be made
                left = min(left, due - time.monotonic())
            self._wake.wait(max(left - _LEAST_GAP, 0.0))
            self._wake.clear()
            self._cancel.check()

    def _slow_down(self, pause: float) -> float:
        return min(pause * _SLOWER, self._interval * _SLOWEST)

    def _is_complete(self) -> bool:
        return not any(each.pending() or each.away for each in self._pollers)

    def _look(self) -> bool:
        """Look once at the runs and what came of them; whether anything is new."""
        away: RetabAnalysisError | None = None
        before = self.runs
        for poller in self._pollers:
            poller.look()
            away = away or poller.away
        if away is None:
            try:
                changed = self._take_all(before)
            except RetabAnalysisError as error:
                self._missing += 1
                # A run that was just created is forgiven a 404 a few times.
                may_come = isinstance(error, NotFoundError) and self._missing <= GRACE
                if not (is_away(error) or may_come) or not self._pollers:
                    raise
                away = error
        if away is None:
            self._missing = 0
            self.has_looked.set()
            return changed
        self._tell_trouble(away)
        return False

    def _tell_trouble(self, error: RetabAnalysisError) -> None:
        for workflow_id in self._followed or {"": None}:
            self._change(workflow_id, trouble=f"retrying: {error}")
        self.has_looked.set()

    def _take_all(self, before: pl.DataFrame) -> bool:
        runs = self.runs
        gone = [each for poller in self._pollers for each in poller.gone]
        there = runs.filter(~pl.col("run_id").is_in(gone))
        for its in runs.partition_by("workflow_id", maintain_order=True):
            self._find_or_add(its["workflow_id"][0])
        changed = not before.equals(runs)
        for workflow_id, followed in self._followed.items():
            followed.runs = there.filter(workflow_id=workflow_id)
            followed.is_watched = followed.is_watched or not followed.runs.is_empty()
            changed |= self._take(workflow_id, followed, gone)
        if not self._followed:
            self._say_unfound()
        return changed

    def _find_or_add(self, workflow_id: str) -> Followed:
        if workflow_id not in self._followed:
            assert self._client is not None
            reader = WorkflowReader(self._client, workflow_id)
            followed = Followed(reader, baseline=self._baseline, is_watched=True)
            self._followed[workflow_id] = followed
        return self._followed[workflow_id]

    def _say_unfound(self) -> None:
        missing = [each for poller in self._pollers for each in poller.unfound]
        if missing:
            told = f"There is no run {', '.join(missing[:3])} so far; it may still appear."
            self._change("", notes=(told,))

    def _take(self, workflow_id: str, followed: Followed, gone: Sequence[str]) -> bool:
        """Tell the state of a workflow what is new of it, and have it compared where that is due."""
        changed = self._read_results(followed)
        notes = [f"Run {each} is not found any more." for each in gone]
        if followed.reader.unread:
            results = count_noun(followed.reader.unread, "result")
            are = "is" if followed.reader.unread == 1 else "are"
            notes.append(f"{results} did not decode and {are} left out.")
        phase = "going" if followed.is_watched and not followed.has_ended else "reading"
        if followed.answer is None:
            told = {"checked": followed.runs} if followed.is_watched else {}
            self._change(workflow_id, is_watched=followed.is_watched, phase=phase, **told)
        if time.monotonic() >= followed.find_due():
            changed = True
            self._compare(workflow_id, followed, notes)
        elif followed.is_watched and changed:
            self._change(workflow_id, notes=tuple(notes), **self._merge(followed))
        if followed.answer is not None:
            ended = "ended" if followed.has_ended or not followed.is_watched else "going"
            self._change(workflow_id, phase=ended, trouble="", seen=True)
        return changed

    def _compare(self, workflow_id: str, followed: Followed, notes: list[str]) -> None:
        is_watched = followed.is_watched and followed.candidate is None
        try:
            answer = followed.judge()
            followed.refused = 0
        except AuthenticationError:
            raise
        except RetabAnalysisError as error:
            followed.refused += 1
            is_passing = is_away(error) and followed.refused <= GRACE
            is_alone = not followed.is_watched and len(self._followed) == 1
            if is_alone or (is_passing and self._pollers):
                raise
            followed.compared = followed.mark()
            if not followed.is_watched:
                # The others are shown all the same.
                self._failed.add(workflow_id)
                self._change(workflow_id, phase="failed", trouble=str(error))
                return
            # There is nothing to hold the runs against, or it cannot be asked for.
            notes.append(f"Held against nothing: {error}")
            self._change(workflow_id, notes=tuple(notes), **self._merge(followed))
            return
        changes = {**answer.changes(), "candidate": followed.candidate}
        if is_watched:
            changes |= self._merge(followed)
        self._change(
            workflow_id,
            baseline=followed.baseline,
            is_watched=followed.is_watched,
            notes=tuple(notes),
            **changes,
        )

    def _merge(self, followed: Followed) -> dict[str, Any]:
        """What is known of the watched runs, with what was read of others."""
        answer, watched = followed.answer, followed.runs
        new = [RESULTS.empty(), *(each for _, each in followed.results.values())]
        ids = frozenset(followed.results)
        if answer is None:
            return {"runs": watched, "checked": watched, "results": pl.concat(new), "read": ids}
        runs = pl.concat([watched, answer.runs]).unique("run_id", keep="first")
        rest = answer.results.filter(~pl.col("run_id").is_in([*ids]))
        changes: dict[str, Any] = {
            "runs": runs.sort("created_at", "run_id", descending=True, nulls_last=True),
            "results": pl.concat([rest, *new]),
            "read": answer.read | ids,
        }
        return changes | ({"checked": watched} if followed.candidate is None else {})

    def _read_results(self, followed: Followed) -> bool:
        """Read the results of watched runs whose counts have changed."""
        names = ("run_id", "status", "completed", "error", "cancelled", "running")
        marks = {row[0]: row[1:] for row in followed.runs.select(names).iter_rows()}
        stale = [
            each
            for each, mark in marks.items()
            if each not in followed.results or followed.results[each][0] != mark
        ]
        if not stale or self._client is None:
            return False
        reader = followed.reader
        assert isinstance(reader, WorkflowReader)
        chosen = RunList.make(followed.runs.filter(pl.col("run_id").is_in(stale)))
        saved = reader.saved
        fetched = list_results(
            self._client, chosen, RESULTS, evals=saved, strict=False, progress=Silent()
        )
        parts = fetched.frame.partition_by("run_id", as_dict=True)
        changed = False
        for run_id in stale:
            results = parts.get((run_id,), RESULTS.empty())
            before = followed.results.get(run_id)
            changed |= before is None or not before[1].equals(results)
            followed.results[run_id] = marks[run_id], results
            reader.take(run_id, results)
        return changed

    def ask(self, workflow_id: str, candidate: str | None, baseline: str) -> None:
        """Compare something else, in the thread that asks; what was before stays if that fails."""
        followed = self._followed[workflow_id]
        before = followed.candidate, followed.baseline
        followed.candidate, followed.baseline = candidate, baseline
        try:
            self._compare(workflow_id, followed, [])
        except Exception:
            followed.candidate, followed.baseline = before
            raise


def _describe(error: BaseException) -> str:
    kind = "" if isinstance(error, RetabAnalysisError) else f"{type(error).__name__}: "
    return f"{kind}{error}"


def _say_not_there(ids: Sequence[str]) -> str:
    workflows = [each for each in ids if is_workflow_id(each)]
    if workflows:
        which = f"{workflows[0]} looks like the id of a workflow, and no run has it"
        return f"{which}: ra.watch(workflow_id={workflows[0]!r}) watches its runs"
    missing = " and ".join(ids) or "with this id"
    takes = "watch takes ids of runs; of a workflow, watch(workflow_id=…)"
    return f"There is no run {missing}. {takes}"


# The streams by what they watch, so that a cell that runs again stops the one before. Weak, so
# that a view that nobody holds any more is collected and stops.
_running: weakref.WeakValueDictionary[object, Stream] = weakref.WeakValueDictionary()
