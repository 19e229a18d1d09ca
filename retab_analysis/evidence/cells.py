"""Cells: what ran of a block in a run, on one code. Here alone results are grouped so.

A cell with several results in a run stands for all of them. Results of an eval from its time in
another block count in its present block, and do not tell the code of this one. What only a saved
eval remembers is a cell without a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from msgspec import Struct

from retab_analysis.vocabulary import DECIDED, MOMENT

BEGAN = pl.max_horizontal(pl.coalesce("started_at", MOMENT), MOMENT)
"""When a result began, no earlier than its run."""

_REMEMBERED = {
    "latest": pl.col("latest_run_completed_at")
    - pl.duration(milliseconds=pl.col("latest_run_duration_ms").fill_null(0)),
    "last_passed": pl.col("last_passed_at"),
    "last_failed": pl.col("last_failed_at"),
}
"""When the runs began that a saved eval remembers."""


class BlockInRun(Struct, frozen=True, gc=False):
    """A block in a run, on a code; empty if the code is not known.

    The run was created before its first result ``began``. It may carry the id of a ``version``.
    """

    block: str
    run_id: str | None
    code: str
    created_at: datetime | None
    began: datetime
    version: str | None = None


@dataclass(slots=True, eq=False)
class CellOnSide:
    """A block in a run, on a side: a row of the model, or a part of one."""

    block: int
    run: str
    is_now: bool
    side: int
    moment: datetime | None
    ended: datetime | None
    code: str | None  # the one of its results
    codes: list[str]
    is_single: bool
    is_remembered: bool  # whether only the saved eval remembers it
    eval: int  # the first one, for results of single evals
    has_outcome: bool


def is_after(moment: datetime | None, other: datetime | None) -> bool:
    return moment is not None and other is not None and moment > other


def own_block(saved: pl.DataFrame) -> pl.Expr:
    """The block of each result: that of its saved eval, else its own."""
    known = dict(saved.select("eval_id", "block_id").iter_rows())
    own = pl.col("eval_id").replace_strict(known, default=None, return_dtype=pl.String)
    return pl.coalesce(own, "block_id").alias("block")


def common(codes: pl.Expr) -> pl.Expr:
    """The one code of some results; null if they have different ones."""
    known = codes.drop_nulls()
    return pl.when(known.n_unique() == 1).then(known.first()).alias("code")


def make_cells(coded: pl.DataFrame, saved: pl.DataFrame) -> pl.DataFrame:
    """The cells of some results with codes and of what saved evals remember, in order of time.

    The columns of a :class:`BlockInRun`; ``is_present``: whether a result is, or may be, of the
    block's present code; ``is_old``: whether all are known not to be. ``decided`` counts the evals
    with an outcome; ``ended`` are those with an outcome or an error.
    """
    evals, state, word = pl.col("eval_id"), pl.col("state"), pl.col("on_code")
    told = coded.with_columns(own_block(saved))
    is_own = pl.col("block_id").eq_missing(pl.col("block"))
    cells = told.group_by("block", "run_id", code=pl.when(is_own).then("code")).agg(
        created_at=MOMENT.min(),
        began=BEGAN.min(),
        version=pl.col("workflow_version_id").drop_nulls().first(),
        is_present=word.is_in(("is_now", "may_be")).any(),
        is_old=(word == "is_not").all(),
        decided=evals.filter(state.is_in(DECIDED)).n_unique(),
        ended=evals.filter(state.is_in((*DECIDED, "error"))).unique(),
    )
    remembered = (
        saved.select(code=f"{which}_block_fingerprint", block="block_id", created_at=at, began=at)
        for which, at in _REMEMBERED.items()
    )
    its = [each.drop_nulls(("created_at", "code")) for each in remembered]
    ordered = pl.concat([cells, *its], how="diagonal")
    return ordered.sort("created_at", "began", "code", "run_id", nulls_last=False)


def read_codes(coded: pl.DataFrame) -> dict[str, dict[str, str]]:
    """The code of each block, by the id of the run."""
    found: dict[str, dict[str, str]] = {}
    names = "run_id", "block_id", "code"
    known = coded.select(names).drop_nulls().unique(maintain_order=True)
    for run_id, block, code in known.iter_rows():
        found.setdefault(run_id, {})[block] = code
    return found


def list_cells(cells: pl.DataFrame) -> dict[str, list[BlockInRun]]:
    """The cells of each block whose time is known, in the order of time."""
    found: dict[str, list[BlockInRun]] = {}
    told = cells.drop_nulls(("block", "created_at")).with_columns(pl.col("code").fill_null(""))
    for row in told.select(BlockInRun.__struct_fields__).iter_rows():
        found.setdefault(row[0], []).append(BlockInRun(*row))
    return found


def list_sided(table: pl.DataFrame) -> list[CellOnSide]:
    """The cells of each block in each run and on each side, in the order of time.

    An eval's results from its time in another block do not tell the code of this one.
    """
    is_error = (pl.col("state") == "error") & ~pl.col("outage")
    own = pl.col("block_id").eq_missing(pl.col("last_block_id"))
    cells = table.group_by("block", "run", "is_now").agg(
        pl.col("side").max(),
        pl.col("order", "moment").min(),
        pl.coalesce(pl.col("run_completed_at").max(), pl.col("completed_at").max()).alias("ended"),
        common(pl.col("code").filter(own)),
        pl.col("code").filter(own).drop_nulls().unique().alias("codes"),
        pl.col("is_single").first(),
        pl.col("run_id").is_null().first().alias("is_remembered"),
        pl.col("eval").first(),
        (is_error | pl.col("state").is_in(DECIDED)).any().alias("has_outcome"),
    )
    ordered = cells.sort("block", "is_now", "order", "moment", "side", "run", nulls_last=False)
    return [CellOnSide(**cell) for cell in ordered.drop("order").iter_rows(named=True)]
