"""How blocks were configured, as an archive remembers it: from the API's eras, and from drafts.

Where the API does not give the history of blocks, what each sync saw of the draft is all there is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import polars as pl

from retab_analysis.archive.records import decode, read_states
from retab_analysis.decode import Problems
from retab_analysis.fetch.edits import find_eras, mark_configs, newest_first, see_blocks
from retab_analysis.schema import ERAS, LIVE_BLOCKS, Table

_ERAS = (
    "SELECT id, NULL, body, block FROM documents WHERE kind = 'edits' AND workflow = ?"
    " ORDER BY block, position"
)


def read_eras(
    table: Table, db: sqlite3.Connection, workflows: Sequence[str]
) -> tuple[pl.DataFrame, Problems]:
    """The eras of the blocks of workflows, by workflow, of each the newest first."""
    frames, problems = [table.empty()], Problems()
    for workflow in workflows:
        told, bad = decode(ERAS, db.execute(_ERAS, (workflow,)), "block")
        states, worse = read_states(LIVE_BLOCKS, db, [workflow])
        told = told.with_columns(block_id="block", workflow_id=pl.lit(workflow))
        eras = _join_eras(told, find_eras(_see_states(states), workflow))
        frames.append(newest_first(eras).select(table.schema.names()))
        problems.add_all(bad)
        problems.add_all(worse)
    return pl.concat(frames), problems


def _see_states(states: pl.DataFrame) -> pl.DataFrame:
    """Since and until when blocks of the draft were configured so, the latest state first.

    A block was saved before a sync saw it, but not before one saw it otherwise.
    """
    seen, saved = pl.col("first_seen_at"), pl.col("updated_at")
    before = pl.col("last_seen_at").shift(-1).over("block_id")
    is_since = (saved < seen) & (saved > before).fill_null(True)
    is_now = pl.int_range(pl.len()).over("block_id") == 0
    return see_blocks(
        states,
        first_seen_at=pl.when(is_since).then(saved).otherwise(seen),
        is_draft=is_now & ~pl.col("is_gone"),
        is_published=pl.lit(None, pl.Boolean),
    )


def _join_eras(told: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """What the API told, and what was seen beside it; the newest sync says what the draft is."""
    key = ("block_id", "mark")
    seen = seen.with_columns(mark="config_fingerprint")
    told = told.with_columns(mark=mark_configs(told["config"]))
    now = seen.filter("is_draft").select(*key, is_now=pl.lit(True))
    told = told.join(now, on=key, how="left").with_columns(
        is_draft=pl.col("is_now").fill_null(False)
    )
    return pl.concat([told.select(seen.columns), seen.join(told, on=key, how="anti")])
