"""The catalogue read: each workflow of the sandbox is a JSON file beside this one.

A file holds a workflow's blocks, versions, documents and saved evals, and its story: what goes
wrong when (`incidents`), and which runs there were (`runs`). A day is counted from the day on which
the sandbox starts, so all of them are negative; a time of day is ``"HH:MM"`` in UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from retab_analysis.sandbox.encoding import from_json

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """A block; `since` and `until` are the numbers of the first and last version that have it.

    Attributes:
        input: What a function block is given: a path into the document's outputs, or several by
            the name that each has in the input. All other blocks are given the file.
        config: How it is set up in the first version that has it: model, prompt, schema or code.
    """

    id: str
    kind: str
    name: str
    since: int = 1
    until: int | None = None
    input: str | Mapping[str, str] | None = None
    config: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """A version: when it was made, what it edits, and whether it was published.

    Attributes:
        changed: For each block that it edits, the new values in the block's config by their dotted
            paths.
        note: The release note; None for a draft, which was never published.
    """

    day: int
    changed: Mapping[str, Fields]
    at: str = "09:30"
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """A document, and what each block makes of it when it works."""

    key: str
    filename: str
    outputs: Mapping[str, Any]
    mime_type: str = "application/pdf"


@dataclass(frozen=True, slots=True)
class FailureSpec:
    """When an eval does not pass (in an incident, or at random by rate), and what comes out then.

    Attributes:
        values: Wrong values, of which one comes out.
        blocked: Code, message, and perhaps value and details of an assertion that could not be
            evaluated.
        error: Code, message and perhaps context of an execution that broke.
    """

    when: str | None = None
    rate: float = 1.0
    values: Sequence[Any] = ()
    blocked: Fields | None = None
    error: Fields | None = None


@dataclass(frozen=True, slots=True)
class IncidentSpec:
    """Something that goes wrong for a while; evals and runs name it.

    Attributes:
        kind: What it is in the workflow's story: ``"gap"`` (its evals never passed), ``"edit"`` (an
            edit broke them, which another one may have mended), ``"drift"`` (they broke although
            nobody edited anything), ``"episode"`` (the same, and it went by), ``"outage"`` or
            ``"chance"`` (bad luck in one run).
        about: What it is, for those who read the file.
        versions: The numbers of the first and the last version that have it; null for no end.
        days: The first and the last day on which it is there, in the same way. With both, a run has
            to lie in both; with neither, only runs that name it have it.
        every_eval: What all evals of the workflow give in it, beside those that name it.
    """

    kind: str
    about: str
    versions: Sequence[int | None] | None = None
    days: Sequence[int | None] | None = None
    every_eval: FailureSpec | None = None


@dataclass(frozen=True, slots=True)
class EvalSpec:
    """A saved eval.

    Attributes:
        condition: Where what it expects is left out, that is the document's own value.
        right: What comes out when it passes, where that is not the document's own value; several
            values alternate.
        score: The score of a passing value, where it cannot be computed.
        since: The day on which it was saved, where that is not left to chance.
        until: The day on which it was removed.
        run_step: It was saved from a step of a workflow run, not by hand.
        extras: Members of its API document that are not the usual ones.
        edits: Later forms of it, each with its day.
    """

    document: str
    path: str | None
    condition: Fields
    name: str | None
    fails: Sequence[FailureSpec] = ()
    right: Sequence[Any] = ()
    score: float | None = None
    label: str | None = None
    since: int | None = None
    until: int | None = None
    run_step: bool = False
    extras: Fields = field(default_factory=dict)
    edits: Sequence[tuple[int, "EvalSpec"]] = ()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run of the past, on one day; what the other fields mean is told at `model.PastRun`."""

    day: int
    at: str
    trigger: str
    block: str | None = None
    only: str | None = None
    end: str | None = None
    note: str | None = None
    details: Fields | None = None
    incidents: Sequence[str] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """A workflow with all that belongs to it; `evals` are kept by the block that they test."""

    about: str
    id: str
    name: str | None
    description: str | None
    project_id: str | None
    blocks: Sequence[BlockSpec]
    versions: Sequence[VersionSpec]
    incidents: Mapping[str, IncidentSpec] = field(default_factory=dict)
    runs: Sequence[RunSpec] = ()
    evals: Mapping[str, Sequence[EvalSpec]] = field(default_factory=dict)
    documents: Sequence[DocumentSpec] = ()


def read_catalog(name: str) -> Any:
    """Read a file of the catalogue by its name without ``.json``."""
    folder = resources.files("retab_analysis.sandbox.catalog")
    return from_json(folder.joinpath(f"{name}.json").read_text("utf-8"))


def workflow_spec(fields: Fields) -> WorkflowSpec:
    """Make a workflow's spec from what its file holds.

    Raises:
        TypeError: A field that there is not, or one that is missing.
    """
    parts: dict[str, Any] = {
        "blocks": [BlockSpec(**block) for block in fields["blocks"]],
        "versions": [VersionSpec(**version) for version in fields["versions"]],
        "incidents": {
            name: _incident(incident) for name, incident in fields.get("incidents", {}).items()
        },
        "runs": [run for group in fields.get("runs", ()) for run in _runs(**group)],
        "evals": {
            block: [_eval(saved) for saved in saved_evals]
            for block, saved_evals in fields.get("evals", {}).items()
        },
        "documents": [DocumentSpec(**document) for document in fields.get("documents", ())],
    }
    return WorkflowSpec(**{**fields, **parts})


def _incident(fields: Fields) -> IncidentSpec:
    every = fields.get("every_eval")
    return IncidentSpec(**{**fields, "every_eval": None if every is None else FailureSpec(**every)})


def _eval(fields: Fields) -> EvalSpec:
    first = {name: value for name, value in fields.items() if name != "edits"}
    parts = {
        "fails": [FailureSpec(**failure) for failure in fields.get("fails", ())],
        "edits": [
            (edit["day"], _eval({**first, **{k: v for k, v in edit.items() if k != "day"}}))
            for edit in fields.get("edits", ())
        ],
    }
    return EvalSpec(**{**first, **parts})


def _runs(days: Sequence[int | Sequence[int]], **fields: Any) -> list[RunSpec]:
    """Make a run for each of the days; a list among them is a first, a last and perhaps a step."""
    found: list[int] = []
    for day in days:
        if isinstance(day, int):
            found.append(day)
        else:
            first, last, *step = day
            found += range(first, last + 1, *step)
    return [RunSpec(day, **fields) for day in found]
