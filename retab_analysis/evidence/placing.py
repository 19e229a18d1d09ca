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
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from retab_analysis.evidence.comparable import OPEN, common, has_same_code
from retab_analysis.vocabulary import DECIDED

_TICK = timedelta(microseconds=1)
_PLACES = {
    "run_id": pl.String(),
    "block": pl.String(),
    "eval_id": pl.String(),
    "place": pl.String(),
    "moved_to": pl.Datetime("us", "UTC"),
}

Placed = tuple[str | None, str | None, str | None, str, datetime | None]
Cell = Mapping[str, Any]


def place_results(
    results: pl.DataFrame,
    runs: pl.DataFrame,
    saved: pl.DataFrame,
    named: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Add ``place``: ``candidate``, ``earlier``, or ``tried``, which judges nothing.

    ``results`` are those of a timeline. ``runs`` have ``run_id, created_at, ended_at, scope,
    is_completed, stands``. With
    ``named`` runs, the candidate's side are these and the runs of single evals that their rows
    take.
    """
    block_of = dict(saved.select("eval_id", "block_id").iter_rows())
    sizes = Counter(block_of.values())
    own = pl.col("eval_id").replace_strict(block_of, default=None, return_dtype=pl.String)
    placed = results.with_columns(block=pl.coalesce(own, "block_id"))
    own_code = pl.col("block_id").eq_missing(pl.col("block"))
    state, evals = pl.col("state"), pl.col("eval_id")
    cells = placed.group_by("block", "run_id").agg(
        common(pl.col("code").filter(own_code)),
        pl.col("draft").drop_nulls().first(),
        (pl.col("on_code") != "is_not").any().alias("is_present"),
        evals.filter(state.is_in(DECIDED)).n_unique().alias("decided"),
        evals.filter(state.is_in((*DECIDED, "error"))).unique().alias("ended"),
        evals.unique().alias("had"),
    )
    known = cells.join(runs, on="run_id").sort("created_at", "run_id", nulls_last=False)
    had = {
        eval_id: {*ids} for eval_id, ids in results.group_by("eval_id").agg("run_id").iter_rows()
    }
    whole_runs = runs.filter("is_completed", scope="workflow").to_dicts()
    places: list[Placed] = []
    for (block,), its in known.partition_by("block", as_dict=True).items():
        rows = its.to_dicts()
        if named:
            places += _place_named(rows, named)
        else:
            places += _place_block(rows, sizes.get(block, 0), whole_runs, had)
    found = pl.DataFrame(places, schema=_PLACES, orient="row")
    whole, single = found.filter(pl.col("eval_id").is_null()), found.drop_nulls("eval_id")
    keys = ("run_id", "block")
    joined = placed.join(
        whole.drop("eval_id"), on=keys, how="left", nulls_equal=True, maintain_order="left"
    ).join(single, on=(*keys, "eval_id"), how="left", suffix="_kept", maintain_order="left")
    place = pl.coalesce("place_kept", "place", pl.lit("earlier"))
    if named:
        asked = runs.filter(pl.col("run_id").is_in([*named]))
        place = pl.when(is_in_scope(asked, "block")).then(place).otherwise(pl.lit("earlier"))
    return joined.with_columns(
        place=place, run_created_at=pl.coalesce("moved_to", "run_created_at")
    ).drop("block", "place_kept", "moved_to", "moved_to_kept")


def is_in_scope(runs: pl.DataFrame, block: str = "block_id") -> pl.Expr:
    """Whether an eval is in the scope of some runs."""
    if not runs.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = runs.filter(scope="block")["target_block_id"].drop_nulls()
    evals = runs["eval_id"].drop_nulls()
    return pl.col(block).is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_named(rows: Sequence[Cell], named: frozenset[str]) -> list[Placed]:
    chosen = [row for row in rows if row["run_id"] in named]
    last = chosen[-1] if chosen else None
    placed: list[Placed] = []
    for row in rows:
        place = "candidate" if row["run_id"] in named else "earlier"
        if last is not None and row["run_id"] not in named and _is_after(row, last):
            begun = row["created_at"]
            until = last["ended_at"] or last["created_at"]
            takes = row["scope"] == "eval" and begun <= until + OPEN and has_same_code(row, last)
            place = "candidate" if takes else "tried"
        placed.append((row["run_id"], row["block"], None, place, None))
    return placed


def _place_block(
    rows: Sequence[Cell], size: int, whole: Sequence[Cell], had: Mapping[str, Collection[str]]
) -> list[Placed]:
    """The place of each run of one block, and the results of single evals with another place."""
    present = [row for row in rows if row["is_present"]]
    present = present or [row for row in rows if has_same_code(row, rows[-1])]
    standing = [
        at for at, row in enumerate(present) if row["scope"] == "workflow" and row["stands"]
    ]
    side = present[standing[-1] :] if standing else present
    most = [at for at, row in enumerate(side) if row["is_completed"] and 2 * row["decided"] >= size]
    side = side[most[-1] :] if most else side
    ids = {row["run_id"] for row in side}
    older = _list_older(rows, side)
    placed: list[Placed] = []
    for row in rows:
        place = "candidate" if row["run_id"] in ids else "earlier"
        if row["run_id"] not in {*ids, *older} and side and _is_after(row, side[0]):
            place = "tried"
        placed.append((row["run_id"], row["block"], None, place, older.get(row["run_id"])))
    # An eval keeps its newest older row, unless a whole run that completed after it has no result
    # of the eval.
    kept: dict[str, Cell] = {}
    for row in present:
        kept |= dict.fromkeys(row["ended"], row)
    for each, row in kept.items():
        missed = any(_is_after(run, row) and run["run_id"] not in had[each] for run in whole)
        if missed or row["run_id"] not in ids:
            its = [other["run_id"] for other in side if each in other["had"]] if missed else []
            place = "earlier" if missed else "candidate"
            placed += [
                (run_id, row["block"], each, place, None) for run_id in its or [row["run_id"]]
            ]
    return placed


def _list_older(rows: Sequence[Cell], side: Sequence[Cell]) -> dict[str, datetime]:
    """The later rows of older versions, and the moments at which they are evidence."""
    first_seen: dict[str, Cell] = {}
    for row in rows:
        first_seen.setdefault(row["code"], row)
    present = {row["code"] for row in side if row["is_present"]} - {None}
    firsts = [first_seen[code] for code in present if first_seen[code]["created_at"] is not None]
    if not firsts:
        return {}
    first = min(firsts, key=lambda row: row["created_at"])
    older = [
        row
        for row in rows
        if row["code"] is not None
        and row["code"] not in present
        and _is_after(row, side[0])
        and _is_after(first, first_seen[row["code"]])
    ]
    before = first["created_at"] - len(older) * _TICK
    return {row["run_id"]: before + at * _TICK for at, row in enumerate(older)}


def _is_after(row: Cell, other: Cell) -> bool:
    moments: tuple[datetime | None, datetime | None] = row["created_at"], other["created_at"]
    return None not in moments and moments[0] > moments[1]  # type: ignore[operator]
