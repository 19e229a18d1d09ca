"""Times: the timetable of a run, and its state at an instant.

The states are pure functions of a plan, of the queue's actions, and of an instant.
"""

from typing import NamedTuple

from retab_analysis.sandbox.instants import MILLI
from retab_analysis.sandbox.world.model import Plan

# The engine's time between two evals, and to close a run.
_GAP_MS = 60
_CLOSING_MS = 140

# The statuses of runs and of results, in the order in which the API counts them.
STATUSES = ("pending", "queued", "running", "completed", "error", "cancelled")
TERMINAL = frozenset({"completed", "error", "cancelled"})


class Span(NamedTuple):
    """The instants between which one eval of a run executes."""

    start: int
    end: int


class Timetable(NamedTuple):
    """The times of a started run's steps, without a cancellation."""

    start: int
    spans: tuple[Span, ...]
    end: int


class ChildState(NamedTuple):
    """One eval of a run at an instant."""

    status: str
    started: int | None
    completed: int | None


class RunState(NamedTuple):
    """A run at an instant."""

    status: str
    started: int | None
    completed: int | None
    children: tuple[ChildState, ...]


def make_timetable(plan: Plan, start: int, pace: float) -> Timetable:
    """Lay out a run from its start; `pace` scales every duration."""
    spans = []
    clock = start
    for index, child in enumerate(plan.children):
        crashes = plan.crash is not None and index == plan.crash.after
        length = child.ms // 2 if crashes else child.ms
        end = clock + scaled(length, pace)
        spans.append(Span(clock, end))
        if crashes:
            return Timetable(start, tuple(spans), end)
        clock = end + scaled(_GAP_MS, pace)
    return Timetable(start, tuple(spans), clock + scaled(_CLOSING_MS, pace))


def scaled(ms: int, pace: float) -> int:
    return max(1, round(ms * MILLI * pace))


def state_at(
    plan: Plan, timetable: Timetable | None, cancelled: int | None, pace: float, now: int
) -> RunState:
    if cancelled is not None and cancelled <= now:
        begun = None if timetable is None or timetable.start > cancelled else timetable
        children = tuple(
            child
            if child.completed is not None
            else ChildState("cancelled", child.started, cancelled)
            for child in _children(plan, begun, cancelled, "queued")
        )
        return RunState("cancelled", begun and begun.start, cancelled, children)
    if timetable is None or now < timetable.start:
        ready = plan.created + scaled(plan.delay_ms, pace)
        status = "pending" if now < ready else "queued"
        return RunState(status, None, None, _children(plan, None, now, status))
    if now < timetable.end:
        return RunState("running", timetable.start, None, _children(plan, timetable, now, "queued"))
    done = _children(plan, timetable, timetable.end, "cancelled")
    if plan.crash is None:
        return RunState("completed", timetable.start, timetable.end, done)
    after = plan.crash.after
    broken = ChildState("error", timetable.spans[-1].start, timetable.end)
    lost = (ChildState("cancelled", None, timetable.end),) * (len(done) - after - 1)
    return RunState("error", timetable.start, timetable.end, (*done[:after], broken, *lost))


def _children(
    plan: Plan, timetable: Timetable | None, now: int, waiting: str
) -> tuple[ChildState, ...]:
    children = []
    # A run that breaks has no span for the evals that it does not reach.
    for child, span in zip(plan.children, timetable.spans if timetable else (), strict=False):
        if span.end <= now:
            status = "error" if child.result.outcome == "error" else "completed"
            children.append(ChildState(status, span.start, span.end))
        elif span.start <= now:
            children.append(ChildState("running", span.start, None))
        else:
            children.append(ChildState(waiting, None, None))
    children += [ChildState(waiting, None, None)] * (len(plan.children) - len(children))
    return tuple(children)
