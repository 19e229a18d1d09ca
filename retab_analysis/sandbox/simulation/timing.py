"""A run in time: pure functions from a plan, what the queue did with it, and an instant."""

from dataclasses import dataclass
from typing import NamedTuple

from retab_analysis.sandbox.instants import MILLI
from retab_analysis.sandbox.world.model import Plan

# What the engine needs between two evals, and to close a run.
_GAP_MS = 60
_CLOSING_MS = 140

TERMINAL = frozenset({"completed", "error", "cancelled"})


class Span(NamedTuple):
    """The instants between which one eval of a run executes."""

    start: int
    end: int


class ChildMoment(NamedTuple):
    """One eval of a run at an instant."""

    status: str
    started: int | None
    completed: int | None


@dataclass(frozen=True, slots=True)
class Moment:
    """A run at an instant."""

    status: str
    started: int | None
    completed: int | None
    children: tuple[ChildMoment, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """When a started run does what, if nobody interferes."""

    start: int
    spans: tuple[Span, ...]
    end: int


def course(plan: Plan, start: int, pace: float) -> Course:
    """Lay out a run from its start; `pace` scales every duration."""
    spans = []
    clock = start
    for index, child in enumerate(plan.children):
        crashes = plan.crash is not None and index == plan.crash.after
        length = child.ms // 2 if crashes else child.ms
        end = clock + scaled(length, pace)
        spans.append(Span(clock, end))
        if crashes:
            return Course(start, tuple(spans), end)
        clock = end + scaled(_GAP_MS, pace)
    return Course(start, tuple(spans), clock + scaled(_CLOSING_MS, pace))


def scaled(ms: int, pace: float) -> int:
    """Turn planned milliseconds into microseconds, at least one."""
    return max(1, round(ms * MILLI * pace))


def moment(plan: Plan, path: Course | None, cancelled: int | None, pace: float, now: int) -> Moment:
    """Give the state of a run and of all its evals at an instant."""
    if cancelled is not None and cancelled <= now:
        return _cancelled(plan, path, cancelled)
    if path is None or now < path.start:
        ready = plan.created + scaled(plan.delay_ms, pace)
        status = "pending" if now < ready else "queued"
        return Moment(status, None, None, (ChildMoment(status, None, None),) * len(plan.children))
    if now >= path.end:
        return _ended(plan, path)
    return Moment("running", path.start, None, _children(plan, path, now, "queued"))


def _cancelled(plan: Plan, path: Course | None, at: int) -> Moment:
    started = path is not None and path.start <= at
    before = _children(plan, path, at, "queued") if path is not None and started else ()
    children = tuple(
        child if child.completed is not None else ChildMoment("cancelled", child.started, at)
        for child in before or (ChildMoment("queued", None, None),) * len(plan.children)
    )
    return Moment("cancelled", path.start if path is not None and started else None, at, children)


def _ended(plan: Plan, path: Course) -> Moment:
    done = _children(plan, path, path.end, "cancelled")
    if plan.crash is None:
        return Moment("completed", path.start, path.end, done)
    after = plan.crash.after
    broken = ChildMoment("error", path.spans[-1].start, path.end)
    lost = (ChildMoment("cancelled", None, path.end),) * (len(done) - after - 1)
    return Moment("error", path.start, path.end, (*done[:after], broken, *lost))


def _endings(plan: Plan) -> list[str]:
    return ["error" if c.finding.outcome == "error" else "completed" for c in plan.children]


def _children(plan: Plan, path: Course, now: int, waiting: str) -> tuple[ChildMoment, ...]:
    """Give each eval of a run that has started: done, running, or still waiting."""
    children = []
    for span, ending in zip(path.spans, _endings(plan), strict=False):
        if span.end <= now:
            children.append(ChildMoment(ending, span.start, span.end))
        elif span.start <= now:
            children.append(ChildMoment("running", span.start, None))
        else:
            children.append(ChildMoment(waiting, None, None))
    children += [ChildMoment(waiting, None, None)] * (len(plan.children) - len(children))
    return tuple(children)
