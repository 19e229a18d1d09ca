"""The queue on which runs wait for each other: one run at a time, people's runs before its own."""

from collections import deque
from collections.abc import Callable

from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun

# Makes the run that keeps a stream in flight: the stream's number, and when it is created.
Refill = Callable[[int, int], SimulatedRun]


class SerialQueue:
    """Starts one run after the other as time goes by.

    Nothing happens by itself: `advance` plays everything that was due since the last call, in
    order, so what comes out depends on the instants alone and not on when somebody looks.

    Args:
        streams: How many runs are always in flight.
        refill: Makes the next run of a stream.
        rest: Longest stretch, in microseconds, that is played back when nobody looked for long.
    """

    def __init__(self, streams: int, refill: Refill, *, rest: int) -> None:
        self._refill = refill
        self._rest = rest
        self._free = 0
        self._running: SimulatedRun | None = None
        self._people: deque[SimulatedRun] = deque()
        self._own: deque[SimulatedRun] = deque()
        self._stream_of: dict[str, int] = {}
        self._streams = streams

    def open(self, instants: list[int]) -> None:
        """Put the first run of each stream in the queue, created at these instants."""
        for stream, instant in enumerate(instants[: self._streams]):
            self._supply(stream, instant)

    def submit(self, run: SimulatedRun) -> None:
        """Put somebody's run in the queue; call `advance` for its instant before."""
        self._people.append(run)

    def advance(self, now: int) -> None:
        """Play what was due up to an instant."""
        while True:
            if self._running is not None:
                end = self._running.end
                if end is None or end > now:
                    return
                self._leave(self._running, end, now)
            run = self._next()
            if run is None:
                return
            start = max(self._free, run.ready)
            if start > now:
                return
            self._running = run
            (self._people if run in self._people else self._own).remove(run)
            run.begin(start)

    def cancel(self, run: SimulatedRun, now: int) -> None:
        """Take a run out; what it has not done it will not do."""
        run.cancelled = now
        if run is not self._running:
            (self._people if run in self._people else self._own).remove(run)
        self._leave(run, now, now)

    def _next(self) -> SimulatedRun | None:
        if self._people:
            return self._people[0]
        return self._own[0] if self._own else None

    def _leave(self, run: SimulatedRun, instant: int, now: int) -> None:
        if run is self._running:
            self._running = None
            self._free = instant
        stream = self._stream_of.pop(run.id, None)
        if stream is not None:
            self._supply(stream, max(instant, now - self._rest))

    def _supply(self, stream: int, instant: int) -> None:
        run = self._refill(stream, instant)
        self._stream_of[run.id] = stream
        self._own.append(run)
