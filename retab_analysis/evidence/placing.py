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

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import polars as pl
from msgspec import Struct

from retab_analysis.evidence.comparable import OPEN, common
from retab_analysis.evidence.timeline import may_be_same
from retab_analysis.vocabulary import DECIDED

_TICK = timedelta(microseconds=1)

Place = Literal["candidate", "earlier", "tried"]


class _Placed(NamedTuple):
    """The place of a run of a block; or of one eval in it, where that differs."""

    run_id: str | None
    block: str | None
    eval_id: str | None
    place: Place
    moved_to: datetime | None = None


_PLACED = pl.Schema(
    dict.fromkeys(_Placed._fields, pl.String()) | {"moved_to": pl.Datetime("us", "UTC")}
)


class _BlockRun(Struct, frozen=True, gc=False):
    """A block in a run: its results, and the facts of the run."""

    run_id: str | None
    block: str | None
    code: str | None
    is_present: bool
    decided: int
    ended: list[str]  # evals with an outcome or an error
    had: list[str]  # evals with a result
    created_at: datetime | None
    ended_at: datetime | None
    scope: str
    is_completed: bool
    stands: bool

    def is_after(self, other: _BlockRun) -> bool:
        return _is_after(self.created_at, other.created_at)


def place_results(
    results: pl.DataFrame,
    runs: pl.DataFrame,
    saved: pl.DataFrame,
    named: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Add ``place``: ``candidate``, ``earlier``, or ``tried``, which judges nothing.

    ``results`` are those of a timeline. ``runs`` have ``run_id, created_at, ended_at, scope,
    is_completed, stands``. With ``named`` runs, the candidate's side are these and the runs of
    single evals that their rows take.
    """
    block_of = dict(saved.select("eval_id", "block_id").iter_rows())
    sizes = Counter(block_of.values())
    own = pl.col("eval_id").replace_strict(block_of, default=None, return_dtype=pl.String)
    placed = results.with_columns(block=pl.coalesce(own, "block_id"))
    is_own = pl.col("block_id").eq_missing(pl.col("block"))
    state, evals = pl.col("state"), pl.col("eval_id")
    cells = placed.group_by("block", "run_id").agg(
        common(pl.col("code").filter(is_own)),
        pl.col("on_code").is_in(("is_now", "may_be")).any().alias("is_present"),
        evals.filter(state.is_in(DECIDED)).n_unique().alias("decided"),
        evals.filter(state.is_in((*DECIDED, "error"))).unique().alias("ended"),
        evals.unique().alias("had"),
    )
    known = cells.join(runs, on="run_id").sort("created_at", "run_id", nulls_last=False)
    had = {
        eval_id: {*ids} for eval_id, ids in results.group_by("eval_id").agg("run_id").iter_rows()
    }
    completed = runs.filter("is_completed", scope="workflow")
    whole: dict[str, datetime | None] = dict(completed.select("run_id", "created_at").iter_rows())
    places: list[_Placed] = []
    for (block,), its in known.partition_by("block", as_dict=True).items():
        facts = its.select(_BlockRun.__struct_fields__)
        rows = [_BlockRun(**row) for row in facts.iter_rows(named=True)]
        if named:
            places += _place_named(rows, named)
        else:
            places += _place_block(rows, sizes.get(block, 0), whole, had)
    found = pl.DataFrame(places, schema=_PLACED, orient="row")
    of_runs, of_evals = found.filter(pl.col("eval_id").is_null()), found.drop_nulls("eval_id")
    keys = ("run_id", "block")
    joined = placed.join(
        of_runs.drop("eval_id"), on=keys, how="left", nulls_equal=True, maintain_order="left"
    ).join(of_evals, on=(*keys, "eval_id"), how="left", suffix="_own", maintain_order="left")
    place = pl.coalesce("place_own", "place", pl.lit("earlier"))
    if named:
        asked = is_in_scope(runs.filter(pl.col("run_id").is_in([*named])), "block")
        place = pl.when(asked).then(place).otherwise(pl.lit("earlier"))
    moment = pl.coalesce("moved_to", "run_created_at")
    told = joined.with_columns(place=place, run_created_at=moment)
    return told.drop("block", "place_own", "moved_to", "moved_to_own")


def is_in_scope(runs: pl.DataFrame, block: str = "block_id") -> pl.Expr:
    """Whether an eval is in the scope of some runs."""
    if not runs.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = runs.filter(scope="block")["target_block_id"].drop_nulls()
    evals = runs["eval_id"].drop_nulls()
    return pl.col(block).is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_named(rows: Sequence[_BlockRun], named: frozenset[str]) -> Iterator[_Placed]:
    last = next((row for row in reversed(rows) if row.run_id in named), None)
    for row in rows:
        is_after = last is not None and row.is_after(last)
        place: Place = "tried" if is_after else "earlier"
        if row.run_id in named or (last is not None and is_after and _takes(last, row)):
            place = "candidate"
        yield _Placed(row.run_id, row.block, None, place)


def _takes(last: _BlockRun, row: _BlockRun) -> bool:
    """Whether the row of a run takes a later run of a single eval."""
    until = last.ended_at or last.created_at
    if until is None or row.created_at is None or row.created_at > until + OPEN:
        return False
    return row.scope == "eval" and may_be_same(row.code, last.code)


def _place_block(
    rows: Sequence[_BlockRun],
    size: int,
    whole: Mapping[str, datetime | None],
    had: Mapping[str, Collection[str]],
) -> Iterator[_Placed]:
    """The place of each run of one block, and of single evals that have another place."""
    present = [row for row in rows if row.is_present]
    present = present or [row for row in rows if may_be_same(row.code, rows[-1].code)]
    standing = [at for at, row in enumerate(present) if row.scope == "workflow" and row.stands]
    side = present[standing[-1] :] if standing else present
    most = [at for at, row in enumerate(side) if row.is_completed and 2 * row.decided >= size]
    side = side[most[-1] :] if most else side
    ids, older = {row.run_id for row in side}, _list_older(rows, side)
    for row in rows:
        is_after = bool(side) and row.is_after(side[0]) and row.run_id not in older
        place: Place = "candidate" if row.run_id in ids else "tried" if is_after else "earlier"
        yield _Placed(row.run_id, row.block, None, place, older.get(row.run_id))
    # An eval keeps its newest older row, unless a whole run that completed after it has no result
    # of the eval.
    kept: dict[str, _BlockRun] = {}
    for row in present:
        kept |= dict.fromkeys(row.ended, row)
    for each, row in kept.items():
        missed = any(
            _is_after(began, row.created_at) and run_id not in had[each]
            for run_id, began in whole.items()
        )
        if missed:
            its = [other.run_id for other in side if each in other.had] or [row.run_id]
            yield from (_Placed(run_id, row.block, each, "earlier") for run_id in its)
        elif row.run_id not in ids:
            yield _Placed(row.run_id, row.block, each, "candidate")


def _list_older(rows: Sequence[_BlockRun], side: Sequence[_BlockRun]) -> dict[str | None, datetime]:
    """The later rows of older versions, and the moments at which they are evidence."""
    first_seen: dict[str, datetime] = {}
    for row in rows:
        if row.code is not None and row.created_at is not None:
            first_seen.setdefault(row.code, row.created_at)
    present = {row.code for row in side if row.is_present}
    first = min((first_seen[code] for code in present if code in first_seen), default=None)
    if first is None:
        return {}
    older = [
        row.run_id
        for row in rows
        if row.code is not None
        and row.code not in present
        and row.is_after(side[0])
        and first_seen[row.code] < first
    ]
    return {run_id: first - (len(older) - at) * _TICK for at, run_id in enumerate(older)}


def _is_after(moment: datetime | None, other: datetime | None) -> bool:
    return moment is not None and other is not None and moment > other
