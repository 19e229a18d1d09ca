"""Situations in which somebody asks whether a change broke anything.

Each is a workflow's past as letters and a command line, most of them in ``situations.toml``;
``support/doors.py`` asks.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.edited import TABLE
from support.fakes import KEY
from support.faultserver import reply
from support.lettered_api import FLOW, LetteredApi, alike, spell

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Situation:
    """A past, a command line, and the exit code that it has to give.

    Attributes:
        about: What happened.
        code: The exit code.
        api: What the API serves.
        options: What follows ``check WORKFLOW``.
        accepted: What the file ``accepted.toml`` holds, if there is one.
        address: Where the API is said to be; the API's own address if None.
        key: The key; None for none.
        arguments: The whole command line, where it is another one.
        shown: The command lines, with semicolons between, of which the last shows the same in the
            sandbox; ``{contracts[5]}`` is a run of the whole workflow that has ended, counted from
            the newest one. Empty where the sandbox has nothing like it.
    """

    about: str
    code: int
    api: LetteredApi
    options: str = ""
    accepted: str | None = None
    address: str | None = None
    key: str | None = KEY
    arguments: str | None = None
    shown: str = ""

    @property
    def command(self) -> str:
        """The command line."""
        return self.arguments or f"check {FLOW} {self.options}".strip()


def _read_situations() -> Iterator[Situation]:
    for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["situation"]:
        usual = ("about", "code", "options", "address", "arguments", "shown")
        known = {name: entry[name] for name in usual if name in entry}
        until = entry.get("accepted")
        accepted = None if until is None else _accept(until)
        key = entry.get("key", KEY) or None
        yield Situation(api=_make_api(entry), accepted=accepted, key=key, **known)


def _make_api(entry: Mapping[str, Any]) -> LetteredApi:
    evals = _spell_rows(entry.get("evals", {"eval 0-11": "21P"}))
    length = max(map(len, evals.values()))
    fine = alike(entry.get("fine", 6 if "evals" in entry else 0), "P" * length)
    codes = entry.get("codes", "A")
    settings = {name: _spell_rows(entry.get(name, {})) for name in ("definitions", "reruns")}
    if "answers" in entry:
        status, body = entry["answers"].values()
        settings["broken"] = {
            "GET": reply(status, body.encode() if isinstance(body, str) else body)
        }
    return LetteredApi(
        evals | fine,
        spell(codes) if isinstance(codes, str) else _spell_rows(codes),
        names=entry.get("names", {}),
        blocks=entry.get("blocks", {}),
        **settings,
    )


def _spell_rows(rows: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """Letters by name; ``"eval 0-11"`` are twelve, and a list gives their letters by turns."""
    found: dict[str, Any] = {}
    for names, written in rows.items():
        name, _, last = names.partition("-")
        word, _, first = name.rpartition(" ")
        each = [written] if isinstance(written, str) else written
        numbers = [f" {at:0{len(first)}}" for at in range(int(last) + 1)] if last else [""]
        found |= {
            (word or name) + number: spell(each[at % len(each)])
            for at, number in enumerate(numbers)
        }
    return found


def _accept(until: str) -> str:
    """A file that accepts two evals, until a day or for ever."""
    more = f"until = {until}\n" if until else ""
    entries = (f'[[accepted]]\nid = "{each}"\nreason = "known"\n' for each in ("lines", "total"))
    return "\n".join(entry + more for entry in entries)


SITUATIONS = (
    *_read_situations(),
    *(
        Situation(
            name,
            row.code,
            row.make(),
            row.options,
            _accept("") if "accepted" in row.asks else None,
        )
        for name, row in TABLE.items()
    ),
)
