"""Keeps the states of a view up to date, in its own thread."""

from __future__ import annotations

import contextvars
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from retab_analysis.checks.defaults import archive_or_default
from retab_analysis.comparison.accepted import read_accepted
from retab_analysis.errors import AuthenticationError, NotFoundError, RetabAnalysisError
from retab_analysis.fetch.polling import GRACE
from retab_analysis.fetch.threads import is_away
from retab_analysis.markup import count_noun
from retab_analysis.schema import RUNS
from retab_analysis.transport import CancellationToken, Cancelled, Client
from retab_analysis.vocabulary import BROKEN, DECIDED
from retab_analysis.widgets.reading import Answer, Reader, WorkflowReader
from retab_analysis.widgets.state import ViewState
from retab_analysis.widgets.watched_runs import WatchedRuns, is_workflow_id

# While nothing changes, each pause is longer than the one before, up to so many intervals.
_SLOWER, _SLOWEST = 1.3, 5.0
# Seconds between two rounds, whatever interval is asked for: a Jupyter server drops messages for
# good if a kernel sends too many.
_LEAST_GAP = 0.1
# A comparison follows the one before after so many times its cost.
_REST = 100.0
# Seconds. Ctrl-C is noticed only between two waits where polars has set its signal handler.
_STEP = 0.2

Change = Callable[..., None]
"""Changes the state of a workflow: takes its id, and attributes by their names."""


@dataclass(eq=False)
class Followed:
    """One workflow of a stream: its reader, and the last changes of its state."""

    reader: Reader
    candidate: str | None
    baseline: str
    is_watched: bool = False
    runs: pl.DataFrame = field(default_factory=RUNS.empty)  # that are watched
    marks: dict[str, object] = field(default_factory=dict)  # their counts when results were read
    answer: Answer | None = None
    told: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    outcomes: frozenset[tuple[str, str, str]] = frozenset()  # that were compared
    compared: object = None  # the runs that were, and whether each had ended
    due_at: float = 0.0
    refused: int = 0
    has_failed: bool = False
    why: str = ""  # the reason if there is no baseline
    # The stream's thread and jobs hold it while they change this and the state of the view.
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def phase(self) -> str:
        if self.has_failed:
            return "failed"
        if self.has_ended:
            return "reading" if self.answer is None else "ended"
        return "going"

    @property
    def has_ended(self) -> bool:
        return bool(self.runs["is_terminal"].all())

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
        """The time of the next comparison; never if it would say the same."""
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
        if not isinstance(self.reader, WorkflowReader):
            return frozenset()
        its = self.runs.filter(pl.col("run_id").is_in([*self.marks]))
        results = self.reader.kept.source.read_results(its)
        ended = results.filter(pl.col("state").is_in((*DECIDED, "error")))
        return frozenset(ended.select("run_id", "eval_id", "state").iter_rows())

    def _is_plain(self, outcome: tuple[str, str, str]) -> bool:
        """Whether an outcome only repeats: a passing eval passes, or a broken one fails."""
        assert self.answer is not None
        _, eval_id, state = outcome
        transition, shown = self.told.get(eval_id, ("", None))
        if not transition:
            return state == "passed" and eval_id in self.answer.get("passing", ())
        return transition in (*BROKEN, "still_passing") and shown == state

    def read_results(self) -> bool:
        """Read the results of runs whose counts have changed; whether any is new."""
        names = ("run_id", "status", "completed", "error", "cancelled", "running")
        marks = {row[0]: row[1:] for row in self.runs.select(names).iter_rows()}
        stale = [each for each, mark in marks.items() if self.marks.get(each) != mark]
        if not stale or not isinstance(self.reader, WorkflowReader):
            return False
        is_new = self.reader.read_again(self.runs.filter(pl.col("run_id").is_in(stale)))
        self.marks |= {each: marks[each] for each in stale}
        return is_new

    def tell(self) -> Answer:
        """The changes without another comparison."""
        if not isinstance(self.reader, WorkflowReader):
            return {}
        is_checked = self.candidate is None and self.runs.height
        return self.reader.tell(self.runs) | ({"checked": self.runs} if is_checked else {})

    def list_notes(self, gone: Sequence[str] = ()) -> tuple[str, ...]:
        """Notes on the runs."""
        notes = [f"Run {each} is not found any more." for each in gone]
        reader = self.reader
        if isinstance(reader, WorkflowReader) and (unread := reader.kept.source.unread):
            are = "is" if unread == 1 else "are"
            notes.append(f"{count_noun(unread, 'result')} did not decode and {are} left out.")
        return tuple(filter(None, (*notes, self.why)))


def follow_as(client: Client, candidate: str | None, baseline: str) -> Callable[[str], Followed]:
    """Begins with workflows by their ids, with the defaults of this call and not of later ones."""
    defaults = archive_or_default(), read_accepted()

    def follow(workflow_id: str) -> Followed:
        return Followed(WorkflowReader(client, workflow_id, *defaults), candidate, baseline)

    return follow


class Stream:
    """Polls runs in a thread, compares their results, and passes changes to ``change``.

    Without ``pollers`` it judges the workflows once. ``follow`` begins with one of them, or with
    the workflow of a run that is watched. Starting stops the stream before of the same ``key``.
    """

    def __init__(
        self,
        workflows: Iterable[str],
        follow: Callable[[str], Followed],
        pollers: Sequence[WatchedRuns] = (),
        interval: float = 2.0,
        key: object = None,
    ) -> None:
        self.followed = {each: follow(each) for each in workflows}
        self._follow, self._pollers, self._interval, self._key = follow, pollers, interval, key
        self._missing = 0  # how often in a row results did not come
        self._wake, self._ended, self.has_looked = (threading.Event() for _ in range(3))
        self._cancel = CancellationToken()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def start(self, change: Change) -> None:
        self._change = change
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

    def _end(self, phase: str, error: BaseException | None) -> None:
        self.error = error
        gone = sorted(each for poller in self._pollers for each in poller.gone)
        for each in [k for k, of in self.followed.items() if not of.has_failed] or [""]:
            of = self.followed.get(each)
            told: Answer = {"phase": phase} | (of.tell() if of and of.reader.lack else {})
            if phase != "stopped":
                told["trouble"] = "" if error is None else _describe(error, of)
            if gone and self.runs.is_empty():
                which = repr(next(filter(is_workflow_id, gone), "")).replace("''", "…")
                how = f"watch(workflow_id={which}) watches a workflow"
                why = f"There is no run {' and no run '.join(gone)}; {how}"
                told |= {"trouble": why, "notes": ()}
            self._change(each, **told)
        self._ended.set()
        self.has_looked.set()

    def _look_on(self) -> None:
        pause = self._interval
        while True:
            changed = self._look()
            due = min((each.find_due() for each in self.followed.values()), default=math.inf)
            pending = any(each.pending() or each.away for each in self._pollers)
            if not pending and math.isinf(due) and self._missing == 0:
                return
            slower = min(pause * _SLOWER, self._interval * _SLOWEST)
            pause = self._interval if changed else slower
            # A request for a look at once ends the second wait, not the first.
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
                is_young = isinstance(error, NotFoundError) and self._missing <= GRACE
                may_come = is_young and not self.runs.is_empty()
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
            if workflow_id not in self.followed:
                self.followed[workflow_id] = self._follow(workflow_id)
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
        """Pass changes to the state of a workflow, and compare if that is due."""
        changed = followed.is_watched and followed.read_results()
        told: Answer = {"is_watched": followed.is_watched}
        if followed.answer is None:  # a page shows how far the runs are meanwhile
            checked = {"checked": followed.runs} if followed.runs.height else {}
            self._change(workflow_id, phase=followed.phase, **told, **checked)
        if time.monotonic() >= followed.find_due():
            told, changed = told | self._compare(followed), True
        elif changed:
            told |= followed.tell()
        if changed or gone:
            told["notes"] = followed.list_notes(gone)
        if followed.has_failed:
            told["trouble"] = followed.why
        else:
            told |= {"trouble": "", "seen_at": datetime.now(UTC)}
        self._change(workflow_id, phase=followed.phase, **told)
        return changed

    def _compare(self, followed: Followed) -> Answer:
        """The changes after a comparison, also if it cannot be made."""
        try:
            changes = followed.judge()
            followed.refused, followed.why = 0, ""
            return changes
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
            return followed.tell()

    def ask(self, asked: ViewState) -> None:
        """Compare the chosen sides; if that fails, the earlier choice stays."""
        followed = self.followed[asked.workflow_id]
        with followed.lock:
            before = followed.candidate, followed.baseline
            followed.candidate, followed.baseline = asked.candidate, asked.baseline
            try:
                changes = self._compare(followed)
            except BaseException:  # a panic of polars is not an Exception
                followed.candidate, followed.baseline = before
                raise
            self._change(asked.workflow_id, notes=followed.list_notes(), **changes)


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


def _describe(error: BaseException, followed: Followed | None) -> str:
    return (followed.reader.lack if followed else "") or describe_error(error)


# The streams by what they watch, so that a cell that runs again stops the one before. Weak, so
# that a view without references is collected and stops.
_running: weakref.WeakValueDictionary[object, Stream] = weakref.WeakValueDictionary()
