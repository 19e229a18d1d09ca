"""A world: workflows, saved evals, files and past runs, from a seed and an anchor in time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from retab_analysis.sandbox.encoding import from_json
from retab_analysis.sandbox.instants import DAY, MINUTE, iso
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
from retab_analysis.sandbox.world.saved_evals import Fields, file_of, saved_evals, with_value
from retab_analysis.sandbox.world.seeding import fingerprint, token

# A version is tried first, and published an hour and a half after it was made.
_TRIED_FOR = 95 * MINUTE


def build_world(seed: int, anchor: int) -> World:
    """Build the sandbox's world; the same seed and anchor give the same, byte by byte.

    Ids, durations and chance follow from the seed; the story does not. The anchor is a midnight
    (UTC) in microseconds since 1970; the history ends just before it.
    """
    contents = read_catalog("world")
    workflows = [read_catalog(name) for name in contents["workflows"]]
    return World(
        seed=seed,
        anchor=anchor,
        workflows=[build_workflow(fields, seed, anchor) for fields in workflows],
        files={file.id: file for fields in workflows for file in files_of(fields, seed)},
        in_flight=[
            [(turn["workflow"], turn["block"]) for turn in turns] for turns in contents["in_flight"]
        ],
    )


def read_catalog(name: str) -> Any:
    folder = resources.files("retab_analysis.sandbox.catalog")
    return from_json(folder.joinpath(f"{name}.json").read_text("utf-8"))


def build_workflow(fields: Fields, seed: int, anchor: int) -> Workflow:
    blocks = {block["id"]: Block(**block) for block in fields["blocks"]}
    incidents = fields.get("incidents", {})
    return Workflow(
        id=fields["id"],
        name=fields["name"],
        description=fields["description"],
        project_id=fields["project_id"],
        blocks=tuple(blocks.values()),
        versions=tuple(_name_drafts(_versions(fields, blocks, anchor))),
        evals=tuple(saved_evals(fields, blocks, seed, anchor)),
        incidents={name: _incident(anchor, **each) for name, each in incidents.items()},
        past_runs=tuple(sorted(_past_runs(fields, anchor), key=lambda run: run.at)),
    )


def files_of(fields: Fields, seed: int) -> list[File]:
    return [file_of(each, fields["id"], seed) for each in fields.get("documents", ())]


def _versions(fields: Fields, blocks: Mapping[str, Block], anchor: int) -> Iterator[Version]:
    revisions: dict[str, int] = {}
    configs = {block.id: block.config for block in blocks.values()}
    published = 0
    for number, made in enumerate(fields["versions"], 1):
        for block in blocks.values():
            if not block.in_version(number):
                revisions.pop(block.id, None)
            elif block.id not in revisions or block.id in made["changed"]:
                revisions[block.id] = number
                for path, value in made["changed"].get(block.id, {}).items():
                    configs[block.id] = with_value(configs[block.id], path, value)
        at = _instant(anchor, made["day"], made.get("at", "09:30"))
        content = fingerprint("workflow", fields["id"], *sorted(revisions.items()))
        publication = None
        if made.get("note") is not None:
            published += 1
            ident = f"wph_{token(fields['id'], published)}"
            publication = Publication(ident, published, at + _TRIED_FOR, made["note"])
        yield Version(
            number=number,
            id=f"ver_{content}",
            draft_id="",
            at=at,
            revisions=dict(revisions),
            fingerprint=content,
            block_fingerprints={
                name: fingerprint("block", fields["id"], name, revision)
                for name, revision in revisions.items()
            },
            configs={name: configs[name] for name in revisions},
            publication=publication,
        )


def edit(workflow: Workflow, block: Block, config: Mapping[str, Any], at: int) -> Workflow:
    """Add a draft in which a block has another configuration.

    A configuration that it had has its code and its outputs. Another one has the outputs of the
    longest earlier prompt that its prompt contains, or else the present outputs.
    """
    newest, number = workflow.newest, len(workflow.versions) + 1
    had = [each for each in workflow.versions if block.id in each.configs]
    same = [each for each in had if each.configs[block.id] == config]
    prompts = {each.number: each.configs[block.id]["prompt"] for each in had}
    alike = [each for each in had if prompts[each.number] in config["prompt"]]
    like = max(same or alike or [newest], key=lambda at: (len(prompts[at.number]), at.number))
    revisions = {**newest.revisions, block.id: same[0].revisions[block.id] if same else number}
    content = fingerprint("workflow", workflow.id, *sorted(revisions.items()))
    draft = replace(
        newest,
        number=number,
        id=f"ver_{content}",
        at=at,
        revisions=revisions,
        fingerprint=content,
        block_fingerprints={
            **newest.block_fingerprints,
            block.id: fingerprint("block", workflow.id, block.id, revisions[block.id]),
        },
        configs={**newest.configs, block.id: config},
        publication=None,
        acts_as={**newest.acts_as, block.id: like.acts_as.get(block.id, like.number)},
    )
    versions = (*workflow.versions, draft)
    return replace(workflow, versions=tuple(_name_drafts(versions)))


def config_before(workflow: Workflow, block: Block) -> Mapping[str, Any]:
    """Give the configuration that a block has in production, or else had before its newest edit."""
    now = workflow.newest.configs[block.id]
    had = [each for each in workflow.versions if block.id in each.configs]
    published = [each.configs[block.id] for each in had if each.publication]
    others = [each.configs[block.id] for each in had if each.configs[block.id] != now]
    return [now, *others, *published[-1:]][-1]


def _name_drafts(versions: Iterable[Version]) -> Iterator[Version]:
    """Give each version the id by which runs name it: a draft's day, and its number on that day."""
    days = Counter[str]()
    for version in versions:
        day = f"draft_{iso(version.at)[:10].replace('-', '_')}"
        days[day] += 1
        name = day if days[day] == 1 else f"{day}_{days[day]}"
        yield replace(version, draft_id=name)


def _incident(
    anchor: int,
    kind: str,
    about: str,
    versions: Sequence[int | None] | None = None,
    days: Sequence[int | None] | None = None,
    every_eval: Fields | None = None,
) -> Incident:
    window = period = None
    if versions is not None:
        window = Window(versions[0] or 1, versions[1])
    if days is not None:
        first, last = days
        start = 0 if first is None else anchor + first * DAY
        period = Window(start, None if last is None else anchor + (last + 1) * DAY - 1)
    return Incident(kind, about, window, period)


def _past_runs(fields: Fields, anchor: int) -> Iterator[PastRun]:
    for group in fields.get("runs", ()):
        about = {name: value for name, value in group.items() if name not in ("days", "at")}
        about["incidents"] = frozenset(about.get("incidents", ()))
        for days in group["days"]:
            first, last, *step = (days, days) if isinstance(days, int) else days
            for day in range(first, last + 1, *step):
                yield PastRun(_instant(anchor, day, group["at"]), **about)


def _instant(anchor: int, day: int, time_of_day: str) -> int:
    hours, minutes = map(int, time_of_day.split(":"))
    return anchor + day * DAY + (hours * 60 + minutes) * MINUTE
