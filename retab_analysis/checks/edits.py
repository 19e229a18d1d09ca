"""``fetch_config_changes``: the edits between two versions, or since one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from retab_analysis.checks.moments import find_moment, say_unknown
from retab_analysis.checks.plan import ReadingPlan
from retab_analysis.checks.source import MOST_BLOCKS, Source
from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.config_changes import FORGOTTEN, NOT_THERE, Edits, compare_blocks
from retab_analysis.errors import ConfigError, NotFoundError, RetabAnalysisError
from retab_analysis.evidence.timeline import list_histories
from retab_analysis.evidence.versions import Moment, find_era
from retab_analysis.fetch.lists import resolve_workflow
from retab_analysis.fetch.paging import PAGE_SIZE
from retab_analysis.fetch.params import client_or_default, quote_id
from retab_analysis.fetch.runs import read_newest_runs
from retab_analysis.markup import one_line
from retab_analysis.schema import CONFIG_CHANGES, RUNS
from retab_analysis.transport import Client
from retab_analysis.vocabulary import DRAFT


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
    source.require("edits")
    raise ConfigError(say_unknown(name, asked, source, runs))


def _read_moment(moment: Moment, source: Source) -> Sequence[Mapping[str, Any]]:
    """The blocks of a version, rows of BLOCKS."""
    if moment.kind in ("draft", "publication"):
        version = DRAFT if moment.version is None else moment.version
        if (known := source.read_blocks([version]).get(version)) is None:
            raise _not_known(moment, "the API does not give its blocks", source)
        return known.to_dicts()
    draft = source.read_blocks([DRAFT]).get(DRAFT)
    eras = None if draft is None else source.read_edits(draft["block_id"].to_list())
    if draft is None or eras is None:
        raise _not_known(moment, "the API does not give the history of blocks", source)
    parents = dict(draft.select("block_id", "parent_id").iter_rows())
    histories = list_histories(eras).items()
    found = {block: find_era(history, block, moment) for block, history in histories}
    return [{**era.config, "parent_id": parents.get(e)} for e, era in found.items() if era]


def _not_known(moment: Moment, why: str, source: Source) -> NotFoundError:
    source.require("edits")
    return NotFoundError(f"the configuration of {moment} is not known: {why}", status_code=404)


def add_config_changes(comparison: Comparison, source: Source, plan: ReadingPlan) -> Comparison:
    """Add the edits: those that broke something, or those between two versions."""
    spans = inside(comparison).spans
    if plan.before is None and spans.is_empty():
        edits = Edits(CONFIG_CHANGES.empty(), labels=source.labels)
        return Comparison(inside(comparison).with_edits(edits))
    told = inside(comparison).sides.told
    try:
        if plan.before is None:
            edits = _search(source, comparison, spans)
        else:
            edits = _compare(told.mark(plan.before) if told else plan.before, plan.now, source)
    except RetabAnalysisError as error:
        why = f"asking failed ({one_line(str(error), 200)})"
        edits = Edits(CONFIG_CHANGES.empty(), labels=source.labels, why=why, has_failed=True)
    return Comparison(inside(comparison).with_edits(edits))


def _compare(before: Moment, now: Moment | None, source: Source) -> Edits:
    """The edits between two versions."""
    changes = compare_blocks(
        _read_moment(before, source), _read_moment(now or Moment("", "draft"), source)
    )
    return Edits(
        changes, edited_at=dict.fromkeys(changes["block_id"].drop_nulls()), labels=source.labels
    )


def _search(source: Source, comparison: Comparison, spans: pl.DataFrame) -> Edits:
    """Look for the edits in some spans, in the histories of their blocks."""
    eras = source.read_edits(_choose_blocks(comparison, spans))
    if eras is None:
        source.require("edits")
    changes, edited_at = [CONFIG_CHANGES.empty()], dict[str, datetime | None]()
    missing = spans.to_dicts()
    for is_kept in (False, True):
        known = source.read_kept_edits() if is_kept and missing else eras
        histories = {} if known is None else list_histories(known)
        for span in (each for each in missing if each["block_id"] in histories):
            history = histories[span["block_id"]]
            before, after = (history.find(span[at]) for at in ("before_at", "after_at"))
            its = (() if each is None else (each.config,) for each in (before, after))
            differing = compare_blocks(*its)
            if before and after and not differing.is_empty():
                changes.append(differing)
                # Else it was put back.
                began = after.first if after.first > span["before_at"] else None
                edited_at.setdefault(span["block_id"], began)
        missing = [each for each in missing if each["block_id"] not in edited_at]
    unknown = dict.fromkeys(each["block_id"] for each in missing)
    return Edits(
        pl.concat(changes).unique(maintain_order=True),
        edited_at=edited_at,
        unknown=tuple(unknown),
        why=FORGOTTEN if eras is None else NOT_THERE,
        labels=source.labels,
    )


def _choose_blocks(comparison: Comparison, spans: pl.DataFrame) -> list[str]:
    """The blocks whose history is read already, and others, as long as there are few."""
    told = inside(comparison).sides.told
    read = () if told is None else told.timeline.histories
    blocks = spans["block_id"].unique(maintain_order=True)
    others = [each for each in blocks if each not in read]
    kept = [each for each in blocks if each in read]
    return [*kept, *others[: max(MOST_BLOCKS - len(read), 0)]]
