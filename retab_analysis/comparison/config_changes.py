"""What was edited in a workflow: the fields of its blocks that differ, and how to show that."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import Change, diff_documents
from retab_analysis.comparison.json_values import Verbatim, parse_json, write_json, write_path
from retab_analysis.comparison.word_marks import Segment, mark_words
from retab_analysis.markup import one_line
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.vocabulary import DRAFT

_FIELDS = 6
_CONTEXT = 3


@dataclass(frozen=True, eq=False)
class Edits:
    """What was edited between two versions of a workflow.

    Attributes:
        changes: What :func:`fetch_config_changes` gives.
        baseline: The version that was.
        candidate: The version that is, or ``"draft"``.
    """

    changes: pl.DataFrame
    baseline: str
    candidate: str

    @property
    def between(self) -> str:
        """Between what, as the beginning of a sentence."""
        now = (
            "the draft as it is now"
            if self.candidate == DRAFT
            else f"version {one_line(self.candidate)}"
        )
        return f"Between version {one_line(self.baseline)} and {now}"

    def describe(self) -> str:
        """One sentence: which fields of which blocks differ; without any value."""
        if self.changes.is_empty():
            return f"{self.between} no block differs."
        blocks = self.changes.group_by("block_id", maintain_order=True).agg("field", "change")
        said = [_say_block(*row) for row in blocks.head(_FIELDS).iter_rows()]
        more = blocks.height - len(said)
        said += [f"and {more} more"] if more > 0 else []
        return f"{self.between} these blocks differ: {', '.join(said)}."


def _say_block(block: str | None, fields: list[str], changes: list[str]) -> str:
    name = one_line(block or "a block without an id", 80)
    if fields[0] == "$":
        return f"{name} (the whole block was {changes[0]})"
    shown = [one_line(field, 80) for field in fields[:3]]
    more = f" and {len(fields) - 3} more" if len(fields) > 3 else ""
    return f"{name} ({', '.join(shown)}{more})"


def compare_blocks(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What differs between the blocks of two versions.

    Args:
        before: The blocks that were: ``block_id, block_type, label, config, parent_id``.
        after: The blocks that are.

    Returns:
        A CONFIG_CHANGES frame, one row per field, in the order of the blocks after, and then what
        was removed. ``field`` is a path within the block's document, such as ``$.config.prompt``;
        a block that was added or removed is one row with the field ``$``. ``change`` is what
        became of the field. An item that only stands elsewhere in its list has both places in
        ``field``: ``$.config.steps[0] (was [2])``.
    """
    old, new = _documents(before), _documents(after)
    rows: list[tuple[str | None, ...]] = []
    for key in dict.fromkeys((*new, *old)):
        known = new.get(key) or old[key]
        about = (known.block_id, known.document["type"], known.document["label"])
        for row in _compare(old.get(key), new.get(key)):
            rows.append((*about, *row))
    return pl.DataFrame(rows, schema=CONFIG_CHANGES, orient="row")


@dataclass(frozen=True, slots=True)
class _Block:
    """A block and its document."""

    block_id: str | None
    document: dict[str, Any]


def _documents(blocks: pl.DataFrame) -> dict[str, _Block]:
    """The blocks by what tells them apart: their id, else type, label and place."""
    found: dict[str, _Block] = {}
    for row in blocks.iter_rows(named=True):
        # What is absent in one of the API's two shapes and null in the other is the same.
        document = {"type": row["block_type"], "label": row["label"] or ""}
        config = None if row["config"] is None else parse_json(row["config"])
        document |= {} if config is None else {"config": config}
        document |= {} if row["parent_id"] is None else {"parent_id": row["parent_id"]}
        key = f"id {row['block_id']}"
        if row["block_id"] is None:
            alike = f"{row['block_type']} {row['label']}"
            key = f"{alike} {sum(each.startswith(alike) for each in found)}"
        found[key] = _Block(row["block_id"], document)
    return found


def _compare(old: _Block | None, new: _Block | None) -> Iterator[tuple[str | None, ...]]:
    """``change, field, before, after`` of each field of one block."""
    if old is None or new is None:
        before, after = (None if each is None else write_json(each.document) for each in (old, new))
        yield ("added" if old is None else "removed", "$", before, after)
        return
    for change in diff_documents(old.document, new.document):
        # What only moved because of its neighbours is at the same place.
        if change.kind != "moved" or change.path[-1] != change.origin[-1]:
            yield _row(change)


def _row(change: Change) -> tuple[str | None, ...]:
    before = None if change.kind == "added" else write_json(change.before)
    after = None if change.kind == "removed" else write_json(change.after)
    path = write_path(change.path)
    if change.kind == "moved":
        return "changed", f"{path} (was [{change.origin[-1]}])", before, after
    return change.kind, path, before, after


def diff_text(before: str | None, after: str | None) -> str:
    r"""The change of one field as a unified diff.

    Args:
        before: JSON text, as in CONFIG_CHANGES; None where there was nothing.
        after: JSON text.

    Returns:
        Lines with ``-``, ``+`` and three lines around them. A text (a prompt) is compared line by
        line as it reads, anything else as indented JSON.

    >>> print(diff_text(r'"Read.\nQuickly."', r'"Read.\nSlowly."'))
    @@ -1,2 +1,2 @@
     Read.
    -Quickly.
    +Slowly.
    """
    old, new = (readable(each).splitlines() for each in (before, after))
    lines = difflib.unified_diff(old, new, lineterm="", n=_CONTEXT)
    return "\n".join([*lines][2:])  # without the names of the files


def mark_change(before: str | None, after: str | None) -> list[Segment]:
    """The change of one field word by word, see :func:`~.word_marks.mark_words`.

    Args:
        before: JSON text, as in CONFIG_CHANGES; None where there was nothing.
        after: JSON text.
    """
    return mark_words(readable(before), readable(after))


def readable(value: str | None) -> str:
    """A JSON text as it reads: a string without its quotes, anything else indented."""
    if value is None:
        return ""
    parsed = parse_json(value)
    if isinstance(parsed, str):
        return parsed
    return value if isinstance(parsed, Verbatim) else "\n".join(_indented(parsed, ""))


def _indented(value: object, margin: str) -> Iterator[str]:
    """A value as lines of JSON, numbers as they were written."""
    inner = f"{margin}  "
    if isinstance(value, dict) and value:
        members = [
            (f"{json.dumps(key, ensure_ascii=False)}: ", each) for key, each in value.items()
        ]
        yield from _bracketed("{}", members, margin, inner)
    elif isinstance(value, list) and value:
        yield from _bracketed("[]", [("", each) for each in value], margin, inner)
    else:
        yield write_json(value)


def _bracketed(
    brackets: str, members: list[tuple[str, object]], margin: str, inner: str
) -> Iterator[str]:
    yield brackets[0]
    for at, (key, value) in enumerate(members, 1):
        first, *rest = _indented(value, inner)
        lines = [f"{inner}{key}{first}", *rest]
        lines[-1] += "," if at < len(members) else ""
        yield from lines
    yield f"{margin}{brackets[1]}"
