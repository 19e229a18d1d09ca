"""Runs, summed up by version or whatever else."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.frames import Frame, applied, key_columns, rows, total
from retab_analysis.errors import ConfigError
from retab_analysis.schema import RUNS
from retab_analysis.stats import wilson_over

_SCOPES = ("workflow", "block", "eval")
_COUNTS = ("total_evals", "passed", "failed", "blocked", "error", "cancelled")
_NEEDED = (*_COUNTS, "ok", "scope", "duration_ms", "queue_ms", "created_at")


def summarize_runs(
    runs: Frame,
    by: str | Sequence[str] = "workflow_version_id",
    *,
    scope: str | None = None,
) -> Frame:
    """Sum up runs by version, or by other columns.

    Args:
        runs: A RUNS frame. Runs that still go on count with what they have.
        by: One or several columns of it, other than the counts and ``pass_rate``.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``.

    Returns:
        One row per group, ordered by earliest ``created_at``, then by the key: the columns of
        ``by``; ``n_runs, ok_runs, total_evals, passed, failed, blocked, error, cancelled`` (Int64,
        sums; null where no run has the count); ``pass_rate`` = passed / (passed + failed +
        blocked) with its Wilson interval ``pass_rate_low, pass_rate_high`` at 95 % (Float64, null
        where nothing was decided); ``duration_ms_median, duration_ms_p95, queue_ms_median``
        (Float64, linear quantiles); ``first_created_at, last_created_at``.

        The interval takes the results as independent; those of one eval in several runs are not
        quite, so it is a lower bound of what is not known.

    Raises:
        ConfigError: An unknown column or scope, or no frame.
        SchemaError: No RUNS frame.
    """
    keys: list[str] = key_columns(by, RUNS)
    if summed := sorted(set(keys) & {*_COUNTS, "pass_rate"}):
        raise ConfigError(f"by={summed[0]!r} is itself summed up, and cannot be grouped by")
    if scope is not None and scope not in _SCOPES:
        raise ConfigError(f"scope must be one of {', '.join(_SCOPES)} or None, got {scope!r}")

    def summarized(lazy: pl.LazyFrame) -> pl.LazyFrame:
        if scope is not None:
            lazy = lazy.filter(pl.col("scope") == scope)
        groups = lazy.group_by(keys).agg(_aggregates())
        return _with_rates(groups).sort("first_created_at", *keys, nulls_last=True)

    return applied(runs, RUNS, dict.fromkeys((*keys, *_NEEDED)), summarized)


def _aggregates() -> list[pl.Expr]:
    return [
        rows().alias("n_runs"),
        total(pl.col("ok").fill_null(False)).alias("ok_runs"),
        *(
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
            for name in _COUNTS
        ),
        pl.col("duration_ms").median().alias("duration_ms_median"),
        pl.col("duration_ms").quantile(0.95, "linear").alias("duration_ms_p95"),
        pl.col("queue_ms").median().alias("queue_ms_median"),
        pl.col("created_at").min().alias("first_created_at"),
        pl.col("created_at").max().alias("last_created_at"),
    ]


def _with_rates(groups: pl.LazyFrame) -> pl.LazyFrame:
    passed = pl.col("passed")
    decided = passed + pl.col("failed") + pl.col("blocked")
    low, high = wilson_over(passed, decided)
    measured = groups.with_columns(
        pass_rate=pl.when(decided > 0).then(passed / decided),
        pass_rate_low=low,
        pass_rate_high=high,
    )
    rates = ["pass_rate", "pass_rate_low", "pass_rate_high"]
    names = groups.collect_schema().names()
    split = names.index("cancelled") + 1
    return measured.select(*names[:split], *rates, *names[split:])
