"""The cells of the grid of verdicts: their states, which are flaky, and where an eval changed."""

from __future__ import annotations

import polars as pl

from retab_analysis.stats import known_state, one_step_chance_over, state_of

SAME = ("handle_inputs_fingerprint", "condition_kind", "expected_value")
NEEDED = (
    *("eval_id", "eval_name", "block_id", "state", "run_id", "result_id", "workflow_version_id"),
    *("run_created_at", "created_at", "block_execution_fingerprint", *SAME),
)
_VERDICTS = ("passed", "failed", "blocked")
_DRIFT = 0.05
_OUTCOMES = ("passed", "failed", "blocked", "error", "cancelled", "unscored")


def grid(lazy: pl.LazyFrame, key: str) -> pl.DataFrame:
    """One row per eval and column of the grid.

    Args:
        lazy: The columns :data:`NEEDED` and ``key`` of a RESULTS frame.
        key: What makes a column.

    Returns:
        ``x, y`` (where), ``key``, ``eval_id, eval_name, state`` (String); ``flaky``: the verdict
        changed on identical inputs and an identical block, and no single step explains it;
        ``changed``: inputs, condition or expected value differ from the column before (Boolean).
        Evals that do not pass in their newest column come first, then flaky ones.
    """
    moment = pl.coalesce("run_created_at", "created_at")
    results = lazy.with_columns(known_state(), moment=moment, key=pl.col(key))
    marked = _with_flaky(results)
    cells = marked.group_by("key", "eval_id").agg(
        *(pl.col(name).max() for name in ("eval_name", "block_id", *SAME)),
        *((pl.col("state") == each).sum().alias(each) for each in _OUTCOMES),
        flaky=pl.col("flaky").any(),
    )
    stated = cells.with_columns(state=state_of(*map(pl.col, _OUTCOMES)))
    placed = stated.join(_columns(results), on="key", nulls_equal=True).sort("x")
    return _with_rows(placed.with_columns(changed=_changed())).sort("y", "x").collect()


def _columns(results: pl.LazyFrame) -> pl.LazyFrame:
    first = results.group_by("key").agg(pl.col("moment").min())
    ordered = first.sort("moment", "key", nulls_last=True)
    return ordered.select("key", x=pl.int_range(pl.len(), dtype=pl.Int64))


def _with_flaky(results: pl.LazyFrame) -> pl.LazyFrame:
    """As :func:`retab_analysis.flaky_evals` does it, but for each result."""
    version = "version " + pl.col("workflow_version_id")
    code = pl.coalesce("block_execution_fingerprint", version)
    counting = pl.col("state").is_in(_VERDICTS) & code.is_not_null()
    good = pl.col("state") == "passed"
    ordered = results.with_columns(code=code, counting=counting).sort("moment", "result_id")
    groups = ("eval_id", *SAME, "code")
    histories = (
        ordered.filter("counting")
        .group_by(groups, maintain_order=True)
        .agg(
            runs=pl.len().cast(pl.Int64),
            failed=(~good).sum().cast(pl.Int64),
            flips=(good != good.shift(1)).fill_null(False).sum().cast(pl.Int64),
        )
    )
    drift = (pl.col("flips") == 1) & (one_step_chance_over("failed", "runs") <= _DRIFT)
    flipping = histories.select(*groups, flaky=(pl.col("flips") > 0) & ~drift)
    joined = ordered.join(flipping, on=groups, how="left", nulls_equal=True)
    return joined.with_columns(flaky=pl.col("flaky").fill_null(False) & pl.col("counting"))


def _changed() -> pl.Expr:
    """Against the newest column before in which it is known; rows are in the columns' order."""
    return pl.any_horizontal(
        (pl.col(name) != pl.col(name).forward_fill().shift(1).over("eval_id")).fill_null(False)
        for name in SAME
    )


def _with_rows(cells: pl.LazyFrame) -> pl.LazyFrame:
    evals = cells.group_by("eval_id", maintain_order=True).agg(
        passing=pl.col("state").last() == "passed",
        steady=~pl.col("flaky").any(),
        block=pl.col("block_id").max(),
        name=pl.col("eval_name").drop_nulls().last(),
    )
    ordered = evals.sort("passing", "steady", "block", "name", "eval_id", nulls_last=True)
    placed = ordered.select("eval_id", "name", y=pl.int_range(pl.len(), dtype=pl.Int64))
    return cells.join(placed, on="eval_id").select(
        "x", "y", "key", "eval_id", "state", "flaky", "changed", eval_name="name"
    )
