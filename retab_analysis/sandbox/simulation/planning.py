"""Plans of runs: the evals, their outcomes, and their durations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from retab_analysis.sandbox.world.definition_documents import freshness
from retab_analysis.sandbox.world.model import (
    Child,
    FailureMode,
    Plan,
    PlannedResult,
    SavedEval,
    Version,
    Workflow,
)
from retab_analysis.sandbox.world.seeding import SeededRandom, fingerprint, token

# Median milliseconds of one eval, and the standard deviation of its logarithm.
_DURATIONS = {
    "extract": (2_300, 0.30),
    "split": (3_400, 0.28),
    "classifier": (900, 0.25),
    "function": (85, 0.40),
}
# How often an eval's execution breaks by chance, and with which code, message and context.
_MISHAP_RATE = 0.002
_MISHAPS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("provider_timeout", "The model provider did not answer within 60 s", {"attempts": 3}),
    ("provider_rate_limited", "429 from the model provider after 5 attempts", {"attempts": 5}),
    ("internal_error", "(no message)", {}),
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The influences on the outcomes of a run's evals besides version and inputs."""

    # Incidents that this run has, whatever their windows.
    incidents: frozenset[str] = frozenset()
    # The keys of the flaky evals that fail this time; None draws them.
    flaky_fails: frozenset[str] | None = None
    # Whether evals may break by chance.
    mishaps: bool = False


def active_evals(workflow: Workflow, version: Version, instant: int) -> list[SavedEval]:
    return [
        saved
        for saved in workflow.evals
        if saved.created <= instant
        and (saved.removed is None or saved.removed > instant)
        and saved.block.in_version(version.number)
    ]


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
    chance = SeededRandom(seed, "run", workflow.id, name)
    is_newest = version.number == workflow.newest.number
    return Plan(
        id=f"evalrun_{token(seed, 'run', workflow.id, name)}",
        workflow_id=workflow.id,
        version=version,
        trigger=trigger,
        created=created,
        delay_ms=chance.integer(250, 900),
        children=tuple(
            _child(saved, workflow, version, created, chance, circumstances) for saved in evals
        ),
        freshness=freshness(
            [] if is_newest else ["validity_changed"],
            version.fingerprint,
            fingerprint("suite", workflow.id, version.number),
            None,
        ),
        **more,
    )


def _child(
    saved: SavedEval,
    workflow: Workflow,
    version: Version,
    created: int,
    chance: SeededRandom,
    circumstances: Circumstances,
) -> Child:
    assertion = saved.assertion_at(created)

    def fails(mode: FailureMode) -> bool:
        if mode.unless and mode.unless in version.configs[saved.block.id]["prompt"]:
            return False
        if mode.incident is not None:
            number = version.acts_as.get(saved.block.id, version.number)
            is_on = workflow.incidents[mode.incident].covers(number, created)
            return is_on or mode.incident in circumstances.incidents
        chosen = circumstances.flaky_fails
        return chance.random() < mode.rate if chosen is None else saved.key in chosen

    mode = next(filter(fails, assertion.failure_modes), None)
    if mode is not None:
        result = chance.choice(mode.results)
    elif circumstances.mishaps and chance.random() < _MISHAP_RATE:
        code, message, context = chance.choice(_MISHAPS)
        result = PlannedResult.broken(code, message, saved.block.id, context)
    else:
        result = chance.choice(assertion.passing)
    typical, spread = _DURATIONS[saved.block.kind]
    # A document has its own pace, and so has each revision of a block.
    pace = _share(saved.key, 0.7, 1.9)
    pace *= _share(saved.block.id, 0.85, 1.25, version.revisions[saved.block.id])
    # A broken execution was tried several times before.
    median = typical * pace * (3 if result.outcome == "error" else 1)
    return Child(saved, assertion, result, max(5, round(chance.lognormal(median, spread))))


def _share(name: str, low: float, high: float, number: int = 0) -> float:
    """Place a name between two bounds by its hash: every seed gives it the same value."""
    share = (sum(name.encode()) * 31 + number * 17) % 101 / 100
    return low + (high - low) * share
