"""What earlier runs on identical inputs and identical code say about a flip."""

from __future__ import annotations

import polars as pl

from retab_analysis.comparison.sides import BLOCK, SAME
from retab_analysis.stats import flip_chance_over

_CODE = pl.coalesce(BLOCK, "version " + pl.col("workflow_version_id"))


def with_history(sides: pl.LazyFrame, history: pl.LazyFrame) -> pl.LazyFrame:
    """Count, for each eval that flipped, how often it came out that way elsewhere.

    Only runs on identical inputs count, with the same condition and expected value; and among
    them, of each variant of the block, only where it has passed at least once: where it never
    did, that variant was broken, which is no flakiness. An execution error is no verdict: where
    the flip is to or from an error, errors are counted, else failed and blocked ones.

    Args:
        sides: One row per eval, both sides side by side; ``flipped`` says which ones to look at.
        history: Results of other runs.

    Returns:
        ``sides`` with ``earlier_failed, earlier_n`` (Int64, null where there are none),
        ``earlier_flips`` (Boolean): some variant of the block both passed and not, and
        ``flip_chance`` (Float64): how likely the flip is if nothing differs but luck.
    """
    flipped = sides.filter("flipped").select(
        "eval_id",
        *(pl.min_horizontal(f"{name}_low", f"c_{name}_low") for name in SAME),
        *(pl.max_horizontal(f"{name}_high", f"c_{name}_high") for name in SAME),
        errored=(pl.col("state") == "error") | (pl.col("c_state") == "error"),
    )
    state, errored = pl.col("state"), pl.col("errored")
    failed = pl.when(errored).then(state == "error").otherwise(state.is_in(("failed", "blocked")))
    groups = (
        history.join(flipped, on="eval_id")
        .filter(_identical(), _CODE.is_not_null())
        .group_by("eval_id", _CODE.alias("code"))
        .agg(
            (state == "passed").sum().cast(pl.Int64).alias("passed"),
            failed.sum().cast(pl.Int64).alias("failed"),
        )
        .filter(pl.col("passed") > 0)
    )
    evals = groups.group_by("eval_id").agg(
        earlier_failed=pl.col("failed").sum(),
        earlier_n=(pl.col("passed") + pl.col("failed")).sum(),
        earlier_flips=(pl.col("failed") > 0).any(),
    )
    counted = sides.join(evals, on="eval_id", how="left")
    was_good = pl.col("state") == "passed"
    return counted.with_columns(
        passing_n=pl.when("flipped").then(pl.when(was_good).then("n").otherwise("c_n")),
        failing_n=pl.when("flipped").then(pl.when(was_good).then("c_n").otherwise("n")),
    ).with_columns(
        flip_chance=flip_chance_over("earlier_failed", "earlier_n", "passing_n", "failing_n")
    )


def _identical() -> pl.Expr:
    inputs, *others = SAME
    same = _one_of(inputs) | (pl.col(inputs).is_null() & pl.col(f"{inputs}_low").is_null())
    agreeing = [
        _one_of(name) | pl.col(name).is_null() | pl.col(f"{name}_low").is_null() for name in others
    ]
    return pl.all_horizontal(each.fill_null(False) for each in (same, *agreeing))


def _one_of(name: str) -> pl.Expr:
    value = pl.col(name)
    return (value == pl.col(f"{name}_low")) | (value == pl.col(f"{name}_high"))
