"""The serial queue: one run after the other, as time goes by."""

from collections import deque
from collections.abc import Callable

from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun


class SerialQueue:
    """Starts one run after the other as time goes by, and keeps some background runs in flight.

    As in the real API, one run executes at a time and the others wait. Submitted runs come before
    background runs, which only add movement.

    The queue is passive: `advance` plays all events since the last call, in order. So the outcome
    depends on the instants alone and not on the time of the calls. If the last call was long ago,
    it plays back only ``longest_replay`` microseconds of background runs. ``refill`` makes the next
    run of a background stream.
    """

    def __init__(self, refill: Callable[[int, int], SimulatedRun], *, longest_replay: int) -> None:
        self._refill = refill
        self._longest_replay = longest_replay
        # When the running run ends, unless it is cancelled before; or when the last one ended.
        self._free = 0
        self._running: SimulatedRun | None = None
        self._submitted: deque[SimulatedRun] = deque()
        self._background: deque[SimulatedRun] = deque()
        self._stream_of: dict[str, int] = {}

    def open_stream(self, stream: int, instant: int) -> None:
        run = self._refill(stream, instant)
        self._stream_of[run.id] = stream
        self._background.append(run)

    def submit(self, run: SimulatedRun) -> None:
        """Put a client's run in the queue; call `advance` for its instant before."""
        self._submitted.append(run)

    def advance(self, now: int) -> None:
        while True:
            if self._running is not None:
                if self._free > now:
                    return
                self._leave(self._running, self._free, now)
            waiting = self._submitted or self._background
            if not waiting:
                return
            start = max(self._free, waiting[0].ready)
            if start > now:
                return
            self._running = waiting.popleft()
            self._free = self._running.begin(start).end

    def cancel(self, run: SimulatedRun, now: int) -> None:
        run.cancelled = now
        if run is not self._running:
            (self._submitted if run in self._submitted else self._background).remove(run)
        self._leave(run, now, now)

    def _leave(self, run: SimulatedRun, instant: int, now: int) -> None:
        if run is self._running:
            self._running = None
            self._free = instant
        stream = self._stream_of.pop(run.id, None)
        if stream is not None:
            self.open_stream(stream, max(instant, now - self._longest_replay))
