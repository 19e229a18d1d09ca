"""Evals whose verdict changes although nothing else did."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily, count_rows, count_where
from retab_analysis.schema import RESULTS
from retab_analysis.stats import one_step_chance_over
from retab_analysis.vocabulary import BLOCK_CODE, CODE, DECIDED, MOMENT, SAME_EVAL

HISTORY_READS = (
    "eval_name",
    "eval_id",
    "block_id",
    "state",
    "run_id",
    "result_id",
    "workflow_version_id",
    "run_created_at",
    "created_at",
    BLOCK_CODE,
    *SAME_EVAL,
)
"""The columns of a RESULTS frame from which flaky evals are told."""

_GROUP = ("eval_id", *SAME_EVAL, "code")
# So rarely do failures stand together by luck before they count as one step, not as flakiness.
_DRIFT = 0.05


def flaky_evals(results: Frame) -> Frame:
    """The evals whose verdict changed on identical inputs and an identical block.

    Only verdicts count: an execution error says nothing about the output. A block is identical
    where ``block_execution_fingerprint`` is, or the version where that is not known; an eval whose
    expected value or condition was edited starts anew.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval, inputs and block, ordered by earliest run, then ``eval_id``: ``eval_name,
        eval_id, block_id``; ``runs`` with a verdict, ``failed`` among them (failed or blocked) and
        ``flips`` from one run to the next (Int64); ``rate`` = failed / runs (Float64); ``drift``
        (Boolean): a single step explains it better than flakiness, because the failures stand
        together at one end, which would happen by luck in at most 5 % of such histories;
        ``drift_run_id``, the first run after that step; ``handle_inputs_fingerprint,
        block_execution_fingerprint, workflow_version_id`` (the newest), ``first_created_at,
        last_created_at``.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    return apply_lazily(results, RESULTS, HISTORY_READS, _flaky)


def mark_flaky(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """Say of each result whether it is one of those by which its eval is flaky.

    Args:
        lazy: Results with the columns :data:`HISTORY_READS`.

    Returns:
        The same rows with ``flaky`` (Boolean): the result has a verdict, and
        :func:`flaky_evals` has its eval on its inputs and block, not as a drift.
    """
    coded = lazy.with_columns(code=CODE)
    flaky = _flipping(lazy).filter(~pl.col("drift")).select(*_GROUP, flaky=True)
    joined = coded.join(flaky, on=_GROUP, how="left", nulls_equal=True)
    decided = pl.col("state").is_in(DECIDED)
    return joined.with_columns(pl.col("flaky").fill_null(False) & decided).drop("code")


def _flaky(lazy: pl.LazyFrame) -> pl.LazyFrame:
    order = ("first_created_at", "eval_id", "handle_inputs_fingerprint", "code")
    return (
        _flipping(lazy)
        .sort(order, nulls_last=True)
        .select(
            *("eval_name", "eval_id", "block_id", "runs", "failed", "flips"),
            (pl.col("failed") / pl.col("runs")).alias("rate"),
            "drift",
            pl.when("drift").then("drift_run_id").alias("drift_run_id"),
            *("handle_inputs_fingerprint", BLOCK_CODE, "workflow_version_id"),
            *("first_created_at", "last_created_at"),
        )
    )


def _flipping(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval, inputs and block on which the verdict flipped, drifts marked."""
    verdicts = (
        lazy.filter(pl.col("state").is_in(DECIDED))
        .with_columns(moment=MOMENT, good=pl.col("state") == "passed", code=CODE)
        .filter(pl.col("code").is_not_null())
        .sort("moment", "result_id")
    )
    histories = verdicts.group_by(_GROUP, maintain_order=True).agg(_aggregates())
    return histories.filter(pl.col("flips") > 0).with_columns(drift=_is_drift())


def _aggregates() -> list[pl.Expr]:
    good = pl.col("good")
    flips = (good != good.shift(1)).fill_null(False)
    return [
        *(pl.col(name).last() for name in ("eval_name", "block_id", "workflow_version_id")),
        pl.col(BLOCK_CODE).last(),
        count_rows().alias("runs"),
        count_where(~good).alias("failed"),
        count_where(flips).alias("flips"),
        pl.col("run_id").filter(flips).last().alias("drift_run_id"),
        pl.col("moment").min().alias("first_created_at"),
        pl.col("moment").max().alias("last_created_at"),
    ]


def _is_drift() -> pl.Expr:
    return (pl.col("flips") == 1) & (one_step_chance_over("failed", "runs") <= _DRIFT)
