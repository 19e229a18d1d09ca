"""The words in which the catalog is written: documents, evals, troubles, events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retab_analysis.sandbox.world.model import Block, Incident

Condition = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Doc:
    """A document, and what each block makes of it when it works; `data` feeds function blocks."""

    key: str
    filename: str
    outputs: Mapping[str, Any]
    mime_type: str = "application/pdf"
    data: Any = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A failing value; a score is given where it cannot be computed."""

    value: Any
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """An assertion that could not be evaluated."""

    code: str
    message: str
    value: Any = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Errored:
    """An eval whose execution broke."""

    code: str
    message: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fails:
    """When an eval does not pass, and how: an incident or tag by name, or at random by rate."""

    when: str
    ways: tuple[Wrong | Blocked | Errored, ...]
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Spec:
    """A saved eval. Days count from the anchor, so they are negative.

    Attributes:
        right: What comes out when it passes, where that is not what the document's output has;
            several values alternate.
        edits: Later versions of it: a day, and the fields that were edited.
    """

    doc: str
    block: str
    path: str | None
    condition: Condition
    name: str | None
    fails: tuple[Fails, ...] = ()
    right: tuple[Any, ...] = ()
    score: float | None = None
    label: str | None = None
    since: int | None = None
    until: int | None = None
    edits: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    run_step: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """A version: the day of its making, and the blocks that it changes."""

    day: int
    changed: tuple[str, ...]
    draft: bool = True
    minute: int = 570


@dataclass(frozen=True, slots=True)
class Event:
    """Something that starts a run: a day, a minute of it, who, and what is run.

    Attributes:
        block: Run the evals of this block only.
        only: Run one eval only: the first of those that fail because of this, or of this document.
        end: ``"cancelled"`` or ``"error"`` where the run does not complete.
        note: The reason or message of such an end.
        details: The details of an errored run.
        tags: ``"quiet"`` runs have no flaky failure; others name a `Fails.when`.
    """

    day: int
    minute: int
    trigger: str
    block: str | None = None
    only: str | None = None
    end: str | None = None
    note: str | None = None
    details: Mapping[str, Any] | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """A workflow with all that belongs to it, in days before the anchor."""

    id: str
    name: str | None
    description: str | None
    project_id: str | None
    published: int | None
    published_note: str
    blocks: tuple[Block, ...]
    versions: tuple[VersionSpec, ...]
    incidents: Mapping[str, Incident]
    docs: tuple[Doc, ...]
    specs: tuple[Spec, ...]
    events: tuple[Event, ...]
