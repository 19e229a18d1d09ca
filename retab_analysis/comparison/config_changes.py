"""The edits of a workflow: the fields of its blocks that differ, and how to show them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.comparison.json_diff import (
    ABSENT,
    Verbatim,
    diff_documents,
    parse_json,
    write_json,
    write_path,
)
from retab_analysis.errors import list_some
from retab_analysis.evidence.story import Story
from retab_analysis.evidence.tries import Try
from retab_analysis.markup import one_line
from retab_analysis.render.document import Change, write_line
from retab_analysis.render.marks import mark_texts, shorten_field
from retab_analysis.schema import CONFIG_CHANGES
from retab_analysis.vocabulary import BROKEN

_SPAN = pl.Schema(
    {
        "block_id": pl.String(),
        **dict.fromkeys(("before_at", "after_at"), pl.Datetime("us", "UTC")),
    }
)
Blocks = Iterable[Mapping[str, Any]]
"""Rows of BLOCKS."""
LABEL = 80  # characters of a block's label
FORGOTTEN = "the API does not keep earlier drafts"
NOT_THERE = "the histories that were read, of at most 12 blocks, have no edit at that time"


@dataclass(frozen=True, eq=False)
class Edits:
    """The edits that broke something.

    ``changes`` is a frame of :func:`fetch_config_changes`. For the blocks in ``edited_at`` it has
    exactly the edit that broke something, made at that moment if known. The edits of the
    ``unknown`` blocks are not known, and ``why`` is the reason. ``labels`` has the labels of
    all blocks that were read, by id.
    """

    changes: pl.DataFrame
    edited_at: Mapping[str, datetime | None] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    why: str = FORGOTTEN
    has_failed: bool = False  # whether the API could not be asked
    labels: Mapping[str, str | None] = field(default_factory=dict)

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """The labels of blocks, with the id if two have the same label."""
        named = {block: one_line(label, LABEL) for block, label in self.labels.items() if label}
        taken = Counter([*named.values(), *(each for each in self.labels if each not in named)])
        return {
            block: label if taken[label] == 1 else f"{label} ({one_line(block)})"
            for block, label in named.items()
        }

    def name(self, block: str | None) -> str:
        return self.names.get(block or "") or one_line(block or "a block without an id", LABEL)

    def describe(self) -> str:
        """What the changes show, if not exactly the edit that broke something."""
        if not self.unknown and not self.has_failed:
            return ""
        blocks = f" in {list_some(map(self.name, self.unknown), 3)}" if self.unknown else ""
        return f"The edit{blocks} is not known: {self.why}."


def compare_tries(before: Try | None, after: Try) -> pl.DataFrame:
    """What a try changed, if both configurations are known: a CONFIG_CHANGES frame."""
    was, now = None if before is None else before.config, after.config
    if was is None or now is None:
        return CONFIG_CHANGES.empty()
    return compare_blocks([was], [{**now, "parent_id": was["parent_id"]}])


def compare_blocks(before: Blocks, after: Blocks) -> pl.DataFrame:
    """The differences of two states of a workflow: a CONFIG_CHANGES frame, one row per field.

    The rows have the order of the later blocks, removed blocks come last. A block that was added or
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


def _documents(blocks: Blocks) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in blocks:
        # A field that one of the API's two shapes omits is null in the other.
        document: dict[str, object] = {"type": row["block_type"], "label": row["label"] or ""}
        if row["config"] is not None:
            document["config"] = parse_json(row["config"])
        if row["parent_id"] is not None:
            document["parent_id"] = row["parent_id"]
        key = f"id {row['block_id']}"
        if row["block_id"] is None:
            alike = f"{row['block_type']} {row['label']}"
            key = f"{alike} {sum(each.startswith(alike) for each in found)}"
        found[key] = {**row, "document": document}
    return found


def readable(value: str | None) -> str:
    """A JSON text for reading: a string without its quotes, anything else indented."""
    if value is None:
        return ""
    parsed = parse_json(value)
    if isinstance(parsed, str):
        return parsed
    return value if isinstance(parsed, Verbatim) else write_json(parsed, "")


def mark_changes(changes: pl.DataFrame, *, values: bool = True) -> tuple[Change, ...]:
    """The rows of a CONFIG_CHANGES frame, each with its words marked."""
    return tuple(
        Change(
            shorten_field(field),
            mark_texts(readable(before), readable(after)) if values else write_line(change),
        )
        for field, change, before, after in changes.select(
            "field", "change", "before", "after"
        ).iter_rows()
    )


def find_spans(stories: Iterable[Story]) -> pl.DataFrame:
    """The moments between which edits broke evals, most broken evals first.

    One row each: ``block_id, before_at, after_at``, from the last pass on other code to the first
    failure of some evals. ``evals`` is their number.
    """
    worse = (*BROKEN, "newly_errored", "suspect")
    broken = (each for each in stories if each.cause == "edit" and each.transition in worse)
    rows = [(each.block_id, *each.edit) for each in broken if each.block_id and each.edit]
    found = pl.DataFrame(rows, _SPAN, orient="row").group_by(*_SPAN).agg(evals=pl.len())
    return found.sort("evals", *_SPAN, descending=[True, *[False] * len(_SPAN)])
