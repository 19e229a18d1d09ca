"""What a simulated world is made of: blocks, versions, saved evals, and plans of runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OPERATIONS = {
    "extract": "extraction",
    "split": "split",
    "classifier": "classification",
    "function": "function_invocation",
}


class File(NamedTuple):
    """A document that evals take as input."""

    id: str
    filename: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a workflow; `since` is the number of the first version that has it."""

    id: str
    kind: str
    name: str
    since: int = 1
    until: int | None = None

    def in_version(self, version: int) -> bool:
        """Say whether the version with this number has the block."""
        return self.since <= version and (self.until is None or version <= self.until)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a workflow: its number (from 1), id, date, and each block's revision."""

    number: int
    id: str
    at: int
    revisions: Mapping[str, int]
    fingerprint: str


VersionSeries = tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What comes out when an eval is run to its end, before it is known when."""

    outcome: str
    actual: Any = None
    outputs: Any = None
    score: float | None = None
    failure: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """When an eval does not pass, and what comes out then.

    Attributes:
        when: The name of an incident (a range of versions), or of a tag that a run carries.
        rate: How often, from 0 to 1; below 1 the eval is flaky and `when` is not looked at.
        findings: What can come out; one is drawn.
    """

    when: str
    rate: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a saved eval asserted, on which inputs, from one edit to the next."""

    at: int
    id: str
    label: str | None
    path: str | None
    condition: Mapping[str, Any]
    expected: tuple[Any, ...]
    inputs: Mapping[str, Any]
    inputs_fingerprint: str
    passing: tuple[Finding, ...]
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SavedEval:
    """A saved eval with its edits, oldest first."""

    id: str
    key: str
    workflow_id: str
    block: Block
    name: str | None
    created: int
    removed: int | None
    assertions: tuple[Assertion, ...]
    source: Mapping[str, Any]
    extras: Mapping[str, Any]

    def assertion_at(self, instant: int) -> Assertion:
        """Give what the eval asserted at an instant."""
        return next((a for a in reversed(self.assertions) if a.at <= instant), self.assertions[0])


@dataclass(frozen=True, slots=True)
class Incident:
    """A range of versions in which something is wrong; without `last` it still is."""

    first: int
    last: int | None = None

    def covers(self, version: int) -> bool:
        """Say whether a version has the fault."""
        return self.first <= version and (self.last is None or version <= self.last)


@dataclass(frozen=True, slots=True, eq=False)
class Workflow:
    """A workflow with its blocks, versions and saved evals (removed ones too)."""

    id: str
    document: Mapping[str, Any]
    blocks: tuple[Block, ...]
    versions: tuple[Version, ...]
    evals: tuple[SavedEval, ...]
    incidents: Mapping[str, Incident]

    @property
    def newest(self) -> Version:
        """The newest version, on which new runs are started."""
        return self.versions[-1]


class Child(NamedTuple):
    """One eval of a run: what it asserts, what will come out, and how long it takes."""

    eval: SavedEval
    assertion: Assertion
    finding: Finding
    ms: int


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of a run that breaks: after this many evals, with this lifecycle."""

    after: int
    lifecycle: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that is known about a run when it is created.

    Attributes:
        delay_ms: How long it stays pending before it is queued.
        vintage: 0 and 1 are older records, which lack optional parts; 2 is complete.
        reason: What a cancelled run gives as its reason.
    """

    id: str
    workflow_id: str
    version: Version
    trigger: str
    created: int
    delay_ms: int
    children: tuple[Child, ...]
    eval_id: str | None = None
    block_id: str | None = None
    crash: Crash | None = None
    freshness: Mapping[str, Any] = field(default_factory=dict)
    vintage: int = 2
    reason: str | None = None
