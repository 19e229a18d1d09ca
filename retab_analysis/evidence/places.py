"""The places of results: on the candidate's side, on the baseline's, earlier, or tried since.

A block's candidate side are its rows on the present code. They begin with the newest run of the
whole workflow that stands and ran the block on it. From these on, the side begins with the newest
run that decided at least half of the block and was not cut short, else with the first. An eval
keeps its older row on the present code, unless a whole run that completed after it ought to have
had it. If nothing ran on the present code, the newest code that ran takes its place. If you ask
for a version, its codes are the present ones. If you ask for runs, they are the side, with the runs
of single evals that their rows take.

Later runs on other code are only tried. But one on a code that was seen before the present code's
first row is of an older version: earlier evidence, in the ``order`` of codes just before that row,
and never a mend. A later whole or block run on newer code shows that the present code was put back:
it is evidence just before the side.

Of two versions each side has the results on its codes, whatever run they are of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import polars as pl

from retab_analysis.evidence.cells import common, own_block
from retab_analysis.evidence.comparable import (
    BASELINE,
    CANDIDATE,
    EARLIER,
    HORIZON,
    OPEN,
    put_on_side,
)
from retab_analysis.evidence.presence import Presence
from retab_analysis.evidence.timeline import Timeline
from retab_analysis.vocabulary import DECIDED, MOMENT

TRIED = -1
"""The side of results that judge nothing: they ran on other code since."""

_TICK = pl.duration(microseconds=1)
_CODED = {"block_id": pl.String(), "code": pl.String()}
_at, _code, _created, _is_side = map(pl.col, ("at", "code", "created_at", "is_side"))


def place_results(
    timeline: Timeline,
    runs: pl.DataFrame,
    named: Collection[str] = (),
    aside: Collection[str] = (),
    version: Mapping[str, Presence] | None = None,
) -> pl.DataFrame:
    """The results with their ``side`` and ``order``, and whether their cell ``is_judged``.

    ``runs`` have ``run_id, created_at, ended_at, scope, is_completed, stands``; those ``aside``
    are left out. ``is_judged`` are cells on the present code, or maybe on it. ``version`` has the
    codes that take the place of the present ones.
    """
    saved, is_aside = timeline.facts.saved, pl.col("run_id").is_in([*aside]).fill_null(False)
    cells, keys = timeline.cells, ["block", "run_id"]
    if version is not None:
        of = _list_codes(version).select("code", block="block_id", is_present=True, is_old=False)
        cells = cells.drop("is_present", "is_old").join(of, on=["block", "code"], how="left")
    ran = cells.filter(~is_aside).group_by(keys)
    its = ran.agg(
        common(_code),
        pl.col("is_present").any(),
        pl.col("decided").sum(),
        pl.col("ended").list.explode().drop_nulls().unique(),
        is_judged=~pl.col("is_old").fill_null(True).all(),
    )
    its = its.join(runs, on="run_id").sort("block", "created_at", "run_id", nulls_last=False)
    numbered = its.with_row_index("at")
    is_draft = version is None
    placed = _place_named(numbered, named) if named else _place_present(numbered, saved, is_draft)
    results = timeline.results.with_columns(own_block(saved))
    told = results.filter(~is_aside).join(
        placed.select(*keys, "at", "side", "order", "is_judged"),
        on=keys,
        how="left",
        maintain_order="left",
    )
    if named:
        is_asked = is_in_scope(runs.filter(pl.col("run_id").is_in([*named])), "block")
        side = pl.when(is_asked).then("side").otherwise(None)
    else:
        kept = _find_kept(placed, runs, results)
        told = told.join(kept, on=["block", "eval_id"], how="left", maintain_order="left")
        is_lost = pl.col("is_missed") & (pl.col("side") == CANDIDATE)
        is_kept = ~pl.col("is_missed") & (_at == pl.col("kept"))
        side = pl.when(is_kept).then(CANDIDATE).when(is_lost).then(EARLIER).otherwise("side")
    places = told.with_columns(side=side.fill_null(EARLIER).cast(pl.Int8))
    remembered = _remember_passes(places, saved, runs)
    known = pl.concat([places, remembered], how="diagonal")
    return known.drop("block", "at", "kept", "is_missed", strict=False)


def is_in_scope(runs: pl.DataFrame, block: str = "block_id") -> pl.Expr:
    """Whether an eval is in the scope of some runs."""
    if not runs.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = runs.filter(scope="block")["target_block_id"].drop_nulls()
    evals = runs["eval_id"].drop_nulls()
    return pl.col(block).is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_named(cells: pl.DataFrame, named: Collection[str]) -> pl.DataFrame:
    """Add the side of each cell. The last named run of a block takes later runs of single evals."""
    is_named = pl.col("run_id").is_in([*named])
    ended = pl.coalesce("ended_at", "created_at")
    last = {"created": _created, "until": ended + OPEN, "of": _code}
    told = cells.with_columns(
        it.filter(is_named).last().over("block").alias(name) for name, it in last.items()
    )
    is_later, is_same = _created > pl.col("created"), (_code == pl.col("of")).fill_null(True)
    is_single = (pl.col("scope") == "eval") & (_created <= pl.col("until")) & is_same
    is_asked = is_named | (is_later & is_single).fill_null(False)
    side = pl.when(is_asked).then(CANDIDATE).when(is_later).then(TRIED).otherwise(EARLIER)
    return told.with_columns(side=side, order=pl.lit(None, cells.schema["created_at"]))


def _place_present(cells: pl.DataFrame, saved: pl.DataFrame, is_draft: bool) -> pl.DataFrame:
    """Add the side of each cell, its order, and whether it ``is_on_code``: that of the side."""
    present = pl.col("is_present")
    may_be = (_code == _code.last().over("block")).fill_null(True)
    sizes = saved.group_by(block="block_id").agg(size=pl.len())
    told = cells.join(sizes, on="block", how="left", maintain_order="left").with_columns(
        is_on_code=pl.when(present.any().over("block")).then(present).otherwise(may_be),
        seen=_created.min().over("block", "code"),
    )
    told = told.with_columns(is_side="is_on_code")
    is_most = pl.col("is_completed") & (2 * pl.col("decided") >= pl.col("size").fill_null(0))
    for begins in ((pl.col("scope") == "workflow") & pl.col("stands"), is_most):
        first = _at.filter(_is_side & begins).max().over("block").fill_null(0)
        told = told.with_columns(is_side=_is_side & (_at >= first))
    start = _created.filter(_is_side).first().over("block")
    is_now = (_is_side & present).any().over("block", "code")
    told = told.with_columns(is_later=(_created > start).fill_null(False), is_now=is_now)
    began = pl.col("seen").filter("is_now", _code.is_not_null()).min().over("block")
    is_other = pl.col("is_later") & _code.is_not_null() & ~pl.col("is_now")
    is_older, is_run = is_other & (pl.col("seen") < began), pl.col("scope") != "eval"
    is_back = pl.lit(is_draft) & is_other & is_run & (pl.col("seen") >= began)
    is_tried = pl.col("is_later") & ~(is_older | is_back).fill_null(False)
    side = pl.when(_is_side).then(CANDIDATE).when(is_tried).then(TRIED).otherwise(EARLIER)
    order = pl.when(is_older).then(began - _TICK).when(is_back).then(start - _TICK)
    return told.with_columns(side=side, order=order)


def _find_kept(cells: pl.DataFrame, runs: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """The newest cell on the side's code that each eval keeps, and whether it ``is_missed``.

    An eval is missed by a whole run that completed after the cell and has no result of it.
    """
    whole = runs.filter("is_completed", scope="workflow").drop_nulls("created_at")
    newest = whole.sort("created_at", descending=True).select("run_id", missed_at="created_at")
    numbered, place = newest.with_row_index("place"), pl.col("place")
    had = results.join(numbered, on="run_id").select("eval_id", "place").unique().sort("place")
    # An eval has the newest runs without a gap; the next one has missed it.
    first = had.filter(place == pl.int_range(pl.len()).over("eval_id")).group_by("eval_id")
    own = cells.filter("is_on_code").explode("ended").drop_nulls("ended")
    kept = own.group_by("block", eval_id="ended").agg(kept=_at.last(), at=_created.last())
    told = kept.join(first.agg(place=pl.len()), on="eval_id", how="left")
    missed = told.with_columns(place.fill_null(0)).join(numbered, on="place", how="left")
    is_missed = (pl.col("missed_at") > pl.col("at")).fill_null(False)
    return missed.select("block", "eval_id", "kept", is_missed=is_missed)


def _remember_passes(placed: pl.DataFrame, saved: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The last pass that each saved eval remembers, if its result was not read.

    Without it, a break would be older than all read runs one day, and turn from "broken" into
    "never passed". A pass on other inputs than the present ones says nothing. Whether the eval had
    the same assertion then is not known.
    """
    known, now = placed.filter(pl.col("side") >= EARLIER), placed.filter(side=CANDIDATE)
    begun = now.select(MOMENT.min()).item() or runs.select(pl.max("created_at")).item()
    passed = known.filter(state="passed").group_by("eval_id")
    seen = passed.agg(pl.coalesce("completed_at", "created_at", "run_created_at").max().alias("at"))
    inputs = pl.col("handle_inputs_fingerprint")
    present = (
        known.filter(pl.col("state").is_in(DECIDED))
        .sort(MOMENT)
        .group_by("eval_id")
        .agg(inputs.drop_nulls().last().alias("inputs"))
    )
    at, same = pl.col("last_passed_at"), pl.col("last_passed_inputs_fingerprint")
    remembered = (
        saved.join(seen, on="eval_id", how="left")
        .join(present, on="eval_id", how="left")
        .filter(
            at < pl.lit(begun, saved.schema["last_passed_at"]),
            (at > pl.col("at")).fill_null(True),
            (same == pl.col("inputs")).fill_null(True),
        )
    )
    return remembered.select(
        *("eval_id", "eval_name", "block_id", "workflow_id"),
        state=pl.lit("passed"),
        run_created_at=at,
        created_at=at,
        completed_at=at,
        handle_inputs_fingerprint=same,
        code="last_passed_block_fingerprint",
        side=pl.lit(EARLIER, pl.Int8),
    )


def place_versions(
    results: pl.DataFrame,
    placed: pl.DataFrame,
    before: Mapping[str, Presence],
    now: Mapping[str, Presence] | None = None,
) -> pl.DataFrame:
    """The results of two versions; ``before`` has the codes of the blocks that differ.

    ``placed`` are those of the present version. They make its side, if it has no codes in ``now``;
    then rows on other codes than ``before`` are earlier.
    """
    own, history = placed.filter(side=CANDIDATE), placed.filter(side=EARLIER)
    is_earlier = pl.col("block_id").is_in([*before] if now is None else [])
    if now is not None:
        own = put_on_side(_choose_newest(choose_coded(results, now)), CANDIDATE)
    parts = (
        choose_coded(history.filter(is_earlier), before, how="anti"),
        put_on_side(_choose_newest(choose_coded(results, before)), BASELINE),
        own,
    )
    return pl.concat(parts, how="diagonal")


def choose_coded(
    results: pl.DataFrame, codes: Mapping[str, Presence], how: Literal["semi", "anti"] = "semi"
) -> pl.DataFrame:
    """The results on the codes of a version; with ``anti`` the others."""
    return results.join(_list_codes(codes), on=[*_CODED], how=how, maintain_order="left")


def _list_codes(codes: Mapping[str, Presence]) -> pl.DataFrame:
    pairs = [(block, code) for block, its in codes.items() for code in its.codes]
    return pl.DataFrame(pairs, _CODED, orient="row")


def _choose_newest(results: pl.DataFrame) -> pl.DataFrame:
    """The results of the newest whole runs, and of all runs of blocks and evals."""
    whole = results.filter(run_scope="workflow").group_by("run_id").agg(MOMENT.max().alias("at"))
    older = whole.sort("at", descending=True, nulls_last=True)["run_id"][HORIZON:]
    return results.filter(~pl.col("run_id").is_in(older.implode()).fill_null(False))
