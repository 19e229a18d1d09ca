"""Accepted failures and informational evals: a TOML file, for review like code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise, repeat
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from msgspec import Meta, Struct, ValidationError, convert, structs

from retab_analysis.arguments import check_path, find_named
from retab_analysis.errors import ConfigError, list_some
from retab_analysis.evidence.story import Story
from retab_analysis.files import save
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import BROKEN, UNDECIDED

_TABLE = re.compile(
    r"^(?:[ \t]*#.*\n)*[ \t]*\[(?:\[[ \t]*(accepted)[ \t]*\]\]|[ \t]*tiers\b)", re.MULTILINE
)
"""The beginning of an entry or a tier: its head, and the comments right above it."""
_HEAD = "# Evals with a known and accepted failure. Remove an entry once its eval passes again.\n"
_NOT_OVER = (*BROKEN, *UNDECIDED, "flaky")
SET_ASIDE = ("accepted", "informational")

GivenAccepted = str | os.PathLike[str] | Iterable[str] | pl.DataFrame | None
"""A file, ids or names of evals, or a frame of them; None for the argument of :func:`use`."""
ReadLabels = Callable[[], Mapping[str, str | None] | None]
"""Gives the labels of a workflow's blocks by their ids, or None if the API cannot be asked."""

_of_session: GivenAccepted = ()  # the last use(accepted=…)


class Accepted(Struct, frozen=True, forbid_unknown_fields=True):
    """One accepted failure. In an entry written by hand, ``id`` may be the eval's name."""

    id: Annotated[str, Meta(min_length=1)]
    name: str | None = None
    reason: str | None = None
    who: str | None = None
    until: date | None = None
    workflow: str | None = None

    def has_run_out(self, today: date) -> bool:
        return self.until is not None and self.until < today

    def to_toml(self) -> str:
        values = structs.asdict(self).items()
        lines = [f"{name} = {_toml(value)}" for name, value in values if value is not None]
        return "\n".join(["[[accepted]]", *lines, ""])


class _Tier(Struct, frozen=True, forbid_unknown_fields=True):
    evals: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


class _Tiers(Struct, frozen=True, forbid_unknown_fields=True):
    informational: _Tier = _Tier()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of a file."""

    accepted: tuple[Accepted, ...] = ()
    tiers: _Tiers = _Tiers()


class Outdated(NamedTuple):
    """An entry without a failure to accept: why, and its place in the file."""

    entry: Accepted
    why: str
    lines: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Accepted failures, and informational evals and blocks, by id or name; and their file."""

    accepted: tuple[Accepted, ...] = ()
    evals: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    path: str = ""
    lines: tuple[str, ...] = ()  # the place of each entry in its file, if known
    is_default: bool = False  # meant for every workflow: one of them may lack these names
    today: date = field(default_factory=lambda: datetime.now(UTC).date())  # check: the API's day

    def fit(
        self, stories: Sequence[Story], saved: pl.DataFrame | None, read_labels: ReadLabels | None
    ) -> Policy:
        """The entries of this workflow, with ids for labels of blocks, which it asks for if needed.

        A name in a tier that fits nothing is an error, if the saved evals are known.
        """
        every = () if saved is None else saved.select("eval_id", "eval_name", "block_id").rows()
        every = [*every, *((each.id, each.name, each.block_id) for each in stories)]
        ids: dict[str, str | None] = {block: None for _, _, block in every if block is not None}
        blocks = self.blocks
        if read_labels is not None and not ids.keys() >= {*blocks}:
            known = {**ids, **(read_labels() or {})}
            try:
                blocks = tuple(find_named("block", each, known) or each for each in blocks)
            except ConfigError as error:
                raise ConfigError(f"accepted: {error}") from None
        there = {each for eval_id, name, _ in every for each in (eval_id, name)}
        lost = [*({*self.evals} - there), *({*blocks} - ids.keys())]
        if lost and saved is not None and not self.is_default:
            named = list_some(sorted(one_line(each, 200) for each in lost))
            raise ConfigError(
                f"accepted: [tiers.informational] has names that this workflow lacks: {named}"
            )
        flow = None if saved is None else next(iter(saved["workflow_id"]), None)
        kept = [
            (entry, lines)
            for entry, lines in zip(self.accepted, self.lines or repeat(""), strict=False)
            if flow is None or (entry.workflow or flow) == flow
            if entry.workflow or not self.is_default or entry.id in there
        ]
        accepted, lines = zip(*kept, strict=True) if kept else ((), ())
        return replace(self, accepted=accepted, lines=lines, blocks=blocks)

    def informational_ids(self, stories: Sequence[Story]) -> set[str]:
        named = find_evals(stories, self.evals).values()
        return {*named, *(each.id for each in stories if each.block_id in self.blocks)}

    def set_aside(self, stories: Sequence[Story], counting: Iterable[str]) -> dict[str, str]:
        """The evals that do not simply pass and do not count, with the word for the reason.

        ``counting`` are the transitions that fail the gate.
        """
        words = dict.fromkeys(self.informational_ids(stories), SET_ASIDE[1])
        entries = [each.id for each in self.accepted if not each.has_run_out(self.today)]
        words |= dict.fromkeys(find_evals(stories, entries).values(), SET_ASIDE[0])
        open_ones = {*counting, *UNDECIDED}
        return {
            each.id: words[each.id]
            for each in stories
            if each.id in words and (each.fails or each.transition in open_ones)
        }

    def list_outdated(
        self, stories: Sequence[Story], saved: frozenset[str] | None
    ) -> list[Outdated]:
        """The entries without a failure to accept.

        One pass is not the end of a failure: an entry has to go once its eval passed in two rows
        and is not flaky.
        """
        found = find_evals(stories, [each.id for each in self.accepted])
        known, listed = {each.id: each for each in stories}, []
        for entry, lines in zip(self.accepted, self.lines or repeat(""), strict=False):
            story = known.get(found.get(entry.id, ""))
            is_removed = story is not None and story.transition == "removed"
            passes = story and story.state == "passed" and story.reading.passing_rows > 1
            name = one_line(f"{entry.name} ({entry.id})" if entry.name else entry.id, 200)
            if is_removed if saved is None else entry.id not in saved:
                listed.append(Outdated(entry, f"Accepted, but not a saved eval: {name}.", lines))
            elif story and passes and story.transition not in _NOT_OVER:
                listed.append(Outdated(entry, f"Accepted, but passes again: {name}.", lines))
            elif entry.has_run_out(self.today):
                said = f"Accepted until {entry.until}, which is over: {name}."
                listed.append(Outdated(entry, said, lines))
        return listed


def find_evals(stories: Iterable[Story], names: Iterable[str]) -> dict[str, str]:
    """The ids of evals that are given by id or name; unknown ones are left out."""
    known = name_by_id(stories)
    found = ((each, find_named("eval", each, known)) for each in names)
    return {each: eval_id for each, eval_id in found if eval_id is not None}


def name_by_id(stories: Iterable[Story]) -> dict[str, str | None]:
    return {each.id: each.name for each in stories}


def accept_in_session(given: GivenAccepted) -> None:
    """Set the meaning of ``accepted=None``; each call reads a file again."""
    global _of_session
    _of_session = given


def read_accepted(given: GivenAccepted = None) -> Policy:
    """The policy of an argument ``accepted``."""
    if given is None:
        return replace(read_accepted(_of_session), is_default=True)
    if isinstance(given, os.PathLike) or (isinstance(given, str) and given.endswith(".toml")):
        return read_policy(given)
    return Policy(tuple(map(Accepted, dict.fromkeys(check_texts("accepted", given)))))


def check_texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, pl.DataFrame) and "eval_id" in values.columns:
        values = values["eval_id"]
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a text or several, got {values!r}")
    several = (values,) if isinstance(values, str) else tuple(values)
    if not all(isinstance(value, str) and value for value in several):
        raise ConfigError(f"{name} must hold ids or names, got {one_line(repr(several), 200)}")
    return several


def read_policy(path: str | os.PathLike[str]) -> Policy:
    try:
        text = Path(path).read_text(encoding="utf-8")
        file = convert(tomllib.loads(text), _File)
    except (OSError, ValueError, RecursionError) as error:
        holds = (
            f". It may hold [[accepted]] tables with {', '.join(Accepted.__struct_fields__)}, as "
            "Comparison.accept writes them, and a table [tiers.informational] with evals = […] "
            "and blocks = […]"
        )
        said = f"{error}{'' if isinstance(error, OSError) else holds}"
        raise ConfigError(f"accepted: {str(path)!r} cannot be read: {said}") from None
    tables, tier = _find_tables(text), file.tiers.informational
    lines = [_say_lines(text, each) for each in tables if len(tables) == len(file.accepted)]
    return Policy(file.accepted, tier.evals, tier.blocks, str(path), tuple(lines))


def _find_tables(text: str) -> list[tuple[int, int]]:
    found = [*_TABLE.finditer(text)]
    ends = pairwise([*(each.start() for each in found), len(text)])
    return [pair for each, pair in zip(found, ends, strict=True) if each[1]]


def _say_lines(text: str, table: tuple[int, int]) -> str:
    first, last = text[: table[0]].count("\n") + 1, text[: table[1]].rstrip().count("\n") + 1
    return f"lines {first} to {last}"


def write_accepted(
    chosen: Sequence[Story],
    path: str | os.PathLike[str],
    *,
    reason: str,
    until: date | str | None,
    who: str | None,
    workflow: str | None,
    today: date,
) -> str:
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigError(f"reason must say why these failures are accepted, got {reason!r}")
    if who is not None and not (isinstance(who, str) and who.strip()):
        raise ConfigError(f"who must be a name or None, got {who!r}")
    last: date | None = None
    with contextlib.suppress(ValidationError):
        last = convert(until, date | None)
    if (last is None) != (until is None) or isinstance(until, datetime):
        raise ConfigError(f"until must be a date such as 2026-12-31, got {until!r}")
    if last is not None and last < today:
        raise ConfigError(f"until: {last} is over; the last day must be today or later")
    target = check_path("path", path)
    if target.suffix != ".toml":
        raise ConfigError(f"path must end in .toml, got {str(path)!r}")
    is_there = target.exists()
    known = read_policy(target) if is_there else Policy()
    text = target.read_text(encoding="utf-8") if is_there else _HEAD
    tables = _find_tables(text)
    if len(tables) != len(known.accepted):
        raise ConfigError(f"accepted: write the entries of {str(path)!r} as [[accepted]] tables")
    written = (text[slice(*each)] for each in tables)
    entries = [*zip(known.accepted, written, strict=True)]
    head = "".join(
        text[end:start] for (_, end), (start, _) in pairwise([(0, 0), *tables, (len(text), 0)])
    )
    told: dict[str, list[str]] = {"Accepted": [], "Accepted already": []}
    for name, eval_id in ((each.name, each.id) for each in chosen):
        # An entry written by hand may have the name in place of the id.
        had = [each for each in entries if each[0].id in (eval_id, name)]
        stays = any(not entry.has_run_out(today) for entry, _ in had)
        told["Accepted already" if stays else "Accepted"].append(one_line(name or eval_id, 200))
        if not stays:
            new = Accepted(eval_id, name, reason, who, last, workflow)
            lines = [line.strip() for _, table in had for line in table.splitlines()]
            comments = [line for line in lines if line.startswith("#")]
            table = "\n".join([*comments, new.to_toml()])
            entries = [*(each for each in entries if each not in had), (new, table)]
    if told["Accepted"]:
        parts = [table for _, table in sorted(entries, key=lambda each: each[0].id)]
        whole = "\n".join(f"{each.strip()}\n" for each in (head, *parts) if each.strip())
        # Half a surrogate pair cannot be written in UTF-8.
        save(target, whole.encode(errors="replace"))
    if not (chosen or is_there):
        return "There is nothing to accept."
    said = [f"{what}: {', '.join(names)}." for what, names in told.items() if names]
    verb = "holds" if told["Accepted"] else "stays as it is, and holds"
    return " ".join([*said, f"{target.name} {verb} {len(entries)} now."])


def _toml(value: str | date) -> str:
    """A value as TOML, whose basic strings are JSON's except for DEL."""
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
