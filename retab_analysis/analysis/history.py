"""Evals over time: what became of each from run to run, and which run broke it."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import MOMENT, Frame, applied
from retab_analysis.analysis.states import outcome_counts, state_columns
from retab_analysis.schema import RESULTS
from retab_analysis.stats import DECIDED, change_of, known_state

_SAME = ("handle_inputs_fingerprint", "condition_kind", "expected_value")
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
    "block_execution_fingerprint",
    *_SAME,
)


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
        ConfigError: It is no frame.
        SchemaError: It is no RESULTS frame.
    """
    return applied(results, RESULTS, _NEEDED, _history)


def _history(lazy: pl.LazyFrame) -> pl.LazyFrame:
    before = per_run(lazy).with_columns(
        pl.col("state").shift(1).over("eval_id").alias("previous_state"),
        pl.col("run_id").shift(1).over("eval_id").alias("previous_run_id"),
        pl.col("moment").min().over("eval_id").alias("first"),
        *(_differs(name).alias(f"{name}_differs") for name in (*_SAME, "block")),
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
    kept = ("eval_name", "block_id", "workflow_version_id", "run_created_at", *_SAME)
    grouped = (
        lazy.with_columns(known_state(), moment=MOMENT)
        .group_by("eval_id", "run_id")
        .agg(
            pl.col("moment").min(),
            pl.col("block_execution_fingerprint").max().alias("block"),
            *(pl.col(name).max() for name in kept),
            pl.col("score").median(),
            # One of 300 million years is none that can be told.
            pl.col("duration_ms").median().cast(pl.Int64, strict=False),
            *outcome_counts(),
        )
    )
    return grouped.with_columns(*state_columns()).sort("eval_id", "moment", "run_id")


def _differs(name: str) -> pl.Expr:
    return pl.col(name) != pl.col(name).shift(1).over("eval_id")


def _change() -> pl.Expr:
    now, was = pl.col("state"), pl.col("previous_state")
    other = pl.any_horizontal(pl.col(f"{name}_differs").fill_null(False) for name in _SAME)
    undecided = ~now.is_in((*DECIDED, "mixed")) | ~was.is_in((*DECIDED, "mixed"))
    return (
        pl.when(was.is_null())
        .then(pl.lit(None, pl.String))
        .when(other)
        .then(pl.lit("not_comparable"))
        .when(undecided)
        .then(pl.lit("incomplete"))
        .otherwise(change_of(was, now))
    )


def blame(results: Frame) -> Frame:
    """For each eval that does not pass now: since when, and which run was the last good one.

    Args:
        results: A RESULTS frame of several runs. "Now" is an eval's newest decided result in it;
            runs in which it was not decided are passed over.

    Returns:
        One row per eval, ordered by its earliest run, then ``eval_id``: ``eval_name, eval_id``;
        ``last_good_run_id, last_good_version`` (String, null where it never passed);
        ``first_bad_run_id, first_bad_version``, the first run after that which did not pass;
        ``runs_between`` (Int64), how many runs of the frame lie between the two and say nothing
        about this eval; ``streak`` (Int64), in how many runs on end it has not passed;
        ``block_changed`` (Boolean), whether its block differs between the two runs, null where
        that is not known.

    Raises:
        ConfigError: It is no frame.
        SchemaError: It is no RESULTS frame.
    """
    return applied(results, RESULTS, _NEEDED, _blamed)


def _blamed(lazy: pl.LazyFrame) -> pl.LazyFrame:
    decided = _ranked(lazy).filter(pl.col("state").is_in((*DECIDED, "mixed")))
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
