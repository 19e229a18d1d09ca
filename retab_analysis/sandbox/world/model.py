"""What a simulated world is made of: workflows with saved evals, and the plans of their runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self


class File(NamedTuple):
    """A document that evals take as input."""

    id: str
    filename: str
    mime_type: str


# Workflows and their saved evals


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a workflow; `since` and `until` are the first and last version that have it."""

    id: str
    kind: str
    name: str
    since: int = 1
    until: int | None = None
    # What a function block is given; all others are given the file.
    input: str | Mapping[str, str] | None = None
    # How it is set up in the first version that has it: model, prompt, schema or code.
    config: Mapping[str, Any] = field(default_factory=dict)

    def in_version(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version <= self.until)


class Publication(NamedTuple):
    """The publishing of a version: its ordinal from 1, when it was, and the note with it."""

    id: str
    ordinal: int
    at: int
    note: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a workflow, whose ``number`` is its place in the history, from 1."""

    number: int
    id: str
    at: int
    # For each of its blocks: the number of the version that edited it last, a hash that stays as
    # long as the block does, and how it is set up.
    revisions: Mapping[str, int]
    fingerprint: str
    block_fingerprints: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    # None for a draft.
    publication: Publication | None = None
    # Blocks that give what they gave in another version, by its number: see `world.edit`.
    acts_as: Mapping[str, int] = field(default_factory=dict)


class Window(NamedTuple):
    """From a first to a last number, both inclusive; without a last one it is still open."""

    first: int
    last: int | None

    def holds(self, value: int) -> bool:
        return self.first <= value and (self.last is None or value <= self.last)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong in a workflow for a while, so that some of its evals do not pass.

    It lasts for ``versions`` (what one edit broke, until another repaired it), for a ``period`` in
    microseconds since 1970 (what no edit explains), or while both hold; with neither, only runs
    that name it have it. Its kind is ``"gap"`` (its evals never passed), ``"edit"`` (an edit broke
    them, which another one may have mended), ``"drift"`` (they broke although nobody edited
    anything), ``"episode"`` (the same, and it went by), ``"outage"`` or ``"chance"`` (bad luck in
    one run).
    """

    kind: str
    about: str
    versions: Window | None = None
    period: Window | None = None

    def covers(self, version: int, instant: int) -> bool:
        asked = ((self.versions, version), (self.period, instant))
        found = [window.holds(value) for window, value in asked if window is not None]
        return bool(found) and all(found)


@dataclass(frozen=True, slots=True)
class PlannedResult:
    """What comes out when an eval is run to its end: ``error`` where its execution breaks."""

    outcome: str
    actual: Any = None
    outputs: Any = None
    score: float | None = None
    failure: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @classmethod
    def broken(
        cls, code: str, message: str, block_id: str, context: Mapping[str, Any] | None = None
    ) -> Self:
        details = {
            "message": message,
            "stack_trace": None,
            "block_id": block_id,
            "block_name": None,
            "error_code": code,
            "context": dict(context or {}),
        }
        return cls("error", error={"message": message, "details": details})


@dataclass(frozen=True, slots=True)
class FailureMode:
    """When an eval does not pass (in an incident, or by a rate), and what can come out then."""

    results: tuple[PlannedResult, ...]
    incident: str | None = None
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a saved eval asserted, on which inputs, from one edit to the next."""

    at: int
    id: str
    label: str | None
    path: str | None
    condition: Mapping[str, Any]
    # What a result shows as expected: nothing, or one value, which may be null.
    expected: tuple[Any, ...]
    inputs: Mapping[str, Any]
    inputs_fingerprint: str
    passing: tuple[PlannedResult, ...]
    failure_modes: tuple[FailureMode, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SavedEval:
    """A saved eval with its edits, oldest first."""

    id: str
    # Document, block, path and a number: names it in its workflow, whatever the seed.
    key: str
    workflow_id: str
    block: Block
    name: str | None
    created: int
    removed: int | None
    assertions: tuple[Assertion, ...]
    source: Mapping[str, Any]
    # Members of its document that are not the usual ones.
    extras: Mapping[str, Any]

    def assertion_at(self, instant: int) -> Assertion:
        return next((a for a in reversed(self.assertions) if a.at <= instant), self.assertions[0])


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was started in the past, and what was special about it.

    ``at`` is in microseconds since 1970, to the minute. ``only`` one eval ran: the first that fails
    in this incident, or else of this document. ``end`` is ``"cancelled"`` (while it ran),
    ``"withdrawn"`` (cancelled before it started) or ``"error"`` where it did not complete;
    ``note`` and ``details`` say why. It has its ``incidents`` whatever their windows; in a
    ``quiet`` one nothing fails by chance, and nobody is in its way.
    """

    at: int
    trigger: str
    block: str | None = None
    only: str | None = None
    end: str | None = None
    note: str | None = None
    details: Mapping[str, Any] | None = None
    incidents: frozenset[str] = frozenset()
    quiet: bool = False

    @property
    def is_whole(self) -> bool:
        return self.block is None and self.only is None


@dataclass(frozen=True, slots=True, eq=False)
class Workflow:
    """A workflow with all that belongs to it, removed evals too."""

    id: str
    name: str | None
    description: str | None
    project_id: str | None
    blocks: tuple[Block, ...]
    versions: tuple[Version, ...]
    evals: tuple[SavedEval, ...]
    incidents: Mapping[str, Incident]
    past_runs: tuple[PastRun, ...]

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    @property
    def published(self) -> list[tuple[Version, Publication]]:
        """The versions that were published, oldest first; the last one is in use."""
        return [(each, each.publication) for each in self.versions if each.publication]


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a sandbox starts from."""

    seed: int
    # A midnight in microseconds since 1970; the history ends just before it.
    anchor: int
    workflows: Sequence[Workflow]
    files: Mapping[str, File]
    # For each run that is always in flight, what it runs in turns: a workflow, and one of its
    # blocks or None for the whole of it.
    in_flight: Sequence[Sequence[tuple[str, str | None]]] = ()


# Plans of runs


class Child(NamedTuple):
    """One eval of a run: what it asserts, what will come out, and how long it takes."""

    eval: SavedEval
    assertion: Assertion
    result: PlannedResult
    ms: int


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of a run that breaks: after this many evals, with this lifecycle."""

    after: int
    lifecycle: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that is known about a run when it is created."""

    id: str
    workflow_id: str
    version: Version
    trigger: str
    created: int
    # How long it stays pending before it is queued.
    delay_ms: int
    children: tuple[Child, ...]
    eval_id: str | None = None
    block_id: str | None = None
    crash: Crash | None = None
    freshness: Mapping[str, Any] = field(default_factory=dict)
    # What a cancelled run gives as its reason.
    reason: str | None = None
