"""Evals whose verdict changes although nothing else did."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import MOMENT, Frame, applied, rows, total
from retab_analysis.schema import RESULTS
from retab_analysis.stats import one_step_chance_over

_SAME = ("handle_inputs_fingerprint", "condition_kind", "expected_value")
_NEEDED = (
    "eval_name",
    "eval_id",
    "block_id",
    "state",
    "run_id",
    "result_id",
    "workflow_version_id",
    "run_created_at",
    "created_at",
    "block_execution_fingerprint",
    *_SAME,
)
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
        (Boolean): a single step explains it better than flakiness, for the failures stand together
        at one end, which would happen by luck in at most 5 % of such histories;
        ``drift_run_id``, the first run after that step; ``handle_inputs_fingerprint,
        block_execution_fingerprint, workflow_version_id`` (the newest), ``first_created_at,
        last_created_at``.

    Raises:
        ConfigError: It is no frame.
        SchemaError: It is no RESULTS frame.
    """
    return applied(results, RESULTS, _NEEDED, _flaky)


def _flaky(lazy: pl.LazyFrame) -> pl.LazyFrame:
    verdicts = (
        lazy.filter(pl.col("state").is_in(("passed", "failed", "blocked")))
        .with_columns(
            moment=MOMENT,
            good=pl.col("state") == "passed",
            code=pl.coalesce(
                "block_execution_fingerprint", "version " + pl.col("workflow_version_id")
            ),
        )
        .filter(pl.col("code").is_not_null())
        .sort("moment", "result_id")
    )
    groups = verdicts.group_by("eval_id", *_SAME, "code", maintain_order=True).agg(_aggregates())
    flipping = groups.filter(pl.col("flips") > 0).with_columns(drift=_is_drift())
    return flipping.sort(
        "first_created_at", "eval_id", "handle_inputs_fingerprint", "code", nulls_last=True
    ).select(
        *("eval_name", "eval_id", "block_id", "runs", "failed", "flips"),
        (pl.col("failed") / pl.col("runs")).alias("rate"),
        "drift",
        pl.when("drift").then("drift_run_id").alias("drift_run_id"),
        *("handle_inputs_fingerprint", "block_execution_fingerprint", "workflow_version_id"),
        *("first_created_at", "last_created_at"),
    )


def _aggregates() -> list[pl.Expr]:
    good = pl.col("good")
    flips = (good != good.shift(1)).fill_null(False)
    return [
        *(pl.col(name).last() for name in ("eval_name", "block_id", "workflow_version_id")),
        pl.col("block_execution_fingerprint").last(),
        rows().alias("runs"),
        total(~good).alias("failed"),
        total(flips).alias("flips"),
        pl.col("run_id").filter(flips).last().alias("drift_run_id"),
        pl.col("moment").min().alias("first_created_at"),
        pl.col("moment").max().alias("last_created_at"),
    ]


def _is_drift() -> pl.Expr:
    return (pl.col("flips") == 1) & (one_step_chance_over("failed", "runs") <= _DRIFT)
