"""Results counted by groups."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.frames import (
    Frame,
    apply_lazily,
    check_single_keys,
    count_rows,
    count_where,
)
from retab_analysis.schema import RESULTS
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import NOT_PASSING, RATED, pass_rate, rated_total

_COUNTS = (*RATED, "cancelled")
_COLUMNS = (
    *("n_results", *_COUNTS, "pass_rate", "pass_rate_low", "pass_rate_high"),
    *("duration_ms_p50", "duration_ms_p95"),
)
_READ = ("state", "duration_ms")
# The prefix of our own names between the first step and the last.
_OURS = "retab_analysis "


def summarize_results(results: Frame, by: str | Sequence[str] = "block_id") -> Frame:
    """Count results by block, by failure code, or by a column of your own.

    Args:
        results: A RESULTS frame.
        by: One or several of its columns, your own included: any with single values, except one
            with the name of a column below.

    Returns:
        One row per group: the columns of ``by``; ``n_results`` (Int64), the number of results in
        any state; ``passed, failed, blocked, error, cancelled`` (Int64), the numbers in each state.
        ``pass_rate`` = passed / (passed + failed + blocked + error), with its Wilson interval at 95
        % ``pass_rate_low, pass_rate_high`` (Float64; null if all that ended were cancelled).
        ``duration_ms_p50, duration_ms_p95`` (Float64) are linear quantiles of the known durations.

        The group with the most failures (failed and blocked) comes first. Groups with equal numbers
        are in the order of ``by``, null last.

    Raises:
        ConfigError: A column cannot be used, or it is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> "extract_lines" in ra.summarize_results(results, by="block_id")["block_id"].to_list()
        True
        >>> ra.summarize_results(results, by=["block_id", "condition_kind"]).columns[:3]
        ['block_id', 'condition_kind', 'n_results']
    """
    keys: list[str] = check_single_keys(by, results, RESULTS, _COLUMNS)
    return apply_lazily(results, RESULTS, (*keys, *_READ), lambda lazy: _summarize(lazy, keys))


def _summarize(lazy: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    # A key may have the name of a column that is read, or begin like polars' patterns; only
    # ``rename`` treats it as a name.
    read = lazy.with_columns(pl.col(name).alias(_OURS + name) for name in _READ)
    groups = {key: f"{_OURS}key {at}" for at, key in enumerate(keys)}
    counted = read.rename(groups).group_by(groups.values()).agg(_aggregates())
    low, high = wilson_over(pl.col("passed"), rated_total())
    rated = counted.with_columns(pass_rate=pass_rate(), pass_rate_low=low, pass_rate_high=high)
    failures = -pl.sum_horizontal(NOT_PASSING)
    ordered = rated.sort(failures, *groups.values(), nulls_last=True)
    return ordered.select(*groups.values(), *_COLUMNS).rename(
        {own: key for key, own in groups.items()}
    )


def _aggregates() -> list[pl.Expr]:
    state, duration = (pl.col(_OURS + name) for name in _READ)
    quantiles = {"p50": 0.5, "p95": 0.95}
    return [
        count_rows().alias("n_results"),
        *(count_where(state == each).alias(each) for each in _COUNTS),
        *(
            duration.quantile(share, "linear").alias(f"duration_ms_{name}")
            for name, share in quantiles.items()
        ),
    ]
