"""What was edited in a workflow: the fields of its blocks that differ, and how to show that."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import ABSENT, diff_documents
from retab_analysis.comparison.json_values import Verbatim, parse_json, write_json, write_path
from retab_analysis.comparison.names import LABEL, name_blocks
from retab_analysis.errors import list_some
from retab_analysis.markup import one_line
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.vocabulary import DRAFT

_BLOCKS = 6


FORGOTTEN = "the API does not keep earlier drafts"
NOT_THERE = "the histories that were read, of at most 12 blocks, have no edit at that time"


@dataclass(frozen=True, eq=False)
class Edits:
    """What was edited where an edit broke something.

    ``changes`` is what :func:`fetch_config_changes` gives. Of the blocks in ``edited_at`` it has
    exactly the edit that broke something, made at that moment if this is known. Of other blocks it
    has what differs from the version ``baseline`` to ``candidate``, which may be ``"draft"``. What
    was edited in the ``unknown`` blocks is not known: ``why``. ``labels`` are those of all blocks
    that were read for it, by their ids.
    """

    changes: pl.DataFrame
    baseline: str = ""
    candidate: str = ""
    edited_at: Mapping[str, datetime | None] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    why: str = FORGOTTEN
    has_failed: bool = False  # whether the API could not be asked
    labels: Mapping[str, str | None] = field(default_factory=dict)

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """What the blocks are called that have a label: that; with its id where two have it."""
        return name_blocks(self.labels)

    def name(self, block: str | None) -> str:
        return self.names.get(block or "") or one_line(block or "a block without an id", LABEL)

    def describe(self) -> str:
        """Some sentences: which fields of which blocks were edited; without any value."""
        is_exact = pl.col("block_id").is_in([*self.edited_at])
        said = [
            f"The edit of {self.name(block)}{self._when(block)}: {what}."
            for block, what in _list_fields(self.changes.filter(is_exact))
        ]
        if self.baseline:
            said.append(self._describe_versions(self.changes.filter(~is_exact.fill_null(False))))
        if self.unknown or self.has_failed:
            blocks = f" in {list_some(map(self.name, self.unknown), 3)}" if self.unknown else ""
            said.append(f"What was edited{blocks} is not known: {self.why}.")
        return " ".join(said)

    def _when(self, block: str | None) -> str:
        at = self.edited_at.get(block or "")
        return "" if at is None else f" of {at:%-d %b %Y, %H:%M} UTC"

    def _describe_versions(self, changes: pl.DataFrame) -> str:
        is_draft = self.candidate == DRAFT
        now = "the draft as it is now" if is_draft else f"version {one_line(self.candidate)}"
        between = f"Between version {one_line(self.baseline)} and {now}"
        if changes.is_empty():
            return f"{between} no {'other ' if self.edited_at else ''}block differs."
        said = [f"{self.name(block)} ({what})" for block, what in _list_fields(changes)]
        more = f", and {len(said) - _BLOCKS} more" if len(said) > _BLOCKS else ""
        return f"{between} these blocks differ: {', '.join(said[:_BLOCKS])}{more}."


def _list_fields(changes: pl.DataFrame) -> Iterator[tuple[str | None, str]]:
    for (block, *_), rows in changes.group_by("block_id", maintain_order=True):
        fields = [shorten_field(one_line(field, 200)) for field in rows["field"]]
        what = list_some(fields, 3)
        if [*rows["field"]] == ["$"]:
            what = f"the whole block was {rows['change'][0]}"
        yield (None if block is None else str(block)), what


def compare_blocks(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What differs between two BLOCKS frames: a CONFIG_CHANGES frame, one row per field.

    It is in the order of the blocks after, and then what was removed. A block that was added or
    removed is one row with the field ``$``.
    """
    old, new = _documents(before), _documents(after)
    rows: list[tuple[str | None, ...]] = []
    for key in dict.fromkeys((*new, *old)):
        known = new.get(key) or old[key]
        about = (known["block_id"], known["block_type"], known["label"] or "")
        documents = [each[key]["document"] if key in each else ABSENT for each in (old, new)]
        for each in diff_documents(*documents):
            was, now = (None if v is ABSENT else write_json(v) for v in each.values)
            change = "added" if was is None else "removed" if now is None else "changed"
            rows.append((*about, change, write_path(each.path), was, now))
    return pl.DataFrame(rows, schema=CONFIG_CHANGES.schema, orient="row")


def _documents(blocks: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The rows of blocks with their documents, by their ids, else by what they look like."""
    found: dict[str, dict[str, Any]] = {}
    for row in blocks.iter_rows(named=True):
        # What is absent in one of the API's two shapes and null in the other is the same.
        document: dict[str, object] = {"type": row["block_type"], "label": row["label"] or ""}
        if row["config"] is not None:
            document["config"] = parse_json(row["config"])
        if row["parent_id"] is not None:
            document["parent_id"] = row["parent_id"]
        key = f"id {row['block_id']}"
        if row["block_id"] is None:
            alike = f"{row['block_type']} {row['label']}"
            key = f"{alike} {sum(each.startswith(alike) for each in found)}"
        found[key] = row | {"document": document}
    return found


def readable(value: str | None) -> str:
    """A JSON text as it reads: a string without its quotes, anything else indented."""
    if value is None:
        return ""
    parsed = parse_json(value)
    if isinstance(parsed, str):
        return parsed
    return value if isinstance(parsed, Verbatim) else write_json(parsed, "")


def shorten_field(path: str) -> str:
    """A field of a block's document, as short as it can be understood.

    Example:
        >>> shorten_field("$.config.json_schema.properties.lines.items.properties.description.type")
        'schema: lines[].description.type'
        >>> shorten_field("$.config.prompt")
        'prompt'
    """
    inner = one_line(path).removeprefix("$").removeprefix(".").removeprefix("config.")
    head, dot, rest = inner.partition(".")
    if head not in ("json_schema", "schema") or not dot:
        return inner or "the whole block"
    short = re.sub(r"(^|\.)properties\.", r"\1", rest)
    short = re.sub(r"\.items(?=\.|$)", "[]", short)
    short = re.sub(r"\.\.+", ".", short)
    # The description of a field is what is edited most.
    return f"schema: {short.removesuffix('.description') or short}"
