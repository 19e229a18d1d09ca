"""The hand-made histories of ``histories.toml``, as APIs that can be asked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.lettered_api import LetteredApi

FILE = Path(__file__).with_suffix(".toml")


@dataclass
class BlocksApi(LetteredApi):
    """Runs as letters of a workflow with several blocks.

    Attributes:
        edits: For each block a letter per run for its code; together they are the version.
        block: The blocks of evals; ``extract`` where it is not said.
        document: The documents of evals; one of its own where it is not said.
        expected: For each eval another expected value, and from which run on.
        partial: Runs that are of a block (``block split``) or of an eval (``eval total``) alone.
        forgetful: Whether saved evals remember no run in which they passed.
    """

    edits: Mapping[str, str] = field(default_factory=dict)
    block: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    partial: Mapping[int, str] = field(default_factory=dict)
    forgetful: bool = False

    def _code(self, at: int) -> str:
        return "".join(self._code_of(each, at) for each in sorted(self.edits)) or "A"

    def _code_of(self, block: str, at: int) -> str:
        letters = self.edits.get(block, "A")
        return letters[min(at, len(letters) - 1)]

    def _document(self, run: dict[str, Any]) -> dict[str, Any]:
        document = super()._document(run)
        kind, _, name = self.partial.get(run["at"], "").partition(" ")
        if kind == "block":
            document["target"] = {"type": "block", "block_id": name}
        if kind == "eval":
            document["eval_id"] = name
        return document

    def _result(self, eval_id: str, state: str, run: dict[str, Any]) -> dict[str, Any]:
        document = super()._result(eval_id, state, run)
        block = self.block.get(eval_id, "extract")
        document["block_id"] = block
        document["block_execution_fingerprint"] = f"{block} {self._code_of(block, run['at'])}"
        read = document["handle_inputs"]["document"]["document"]
        read["id"] = self.document.get(eval_id, read["id"])
        other = self.expected.get(eval_id)
        if document["assertion_result"] is not None and other and run["at"] >= other["from"]:
            document["assertion_result"]["expected_value"] = other["value"]
        return document

    def _eval(self, eval_id: str) -> dict[str, Any]:
        document = super()._eval(eval_id)
        block = self.block.get(eval_id, "extract")
        document["target"]["block_id"] = block
        if document["latest_passing_run_summary"] is not None:
            code = self._code_of(block, self.evals[eval_id][: self.past].rfind("P"))
            document["latest_passing_run_summary"]["block_execution_fingerprint"] = (
                f"{block} {code}"
            )
        if self.forgetful:
            document["latest_passing_run_summary"] = None
        return document


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
    api: BlocksApi
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
        after = entry.get("after", [api.past])
        yield History(entry["about"], "\n".join(lines), api, after, asking)


def _make_api(entry: Mapping[str, Any]) -> BlocksApi:
    evals, members = {}, {}
    for group, letters in entry["evals"].items():
        name, _, number = group.partition(" x")
        members[name] = [f"{name} {at:02}" for at in range(int(number))] if number else [name]
        evals.update(dict.fromkeys(members[name], _spell(letters)))
    length = max(map(len, evals.values()))
    for at in range(entry.get("fine", 6)):
        evals[f"fine {at}"] = "P" * length
    of_evals = {
        table: {each: said for name, said in entry.get(table, {}).items() for each in members[name]}
        for table in ("block", "document", "expected")
    }
    edits = {block: _spell(letters) for block, letters in entry.get("edits", {}).items()}
    partial = {}
    for runs, scope in entry.get("partial", {}).items():
        first, _, last = runs.partition("-")
        partial.update(dict.fromkeys(range(int(first), int(last or first) + 1), scope))
    forgetful = entry.get("forgetful", False)
    return BlocksApi(evals, edits=edits, partial=partial, forgetful=forgetful, **of_evals)


def _spell(letters: str) -> str:
    """``"15P F"`` written out."""
    return re.sub(r"(\d*)(\S)\s*", lambda at: int(at[1] or 1) * at[2], letters)
