"""Accepted failures: a TOML file, for review like code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise, repeat
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
from msgspec import Meta, Struct, ValidationError, convert, structs

from retab_analysis.arguments import check_path, find_named, naming, resolve
from retab_analysis.comparison.detail import list_stories
from retab_analysis.errors import ConfigError, shown
from retab_analysis.evidence.story import Story
from retab_analysis.files import save
from retab_analysis.markup import one_line
from retab_analysis.schema import as_polars, read_ids
from retab_analysis.vocabulary import BROKEN, UNDECIDED

_TABLE = re.compile(r"^(?:[ \t]*#.*\n)*[ \t]*\[\[[ \t]*accepted[ \t]*\]\]", re.MULTILINE)
"""The beginning of an entry: its head, and the comments right above it."""
_HEAD = "# Evals with a known and accepted failure. Remove an entry once its eval passes again.\n"
_NOT_OVER = (*BROKEN, *UNDECIDED, "flaky")

GivenAccepted = str | os.PathLike[str] | Iterable[str] | pl.DataFrame | None
"""A file, ids or names of evals, or a frame of them; None for the argument of :func:`use`."""

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


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of a file."""

    accepted: tuple[Accepted, ...] = ()


class Outdated(NamedTuple):
    """An entry without a failure to accept: why, and its place in the file."""

    entry: Accepted
    why: str
    lines: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Accepted failures, by id or name; and their file."""

    accepted: tuple[Accepted, ...] = ()
    path: str = ""
    lines: tuple[str, ...] = ()  # the place of each entry in its file, if known
    is_default: bool = False  # meant for every workflow: one of them may lack these names
    today: date = field(default_factory=lambda: datetime.now(UTC).date())  # check: the API's day

    def fit(self, stories: Sequence[Story], saved: pl.DataFrame | None) -> Policy:
        """The entries of this workflow."""
        named = () if saved is None else saved.select("eval_id", "eval_name").rows()
        there = {each for row in named for each in row}
        there |= {each for story in stories for each in (story.id, story.name)}
        flow = None if saved is None else next(iter(saved["workflow_id"]), None)
        kept = [
            (entry, lines)
            for entry, lines in zip(self.accepted, self.lines or repeat(""), strict=False)
            if flow is None or (entry.workflow or flow) == flow
            if entry.workflow or not self.is_default or entry.id in there
        ]
        accepted, lines = zip(*kept, strict=True) if kept else ((), ())
        return replace(self, accepted=accepted, lines=lines)

    def set_aside(self, stories: Sequence[Story], counting: Iterable[str]) -> frozenset[str]:
        """The ids of the accepted evals that do not simply pass.

        ``counting`` are the transitions that fail the gate.
        """
        entries = [each.id for each in self.accepted if not each.has_run_out(self.today)]
        accepted, open_ones = {*find_evals(stories, entries).values()}, {*counting, *UNDECIDED}
        return frozenset(
            each.id
            for each in stories
            if each.id in accepted and (each.fails or each.transition in open_ones)
        )

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
    with naming("accepted"):
        found = [(each, find_named("eval", each, known)) for each in names]
    return {each: eval_id for each, eval_id in found if eval_id is not None}


def choose_accepted(
    stories: Sequence[Story], evals: str | Iterable[str] | pl.DataFrame
) -> list[Story]:
    """The evals to accept, from their ids, names, or a frame of them."""
    known = name_by_id(stories)
    ids = {resolve("eval", each, known) for each in check_texts("evals", evals)}
    chosen = [each for each in stories if each.id in ids]
    idle = [
        each
        for each in chosen
        if not (each.fails or each.transition in (*BROKEN, "incomplete", "stale"))
    ]
    if idle:
        raise ConfigError(f"evals: nothing to accept, as these pass: {list_stories(idle)}")
    return chosen


def name_by_id(stories: Iterable[Story]) -> dict[str, str | None]:
    """The names of evals by their ids; a name belongs to its saved eval, not to a deleted one."""
    told = [*stories]
    saved = {each.name for each in told if each.transition != "removed"}
    is_free = {each.id: each.transition != "removed" or each.name not in saved for each in told}
    return {each.id: each.name if is_free[each.id] else None for each in told}


def accept_in_session(given: GivenAccepted) -> None:
    """Set the meaning of ``accepted=None``; each call reads a file again."""
    global _of_session
    _of_session = given


def read_accepted(given: GivenAccepted = None) -> Policy:
    """The policy of an argument ``accepted``."""
    if given is None:
        return replace(read_accepted(_of_session), is_default=True)
    with naming("accepted"):
        if isinstance(given, os.PathLike) or (isinstance(given, str) and given.endswith(".toml")):
            return read_policy(given)
        return Policy(tuple(map(Accepted, dict.fromkeys(check_texts("accepted", given)))))


def check_texts(name: str, values: object) -> tuple[str, ...]:
    if (frame := as_polars(values, name)) is not None:
        values = read_ids(frame, name, "eval_id")
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a text or several, got {shown(values)}")
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
            "Comparison.accept writes them"
        )
        said = f"{error}{'' if isinstance(error, OSError) else holds}"
        raise ConfigError(f"accepted: {str(path)!r} cannot be read: {said}") from None
    tables = _find_tables(text)
    lines = [_say_lines(text, each) for each in tables if len(tables) == len(file.accepted)]
    return Policy(file.accepted, str(path), tuple(lines))


def _find_tables(text: str) -> list[tuple[int, int]]:
    return [*pairwise([*(each.start() for each in _TABLE.finditer(text)), len(text)])]


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
    head = text[: tables[0][0]] if tables else text
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
