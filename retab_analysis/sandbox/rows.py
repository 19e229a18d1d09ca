"""The rows of the lists that change least: workflows, saved evals, and a run's results."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.instants import parse_instant
from retab_analysis.sandbox.simulation.run_documents import Document, eval_document, summarizable
from retab_analysis.sandbox.simulation.simulated_runs import SimulatedRun
from retab_analysis.sandbox.simulation.timing import TERMINAL
from retab_analysis.sandbox.world.model import SavedEval, Workflow


class ResultRow(NamedTuple):
    """One result of a run, encoded."""

    id: str
    json: bytes


class WorkflowRow:
    """A workflow as it is listed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.id = str(document["id"])
        self.project_id = document.get("project_id")
        self.created = _instant(document.get("created_at"))
        self.updated = _instant(document.get("updated_at"))
        self.json = to_json(document)


class EvalRow(Protocol):
    """A saved eval as it is listed."""

    id: str
    workflow_id: str
    block_id: str
    created: int

    def json(self, now: int) -> bytes:
        """Give the eval's document, encoded."""
        ...


class RecordedEval:
    """A saved eval served exactly as given."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.id, self.workflow_id = str(document["id"]), str(document["workflow_id"])
        self.block_id = str((document.get("target") or {}).get("block_id"))
        self.created = _instant(document.get("created_at"))
        self._json = to_json(document)

    def json(self, now: int) -> bytes:
        """Give the recorded document, encoded."""
        return self._json


class Place(NamedTuple):
    """Where a result of an eval is: the run, and the position in it."""

    run: SimulatedRun
    position: int


class Newest(NamedTuple):
    """The newest results of an eval: of any outcome, passed, and failed."""

    any: Place | None = None
    passing: Place | None = None
    failing: Place | None = None

    def then(self, place: Place, now: int) -> "Newest":
        """Take a newer result into account, if it was executed and has ended."""
        child = place.run.moment(now).children[place.position]
        if not summarizable(child):
            return self
        outcome = place.run.plan.children[place.position].finding.outcome
        passed = child.status == "completed" and outcome == "passed"
        failed = child.status == "completed" and outcome == "failed"
        return Newest(place, place if passed else self.passing, place if failed else self.failing)


class SimulatedEval:
    """A saved eval, with summaries of its newest results at each instant."""

    def __init__(self, saved: SavedEval, workflow: Workflow) -> None:
        self.saved, self.workflow = saved, workflow
        self.id, self.workflow_id = saved.id, saved.workflow_id
        self.block_id, self.created = saved.block.id, saved.created
        self.places: list[Place] = []
        self._settled = 0
        self._newest = Newest()
        self._encoded: tuple[Newest, bytes] | None = None

    def json(self, now: int) -> bytes:
        """Give the eval's document, encoded; written anew only when a result has come."""
        newest = self._newest_at(now)
        if self._encoded is None or self._encoded[0] != newest:
            self._encoded = (newest, to_json(self._document(newest, now)))
        return self._encoded[1]

    def _newest_at(self, now: int) -> Newest:
        """Fold the results into the newest ones; what lies before the first open run stays so."""
        while self._settled < len(self.places):
            place = self.places[self._settled]
            if place.run.status(now) not in TERMINAL:
                break
            self._newest = self._newest.then(place, now)
            self._settled += 1
        newest = self._newest
        for place in self.places[self._settled :]:
            newest = newest.then(place, now)
        return newest

    def _document(self, newest: Newest, now: int) -> Document:
        latest = {
            f"latest_{name}run_summary": place and place.run.summary(place.position, now)
            for name, place in zip(("", "passing_", "failing_"), newest, strict=True)
        }
        return eval_document(self.saved, self.workflow, latest)


def _instant(value: Any) -> int:
    return (parse_instant(value) or 0) if isinstance(value, str) else 0
