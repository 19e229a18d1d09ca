"""Evals over time: what became of each from run to run, and which run broke it."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily
from retab_analysis.analysis.states import combine_results
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import BLOCK_CODE, FAILING, MOMENT, SAME_EVAL

_NEEDED = (
    "eval_name",
    "eval_id",
    "block_id",
    "state",
    "run_id",
    "workflow_version_id",
    "run_created_at",
    "created_at",
    "score",
    "duration_ms",
    BLOCK_CODE,
    *SAME_EVAL,
)
# The states that are held against one another; whatever is not ``passed`` counts as not passing.
_SETTLED = ("passed", *FAILING, "mixed")


def eval_history(results: Frame) -> Frame:
    """What became of each eval from run to run.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval and run, the evals ordered by their earliest run, then ``eval_id``, the
        runs of an eval in time order: ``eval_name, eval_id, run_id, workflow_version_id,
        run_created_at, state, previous_state, change, block_changed, inputs_changed, block_id, n,
        pass_rate, score, duration_ms, previous_run_id``. ``change`` is against the run before:
        ``regressed``, ``newly_blocked``, ``newly_errored``, ``fixed``, ``still_passing``,
        ``still_failing``, ``not_comparable`` (inputs, condition or expected value differ),
        ``incomplete`` (not decided in one of the two), null for the first run.
        ``block_changed`` and ``inputs_changed`` are null where a fingerprint is not known.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    return apply_lazily(results, RESULTS, _NEEDED, _history)


def _history(lazy: pl.LazyFrame) -> pl.LazyFrame:
    before = per_run(lazy).with_columns(
        pl.col("state").shift(1).over("eval_id").alias("previous_state"),
        pl.col("run_id").shift(1).over("eval_id").alias("previous_run_id"),
        pl.col("moment").min().over("eval_id").alias("first"),
        *(_differs(name).alias(f"{name}_differs") for name in (*SAME_EVAL, "block")),
    )
    changed = before.with_columns(
        change=_change(),
        block_changed=pl.col("block_differs"),
        inputs_changed=pl.col("handle_inputs_fingerprint_differs"),
    )
    ordered = changed.sort("first", "eval_id", "moment", "run_id", nulls_last=True)
    return ordered.select(
        *("eval_name", "eval_id", "run_id", "workflow_version_id", "run_created_at", "state"),
        *("previous_state", "change", "block_changed", "inputs_changed", "block_id", "n"),
        *("pass_rate", "score", "duration_ms", "previous_run_id"),
    )


def per_run(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval and run, sorted by eval and time; with the state, and what was evaluated."""
    kept = ("eval_name", "block_id", "workflow_version_id", "run_created_at", *SAME_EVAL)
    combined = combine_results(
        lazy,
        *("eval_id", "run_id"),
        block=pl.col(BLOCK_CODE).max(),
        **{name: pl.col(name).max() for name in kept},
        score=pl.col("score").median(),
        # A median duration that overflows Int64 becomes null.
        duration_ms=pl.col("duration_ms").median().cast(pl.Int64, strict=False),
    )
    return combined.sort("eval_id", "moment", "run_id")


def _differs(name: str) -> pl.Expr:
    return pl.col(name) != pl.col(name).shift(1).over("eval_id")


def _change() -> pl.Expr:
    now, was = pl.col("state"), pl.col("previous_state")
    other = pl.any_horizontal(pl.col(f"{name}_differs").fill_null(False) for name in SAME_EVAL)
    passes, passed = now == "passed", was == "passed"
    return (
        pl.when(was.is_null())
        .then(pl.lit(None, pl.String))
        .when(other)
        .then(pl.lit("not_comparable"))
        .when(~now.is_in(_SETTLED) | ~was.is_in(_SETTLED))
        .then(pl.lit("incomplete"))
        .when(passes)
        .then(pl.when(passed).then(pl.lit("still_passing")).otherwise(pl.lit("fixed")))
        .when(~passed)
        .then(pl.lit("still_failing"))
        .when(now == "blocked")
        .then(pl.lit("newly_blocked"))
        .when(now == "error")
        .then(pl.lit("newly_errored"))
        .otherwise(pl.lit("regressed"))
    )


def blame(results: Frame) -> Frame:
    """For each eval that does not pass now: since when, and which run was the last good one.

    Args:
        results: A RESULTS frame of several runs. "Now" is an eval's newest result in it that has a
            verdict or ended in an error; runs in which it was not decided are passed over.

    Returns:
        One row per eval, ordered by its earliest run, then ``eval_id``: ``eval_name, eval_id``;
        ``last_good_run_id, last_good_version`` (String, null where it never passed);
        ``first_bad_run_id, first_bad_version``, the first run after that which did not pass;
        ``runs_between`` (Int64), how many runs of the frame lie between the two and say nothing
        about this eval; ``streak`` (Int64), in how many runs on end it has not passed;
        ``block_changed`` (Boolean), whether its block differs between the two runs, null where
        that is not known.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    return apply_lazily(results, RESULTS, _NEEDED, _blamed)


def _blamed(lazy: pl.LazyFrame) -> pl.LazyFrame:
    decided = _ranked(lazy).filter(pl.col("state").is_in(_SETTLED))
    rank, passing = pl.col("rank"), pl.col("state") == "passed"
    good = rank.filter(passing).max()
    bad = ~passing & (rank > good.fill_null(-1))
    evals = decided.group_by("eval_id").agg(
        pl.col("eval_name").max(),
        pl.col("first").min(),
        good.alias("good"),
        rank.filter(bad).min().alias("bad"),
        bad.sum().cast(pl.Int64).alias("streak"),
    )
    runs = decided.select("eval_id", "rank", "run_id", "workflow_version_id", "block")
    joined = (
        evals.filter(pl.col("streak") > 0)
        .join(runs, left_on=["eval_id", "good"], right_on=["eval_id", "rank"], how="left")
        .join(runs, left_on=["eval_id", "bad"], right_on=["eval_id", "rank"], suffix="_bad")
    )
    return joined.sort("first", "eval_id", nulls_last=True).select(
        "eval_name",
        "eval_id",
        last_good_run_id="run_id",
        last_good_version="workflow_version_id",
        first_bad_run_id="run_id_bad",
        first_bad_version="workflow_version_id_bad",
        runs_between=pl.col("bad") - pl.col("good") - 1,
        streak="streak",
        block_changed=pl.col("block") != pl.col("block_bad"),
    )


def _ranked(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval and run, with the place of the run among all runs in time."""
    runs = (
        lazy.group_by("run_id")
        .agg(MOMENT.min().alias("run_moment"))
        .sort("run_moment", "run_id", nulls_last=False)
        .select("run_id", rank=pl.int_range(pl.len(), dtype=pl.Int64))
    )
    first = pl.col("moment").min().over("eval_id")
    return per_run(lazy).with_columns(first=first).join(runs, on="run_id", nulls_equal=True)
