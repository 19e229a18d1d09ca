"""Runs summed up by version, by time, or by any other column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily, check_keys, count_rows, count_where
from retab_analysis.arguments import check_choice
from retab_analysis.errors import ConfigError
from retab_analysis.schema import RUNS
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import RATED, rated_total

PERIOD = "period_start"
_SCOPES = ("workflow", "block", "eval")
_COUNTS = ("total_evals", *RATED, "cancelled")
_TIMES = ("duration_ms", "queue_ms")
_QUANTILES = {"p50": 0.5, "p95": 0.95}
_READ = ("created_at", "scope", "ok", *_COUNTS, *_TIMES)
# Six digits are enough for anything, and more of them overflow within polars without an error.
_DURATION = re.compile(r"(?:[1-9]\d{0,5}(?:us|ms|s|m|h|d|w|mo|q|y))+")


def summarize_runs(
    runs: Frame,
    by: str | Sequence[str] | None = "workflow_version_id",
    *,
    every: str | None = None,
    scope: str | None = None,
) -> Frame:
    """Sum up runs by version, by other columns, and by time.

    Args:
        runs: A RUNS frame. Runs that still go on count with what they have.
        by: One or several columns of it, your own included, but none that bears the name of a
            column of the outcome. With ``every``, None or ``()`` groups by time alone.
        every: Also group by time: how long a period is, as polars writes it (``"1d"``, ``"1w"``,
            ``"2w"``, ``"1mo"``, ``"1q"``). A run belongs to the period in which it was created;
            periods begin at midnight UTC, weeks on Monday.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``.

    Returns:
        One row per group, ordered by earliest ``created_at``, then by the key: the columns of
        ``by``; with ``every``, ``period_start`` (Datetime, UTC; null for runs without a
        ``created_at``); ``n_runs``, ``ok_runs`` and ``rated_runs`` (Int64), how many runs there
        are, are ok, and have all four counts that a pass rate needs; ``total_evals, passed, failed,
        blocked, error, cancelled`` (Int64: sums over the runs that have the count, null where none
        has it); ``rated_evals`` (Int64), ``pass_rate``, ``pass_rate_low, pass_rate_high``
        (Float64); ``duration_ms_p50, duration_ms_p95, queue_ms_p50, queue_ms_p95`` (Float64, linear
        quantiles); ``first_created_at, last_created_at`` (Datetime).

        ``pass_rate`` = passed / (passed + failed + blocked + error) over the ``rated_runs`` alone,
        because a count that is not known must not be taken for 0; the other ``n_runs - rated_runs``
        are left out of it. ``rated_evals`` is its denominator: how many evals ended otherwise than
        by being cancelled. The rate and its Wilson interval at 95 % are null where that is 0.

        The interval takes the results as independent. Those of one eval in several runs are not
        quite, so what is not known is at least as much as the interval says.

    Raises:
        ConfigError: A column, duration or scope that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    period: list[pl.Expr] = [] if every is None else [_period(every)]
    outcome = [each.meta.output_name() for each in (*period, *_aggregates())]
    by_time_alone = every is not None and (by is None or (isinstance(by, list | tuple) and not by))
    keys: list[str] = [] if by_time_alone else check_keys(by, runs, RUNS, outcome)
    if scope is not None:
        check_choice("scope", scope, _SCOPES)

    def summarized(lazy: pl.LazyFrame) -> pl.LazyFrame:
        if scope is not None:
            lazy = lazy.filter(pl.col("scope") == scope)
        order = [*(each.meta.output_name() for each in period), "first_created_at", *keys]
        groups = lazy.group_by(*keys, *period).agg(_aggregates())
        return groups.sort(order, nulls_last=True)

    return apply_lazily(runs, RUNS, (*keys, *_READ), summarized)


def _period(every: str) -> pl.Expr:
    """The start of the period in which a run was created."""
    if not isinstance(every, str) or not _DURATION.fullmatch(every):
        raise ConfigError(f"every must be a duration such as '1d', '1w' or '1mo', got {every!r}")
    start = pl.col("created_at").dt.truncate(every).alias(PERIOD)
    # A unit that does not go with another is only found out on a value: here, not at `.collect()`.
    trial = pl.DataFrame({"created_at": [datetime(2026, 1, 1, tzinfo=UTC)]})
    try:
        trial.select(start)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"every={every!r} is not a period: {reason}") from None
    return start


def _aggregates() -> list[pl.Expr]:
    return [
        count_rows().alias("n_runs"),
        count_where(pl.col("ok").fill_null(False)).alias("ok_runs"),
        count_where(rated_total().is_not_null()).alias("rated_runs"),
        *(_known_sum(name) for name in _COUNTS),
        *_rates(),
        *(
            pl.col(name).quantile(share, "linear").alias(f"{name}_{which}")
            for name in _TIMES
            for which, share in _QUANTILES.items()
        ),
        pl.col("created_at").min().alias("first_created_at"),
        pl.col("created_at").max().alias("last_created_at"),
    ]


def _known_sum(name: str) -> pl.Expr:
    """The sum over the runs that have a count; polars itself gives 0 where none has it."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def _rates() -> list[pl.Expr]:
    """:func:`retab_analysis.vocabulary.pass_rate` over a group, and its interval."""
    rated = rated_total()
    passed, n = pl.col("passed").filter(rated.is_not_null()).sum(), rated.sum().cast(pl.Int64)
    low, high = wilson_over(passed, n)
    return [
        n.alias("rated_evals"),
        pl.when(n > 0).then(passed / n).alias("pass_rate"),
        low.alias("pass_rate_low"),
        high.alias("pass_rate_high"),
    ]
