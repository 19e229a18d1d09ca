"""The places of results: of the workflow as it is now, earlier, or outside the judgement.

A block's candidate side are its rows on the present code. They begin with the newest run of the
whole workflow that stands and ran the block on it. From these on, the side begins with the newest
run that decided at least half of the block and was not cut short, else with the first. An eval
keeps its older row on the present code, unless a whole run that completed after it ought to have
had it. If nothing ran on the present code, the newest code that ran takes its place.

A later row on a code that was seen before the present code's first row is of an older version. It
is earlier evidence, at the moment just before that row, and never a mend.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import polars as pl

from retab_analysis.evidence.cells import BlockInRun, common, is_after, own_block
from retab_analysis.evidence.comparable import CANDIDATE, EARLIER, MOMENT_TYPE, OPEN
from retab_analysis.evidence.timeline import Timeline, may_be_same

_TICK = timedelta(microseconds=1)

TRIED = -1
"""The side of results that judge nothing: they ran on other code since."""
_Places = list[tuple[int, datetime | None]]
"""The side of each cell of a block, and the moment to which it is moved."""


def place_results(
    timeline: Timeline,
    runs: pl.DataFrame,
    named: frozenset[str] = frozenset(),
    aside: Collection[str] = (),
) -> pl.DataFrame:
    """The results with their ``side``: ``CANDIDATE``, ``EARLIER``, or ``TRIED``.

    ``runs`` have ``run_id, created_at, ended_at, scope, is_completed, stands``; those ``aside``
    are left out. With ``named`` runs, the candidate's side are these and the runs of single evals
    that their rows take.
    """
    saved, is_aside = timeline.facts.saved, pl.col("run_id").is_in([*aside]).fill_null(False)
    results = timeline.results.filter(~is_aside)
    sizes, places = Counter(saved["block_id"]), _Places()
    ran = timeline.cells.filter(~is_aside).group_by("block", "run_id")
    cells = ran.agg(
        common(pl.col("code")).fill_null(""),
        pl.col("began").min(),
        pl.col("is_present").any(),
        pl.col("decided").sum(),
        pl.col("ended", "had").list.explode().drop_nulls().unique(),
    )
    known = cells.join(runs, on="run_id").sort("block", "created_at", "run_id", nulls_last=False)
    told = known.select(
        each for each in BlockInRun.__struct_fields__ if each in known.columns
    ).to_dicts()
    had = {k: {*ids} for k, ids in results.group_by("eval_id").agg("run_id").iter_rows()}
    completed = runs.filter("is_completed", scope="workflow")
    whole: dict[str, datetime | None] = dict(completed.select("run_id", "created_at").iter_rows())
    others: list[tuple[str | None, str, int]] = []  # of single evals in a run
    for block, its in itertools.groupby((BlockInRun(**row) for row in told), attrgetter("block")):
        rows = [*its]
        if named:
            places += _place_named(rows, named)
            continue
        side, present = _find_side(rows, sizes[block])
        places += _place_block(rows, side)
        others += _place_evals(side, present, whole, had)
    moved = pl.DataFrame(places, {"side": pl.Int8, "moved_to": MOMENT_TYPE}, orient="row")
    own = pl.DataFrame(
        others, {"run_id": pl.String, "eval_id": pl.String, "own": pl.Int8}, orient="row"
    )
    keys = ["run_id", "block"]
    placed = (
        results.with_columns(own_block(saved))
        .join(known.select(keys).hstack(moved), on=keys, how="left", maintain_order="left")
        .join(own, on=["run_id", "eval_id"], how="left", maintain_order="left")
    )
    earlier = pl.lit(EARLIER, pl.Int8)
    place = pl.coalesce("own", "side", earlier)
    if named:
        asked = is_in_scope(runs.filter(pl.col("run_id").is_in([*named])), "block")
        place = pl.when(asked).then(place).otherwise(earlier)
    moment = pl.coalesce("moved_to", "run_created_at")
    return placed.with_columns(side=place, run_created_at=moment).drop("block", "own", "moved_to")


def is_in_scope(runs: pl.DataFrame, block: str = "block_id") -> pl.Expr:
    """Whether an eval is in the scope of some runs."""
    if not runs.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = runs.filter(scope="block")["target_block_id"].drop_nulls()
    evals = runs["eval_id"].drop_nulls()
    return pl.col(block).is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_named(rows: Sequence[BlockInRun], named: frozenset[str]) -> _Places:
    last = next((row for row in reversed(rows) if row.run_id in named), None)
    places = _Places()
    for row in rows:
        is_later = last is not None and is_after(row.created_at, last.created_at)
        is_taken = last is not None and is_later and _takes(last, row)
        is_asked = row.run_id in named or is_taken
        places.append((CANDIDATE if is_asked else TRIED if is_later else EARLIER, None))
    return places


def _takes(last: BlockInRun, row: BlockInRun) -> bool:
    """Whether the row of a run takes a later run of a single eval."""
    until = last.ended_at or last.created_at
    is_open = until is not None and not is_after(row.created_at, until + OPEN)
    return row.scope == "eval" and is_open and may_be_same(row.code, last.code)


def _find_side(rows: Sequence[BlockInRun], size: int) -> tuple[list[BlockInRun], list[BlockInRun]]:
    """The candidate's side of a block, and all its cells on the present code."""
    present = [row for row in rows if row.is_present]
    present = present or [row for row in rows if may_be_same(row.code, rows[-1].code)]
    standing = [at for at, row in enumerate(present) if row.scope == "workflow" and row.stands]
    side = present[standing[-1] :] if standing else present
    most = [at for at, row in enumerate(side) if row.is_completed and 2 * row.decided >= size]
    return side[most[-1] :] if most else side, present


def _place_block(rows: Sequence[BlockInRun], side: Sequence[BlockInRun]) -> _Places:
    ids, older, places = {row.run_id for row in side}, _list_older(rows, side), _Places()
    for row in rows:
        is_later = is_after(row.created_at, side[0].created_at) and row.run_id not in older
        place = CANDIDATE if row.run_id in ids else TRIED if is_later else EARLIER
        places.append((place, older.get(row.run_id)))
    return places


def _place_evals(
    side: Sequence[BlockInRun],
    present: Sequence[BlockInRun],
    whole: Mapping[str, datetime | None],
    had: Mapping[str, Collection[str]],
) -> Iterator[tuple[str | None, str, int]]:
    """The evals that have another place than their block in a run.

    An eval keeps its newest older row, unless a whole run that completed after it has no result of
    the eval.
    """
    ids, kept = {row.run_id for row in side}, dict[str, BlockInRun]()
    for row in present:
        kept |= dict.fromkeys(row.ended, row)
    for each, row in kept.items():
        missed = any(
            is_after(began, row.created_at) and run_id not in had[each]
            for run_id, began in whole.items()
        )
        if missed:
            its = [other.run_id for other in side if each in other.had] or [row.run_id]
            yield from ((run_id, each, EARLIER) for run_id in its)
        elif row.run_id not in ids:
            yield row.run_id, each, CANDIDATE


def _list_older(
    rows: Sequence[BlockInRun], side: Sequence[BlockInRun]
) -> dict[str | None, datetime]:
    """The later rows of older versions, and the moments at which they are evidence."""
    coded = [(row.code, row.created_at) for row in reversed(rows) if row.code]
    first_seen = {code: at for code, at in coded if at is not None}
    present = {row.code for row in side if row.is_present}
    first = min((first_seen[code] for code in present if code in first_seen), default=None)
    if first is None:
        return {}
    later = [row for row in rows if row.code and is_after(row.created_at, side[0].created_at)]
    others = (row for row in later if row.code not in present)
    older = [row.run_id for row in others if first_seen[row.code] < first]
    return {run_id: first - (len(older) - at) * _TICK for at, run_id in enumerate(older)}
