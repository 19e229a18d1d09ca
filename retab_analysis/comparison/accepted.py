"""What a gate knows of single evals: a TOML file that is reviewed like code.

It holds accepted failures, which are written here, too, and which evals only inform, which somebody
wrote by hand.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from retab_analysis.arguments import check_path
from retab_analysis.errors import ConfigError, list_some
from retab_analysis.evidence.story import Story
from retab_analysis.files import save
from retab_analysis.markup import one_line

_TABLE = re.compile(
    r"^(?:[ \t]*#.*\n)*[ \t]*\[(?:\[[ \t]*(accepted)[ \t]*\]\]|[ \t]*tiers\b)", re.MULTILINE
)
"""The beginning of an entry or a tier: its head, and the comments that stand right above it."""
_START = re.compile(r"\s*(?:\[\[?([^\]]*)\]|([^=#\[]*)=)")
"""The head of a table, or a key before its value."""
_KEYS = ("id", "name", "reason", "who", "until")
_PARTS = ("evals", "blocks")
_HEAD = "# Evals whose failure is known and accepted; an entry that passes again has to go.\n"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted failure. ``id`` may be its name where somebody wrote the entry by hand."""

    id: str
    name: str | None = None
    reason: str | None = None
    who: str | None = None
    until: date | None = None

    def has_run_out(self) -> bool:
        return self.until is not None and self.until < datetime.now(UTC).date()

    def to_toml(self) -> str:
        values = {name: getattr(self, name) for name in _KEYS}
        lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
        return "\n".join(["[[accepted]]", *lines, ""])


@dataclass(frozen=True, slots=True)
class Policy:
    """What a file says: accepted failures, and evals and blocks that only inform, by id or name."""

    accepted: tuple[Accepted, ...] = ()
    evals: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


def read_policy(path: str | os.PathLike[str]) -> Policy:
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"the accepted failures in {str(path)!r} cannot be read: {error}"
        ) from None
    entries, unknown = document.get("accepted", []), [*_list_unknown(document)]
    if not isinstance(entries, list) or unknown:
        named = list_some([_name_lines(text, each) for each in unknown])
        raise ConfigError(
            f"{str(path)!r} is not a file of accepted failures: it may hold [[accepted]] tables "
            f"with {', '.join(_KEYS)}, as Comparison.accept writes them, and one table "
            "[tiers.informational] with evals = […] and blocks = […], and nothing else"
            + (f"; delete {named}" if unknown else "")
        )
    informational = document.get("tiers", {}).get("informational", {})
    for part, names in informational.items():
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise ConfigError(
                f"[tiers.informational] of {str(path)!r}: {part} must be a list of texts, "
                f"got {names!r}"
            )
    return Policy(
        accepted=tuple(_check_entry(entry, path) for entry in entries),
        **{part: tuple(dict.fromkeys(names)) for part, names in informational.items()},
    )


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


def _name_lines(text: str, keys: tuple[str, ...]) -> str:
    """A key and the lines that it stands in, such as ``lines 2 to 4 (tiers.critical)``."""
    table: tuple[str, ...] = ()
    here = table
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if found := _START.match(line):
            is_head = found[1] is not None
            named = tuple(each.strip(" \t\"'") for each in found[1 if is_head else 2].split("."))
            table = named if is_head else table
            here = named if is_head else (*table, *named)
        is_told = bool(line.strip()) and not line.lstrip().startswith("#")
        lines.append((here[: len(keys)] == keys, number, is_told))
    name = one_line(".".join(keys))
    for is_there, several in groupby(lines, key=lambda each: each[0]):
        numbers = [number for _, number, is_told in several if is_told]
        if is_there and numbers:
            first, last = numbers[0], numbers[-1]
            said = f"line {first}" if first == last else f"lines {first} to {last}"
            return f"{said} ({name})"
    return name


def _check_entry(entry: Any, path: object) -> Accepted:
    where = f"an entry of {str(path)!r}"
    if not isinstance(entry, Mapping) or set(entry) - set(_KEYS):
        raise ConfigError(f"{where} has keys other than {', '.join(_KEYS)}: {entry!r}")
    if not isinstance(entry.get("id"), str) or not entry["id"]:
        raise ConfigError(f"{where} has no id: {dict(entry)!r}")
    for name in ("name", "reason", "who"):
        if not isinstance(entry.get(name), str | None):
            raise ConfigError(f"{where}: {name} must be a text, got {entry[name]!r}")
    known = {name: entry[name] for name in _KEYS if name in entry}
    return Accepted(**{**known, "until": _check_until(entry.get("until"), where)})


def _check_until(until: object, where: str) -> date | None:
    if until is None or (isinstance(until, date) and not isinstance(until, datetime)):
        return until
    if isinstance(until, str):
        try:
            return date.fromisoformat(until)
        except ValueError:
            pass
    raise ConfigError(f"{where}: until must be a date such as 2026-12-31, got {until!r}")


def accept(
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
    told: dict[str, list[str]] = {"Accepted": [], "Renewed": []}
    for name, eval_id in ((each.name, each.id) for each in chosen):
        # An entry that was written by hand may have the name in the place of the id.
        at = next((at for at, (old, _) in enumerate(entries) if old.id in (eval_id, name)), None)
        old, table = (Accepted(eval_id, name), "") if at is None else entries[at]
        stays = None if old.has_run_out() else old.until
        new = replace(old, reason=reason, who=who or old.who, until=last or stays)
        if at is None:
            entries.append((new, new.to_toml()))
        elif new != old:
            entries[at] = new, _rewrite(table, new)
        if new != old:
            told["Accepted" if at is None else "Renewed"].append(one_line(name or eval_id))
    said = [f"{what}: {', '.join(names)}." for what, names in told.items() if names]
    if not said:
        return f"Nothing to accept; {target.name} stays as it is."
    tables = [table for _, table in sorted(entries, key=lambda each: each[0].id)]
    written = "\n".join(f"{each.strip()}\n" for each in (head, *tables) if each.strip())
    # Half a surrogate pair cannot be written in UTF-8.
    save(target, written.encode(errors="replace"))
    return " ".join([*said, f"{target.name} holds {len(entries)} now."])


def _rewrite(table: str, entry: Accepted) -> str:
    """The text of an entry with other values; comments stay where they are, if that can be."""
    lines = table
    for name in ("reason", "who", "until"):
        value = getattr(entry, name)
        line = "" if value is None else f"{name} = {_toml(value)}"
        found = re.search(rf"^[ \t]*{name}[ \t]*=[^#\n]*", lines, re.MULTILINE)
        if found:
            gap = "  " if found[0].endswith(" ") else ""
            lines = lines[: found.start()] + line + gap + lines[found.end() :]
        elif line:
            lines = f"{lines.rstrip()}\n{line}\n"
    try:
        [written] = tomllib.loads(lines)["accepted"]
        if _check_entry(written, "") == entry:
            return lines
    except (ValueError, KeyError, ConfigError):
        pass
    comments = [line.strip() for line in table.splitlines() if line.lstrip()[:1] == "#"]
    return "\n".join([*comments, entry.to_toml()])


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
