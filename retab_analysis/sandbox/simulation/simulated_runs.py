"""Runs and saved evals as they are at an instant, encoded for the API."""

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.simulation.run_documents import (
    has_summary,
    result_document,
    result_id,
    run_document,
    summary_document,
)
from retab_analysis.sandbox.simulation.timing import (
    TERMINAL,
    RunState,
    Timetable,
    make_timetable,
    scaled,
    state_at,
)
from retab_analysis.sandbox.world.definition_documents import Document, eval_document
from retab_analysis.sandbox.world.model import Plan, SavedEval, Workflow


class SimulatedRun:
    """A planned run, and what the queue has done with it so far: the start and a cancellation.

    Once it is terminal nothing changes any more, so its state and its JSON are kept: a history is
    asked for again and again. ``pace`` scales every duration.
    """

    def __init__(self, plan: Plan, *, pace: float = 1.0) -> None:
        self.plan = plan
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
        """The instant from which the run may be started."""
        return self.created + scaled(self.plan.delay_ms, self.pace)

    @property
    def end(self) -> int | None:
        """The instant at which a started run ends, unless it is cancelled before."""
        return None if self.timetable is None else self.timetable.end

    def begin(self, instant: int) -> Timetable:
        """Start the run; what happens from now on is settled, unless it is cancelled."""
        self.timetable = make_timetable(self.plan, instant, self.pace)
        return self.timetable

    def state(self, now: int) -> RunState:
        """Give the state of the run and its evals at an instant."""
        if self._final is not None:
            return self._final
        state = state_at(self.plan, self.timetable, self.cancelled, self.pace, now)
        if state.status in TERMINAL:
            self._final = state
        return state

    def status(self, now: int) -> str:
        """Give the lifecycle's status at an instant."""
        return self.state(now).status

    def updated(self, now: int) -> int:
        """Give the instant of the newest event in the run."""
        state = self.state(now)
        return state.completed or state.started or self.created

    def json(self, now: int) -> bytes:
        """Give the run's document, encoded."""
        if self._json is not None:
            return self._json
        state = self.state(now)
        encoded = to_json(run_document(self.plan, state))
        if state is self._final:
            self._json = encoded
        return encoded

    def results_json(self, now: int) -> list[bytes]:
        """Give the documents of the run's results, encoded, in the order of execution."""
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

    def summary(self, position: int, now: int) -> Document | None:
        """Summarize one result for its saved eval, if it was executed and has ended."""
        child = self.state(now).children[position]
        return summary_document(self.plan, position, child) if has_summary(child) else None


# The run and the position of a result in it.
Place = tuple[SimulatedRun, int]
# The newest results of an eval: of any outcome, passed, and failed.
Latest = tuple[Place | None, Place | None, Place | None]


def _updated(latest: Latest, place: Place, now: int) -> Latest:
    """Take a newer result into account, if it was executed and has ended."""
    run, position = place
    child = run.state(now).children[position]
    if not has_summary(child):
        return latest
    outcome = run.plan.children[position].result.outcome if child.status == "completed" else None
    _, passing, failing = latest
    return (
        place,
        place if outcome == "passed" else passing,
        place if outcome == "failed" else failing,
    )


class SimulatedEval:
    """A saved eval, with summaries of its newest results at each instant."""

    def __init__(self, saved: SavedEval, workflow: Workflow) -> None:
        self.id, self.workflow_id = saved.id, saved.workflow_id
        self.block_id, self.created = saved.block.id, saved.created
        self._saved, self._workflow = saved, workflow
        self._places: list[Place] = []
        # So many of the places, from the oldest, are in `_settled` and will not change any more.
        self._settled_count = 0
        self._settled: Latest = (None, None, None)
        self._encoded: tuple[Latest, bytes] | None = None

    def add(self, run: SimulatedRun, position: int) -> None:
        """Note a result of this eval; runs come in the order in which they are executed."""
        self._places.append((run, position))

    def json(self, now: int) -> bytes:
        """Give the eval's document, encoded; written anew only when a result has come."""
        latest = self._latest(now)
        if self._encoded is None or self._encoded[0] != latest:
            summaries = {
                f"latest_{name}run_summary": place and place[0].summary(place[1], now)
                for name, place in zip(("", "passing_", "failing_"), latest, strict=True)
            }
            document = eval_document(self._saved, self._workflow, summaries)
            self._encoded = (latest, to_json(document))
        return self._encoded[1]

    def _latest(self, now: int) -> Latest:
        while self._settled_count < len(self._places):
            place = self._places[self._settled_count]
            if place[0].status(now) not in TERMINAL:
                break
            self._settled = _updated(self._settled, place, now)
            self._settled_count += 1
        latest = self._settled
        for place in self._places[self._settled_count :]:
            latest = _updated(latest, place, now)
        return latest
