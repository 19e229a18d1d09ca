"""The hand-made histories of ``histories.toml``, as APIs that can be asked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.lettered_api import LetteredApi, spell

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class History:
    """Runs, and after which of them ``check`` is asked.

    Attributes:
        about: What happened.
        written: Its letters, as the file has them.
        api: What the API serves.
        after: After how many runs it is asked.
        asking: Further arguments of ``check``.
    """

    about: str
    written: str
    api: LetteredApi
    after: list[int]
    asking: Mapping[str, Any]


def read_histories() -> Iterator[History]:
    """The histories, in the order of the file."""
    for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["history"]:
        tables = {"evals": "", "edits": "code of ", "partial": "run "}
        lines = [
            f"{word}{name}: {text}"
            for table, word in tables.items()
            for name, text in entry.get(table, {}).items()
        ]
        api = _make_api(entry)
        asking = {"candidate": entry["candidate"]} if "candidate" in entry else {}
        after = entry.get("after", [len(api.runs)])
        yield History(entry["about"], "\n".join(lines), api, after, asking)


def _make_api(entry: Mapping[str, Any]) -> LetteredApi:
    evals, members = {}, {}
    for group, letters in entry["evals"].items():
        name, _, number = group.partition(" x")
        members[name] = [f"{name} {at:02}" for at in range(int(number))] if number else [name]
        evals.update(dict.fromkeys(members[name], spell(letters)))
    length = max(map(len, evals.values()))
    for at in range(entry.get("fine", 6)):
        evals[f"fine {at}"] = "P" * length
    blocks, documents, expected = (
        {each: said for name, said in entry.get(table, {}).items() for each in members[name]}
        for table in ("block", "document", "expected")
    )
    letters = dict(zip(expected, "BCDEFG", strict=False))
    scopes = ["W"] * length
    for runs, scope in entry.get("partial", {}).items():
        first, _, last = runs.partition("-")
        for at in range(int(first), int(last or first) + 1):
            scopes[at] = {"block": "B", "eval": "E"}[scope.split()[0]]
    return LetteredApi(
        evals,
        {block: spell(codes) for block, codes in sorted(entry.get("edits", {}).items())},
        scopes="".join(scopes),
        blocks=blocks,
        documents=documents,
        definitions={
            each: "A" * expected[each]["from"] + letter for each, letter in letters.items()
        },
        values={letter: expected[each]["value"] for each, letter in letters.items()},
        memory=not entry.get("forgetful", False),
    )
