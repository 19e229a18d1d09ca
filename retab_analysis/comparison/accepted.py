"""What a gate knows of single evals: a TOML file that is reviewed like code.

It holds accepted failures, which are written here, too, and what somebody wrote by hand: tiers, and
how much slower a run may be.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.arguments import check_path
from retab_analysis.errors import ConfigError
from retab_analysis.files import save
from retab_analysis.markup import one_line

_TABLE = re.compile(
    r"^(?:[ \t]*#.*\n)*[ \t]*\[(?:\[[ \t]*(accepted)[ \t]*\]\]|[ \t]*tiers\b)", re.MULTILINE
)
"""The beginning of an entry or a tier: its head, and the comments that stand right above it."""
_KEYS = ("id", "name", "reason", "who", "until")
TIERS = ("critical", "supporting", "informational")
_HEAD = "# Evals whose failure is known and accepted; an entry that passes again has to go.\n"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted failure.

    Attributes:
        id: The eval's id; where somebody wrote the entry by hand, it may be its name.
        name: Its name when it was accepted, for the reader.
        reason: Why it is accepted.
        who: Who accepted it.
        until: The last day on which it is; None for ever.
    """

    id: str
    name: str | None = None
    reason: str | None = None
    who: str | None = None
    until: date | None = None

    def has_run_out(self) -> bool:
        """Whether its last day is over."""
        return self.until is not None and self.until < datetime.now(UTC).date()

    def to_toml(self) -> str:
        """The entry as a table of a TOML array."""
        values = {name: getattr(self, name) for name in _KEYS}
        lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
        return "\n".join(["[[accepted]]", *lines, ""])


@dataclass(frozen=True, slots=True)
class Policy:
    """What a file says.

    Attributes:
        accepted: The accepted failures.
        evals: The tier of each eval that is named in one, by its id or its name.
        blocks: The tier of each block, by its id or its label; an eval's own tier comes first.
        max_slowdown: By which share the median eval may take longer than before; None: by any.
    """

    accepted: tuple[Accepted, ...] = ()
    evals: Mapping[str, str] = field(default_factory=dict)
    blocks: Mapping[str, str] = field(default_factory=dict)
    max_slowdown: float | None = None


def read_policy(path: str | os.PathLike[str]) -> Policy:
    """Read a file of accepted failures, tiers and limits.

    Raises:
        ConfigError: It cannot be read, or is not such a file.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"the accepted failures in {str(path)!r} cannot be read: {error}"
        ) from None
    entries, slowdown = document.get("accepted", []), document.get("max_slowdown")
    if not isinstance(entries, list) or set(document) - {"accepted", "tiers", "max_slowdown"}:
        raise ConfigError(
            f"{str(path)!r} is not a file of accepted failures: it must hold [[accepted]] tables "
            f"with {', '.join(_KEYS)}, as Comparison.accept writes them; it may hold "
            f"max_slowdown, and [tiers.…] tables ({', '.join(TIERS)})"
        )
    is_number = isinstance(slowdown, int | float) and not isinstance(slowdown, bool)
    if slowdown is not None and not (is_number and 0 <= slowdown < math.inf):
        raise ConfigError(
            f"max_slowdown in {str(path)!r} must be a share, 0.25 for at most a quarter longer "
            f"than before, got {slowdown!r}"
        )
    tiers = document.get("tiers", {})
    return Policy(
        accepted=tuple(_check_entry(entry, path) for entry in entries),
        evals=_read_tiers(tiers, "evals", path),
        blocks=_read_tiers(tiers, "blocks", path),
        max_slowdown=slowdown,
    )


def _read_tiers(tiers: Any, part: str, path: object) -> dict[str, str]:
    """The tier of each eval or block that is named."""
    found: dict[str, str] = {}
    for tier, named in tiers.items() if isinstance(tiers, Mapping) else [("", None)]:
        where = f"[tiers.{tier}] of {str(path)!r}"
        names = named.get(part, []) if isinstance(named, Mapping) else None
        if tier not in TIERS or not isinstance(named, Mapping) or set(named) - {"evals", "blocks"}:
            raise ConfigError(
                f"{where} must be one of {', '.join(f'[tiers.{each}]' for each in TIERS)} with "
                f"evals = […] and blocks = […] and nothing else, got {named!r}"
            )
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise ConfigError(f"{where}: {part} must be a list of texts, got {names!r}")
        for name in names:
            if found.setdefault(name, tier) != tier:
                raise ConfigError(f"{where}: {name!r} is in [tiers.{found[name]}], too")
    return found


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
    chosen: pl.DataFrame,
    path: str | os.PathLike[str],
    *,
    reason: str,
    until: date | str | None,
    who: str | None,
) -> str:
    """Write entries to a file of accepted failures; see :meth:`Comparison.accept`.

    Args:
        chosen: The evals, with ``eval_name`` and ``eval_id``.
        path: The file.
        reason: Why they are accepted.
        until: The last day.
        who: Who accepts them.

    Returns:
        What was changed, in words.

    Raises:
        ConfigError: An argument cannot be used, or the file is not one of accepted failures.
        OSError: It cannot be written.
    """
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
    for name, eval_id in chosen.select("eval_name", "eval_id").iter_rows():
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
