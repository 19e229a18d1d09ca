"""Runs as they are at an instant, encoded for the API."""

from collections.abc import Callable

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.simulation.run_documents import result_document, result_id, run_document
from retab_analysis.sandbox.simulation.timing import (
    TERMINAL,
    RunState,
    Timetable,
    make_timetable,
    scaled,
    state_at,
)
from retab_analysis.sandbox.world.model import Plan


class SimulatedRun:
    """A planned run, with its start and cancellation by the queue so far.

    A terminal run does not change any more, so its state and its JSON are kept: clients ask for a
    history again and again. ``pace`` scales every duration. ``plan_again`` gives the plan of the
    draft as it is when the run starts.
    """

    def __init__(
        self, plan: Plan, *, pace: float = 1.0, plan_again: Callable[[], Plan] | None = None
    ) -> None:
        self.plan, self._plan_again = plan, plan_again
        self.pace = pace
        self.timetable: Timetable | None = None
        self.cancelled: int | None = None
        self.id, self.workflow_id, self.created = plan.id, plan.workflow_id, plan.created
        self.trigger, self.eval_id, self.block_id = plan.trigger, plan.eval_id, plan.block_id
        self.result_ids = [result_id(plan, index) for index in range(len(plan.children))]
        self._final: RunState | None = None
        self._json: bytes | None = None
        self._results: list[bytes] | None = None

    @property
    def ready(self) -> int:
        return self.created + scaled(self.plan.delay_ms, self.pace)

    def begin(self, instant: int) -> Timetable:
        if self._plan_again is not None:
            self.plan = self._plan_again()
        self.timetable = make_timetable(self.plan, instant, self.pace)
        return self.timetable

    def state(self, now: int) -> RunState:
        if self._final is not None:
            return self._final
        state = state_at(self.plan, self.timetable, self.cancelled, self.pace, now)
        if state.status in TERMINAL:
            self._final = state
        return state

    def json(self, now: int) -> bytes:
        if self._json is not None:
            return self._json
        state = self.state(now)
        encoded = to_json(run_document(self.plan, state))
        if state is self._final:
            self._json = encoded
        return encoded

    def results_json(self, now: int) -> list[bytes]:
        if self._results is not None:
            return self._results
        state = self.state(now)
        encoded = [
            to_json(result_document(self.plan, index, child))
            for index, child in enumerate(state.children)
        ]
        if state is self._final:
            self._results = encoded
        return encoded
