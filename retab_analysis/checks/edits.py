"""``fetch_config_changes``: the edits between two versions, or since one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.checks.moments import find_moment, say_unknown
from retab_analysis.checks.plan import ReadingPlan
from retab_analysis.checks.source import Source
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import (
    FORGOTTEN,
    NOT_THERE,
    BlockConfigs,
    Edits,
    compare_blocks,
)
from retab_analysis.errors import ConfigError, NotFoundError, RetabAnalysisError
from retab_analysis.evidence.versions import Moment
from retab_analysis.fetch.edits import as_blocks, find_era
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.paging import PAGE_SIZE
from retab_analysis.fetch.params import client_or_default, quote_id
from retab_analysis.fetch.runs import read_newest_runs
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.markup import one_line
from retab_analysis.schema import BLOCKS, CONFIG_CHANGES, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT

_LATEST = datetime.max.replace(tzinfo=UTC)
_MOST_BLOCKS = 12
_OF_BLOCK = tuple(BLOCKS.schema)


def fetch_config_changes(
    workflow_id: str, baseline: str, candidate: str = DRAFT, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch the edits between two versions of a workflow: prompts, schemas, models.

    For a published version and the draft it sends two requests, and one to find ``"v5"`` or
    ``"published"``. For another moment it also reads the history of each block.

    Args:
        workflow_id: The workflow, its id or its name.
        baseline: The earlier version: ``"v5"``, ``"published"``, the id of a version, ``"draft"``,
            ``"previous"`` (of each block the configuration before the present one), or a date or
            time. An edit goes by its name or a part of it: ``"29 Nov 19:26"``.
        candidate: The later version; ``"draft"`` for the blocks as they are now.
        client: The client to ask; by default the session's.

    Returns:
        One row per field that differs (String each): ``block_id, block_type, label``; ``change``:
        added, removed or changed. ``field`` is a JSON path such as ``$.config.prompt`` or
        ``$.config.json_schema.properties.total.type``; ``$`` stands for a whole block that was
        added or removed. ``before, after`` are JSON texts, null on the side that lacks the field.
        No rows: nothing differs.

    Raises:
        ConfigError: There is no such version; the message lists those that there are.
        NotFoundError: The API does not give the configuration of one of them, for example of an
            earlier draft without the history of blocks.
        RetabAnalysisError: Any other failure, see :mod:`retab_analysis.errors`.

    Example:
        >>> edits = ra.fetch_config_changes("wf_invoices", "published", "draft")
        >>> edits.filter(pl.col("block_id") == "extract_lines")["field"].to_list()
        ['$.config.prompt', ...]
    """
    for name, asked in (("baseline", baseline), ("candidate", candidate)):
        quote_id(name, asked)
    chosen = client_or_default(client)
    source = Source(chosen, resolve_workflow(chosen, workflow_id))
    before, after = (
        _name(name, asked, source)
        for name, asked in (("baseline", baseline), ("candidate", candidate))
    )
    return compare_blocks(_read_moment(before, source), _read_moment(after, source))


def _name(name: str, asked: str, source: Source) -> Moment:
    if (found := find_moment(name, asked, source, RUNS.empty())) is not None:
        return found
    runs = read_newest_runs(source.client, source.workflow_id, limit=PAGE_SIZE)
    if (found := find_moment(name, asked, source, runs)) is not None:
        return found
    if source.read_blocks([asked]):  # a version that the list does not have
        return Moment(asked, "publication", version=asked)
    raise ConfigError(say_unknown(name, asked, source, runs))


def _read_moment(moment: Moment, source: Source) -> pl.DataFrame:
    """The blocks of a version, a BLOCKS frame."""
    if moment.kind in ("draft", "publication"):
        version = DRAFT if moment.version is None else moment.version
        if (known := source.read_blocks([version]).get(version)) is None:
            raise _not_known(moment, "the API does not give its blocks")
        return known.select(_OF_BLOCK)
    draft = source.read_blocks([DRAFT]).get(DRAFT)
    eras = None if draft is None else source.read_edits(draft["block_id"].to_list())
    if draft is None or eras is None:
        raise _not_known(moment, "the API does not give the history of blocks")
    its = [_find_era(each, moment) for each in eras.partition_by("block_id")]
    inside = draft.select("block_id", "parent_id")
    then = pl.concat(its).drop("parent_id").join(inside, on="block_id", how="left")
    return then.select(_OF_BLOCK)


def _not_known(moment: Moment, why: str) -> NotFoundError:
    return NotFoundError(f"the configuration of {moment} is not known: {why}", status_code=404)


def _find_era(eras: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """The era of a block in a version, with BLOCKS' columns."""
    now = eras.filter(pl.col("is_draft").fill_null(False))
    if (mark := moment.marks.get(eras["block_id"][0])) is not None:
        return as_blocks(eras.filter(config_fingerprint=mark))
    if moment.kind == "previous":
        first = now["first_seen_at"].max()
        before = eras.filter(pl.col("first_seen_at") < first).sort("first_seen_at").tail(1)
        chosen = now if before.is_empty() else before
        return chosen.with_columns(label="block_label", parent_id=pl.lit(None, pl.String))
    return find_era(eras, moment.at or _LATEST)


def add_config_changes(comparison: Comparison, source: Source, plan: ReadingPlan) -> Comparison:
    """Add the edits: those that broke something, or those between two versions."""
    spans = inside(comparison).spans
    if plan.before is None and spans.is_empty():
        edits = Edits(CONFIG_CHANGES.empty(), labels=_read_labels(comparison, source))
        return Comparison(inside(comparison).with_edits(edits))
    search = _Search(source, comparison, spans)
    try:
        edits = search.run() if plan.before is None else _compare(plan.before, plan.now, source)
    except RetabAnalysisError as error:
        why = f"asking failed ({one_line(str(error), 200)})"
        edits = Edits(CONFIG_CHANGES.empty(), labels=source.labels, why=why, has_failed=True)
    return Comparison(inside(search.comparison).with_edits(edits))


def _compare(before: Moment, now: Moment | None, source: Source) -> Edits:
    """The edits between two versions."""
    changes = compare_blocks(
        _read_moment(before, source), _read_moment(now or Moment("", "draft"), source)
    )
    return Edits(
        changes, edited_at=dict.fromkeys(changes["block_id"].drop_nulls()), labels=source.labels
    )


def _read_labels(comparison: Comparison, source: Source) -> dict[str, str | None]:
    with contextlib.suppress(RetabAnalysisError):  # then its id names a block
        for each in inside(comparison).stories:
            if each.transition == "incomplete" or each.saved.stale == "block":
                return source.read_labels()
    return source.labels


class _Search:
    """Looks for the edits in some spans, in the histories of their blocks."""

    def __init__(self, source: Source, comparison: Comparison, spans: pl.DataFrame) -> None:
        self.source, self.comparison, self.spans = source, comparison, spans
        self.changes: list[pl.DataFrame] = []
        self.edited_at: dict[str, datetime | None] = {}

    def _choose_blocks(self) -> list[str]:
        """The blocks whose history is read already, and others, as long as there are few."""
        told = inside(self.comparison).sides.around.told
        read = () if told is None else told.timeline.histories
        blocks = self.spans["block_id"].unique(maintain_order=True)
        others = [each for each in blocks if each not in read]
        kept = [each for each in blocks if each in read]
        return [*kept, *others[: max(_MOST_BLOCKS - len(read), 0)]]

    def run(self) -> Edits:
        tasks: list[Callable[[], object]] = [
            partial(self.source.read_edits, self._choose_blocks()),
            partial(self.source.read_blocks, [DRAFT]),
        ]
        outcomes: TaskOutcomes[Any] = TaskOutcomes()
        run_all(tasks, self.source.client.max_concurrency, outcomes)
        if error := outcomes.error():
            raise error
        eras, graphs = outcomes.results[0], outcomes.results[1]
        if eras is not None:
            self._look_into(eras)
        if not self.missing.is_empty():
            self._look_into(self.source.read_kept_edits())
        found = pl.concat([CONFIG_CHANGES.empty(), *self.changes]).unique(maintain_order=True)
        unknown = self.missing["block_id"].unique(maintain_order=True)
        known = (each["block_id", "label"] for each in graphs.values())
        return Edits(
            found,
            edited_at=self.edited_at,
            unknown=tuple(each for each in unknown if each not in found["block_id"]),
            why=FORGOTTEN if eras is None else NOT_THERE,
            configs={} if eras is None else self._find_configs(eras),
            labels=self.source.labels | {k: label for each in known for k, label in each.rows()},
        )

    def _find_configs(self, eras: pl.DataFrame) -> dict[str, BlockConfigs]:
        """The configurations of the blocks that edits broke or fixed."""
        tried = inside(self.comparison).tries
        return {each: BlockConfigs(as_blocks(eras.filter(block_id=each))) for each in tried}

    @property
    def missing(self) -> pl.DataFrame:
        return self.spans.filter(~pl.col("block_id").is_in([*self.edited_at]))

    def _look_into(self, eras: pl.DataFrame) -> None:
        for span in self.missing.to_dicts():
            its = eras.filter(block_id=span["block_id"])
            before, after = (find_era(its, span[at]) for at in ("before_at", "after_at"))
            if before.height == after.height == 1:
                began = after["first_seen_at"][0]
                at = began if began > span["before_at"] else None  # it was put back
                self._add(span["block_id"], before, after, at)

    def _add(
        self, block: str, before: pl.DataFrame, after: pl.DataFrame, at: datetime | None
    ) -> None:
        differing = compare_blocks(before.select(_OF_BLOCK), after.select(_OF_BLOCK))
        if not differing.is_empty():
            self.changes.append(differing)
            self.edited_at.setdefault(block, at)
