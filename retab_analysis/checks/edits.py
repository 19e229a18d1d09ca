"""``fetch_config_changes``: the edits between two versions, or since one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.checks.source import Source
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import (
    FORGOTTEN,
    NOT_THERE,
    Edits,
    choose_versions,
    compare_blocks,
    list_published,
)
from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch.default_client import client_or_default
from retab_analysis.fetch.edits import find_era, read_past_versions
from retab_analysis.fetch.lists import read_two_versions, resolve_workflow
from retab_analysis.fetch.params import quote_id
from retab_analysis.fetch.publications import resolve_versions
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.schema import BLOCKS, CONFIG_CHANGES
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT, is_draft

_MOST_BLOCKS, _MOST_VERSIONS = 12, 6
_OF_BLOCK = tuple(BLOCKS.schema)


def fetch_config_changes(
    workflow_id: str, baseline: str, candidate: str = DRAFT, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch the edits between two versions of a workflow: prompts, schemas, models.

    It sends two requests, and more to find ``"v5"`` or ``"published"``. For an earlier draft it
    also reads the newest runs, to learn when that draft ran, and the history of each block.

    Args:
        workflow_id: The workflow, its id or its name.
        baseline: A published version, by its id, as ``"v5"`` or ``"published"``; or ``"draft"``; or
            the id of an earlier draft, if the API gives the history of blocks.
        candidate: Another version; ``"draft"`` for the blocks as they are now.
        client: The client to ask; by default the session's.

    Returns:
        One row per field that differs (String each): ``block_id, block_type, label``; ``change``:
        added, removed or changed. ``field`` is a JSON path such as ``$.config.prompt`` or
        ``$.config.json_schema.properties.total.type``; ``$`` stands for a whole block that was
        added or removed. ``before, after`` are JSON texts, null on the side that lacks the field.
        No rows: nothing differs.

    Raises:
        ConfigError: An id cannot be used.
        NotFoundError: The API does not know one of the versions, for example because it is an
            earlier draft, and the API does not give the history of blocks.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> edits = ra.fetch_config_changes("wf_invoices", "published", "draft")
        >>> edits.filter(pl.col("block_id") == "extract_lines")["field"].to_list()
        ['$.config.prompt', ...]
    """
    for name, value in (("baseline", baseline), ("candidate", candidate)):
        quote_id(name, value)
    chosen = client_or_default(client)
    workflow_id = resolve_workflow(chosen, workflow_id)
    try:
        blocks: Sequence[pl.DataFrame] = read_two_versions(chosen, workflow_id, baseline, candidate)
    except NotFoundError as error:
        blocks = _read_other_versions(chosen, workflow_id, (baseline, candidate), error)
    return compare_blocks(blocks[0], blocks[1])


def _read_other_versions(
    client: Client, workflow_id: str, asked: Sequence[str], error: NotFoundError
) -> Sequence[pl.DataFrame]:
    try:
        ids = resolve_versions(client, workflow_id, asked, error)
        return read_two_versions(client, workflow_id, ids[0], ids[1])
    except NotFoundError:
        with contextlib.suppress(RetabAnalysisError):
            if found := read_past_versions(client, workflow_id, asked):
                return found
        raise


def add_config_changes(comparison: Comparison, source: Source) -> Comparison:
    """Add the edit that broke something: from the block's history, or from versions."""
    spans = inside(comparison).spans
    if spans.is_empty():
        edits = Edits(CONFIG_CHANGES.empty(), labels=_read_labels(comparison, source))
        return Comparison(inside(comparison).with_edits(edits))
    search = _Search(source, comparison, spans)
    try:
        edits = search.run()
    except RetabAnalysisError as error:
        why = f"asking failed ({one_line(str(error), 200)})"
        edits = Edits(CONFIG_CHANGES.empty(), labels=source.labels, why=why, has_failed=True)
    return Comparison(inside(search.comparison).with_edits(edits))


def _read_labels(comparison: Comparison, source: Source) -> dict[str, str | None]:
    with contextlib.suppress(RetabAnalysisError):  # then its id names a block
        for each in inside(comparison).stories:
            if each.transition == "incomplete" or each.saved.stale == "block":
                return source.read_labels()
    return source.labels


class _Search:
    """Looks for the edits in some spans, in one source after the other."""

    def __init__(self, source: Source, comparison: Comparison, spans: pl.DataFrame) -> None:
        self.source, self.comparison, self.spans = source, comparison, spans
        self.changes: list[pl.DataFrame] = []
        self.edited_at: dict[str, datetime | None] = {}
        self.graphs: dict[str, pl.DataFrame | None] = {}

    def run(self) -> Edits:
        blocks = self.spans["block_id"].unique(maintain_order=True)
        tasks: list[Callable[[], object]] = [
            partial(self.source.read_edits, blocks[:_MOST_BLOCKS].to_list()),
            partial(self._read, DRAFT),
        ]
        outcomes: TaskOutcomes[Any] = TaskOutcomes()
        run_all(tasks, self.source.client.max_concurrency, outcomes)
        if error := outcomes.error():
            raise error
        eras = outcomes.results[0]
        if eras is not None:
            self._look_into(eras)
        versions = inside(self.comparison).sides.around.versions
        if versions is None and not self.missing.is_empty():
            with contextlib.suppress(RetabAnalysisError):
                versions = self.source.read_versions()
        for span in self.missing.to_dicts():
            self._look_at_versions(span, list_published(versions))
        if not self.missing.is_empty():
            self._look_into(self.source.read_kept_edits())
        candidate = inside(self.comparison).sides.candidate
        between = choose_versions(self.missing, candidate, versions)
        if between is None or not self._compare(*between):
            between = "", ""
        found = pl.concat([CONFIG_CHANGES.empty(), *self.changes]).unique(maintain_order=True)
        unknown = self.missing["block_id"].unique(maintain_order=True)
        known = (each["block_id", "label"] for each in self.graphs.values() if each is not None)
        return Edits(
            found,
            *between,
            edited_at=self.edited_at,
            unknown=tuple(each for each in unknown if each not in found["block_id"]),
            why=FORGOTTEN if eras is None else NOT_THERE,
            labels=self.source.labels | {k: label for each in known for k, label in each.rows()},
        )

    @property
    def missing(self) -> pl.DataFrame:
        return self.spans.filter(~pl.col("block_id").is_in([*self.edited_at]))

    def _read(self, version: str) -> pl.DataFrame | None:
        if version not in self.graphs and len(self.graphs) <= _MOST_VERSIONS:
            self.graphs[version] = self.source.read_blocks([version]).get(version)
        return self.graphs.get(version)

    def _look_into(self, eras: pl.DataFrame) -> None:
        for span in self.missing.to_dicts():
            its = eras.filter(block_id=span["block_id"])
            before, after = (find_era(its, span[at]) for at in ("before_at", "after_at"))
            if before.height == after.height == 1:
                began = after["first_seen_at"][0]
                at = began if began > span["before_at"] else None  # it was put back
                self._add(span["block_id"], before, after, at)

    def _look_at_versions(self, span: dict[str, Any], published: set[str] | None) -> None:
        block, version = pl.col("block_id") == span["block_id"], span["after_version"]
        before = self._read(span["before_version"])
        if before is None or version in (None, span["before_version"]):
            return
        after = None
        if is_draft(version, published) and (draft := self._read(DRAFT)) is not None:
            after = draft.filter(block, pl.col("updated_at") <= span["after_at"])
        if after is None or after.is_empty():
            # It was edited again, but may have been published before that.
            after = self._read(version)
        if after is not None:
            self._add(span["block_id"], before.filter(block), after.filter(block), None)

    def _add(
        self, block: str, before: pl.DataFrame, after: pl.DataFrame, at: datetime | None
    ) -> None:
        differing = compare_blocks(before.select(_OF_BLOCK), after.select(_OF_BLOCK))
        if not differing.is_empty():
            self.changes.append(differing)
            self.edited_at.setdefault(block, at)

    def _compare(self, *versions: str) -> bool:
        both = [each.select(_OF_BLOCK) for each in map(self._read, versions) if each is not None]
        if len(both) == 2:
            found = compare_blocks(*both)
            self.changes.append(found.filter(~pl.col("block_id").is_in([*self.edited_at])))
        return len(both) == 2
