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
from retab_analysis.errors import AuthenticationError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.results import list_results
from retab_analysis.fetch.threads import is_away
from retab_analysis.markup import count_noun
from retab_analysis.progress import Silent
from retab_analysis.schema import EVALS, RESULTS, RUNS
from retab_analysis.transport import CancellationToken, Cancelled, Client
from retab_analysis.vocabulary import BROKEN, DECIDED
from retab_analysis.widgets.jobs import describe_error, run_beside
from retab_analysis.widgets.reading import Answer, Reader, WorkflowReader, sort_runs
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
    has_failed: bool = False
    why: str = ""  # why it is held against nothing
    # Held while it changes and its state is told: by the stream's thread, and by jobs.
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def has_ended(self) -> bool:
        return bool(self.runs["is_terminal"].all())

    @property
    def phase(self) -> str:
        if self.has_failed:
            return "failed"
        if self.has_ended:
            return "reading" if self.answer is None else "ended"
        return "going"

    def judge(self) -> Answer:
        outcomes, marks = self._list_outcomes(), self.mark()
        if self.is_watched and self.has_ended and self.answer is not None:
            self.reader.refresh()  # type: ignore[union-attr]  # what else ran or was saved
        answer = self.reader.judge(self.candidate, self.baseline, self.runs)
        evals = answer["comparison"].evals
        rows = evals.select("eval_id", "transition", "candidate_state").iter_rows()
        self.told = {eval_id: (transition, state) for eval_id, transition, state in rows}
        self.answer, self.outcomes, self.compared = answer, outcomes, marks
        self.due_at = time.monotonic() + _REST * answer.pop("took")
        return answer

    def find_due(self) -> float:
        """From when on another comparison is due; never where it would say the same."""
        is_gone = self.is_watched and self.runs.is_empty()
        if self.compared != self.mark() and not is_gone:
            return 0.0
        if self.answer is None or self.candidate is not None or is_gone:
            return math.inf
        new = self._list_outcomes() - self.outcomes
        return math.inf if all(map(self._is_plain, new)) else self.due_at

    def mark(self) -> object:
        return self.runs.select("run_id", "is_terminal").rows()

    def _list_outcomes(self) -> frozenset[tuple[str, str, str]]:
        ended = self.all_results().filter(pl.col("state").is_in((*DECIDED, "error")))
        return frozenset(ended.select("run_id", "eval_id", "state").iter_rows())

    def all_results(self) -> pl.DataFrame:
        return pl.concat([RESULTS.empty(), *(each for _, each in self.results.values())])

    def _is_plain(self, outcome: tuple[str, str, str]) -> bool:
        """Whether an outcome is a pass of what passes, or a failure of what is broken."""
        assert self.answer is not None
        _, eval_id, state = outcome
        transition, shown = self.told.get(eval_id, ("", None))
        if not transition:
            return state == "passed" and eval_id in self.answer.get("passing", ())
        return transition in (*BROKEN, "still_passing") and shown == state

    def merge(self) -> Answer:
        """What is known of the watched runs, with what was read of others."""
        mine = {
            "runs": self.runs,
            "results": self.all_results(),
            "read": frozenset(self.results),
            "checked": self.runs,
        }
        if (known := self.answer) is not None:
            runs = pl.concat([self.runs, known["runs"]]).unique("run_id", keep="first")
            others = known["results"].filter(~pl.col("run_id").is_in([*self.results]))
            mine["runs"] = sort_runs(runs)
            mine["results"] = pl.concat([others, mine["results"]])
            mine["read"] = known["read"] | mine["read"]
        if self.candidate is not None:
            del mine["checked"]
        return mine


class Stream:
    """Polls runs in a thread, has their results compared, and tells ``change`` of it.

    Without ``pollers`` it judges the workflows that it follows once.
    """

    def __init__(
        self,
        client: Client | None,
        change: Change,
        pollers: Sequence[WatchedRuns],
        followed: Mapping[str, Followed],
        make_reader: Callable[[str], Reader] | None,
        baseline: str,
        interval: float,
    ) -> None:
        self._client, self._change, self._pollers = client, change, pollers
        self.followed, self._baseline, self._interval = dict(followed), baseline, interval
        self._make_reader = make_reader  # of a run's workflow that is not followed yet
        self._missing = 0  # how often in a row results did not come
        self._wake, self._ended, self.has_looked = (threading.Event() for _ in range(3))
        self._cancel = CancellationToken()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def start(self, key: object) -> None:
        """Start the thread, and stop the one that watches the same."""
        before = _running.get(key) if self._pollers else None
        _running[key] = self
        if before is not None:
            before.stop()
        self._thread = run_beside(self._run, "view")

    def stop(self) -> None:
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
        told: dict[str, Any] = {"trouble": ""} if phase == "ended" else {}
        if isinstance(error, NotFoundError) and self.runs.is_empty():
            gone = sorted(each for poller in self._pollers for each in poller.gone)
            told = {"trouble": _say_not_there(gone), "notes": ()}  # not that it may still appear
        for each in [k for k, of in self.followed.items() if not of.has_failed] or [""]:
            why = {} if error is None else {"trouble": _describe(error, self.followed.get(each))}
            self._change(each, phase=phase, **{**why, **told})
        self._ended.set()
        self.has_looked.set()

    def _follow(self) -> None:
        pause = self._interval
        while True:
            changed = self._look()
            due = min((each.find_due() for each in self.followed.values()), default=math.inf)
            pending = any(each.pending() or each.away for each in self._pollers)
            if not pending and math.isinf(due) and self._missing == 0:
                return
            slower = min(pause * _SLOWER, self._interval * _SLOWEST)
            pause = self._interval if changed else slower
            # What asks for a look at once ends the second wait, not the first.
            self._cancel.wait(_LEAST_GAP)
            left = max((each.pause(pause) for each in self._pollers), default=pause)
            if due > 0:  # else it could not be made
                left = min(left, due - time.monotonic())
            self._wake.wait(max(left - _LEAST_GAP, 0.0))
            self._wake.clear()
            self._cancel.check()

    def _look(self) -> bool:
        before = self.runs
        for poller in self._pollers:
            poller.look()
        away = next((each.away for each in self._pollers if each.away is not None), None)
        changed = False
        if away is None:
            try:
                changed = self._take_all(before)
                self._missing = 0
            except RetabAnalysisError as error:
                self._missing += 1
                # A run that was just created is forgiven a 404 a few times.
                may_come = isinstance(error, NotFoundError) and self._missing <= GRACE
                if not (is_away(error) or may_come) or not self._pollers:
                    raise
                away = error
        for each in (tuple(self.followed) or ("",)) if away is not None else ():
            self._change(each, trouble=f"retrying: {away}")
        self.has_looked.set()
        return changed

    def _take_all(self, before: pl.DataFrame) -> bool:
        runs = self.runs
        gone = [each for poller in self._pollers for each in poller.gone]
        there = runs.filter(~pl.col("run_id").is_in(gone))
        for workflow_id in runs["workflow_id"].unique(maintain_order=True):
            if workflow_id not in self.followed and self._make_reader is not None:
                reader = self._make_reader(workflow_id)
                self.followed[workflow_id] = Followed(reader, None, self._baseline, True)
        changed = not before.equals(runs)
        for workflow_id, followed in self.followed.items():
            with followed.lock:
                followed.runs = there.filter(workflow_id=workflow_id)
                followed.is_watched |= not followed.runs.is_empty()
                changed |= self._take(workflow_id, followed, gone)
        missing = [each for poller in self._pollers for each in poller.unfound]
        if missing and not self.followed:
            told = f"There is no run {', '.join(missing[:3])} so far; it may still appear."
            self._change("", notes=(told,))
        return changed

    def _take(self, workflow_id: str, followed: Followed, gone: Sequence[str]) -> bool:
        """Tell the state of a workflow what is new, and have it compared where that is due."""
        changed = followed.is_watched and self._read_results(followed)
        if followed.answer is None:
            told = {"checked": followed.runs} if followed.runs.height else {}
            self._change(workflow_id, is_watched=followed.is_watched, phase=followed.phase, **told)
        changes: Answer = {}
        if time.monotonic() >= followed.find_due():
            changes, changed = self._compare(followed), True
        elif changed and followed.runs.height:
            changes = followed.merge()
        if changed or gone:
            changes["notes"] = _list_notes(followed, gone)
        if followed.has_failed:
            self._change(workflow_id, phase="failed", trouble=followed.why)
        else:
            self._change(workflow_id, phase=followed.phase, trouble="", seen=True, **changes)
        return changed

    def _compare(self, followed: Followed) -> Answer:
        """What is to be told of a comparison, also where it cannot be made."""
        changes: Answer = {}
        try:
            changes = {**followed.judge(), "candidate": followed.candidate}
            followed.refused, followed.why = 0, ""
        except AuthenticationError:
            raise
        except RetabAnalysisError as error:
            followed.refused += 1
            is_passing = is_away(error) and followed.refused <= GRACE and self._pollers
            is_alone = not followed.is_watched and len(self.followed) == 1
            if is_alone or is_passing or followed.answer is not None:
                raise
            followed.compared = followed.mark()
            # Other workflows are shown all the same; runs are watched without their past.
            followed.has_failed = not followed.is_watched
            why = _describe(error, followed)
            followed.why = why if followed.has_failed else f"Held against nothing: {error}"
        if followed.runs.height:
            changes |= followed.merge()
        return {**changes, "baseline": followed.baseline, "is_watched": followed.is_watched}

    def _read_results(self, followed: Followed) -> bool:
        names = ("run_id", "status", "completed", "error", "cancelled", "running")
        marks = {row[0]: row[1:] for row in followed.runs.select(names).iter_rows()}
        unread = (None, None)
        stale = [k for k, mark in marks.items() if followed.results.get(k, unread)[0] != mark]
        reader = followed.reader
        if not stale or self._client is None or not isinstance(reader, WorkflowReader):
            return False
        try:
            saved = reader.source.saved
        except RetabAnalysisError as error:
            if isinstance(error, AuthenticationError) or is_away(error):
                raise
            saved = EVALS.empty()  # then evals are called by their ids
        chosen = RunList.make(followed.runs.filter(pl.col("run_id").is_in(stale)))
        fetched = list_results(
            self._client, chosen, RESULTS, evals=saved, strict=False, progress=Silent()
        )
        reader.source.unread += len(fetched.problems)
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
        """Compare something else; where that fails, what was before stays."""
        followed = self.followed[workflow_id]
        with followed.lock:
            before = followed.candidate, followed.baseline
            followed.candidate, followed.baseline = candidate, baseline
            try:
                changes = self._compare(followed)
                self._change(workflow_id, notes=_list_notes(followed, ()), **changes)
            except BaseException:  # a panic of polars is not an Exception
                followed.candidate, followed.baseline = before
                raise


def _list_notes(followed: Followed, gone: Sequence[str]) -> tuple[str, ...]:
    """What has to be said of the runs beside what came of them."""
    notes = [f"Run {each} is not found any more." for each in gone]
    if isinstance(followed.reader, WorkflowReader) and (n := followed.reader.source.unread):
        are = "is" if n == 1 else "are"
        notes.append(f"{count_noun(n, 'result')} did not decode and {are} left out.")
    return tuple(filter(None, (*notes, followed.why)))


def _describe(error: BaseException, followed: Followed | None) -> str:
    reader = None if followed is None else followed.reader
    lack = reader.find_lack() if isinstance(reader, WorkflowReader) else ""
    return lack or describe_error(error)


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
