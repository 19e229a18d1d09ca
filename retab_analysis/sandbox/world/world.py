"""A world: workflows, saved evals, files and what was run, from a seed and an anchor in time."""

from collections.abc import Iterator, Mapping
from typing import Any

from retab_analysis.sandbox.catalog.specs import (
    IncidentSpec,
    RunSpec,
    VersionSpec,
    WorkflowSpec,
    read_catalog,
    workflow_spec,
)
from retab_analysis.sandbox.instants import DAY, MINUTE, day_name
from retab_analysis.sandbox.world.model import (
    Block,
    File,
    Incident,
    PastRun,
    Publication,
    Version,
    Window,
    Workflow,
    World,
)
from retab_analysis.sandbox.world.saved_evals import file_of, saved_evals, with_value
from retab_analysis.sandbox.world.seeding import fingerprint, token

# A version is published an hour and a half after it was made, when it has been tried.
_TRIED_FOR = 95 * MINUTE


def build_world(seed: int, anchor: int) -> World:
    """Build the sandbox's world; the same seed and anchor give the same, byte by byte.

    Args:
        seed: Any whole number: ids, durations and chance follow from it. The story does not.
        anchor: A midnight (UTC) in microseconds since 1970; the history ends just before it.
    """
    contents = read_catalog("world")
    specs = [workflow_spec(read_catalog(name)) for name in contents["workflows"]]
    return World(
        seed=seed,
        anchor=anchor,
        workflows=[build_workflow(spec, seed, anchor) for spec in specs],
        files={file.id: file for spec in specs for file in files_of(spec, seed)},
        in_flight=[
            [(turn["workflow"], turn["block"]) for turn in turns] for turns in contents["in_flight"]
        ],
    )


def build_workflow(spec: WorkflowSpec, seed: int, anchor: int) -> Workflow:
    """Give a workflow of the catalogue its ids and dates.

    Raises:
        ValueError: An eval or a run names an incident that the workflow does not have.
    """
    blocks = {b.id: Block(b.id, b.kind, b.name, b.since, b.until) for b in spec.blocks}
    return Workflow(
        id=spec.id,
        name=spec.name,
        description=spec.description,
        project_id=spec.project_id,
        blocks=tuple(blocks.values()),
        versions=tuple(_versions(spec, blocks, anchor)),
        evals=tuple(saved_evals(spec, blocks, seed, anchor)),
        incidents={name: _incident(incident, anchor) for name, incident in spec.incidents.items()},
        past_runs=tuple(sorted(_past_runs(spec, anchor), key=lambda run: run.at)),
    )


def files_of(spec: WorkflowSpec, seed: int) -> list[File]:
    """List the files of a workflow's documents."""
    return [file_of(document, spec.id, seed) for document in spec.documents]


def _versions(spec: WorkflowSpec, blocks: Mapping[str, Block], anchor: int) -> Iterator[Version]:
    revisions: dict[str, int] = {}
    configs = {block.id: block.config for block in spec.blocks}
    published = 0
    for number, made in enumerate(spec.versions, 1):
        _revise(revisions, configs, blocks, number, made)
        at = _instant(anchor, made.day, made.at)
        content = fingerprint("workflow", spec.id, *sorted(revisions.items()))
        publication = None
        if made.note is not None:
            published += 1
            ident = f"wph_{token(spec.id, published)}"
            publication = Publication(ident, published, at + _TRIED_FOR, made.note)
        yield Version(
            number=number,
            id=f"ver_{content}" if publication else f"draft_{day_name(at, '_')}",
            at=at,
            revisions=dict(revisions),
            fingerprint=content,
            block_fingerprints={
                name: fingerprint("block", spec.id, name, revision)
                for name, revision in revisions.items()
            },
            configs={name: configs[name] for name in revisions},
            publication=publication,
        )


def _revise(
    revisions: dict[str, int],
    configs: dict[str, Mapping[str, Any]],
    blocks: Mapping[str, Block],
    number: int,
    made: VersionSpec,
) -> None:
    """Take blocks in and out as a version does, and edit what it edits."""
    for block in blocks.values():
        if not block.in_version(number):
            revisions.pop(block.id, None)
        elif block.id not in revisions or block.id in made.changed:
            revisions[block.id] = number
            for path, value in made.changed.get(block.id, {}).items():
                configs[block.id] = with_value(configs[block.id], path, value)


def _incident(spec: IncidentSpec, anchor: int) -> Incident:
    versions = period = None
    if spec.versions is not None:
        first, last = spec.versions
        versions = Window(first or 1, last)
    if spec.days is not None:
        first, last = spec.days
        start = 0 if first is None else anchor + first * DAY
        period = Window(start, None if last is None else anchor + (last + 1) * DAY - 1)
    return Incident(spec.kind, spec.about, versions, period)


def _past_runs(spec: WorkflowSpec, anchor: int) -> Iterator[PastRun]:
    for run in spec.runs:
        unknown = set(run.incidents) - set(spec.incidents)
        if unknown:
            raise ValueError(
                f"a run of {spec.id} names {sorted(unknown)}, which its incidents do not have"
            )
        yield _past_run(run, _instant(anchor, run.day, run.at))


def _past_run(run: RunSpec, at: int) -> PastRun:
    return PastRun(
        at=at,
        trigger=run.trigger,
        block=run.block,
        only=run.only,
        end=run.end,
        note=run.note,
        details=run.details,
        incidents=frozenset(run.incidents),
        quiet=run.quiet,
    )


def _instant(anchor: int, day: int, time_of_day: str) -> int:
    hours, minutes = map(int, time_of_day.split(":"))
    return anchor + day * DAY + (hours * 60 + minutes) * MINUTE
