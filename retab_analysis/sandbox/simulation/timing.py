"""When things happen: the timetable of a run, its state at an instant, and the serial queue.

The states are pure functions of a plan, of what the queue did with it, and of an instant.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from retab_analysis.sandbox.instants import MILLI
from retab_analysis.sandbox.world.model import Plan

# What the engine needs between two evals, and to close a run.
_GAP_MS = 60
_CLOSING_MS = 140

# The statuses of runs and of results, in the order in which the API counts them.
STATUSES = ("pending", "queued", "running", "completed", "error", "cancelled")
TERMINAL = frozenset({"completed", "error", "cancelled"})


class Span(NamedTuple):
    """The instants between which one eval of a run executes."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a started run does what, if nobody interferes."""

    start: int
    spans: tuple[Span, ...]
    end: int


class ChildState(NamedTuple):
    """One eval of a run at an instant."""

    status: str
    started: int | None
    completed: int | None


@dataclass(frozen=True, slots=True)
class RunState:
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
    """Turn planned milliseconds into microseconds, at least one."""
    return max(1, round(ms * MILLI * pace))


def state_at(
    plan: Plan, timetable: Timetable | None, cancelled: int | None, pace: float, now: int
) -> RunState:
    """Give the state of a run and of all its evals at an instant."""
    if cancelled is not None and cancelled <= now:
        return _cancelled(plan, timetable, cancelled)
    if timetable is None or now < timetable.start:
        ready = plan.created + scaled(plan.delay_ms, pace)
        status = "pending" if now < ready else "queued"
        return RunState(status, None, None, (ChildState(status, None, None),) * len(plan.children))
    if now >= timetable.end:
        return _ended(plan, timetable)
    return RunState("running", timetable.start, None, _children(plan, timetable, now, "queued"))


def _cancelled(plan: Plan, timetable: Timetable | None, at: int) -> RunState:
    if timetable is None or timetable.start > at:
        lost = ChildState("cancelled", None, at)
        return RunState("cancelled", None, at, (lost,) * len(plan.children))
    children = tuple(
        child if child.completed is not None else ChildState("cancelled", child.started, at)
        for child in _children(plan, timetable, at, "queued")
    )
    return RunState("cancelled", timetable.start, at, children)


def _ended(plan: Plan, timetable: Timetable) -> RunState:
    done = _children(plan, timetable, timetable.end, "cancelled")
    if plan.crash is None:
        return RunState("completed", timetable.start, timetable.end, done)
    after = plan.crash.after
    broken = ChildState("error", timetable.spans[-1].start, timetable.end)
    lost = (ChildState("cancelled", None, timetable.end),) * (len(done) - after - 1)
    return RunState("error", timetable.start, timetable.end, (*done[:after], broken, *lost))


def _children(plan: Plan, timetable: Timetable, now: int, waiting: str) -> tuple[ChildState, ...]:
    """Give each eval of a run that has started: done, running, or still waiting."""
    children = []
    # A run that breaks has no span for the evals that it does not reach.
    for child, span in zip(plan.children, timetable.spans, strict=False):
        if span.end <= now:
            status = "error" if child.result.outcome == "error" else "completed"
            children.append(ChildState(status, span.start, span.end))
        elif span.start <= now:
            children.append(ChildState("running", span.start, None))
        else:
            children.append(ChildState(waiting, None, None))
    children += [ChildState(waiting, None, None)] * (len(plan.children) - len(children))
    return tuple(children)


# The queue


class Queueable(Protocol):
    """What the queue asks of a run."""

    id: str
    cancelled: int | None

    @property
    def ready(self) -> int:
        """The instant from which the run may be started."""
        ...

    @property
    def end(self) -> int | None:
        """The instant at which it ends, once it was started."""
        ...

    def begin(self, instant: int) -> object:
        """Start it."""
        ...


R = TypeVar("R", bound=Queueable)


class SerialQueue(Generic[R]):
    """Starts one run after the other as time goes by, and keeps some background runs in flight.

    As in the real API, one run is executed at a time and the others wait. Submitted runs come
    before those of the background, which are only there so that something moves.

    Nothing happens by itself: `advance` plays everything that was due since the last call, in
    order, so what comes out depends on the instants alone and not on when somebody looks.

    Args:
        refill: Makes the run with which a background stream goes on: the stream's number, and the
            instant at which the run is created.
        longest_replay: When nobody looked for long, only so many microseconds of background runs
            are played back.
    """

    def __init__(self, refill: Callable[[int, int], R], *, longest_replay: int) -> None:
        self._refill = refill
        self._longest_replay = longest_replay
        self._free = 0
        self._running: R | None = None
        self._submitted: deque[R] = deque()
        self._background: deque[R] = deque()
        self._stream_of: dict[str, int] = {}

    def open_stream(self, stream: int, instant: int) -> None:
        """Put a run of a background stream in the queue; when it ends, the next one follows."""
        run = self._refill(stream, instant)
        self._stream_of[run.id] = stream
        self._background.append(run)

    def submit(self, run: R) -> None:
        """Put somebody's run in the queue; call `advance` for its instant before."""
        self._submitted.append(run)

    def advance(self, now: int) -> None:
        """Play what was due up to an instant."""
        while True:
            if self._running is not None:
                end = self._running.end
                if end is None or end > now:
                    return
                self._leave(self._running, end, now)
            waiting = self._submitted or self._background
            if not waiting:
                return
            start = max(self._free, waiting[0].ready)
            if start > now:
                return
            self._running = waiting.popleft()
            self._running.begin(start)

    def cancel(self, run: R, now: int) -> None:
        """Take a run out; what it has not done it will not do."""
        run.cancelled = now
        if run is not self._running:
            (self._submitted if run in self._submitted else self._background).remove(run)
        self._leave(run, now, now)

    def _leave(self, run: R, instant: int, now: int) -> None:
        if run is self._running:
            self._running = None
            self._free = instant
        stream = self._stream_of.pop(run.id, None)
        if stream is not None:
            self.open_stream(stream, max(instant, now - self._longest_replay))
