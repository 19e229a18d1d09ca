"""What is true of the sandbox's world: read from what was planned, not from what the API serves.

A workflow's file in the catalogue names what went wrong in it (``incidents``, each with its kind),
which runs there were, and which evals were edited, added and removed. Here that is told for the
world of one seed, by the ids which that seed gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from support.inside import Assertion, Child, SimulatedRun, Workflow
from support.sandbox_api import START, past_of, plan_world

FLOWS = ("wf_invoices", "wf_contracts", "wf_claims", "wf_statements")
OPEN_ENDED = ("edit", "drift")


class Since(NamedTuple):
    """Since when something is broken, and why: ``"edit"`` or ``"drift"``."""

    run_id: str
    version_id: str | None
    cause: str


class Outcome(NamedTuple):
    """What one eval of a run gave, and the incident that made it so (None: none did)."""

    run: SimulatedRun
    child: Child
    incident: str | None
    is_decided: bool

    @property
    def state(self) -> str:
        return self.child.result.outcome


@dataclass(frozen=True, eq=False)
class Story:
    """The whole-workflow runs of one workflow up to today, and what they were about."""

    workflow: Workflow
    runs: tuple[SimulatedRun, ...]  # oldest first
    alone: tuple[SimulatedRun, ...] = ()  # of one block, on the newest run's version and before it

    @property
    def newest(self) -> SimulatedRun:
        return self.runs[-1]

    @cached_property
    def outcomes(self) -> dict[str, list[Outcome]]:
        """For each eval what was executed of it, oldest first."""
        return self._outcomes_of(self.runs)

    def _outcomes_of(self, runs: Iterable[SimulatedRun]) -> dict[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = {}
        for run in runs:
            states = run.state(START).children
            for child, state in zip(run.plan.children, states, strict=True):
                if state.status in ("completed", "error"):
                    outcome = Outcome(run, child, incident_of(child), state.status == "completed")
                    found.setdefault(child.eval.id, []).append(outcome)
        return found

    @cached_property
    def now(self) -> dict[str, Outcome]:
        """What the newest run gave."""
        last = {eval_id: each[-1] for eval_id, each in self.outcomes.items()}
        return {eval_id: each for eval_id, each in last.items() if each.run is self.newest}

    @cached_property
    def broken(self) -> dict[str, Since]:
        """The evals that fail now because of an edit or a drift, and since when they do."""
        return dict(self._broken(("failed", "blocked")))

    @cached_property
    def newly_errored(self) -> set[str]:
        """The same of those that end in an error."""
        return {eval_id for eval_id, _ in self._broken(("error",))}

    def _broken(self, states: tuple[str, ...]) -> Iterator[tuple[str, Since]]:
        every = self._outcomes_of(sorted([*self.runs, *self.alone], key=_by_time))
        for eval_id, now in self.now.items():
            if self.kind(now) in OPEN_ENDED and now.state in states:
                first = next(each for each in every[eval_id] if each.incident == now.incident).run
                kind = self.kind(now)
                # A drift has a run and a date, and no version.
                version_id = first.plan.version.draft_id if kind == "edit" else None
                yield eval_id, Since(first.id, version_id, kind)

    def kind(self, outcome: Outcome) -> str:
        """What made an outcome: the kind of its incident, ``"chance"``, or nothing."""
        if outcome.state == "passed":
            return ""
        return self.workflow.incidents[outcome.incident].kind if outcome.incident else "chance"

    @cached_property
    def gaps(self) -> set[str]:
        """The evals that never passed as they are defined now, and fail now."""
        return {eval_id for eval_id, now in self.now.items() if self.kind(now) == "gap"}

    @property
    def unlucky(self) -> set[str]:
        """The evals that did not pass now by chance."""
        return self.unlucky_in(self.newest)

    @property
    def errored(self) -> set[str]:
        """The evals that ended in an error now by chance, not in an outage."""
        return {
            eval_id
            for eval_id in self.unlucky
            if any(
                each.run is self.newest and each.state == "error" for each in self.outcomes[eval_id]
            )
        }

    def unlucky_in(self, run: SimulatedRun) -> set[str]:
        """The evals that did not pass in a run by chance."""
        return {
            eval_id
            for eval_id, outcomes in self.outcomes.items()
            if any(each.run is run and self.kind(each) == "chance" for each in outcomes)
        }

    def was_hit(self, kind: str) -> set[str]:
        """The evals of the newest run that something of a kind hit once, and does not any more."""
        return {
            eval_id
            for eval_id, now in self.now.items()
            if self.kind(now) != kind
            and any(self.kind(each) == kind for each in self.outcomes[eval_id])
        }

    @property
    def outages(self) -> list[SimulatedRun]:
        """The runs in which nothing was executed to its end."""
        hit = [
            each.run
            for outcomes in self.outcomes.values()
            for each in outcomes
            if self.kind(each) == "outage"
        ]
        return list(dict.fromkeys(hit))

    def earlier(self, eval_id: str) -> list[Outcome]:
        """What was executed of an eval before the newest run."""
        return [each for each in self.outcomes[eval_id] if each.run is not self.newest]

    @cached_property
    def added(self) -> set[str]:
        """The evals of which there is no earlier result."""
        return {eval_id for eval_id in self.now if not self.earlier(eval_id)}

    @cached_property
    def edited(self) -> set[str]:
        """The evals whose definition, or input, all earlier results do not have."""
        return {
            eval_id
            for eval_id, now in self.now.items()
            if self.earlier(eval_id)
            and all(
                definition(each.child.assertion) != definition(now.child.assertion)
                for each in self.earlier(eval_id)
            )
        }

    @cached_property
    def redefined(self) -> set[str]:
        """The evals of the newest run that were defined otherwise once."""
        return {
            eval_id
            for eval_id, now in self.now.items()
            if len({definition(each) for each in now.child.eval.assertions}) > 1
        }

    @property
    def removed(self) -> set[str]:
        """The evals that there once were."""
        return {saved.id for saved in self.workflow.evals if saved.removed is not None}


def incident_of(child: Child) -> str | None:
    """The incident because of which an eval did not pass; None where none is to blame."""
    for mode in child.assertion.failure_modes:
        if any(result is child.result for result in mode.results):
            return mode.incident
    return None


def definition(assertion: Assertion) -> tuple[str, str, str]:
    """What makes results comparable: the input, and what is expected of the output."""
    kind = str(assertion.condition["kind"])
    return assertion.inputs_fingerprint, kind, repr(assertion.expected)


@cache
def story_of(seed: int, workflow_id: str) -> Story:
    """What is true of a workflow in the world of a seed."""
    world = plan_world(seed)
    workflow = next(each for each in world.workflows if each.id == workflow_id)
    past = [run for run in past_of(world) if run.workflow_id == workflow_id and not run.eval_id]
    whole = sorted((run for run in past if run.block_id is None), key=_by_time)
    newest = whole[-1]
    alone = (
        run
        for run in past
        if run.block_id is not None
        and run.plan.version.id == newest.plan.version.id
        and run.created < newest.created
    )
    return Story(workflow, tuple(whole), tuple(alone))


def _by_time(run: SimulatedRun) -> tuple[int, str]:
    return run.created, run.id
