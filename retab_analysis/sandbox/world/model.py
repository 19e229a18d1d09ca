"""The parts of a simulated world: workflows with saved evals, and the plans of their runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

# What eval runs name: the draft as it was; the publication of that draft, if there is one; the
# draft by its content; or the same id for all drafts. Retab documents the first.


class File(NamedTuple):
    """A document that evals take as input."""

    id: str
    filename: str
    mime_type: str


# Workflows and their saved evals


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a workflow; `since` and `until` are its first and last version."""

    id: str
    kind: str
    name: str
    since: int = 1
    until: int | None = None
    # The input of a function block; all others get the file.
    input: str | Mapping[str, str] | None = None
    # Its configuration in its first version: model, prompt, schema or code.
    config: Mapping[str, Any] = field(default_factory=dict)

    def in_version(self, version: int) -> bool:
        return self.since <= version and (self.until is None or version <= self.until)


class Publication(NamedTuple):
    """The publication of a version: its ordinal from 1, its time, and its note."""

    id: str
    ordinal: int
    at: int
    note: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a workflow, whose ``number`` is its place in the history, from 1."""

    number: int
    # The id that it has once it is published, and the id by which eval runs name it.
    id: str
    draft_id: str
    at: int
    # For each of its blocks: the number of the version that edited it last, a hash that stays as
    # long as the block does, and its configuration.
    revisions: Mapping[str, int]
    fingerprint: str
    block_fingerprints: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    # None for a draft.
    publication: Publication | None = None
    # Blocks with the outputs of another version, by its number: see `world.edit`.
    acts_as: Mapping[str, int] = field(default_factory=dict)


class Window(NamedTuple):
    """From a first to a last number, both inclusive; without a last one it is still open."""

    first: int
    last: int | None

    def holds(self, value: int) -> bool:
        return self.first <= value and (self.last is None or value <= self.last)


@dataclass(frozen=True, slots=True)
class Incident:
    """A problem of a workflow for a while, by which some of its evals do not pass.

    It lasts for ``versions`` (from the edit that broke them to the repair), for a ``period`` in
    microseconds since 1970 (without an edit), or while both hold. With neither, only runs that name
    it have it. Its kind is ``"gap"`` (its evals never passed), ``"edit"`` (an edit broke them, and
    another may have fixed them) or ``"drift"`` (they broke without an edit). Or it is
    ``"episode"`` (the same, but it passed), ``"outage"`` or ``"chance"`` (bad luck in one run).
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
    """The outcome of an eval that ran to its end: ``error`` if its execution breaks."""

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
    """When an eval does not pass (in an incident, or by a rate), and its possible outcomes then.

    It passes where its block's prompt has the words of ``unless``.
    """

    results: tuple[PlannedResult, ...]
    incident: str | None = None
    rate: float = 1.0
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
    """The assertion of a saved eval, and its inputs, from one edit to the next."""

    at: int
    id: str
    label: str | None
    path: str | None
    condition: Mapping[str, Any]
    # The expected value of a result: none, or one value, which may be null.
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
    # Unusual members of its document.
    extras: Mapping[str, Any]

    def assertion_at(self, instant: int) -> Assertion:
        return next((a for a in reversed(self.assertions) if a.at <= instant), self.assertions[0])


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was started in the past, with its special features.

    ``at`` is in microseconds since 1970, to the minute. ``only`` one eval ran: the first that fails
    in this incident, or else of this document. ``end`` is ``"cancelled"`` (while it ran),
    ``"withdrawn"`` (cancelled before it started) or ``"error"`` if it did not complete; ``note``
    and ``details`` say why. It has its ``incidents`` whatever their windows. In a ``quiet`` one no
    eval fails by chance, and no other run delays it.
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
    """A workflow with all its parts, removed evals included."""

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
    """The initial state of a sandbox."""

    seed: int
    # A midnight in microseconds since 1970; the history ends just before it.
    anchor: int
    workflows: Sequence[Workflow]
    files: Mapping[str, File]
    # For each background stream, its runs in turn: a workflow, and one of its blocks or None for
    # the whole workflow.
    in_flight: Sequence[Sequence[tuple[str, str | None]]] = ()


# Plans of runs


class Child(NamedTuple):
    """One eval of a run: its assertion, its outcome, and its duration."""

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
    """The facts about a run at its creation."""

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
    # The reason that a cancelled run gives.
    reason: str | None = None
