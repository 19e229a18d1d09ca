"""Which results say what an eval does now: whole runs, runs of blocks and reruns lie together.

Whoever asks what is broken now has to agree about what *now* is: a check, which knows the runs and
the saved evals, and :func:`retab_analysis.blame`, which has results alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from retab_analysis.evidence.comparable import has_same_code
from retab_analysis.vocabulary import BLOCK_CODE, DECIDED


def split_by_candidate(
    results: pl.DataFrame,
    runs: pl.DataFrame,
    saved: pl.DataFrame,
    base: frozenset[str],
    follow: bool,
) -> pl.DataFrame:
    """Say of each result whether it is on the candidate's side, earlier, or neither.

    For each block the candidate's side is one run, and what was run since on the same code. That
    run is one of ``base``; with ``follow`` it is the newest since that decided at least half of the
    block's saved evals, unless it was cut short on the code that was there already: then it is only
    more evidence about that code. What was tried since on other code judges nothing.

    Args:
        results: All results that were read.
        runs: The RUNS frame of their runs.
        saved: The EVALS frame of the workflow.
        base: The ids of the runs that are checked.
        follow: Whether later runs of a block may take their place.

    Returns:
        The results with ``place``: ``candidate``, ``earlier`` or ``tried``.
    """
    block_of = dict(saved.select("eval_id", "block_id").iter_rows())
    sizes = Counter(block_of.values())
    own = pl.col("eval_id").replace_strict(block_of, default=None, return_dtype=pl.String)
    placed = results.with_columns(block=pl.coalesce(own, "block_id"))
    code = pl.col(BLOCK_CODE).filter(pl.col("block_id").eq_missing(pl.col("block")))
    decided = pl.col("state").is_in(DECIDED)
    cells = placed.group_by("block", "run_id").agg(
        code.drop_nulls().first().alias("code"),
        pl.col("eval_id").filter(decided).n_unique().alias("decided"),
    )
    facts = runs.select("run_id", "created_at", "workflow_version_id", "scope", "status")
    known = cells.join(facts, on="run_id").sort("created_at", "run_id", nulls_last=False)
    places = []
    for (block,), its in known.partition_by("block", as_dict=True).items():
        places += _place_block(its, facts, base, follow, sizes.get(block, 0))
    schema = {"run_id": pl.String(), "block": pl.String(), "place": pl.String()}
    found = pl.DataFrame(places, schema=schema, orient="row")
    joined = placed.join(
        found, on=("run_id", "block"), how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.with_columns(
        pl.when(_is_asked_for(runs, base, follow)).then("place").fill_null("earlier")
    ).drop("block")


def _is_asked_for(runs: pl.DataFrame, base: frozenset[str], follow: bool) -> pl.Expr:
    """Whether an eval is among those of the runs that somebody named, as their scopes say."""
    named = runs.filter(pl.col("run_id").is_in(list(base)))
    if follow or not named.filter(scope="workflow").is_empty():
        return pl.lit(True)
    blocks = named.filter(scope="block")["target_block_id"].drop_nulls()
    evals = named["eval_id"].drop_nulls()
    return pl.col("block").is_in(blocks.implode()) | pl.col("eval_id").is_in(evals.implode())


def _place_block(
    cells: pl.DataFrame, facts: pl.DataFrame, base: frozenset[str], follow: bool, size: int
) -> list[tuple[str, str | None, str]]:
    """Where each run of one block stands: run, block, place."""
    rows = cells.to_dicts()
    chosen = [row for row in rows if row["run_id"] in base]
    if not chosen:
        # What is checked has nothing of this block: its run stands there all the same.
        newest = facts.filter(pl.col("run_id").is_in(list(base))).sort("created_at").tail(1)
        chosen = [{**row, "code": None} for row in newest.to_dicts()]
    for row in rows if follow and chosen else ():
        is_later = _is_after(row, chosen[-1]) and row["scope"] != "eval"
        is_cut = row["status"] != "completed" and has_same_code(row, chosen[-1])
        if is_later and not is_cut and row["decided"] and 2 * row["decided"] >= size:
            chosen = [row]
    ids = {row["run_id"] for row in chosen}
    placed = []
    for row in rows:
        place = "earlier"
        if row["run_id"] in ids:
            place = "candidate"
        elif chosen and _is_after(row, chosen[-1]):
            place = "candidate" if has_same_code(row, chosen[-1]) else "tried"
        placed.append((row["run_id"], row["block"], place))
    return placed


def _is_after(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    moments = row["created_at"], other["created_at"]
    return None not in moments and moments[0] > moments[1]
