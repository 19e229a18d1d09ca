"""The runs that a store holds: simulated ones, and recorded ones served as they were given."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.instants import parse_instant
from retab_analysis.sandbox.simulation.run_documents import (
    Document,
    result_document,
    result_id,
    run_document,
    summarizable,
    summary_document,
)
from retab_analysis.sandbox.simulation.timing import (
    TERMINAL,
    Course,
    Moment,
    course,
    moment,
    scaled,
)
from retab_analysis.sandbox.vintage import age_result, age_run
from retab_analysis.sandbox.world.model import Plan


class Run(Protocol):
    """What the store asks of a run."""

    id: str
    workflow_id: str
    created: int
    trigger: str
    eval_id: str | None
    block_id: str | None
    result_ids: list[str]

    def status(self, now: int) -> str:
        """Give the lifecycle's status at an instant."""
        ...

    def updated(self, now: int) -> int:
        """Give the instant of the newest event in the run."""
        ...

    def json(self, now: int) -> bytes:
        """Give the run's document, encoded."""
        ...

    def results_json(self, now: int) -> list[bytes]:
        """Give the documents of the run's results, encoded, in the order of execution."""
        ...


class SimulatedRun:
    """A planned run, and what the queue has done with it so far: the start and a cancellation."""

    def __init__(self, plan: Plan, *, pace: float = 1.0) -> None:
        self.plan = plan
        self.pace = pace
        self.course: Course | None = None
        self.cancelled: int | None = None
        self.id, self.workflow_id, self.created = plan.id, plan.workflow_id, plan.created
        self.trigger = plan.trigger
        self.eval_id: str | None = plan.eval_id
        self.block_id: str | None = plan.block_id
        self.result_ids = [result_id(plan, index) for index in range(len(plan.children))]
        self._final: Moment | None = None
        self._json: bytes | None = None
        self._results: list[bytes] | None = None

    @property
    def ready(self) -> int:
        """The instant at which the run may be started."""
        return self.created + scaled(self.plan.delay_ms, self.pace)

    @property
    def end(self) -> int | None:
        """The instant at which a started run ends, as far as it is settled."""
        return None if self.course is None else self.course.end

    def begin(self, instant: int) -> Course:
        """Start the run; what happens from now on is settled, unless it is cancelled."""
        self.course = course(self.plan, instant, self.pace)
        return self.course

    def moment(self, now: int) -> Moment:
        """Give the state of the run and its evals at an instant."""
        if self._final is not None:
            return self._final
        state = moment(self.plan, self.course, self.cancelled, self.pace, now)
        if state.status in TERMINAL:
            self._final = state
        return state

    def status(self, now: int) -> str:
        """Give the lifecycle's status at an instant."""
        return self.moment(now).status

    def updated(self, now: int) -> int:
        """Give the instant of the newest event in the run."""
        state = self.moment(now)
        return state.completed or state.started or self.created

    def json(self, now: int) -> bytes:
        """Give the run's document, encoded; kept once the run is terminal."""
        if self._json is not None:
            return self._json
        state = self.moment(now)
        encoded = to_json(age_run(run_document(self.plan, state), self.plan.vintage))
        if state is self._final:
            self._json = encoded
        return encoded

    def results_json(self, now: int) -> list[bytes]:
        """Give the documents of the run's results, encoded; kept once the run is terminal."""
        if self._results is not None:
            return self._results
        state = self.moment(now)
        encoded = [
            to_json(age_result(result_document(self.plan, index, child), self.plan.vintage))
            for index, child in enumerate(state.children)
        ]
        if state is self._final:
            self._results = encoded
        return encoded

    def summary(self, position: int, now: int) -> Document | None:
        """Summarize one result for its saved eval, if it was executed and has ended."""
        child = self.moment(now).children[position]
        return summary_document(self.plan, position, child) if summarizable(child) else None


class RecordedRun:
    """A run served exactly as given: a document, and documents (or raw JSON bytes) of results."""

    def __init__(self, document: Mapping[str, Any], results: Sequence[Any] = ()) -> None:
        timing, target = document.get("timing") or {}, document.get("target") or {}
        self.id, self.workflow_id = str(document["id"]), str(document.get("workflow_id"))
        self.created = _instant(timing.get("created_at")) or 0
        self._updated = _instant(timing.get("completed_at")) or self.created
        self.trigger = str((document.get("trigger") or {}).get("type"))
        self.eval_id: str | None = document.get("eval_id")
        self.block_id: str | None = target.get("block_id")
        self._status = str((document.get("lifecycle") or {}).get("status"))
        self._json = to_json(document)
        self._results = [to_json(result) for result in results]
        self.result_ids = [
            str(result["id"]) if isinstance(result, dict) else f"{self.id}/{index}"
            for index, result in enumerate(results)
        ]

    def status(self, now: int) -> str:
        """Give the recorded status, whenever."""
        return self._status

    def updated(self, now: int) -> int:
        """Give the recorded completion, else the creation."""
        return self._updated

    def json(self, now: int) -> bytes:
        """Give the recorded document, encoded."""
        return self._json

    def results_json(self, now: int) -> list[bytes]:
        """Give the recorded results, encoded."""
        return self._results


def _instant(value: Any) -> int | None:
    return parse_instant(value) if isinstance(value, str) else None
