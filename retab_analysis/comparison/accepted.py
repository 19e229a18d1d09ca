"""What a gate knows of single evals: a TOML file that is reviewed like code.

It holds accepted failures, which are written here, too, and which evals only inform, which somebody
wrote by hand.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

from retab_analysis.arguments import check_path, find_named
from retab_analysis.errors import ConfigError, list_some
from retab_analysis.evidence.story import Story
from retab_analysis.files import save
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import BROKEN, UNDECIDED

_TABLE = re.compile(
    r"^(?:[ \t]*#.*\n)*[ \t]*\[(?:\[[ \t]*(accepted)[ \t]*\]\]|[ \t]*tiers\b)", re.MULTILINE
)
"""The beginning of an entry or a tier: its head, and the comments that stand right above it."""
_KEYS = ("id", "name", "reason", "who", "until")
_PARTS = ("evals", "blocks")
_HEAD = "# Evals whose failure is known and accepted; an entry that passes again has to go.\n"
_FILES = (".toml", ".txt", ".json", ".yaml", ".yml", ".csv")
_NOT_OVER = (*BROKEN, *UNDECIDED, "flaky")
SET_ASIDE = ("accepted", "informational")

GivenAccepted = str | os.PathLike[str] | Iterable[str] | None
"""A file, or ids or names of evals; None for what :func:`use` was given."""
ReadLabels = Callable[[], Mapping[str, str | None] | None]
"""Gives the labels of a workflow's blocks by their ids, or None where nobody can be asked."""

_of_session: GivenAccepted = ()  # what use(accepted=…) said last


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted failure. ``id`` may be its name where somebody wrote the entry by hand."""

    id: str
    name: str | None = None
    reason: str | None = None
    who: str | None = None
    until: date | None = None
    lines: str = field(default="", compare=False)  # where it stands in its file

    def has_run_out(self) -> bool:
        return self.until is not None and self.until < datetime.now(UTC).date()

    def to_toml(self) -> str:
        values = {name: getattr(self, name) for name in _KEYS}
        lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
        return "\n".join(["[[accepted]]", *lines, ""])


class Outdated(NamedTuple):
    """An accepted failure that has no reason any more, and why."""

    entry: Accepted
    why: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Accepted failures, and evals and blocks that only inform, by id or name; of which file."""

    accepted: tuple[Accepted, ...] = ()
    evals: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    path: str = ""
    knows_labels: bool = False  # whether the labels of blocks were asked for

    def with_block_ids(self, stories: Iterable[Story], read_labels: ReadLabels | None) -> Policy:
        """The same with ids in the place of the labels of blocks.

        Labels are asked for only where a block is not one that an eval is of.
        """
        ids: dict[str, str | None] = dict.fromkeys(
            each.block_id for each in stories if each.block_id is not None
        )
        if read_labels is None or ids.keys() >= {*self.blocks}:
            return self
        labels = read_labels()
        if labels is None:
            return self
        known = {**ids, **labels}
        try:
            found = [find_named("block", name, known) or name for name in self.blocks]
        except ConfigError as error:
            raise ConfigError(f"accepted: {error}") from None
        return replace(self, blocks=tuple(dict.fromkeys(found)), knows_labels=True)

    def informational_ids(self, stories: Sequence[Story]) -> set[str]:
        named = find_evals(stories, self.evals).values()
        return {*named, *(each.id for each in stories if each.block_id in self.blocks)}

    def set_aside(self, stories: Sequence[Story], counting: Iterable[str]) -> dict[str, str]:
        """The evals that do not simply pass and do not count, with the word for why.

        ``counting`` are the transitions that fail the gate.
        """
        words = dict.fromkeys(self.informational_ids(stories), SET_ASIDE[1])
        entries = [each.id for each in self.accepted if not each.has_run_out()]
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
        """The entries that have no reason any more.

        One pass is not the end of a failure: an entry has to go once its eval passed in two rows,
        and is not flaky.
        """
        found = find_evals(stories, [each.id for each in self.accepted])
        known, listed = {each.id: each for each in stories}, []
        for entry in self.accepted:
            story = known.get(found.get(entry.id, ""))
            is_removed = story is not None and story.transition == "removed"
            passes = story and story.state == "passed" and story.reading.passing_rows > 1
            name = say_entry(entry)
            if is_removed if saved is None else entry.id not in saved:
                listed.append(Outdated(entry, f"Accepted, but not saved any more: {name}."))
            elif story and passes and story.transition not in _NOT_OVER:
                listed.append(Outdated(entry, f"Accepted, but passes again: {name}."))
            elif entry.has_run_out():
                said = f"Accepted until {entry.until}, which is over: {name}."
                listed.append(Outdated(entry, said))
        return listed


def say_entry(entry: Accepted) -> str:
    return one_line(f"{entry.name} ({entry.id})" if entry.name else entry.id, 200)


def find_evals(stories: Iterable[Story], names: Iterable[str]) -> dict[str, str]:
    """The id of each eval that is meant, by its id or its name; what is not there is left out."""
    known = name_by_id(stories)
    found = ((each, find_named("eval", each, known)) for each in names)
    return {each: eval_id for each, eval_id in found if eval_id is not None}


def name_by_id(stories: Iterable[Story]) -> dict[str, str | None]:
    return {each.id: each.name for each in stories}


def accept_in_session(given: GivenAccepted) -> None:
    """Set what ``accepted=None`` means; a file is read again by each call."""
    global _of_session
    _of_session = () if given is None else given


def read_accepted(given: GivenAccepted = None) -> Policy:
    """What an argument ``accepted`` says."""
    given = _of_session if given is None else given
    if isinstance(given, os.PathLike) or (isinstance(given, str) and given.endswith(".toml")):
        return read_policy(given)
    # Of a text that is too long for a path, Path.is_file raises.
    if isinstance(given, str) and (given.lower().endswith(_FILES) or os.path.isfile(given)):  # noqa: PTH113
        raise ConfigError(
            f"accepted={given!r} is taken for the id of an eval, and looks like a file: accepted "
            "failures are read from a Path, or from a text that ends in .toml"
        )
    return Policy(tuple(map(Accepted, dict.fromkeys(check_texts("accepted", given)))))


def check_texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        return (values,)
    if not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a text or several, got {values!r}")
    several = tuple(values)
    if not all(isinstance(value, str) for value in several):
        raise ConfigError(f"{name} must hold texts, got {list(several)!r}")
    return several


def read_policy(path: str | os.PathLike[str]) -> Policy:
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"accepted: the failures in {str(path)!r} cannot be read: {error}"
        ) from None
    entries, unknown = document.get("accepted", []), [*_list_unknown(document)]
    if not isinstance(entries, list) or unknown:
        named = list_some([one_line(".".join(each)) for each in unknown])
        raise ConfigError(
            f"accepted: {str(path)!r} may hold [[accepted]] tables with {', '.join(_KEYS)}, as "
            "Comparison.accept writes them, and one table [tiers.informational] with evals = […] "
            f"and blocks = […], and nothing else{f'; delete {named}' if unknown else ''}"
        )
    informational = document.get("tiers", {}).get("informational", {})
    for part, names in informational.items():
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise ConfigError(
                f"accepted: [tiers.informational] of {str(path)!r}: {part} must be a list of "
                f"texts, got {names!r}"
            )
    lines = _number_lines(text, len(entries))
    return Policy(
        accepted=tuple(map(_check_entry, entries, repeat(path), lines)),
        evals=tuple(dict.fromkeys(informational.get("evals", ()))),
        blocks=tuple(dict.fromkeys(informational.get("blocks", ()))),
        path=str(path),
    )


def _number_lines(text: str, entries: int) -> list[str]:
    """The lines in which each entry stands, such as ``lines 3 to 6``; empty if not as tables."""
    found = [*_TABLE.finditer(text)]
    ends = pairwise([*(each.start() for each in found), len(text)])
    tables = [pair for each, pair in zip(found, ends, strict=True) if each[1]]
    if len(tables) != entries:
        return [""] * entries
    firsts = [text[:start].count("\n") + 1 for start, _ in tables]
    lasts = [text[:end].rstrip().count("\n") + 1 for _, end in tables]
    return [f"lines {first} to {last}" for first, last in zip(firsts, lasts, strict=True)]


def _list_unknown(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The keys that are of no use in such a file, each with those above it."""
    yield from ((key,) for key in document if key not in ("accepted", "tiers"))
    tiers = document.get("tiers", {})
    if not isinstance(tiers, Mapping):
        yield ("tiers",)
        return
    for tier, named in tiers.items():
        if tier != "informational" or not isinstance(named, Mapping):
            yield "tiers", tier
        else:
            yield from (("tiers", tier, part) for part in named if part not in _PARTS)


def _check_entry(entry: Any, path: object, lines: str = "") -> Accepted:
    where = f"accepted: an entry of {str(path)!r}"
    if not isinstance(entry, Mapping) or set(entry) - set(_KEYS):
        raise ConfigError(f"{where} has keys other than {', '.join(_KEYS)}: {entry!r}")
    if not isinstance(entry.get("id"), str) or not entry["id"]:
        raise ConfigError(f"{where} has no id: {dict(entry)!r}")
    for name in ("name", "reason", "who"):
        if not isinstance(entry.get(name), str | None):
            raise ConfigError(f"{where}: {name} must be a text, got {entry[name]!r}")
    known = {name: entry[name] for name in _KEYS if name in entry}
    return Accepted(**{**known, "until": _check_until(entry.get("until"), where), "lines": lines})


def _check_until(until: object, where: str) -> date | None:
    if until is None or (isinstance(until, date) and not isinstance(until, datetime)):
        return until
    if isinstance(until, str):
        try:
            return date.fromisoformat(until)
        except ValueError:
            pass
    raise ConfigError(f"{where}: until must be a date such as 2026-12-31, got {until!r}")


def write_accepted(
    chosen: Iterable[Story],
    path: str | os.PathLike[str],
    *,
    reason: str,
    until: date | str | None,
    who: str | None,
) -> str:
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigError(f"reason must say why these failures are accepted, got {reason!r}")
    if not isinstance(who, str | None):
        raise ConfigError(f"who must be a text or None, got {who!r}")
    last = _check_until(until, "accept")
    if last is not None and last < datetime.now(UTC).date():
        raise ConfigError(f"until: {last} is over; the last day must be today or later")
    target = check_path("path", path)
    is_there = target.exists()
    known = read_policy(target) if is_there else Policy()
    text = target.read_text(encoding="utf-8") if is_there else _HEAD
    head, entries = _split_entries(text, known.accepted)
    told: dict[str, list[str]] = {"Accepted": [], "Accepted already": []}
    for name, eval_id in ((each.name, each.id) for each in chosen):
        # An entry that was written by hand may have the name in the place of the id.
        had = [each for each in entries if each[0].id in (eval_id, name)]
        stays = any(not entry.has_run_out() for entry, _ in had)
        told["Accepted already" if stays else "Accepted"].append(one_line(name or eval_id, 200))
        if not stays:
            new = Accepted(eval_id, name, reason, who, last)
            lines = [line.strip() for _, table in had for line in table.splitlines()]
            comments = [line for line in lines if line.startswith("#")]
            table = "\n".join([*comments, new.to_toml()])
            entries = [*(each for each in entries if each not in had), (new, table)]
    if told["Accepted"]:
        tables = [table for _, table in sorted(entries, key=lambda each: each[0].id)]
        written = "\n".join(f"{each.strip()}\n" for each in (head, *tables) if each.strip())
        # Half a surrogate pair cannot be written in UTF-8.
        save(target, written.encode(errors="replace"))
    said = [f"{what}: {', '.join(names)}." for what, names in told.items() if names]
    verb = "holds" if told["Accepted"] else "stays as it is, and holds"
    return " ".join([*said, f"{target.name} {verb} {len(entries)} now."])


def _split_entries(
    text: str, entries: Sequence[Accepted]
) -> tuple[str, list[tuple[Accepted, str]]]:
    """What stands before the entries of a file, and each of them with its text and comments.

    Where the entries are written in another way than as tables, the comments are lost.
    """
    found_heads = [*_TABLE.finditer(text)]
    starts = [found.start() for found in found_heads]
    head, tables = text[: starts[0]] if starts else text, []
    for found, (start, end) in zip(found_heads, pairwise([*starts, len(text)]), strict=True):
        if found[1]:
            tables.append(text[start:end])
        else:
            head += text[start:end]
    document = tomllib.loads(text)
    whole = document.pop("accepted", [])
    try:
        written = [tomllib.loads(each)["accepted"] for each in tables]
        is_split = tomllib.loads(head) == document and [each for [each] in written] == whole
    except (ValueError, KeyError, TypeError):
        is_split = False
    if not is_split and document:
        raise ConfigError(
            "the entries have to be written as [[accepted]] tables, for others to be added beside "
            f"{' and '.join(document)}"
        )
    if not is_split:
        head, tables = _HEAD, [entry.to_toml() for entry in entries]
    return head, list(zip(entries, tables, strict=True))


def _toml(value: str | date) -> str:
    """A value as TOML; its basic strings are JSON's, but for DEL."""
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
