"""Plans of runs: which evals, what comes out of each, and how long it takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from retab_analysis.sandbox.http.messages import not_found
from retab_analysis.sandbox.queries import Scope
from retab_analysis.sandbox.simulation.run_documents import freshness
from retab_analysis.sandbox.world.model import (
    Assertion,
    Child,
    Finding,
    Plan,
    SavedEval,
    Version,
    Workflow,
)
from retab_analysis.sandbox.world.saved_evals import error_lifecycle
from retab_analysis.sandbox.world.seeding import Dice, fingerprint, token

# Median milliseconds of one eval, and the spread of its logarithm.
_PACES = {
    "extract": (2_300, 0.30),
    "split": (3_400, 0.28),
    "classifier": (900, 0.25),
    "function": (85, 0.40),
}
_MISHAP_RATE = 0.002
_MISHAPS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("provider_timeout", "The model provider did not answer within 60 s", {"attempts": 3}),
    ("provider_rate_limited", "429 from the model provider after 5 attempts", {"attempts": 5}),
    ("internal_error", "(no message)", {}),
)

Luck = Callable[[SavedEval], bool]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What besides version and inputs decides how the evals of a run come out.

    Attributes:
        tags: Names of troubles that this run has.
        luck: Whether a flaky eval fails this time; without it, the dice say.
        mishaps: Whether evals may break for no reason of their own.
    """

    tags: frozenset[str] = frozenset()
    luck: Luck | None = None
    mishaps: bool = False


def active_evals(workflow: Workflow, version: Version, instant: int) -> list[SavedEval]:
    """List the evals that a whole-workflow run takes at an instant."""
    return [
        saved
        for saved in workflow.evals
        if saved.created <= instant
        and (saved.removed is None or saved.removed > instant)
        and saved.block.in_version(version.number)
    ]


def scoped_evals(workflow: Workflow, scope: Scope, now: int) -> list[SavedEval]:
    """List the evals that a new run on the newest version takes.

    Raises:
        ApiError: 404 for an eval or block that is not there (any more).
    """
    evals = active_evals(workflow, workflow.newest, now)
    if scope.eval_id is not None:
        chosen = [saved for saved in evals if saved.id == scope.eval_id]
        if not chosen:
            raise not_found("workflow eval", scope.eval_id)
        return chosen
    if scope.block_id is not None:
        known = {b.id for b in workflow.blocks if b.in_version(workflow.newest.number)}
        if scope.block_id not in known:
            raise not_found("block", scope.block_id)
        return [saved for saved in evals if saved.block.id == scope.block_id]
    return evals


def make_plan(
    workflow: Workflow,
    version: Version,
    evals: Iterable[SavedEval],
    created: int,
    trigger: str,
    seed: int,
    name: object,
    circumstances: Circumstances,
    **more: Any,
) -> Plan:
    """Plan a run of some evals; `name` tells it from all other runs."""
    dice = Dice(seed, "run", workflow.id, name)
    return Plan(
        id=f"evalrun_{token(seed, 'run', workflow.id, name)}",
        workflow_id=workflow.id,
        version=version,
        trigger=trigger,
        created=created,
        delay_ms=dice.between(250, 900),
        children=tuple(
            plan_child(saved, workflow, version, created, dice, circumstances) for saved in evals
        ),
        freshness=_run_freshness(workflow, version),
        **more,
    )


def plan_child(
    saved: SavedEval,
    workflow: Workflow,
    version: Version,
    created: int,
    dice: Dice,
    circumstances: Circumstances,
) -> Child:
    """Decide what one eval of a run gives, and how long it takes."""
    assertion = saved.assertion_at(created)
    finding = _finding(saved, assertion, workflow, version, dice, circumstances)
    median, spread = _PACES[saved.block.kind]
    revision = version.revisions[saved.block.id]
    slowness = 3 if finding.outcome == "error" else 1
    bias = _bias(saved.key, 0.7, 1.9) * _bias(saved.block.id, 0.85, 1.25, revision)
    middle = median * bias * slowness
    return Child(saved, assertion, finding, max(5, round(dice.around(middle, spread))))


def _bias(name: str, low: float, high: float, number: int = 0) -> float:
    """Give a document or a block's revision its own pace."""
    share = (sum(name.encode()) * 31 + number * 17) % 101 / 100
    return low + (high - low) * share


def _finding(
    saved: SavedEval,
    assertion: Assertion,
    workflow: Workflow,
    version: Version,
    dice: Dice,
    circumstances: Circumstances,
) -> Finding:
    for trouble in assertion.troubles:
        if trouble.rate < 1:
            luck = circumstances.luck
            hit = dice.random() < trouble.rate if luck is None else luck(saved)
        else:
            incident = workflow.incidents.get(trouble.when)
            hit = trouble.when in circumstances.tags or (
                incident is not None and incident.covers(version.number)
            )
        if hit:
            return dice.pick(trouble.findings)
    if circumstances.mishaps and dice.random() < _MISHAP_RATE:
        code, message, context = dice.pick(_MISHAPS)
        return Finding("error", error=error_lifecycle(code, message, saved.block.id, context))
    return dice.pick(assertion.passing)


def _run_freshness(workflow: Workflow, version: Version) -> Mapping[str, Any]:
    newest = version.number == workflow.newest.number
    inputs = fingerprint("suite", workflow.id, version.number)
    return freshness(
        "fresh" if newest else "stale",
        [] if newest else ["validity_changed"],
        version.fingerprint,
        inputs,
        None,
    )
