"""Runs summed up by version, by time, or by any other column."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.counted_runs import find_standing, was_outage
from retab_analysis.analysis.frames import (
    VERSION,
    Frame,
    add_versions,
    apply_lazily,
    check_keys,
    count_rows,
    count_where,
)
from retab_analysis.analysis.periods import PERIOD, PERIOD_END, Length
from retab_analysis.arguments import check_choice
from retab_analysis.errors import ConfigError, shown
from retab_analysis.schema import RUNS, checked
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import RATED, rated_total

_CHANGE = "pass_rate_change"
SCOPES = ("workflow", "block", "eval")
_COUNTS = ("total_evals", *RATED, "cancelled")
_TIMES = ("duration_ms", "queue_ms")
_QUANTILES = {"p50": 0.5, "p95": 0.95}
READ = ("created_at", "status", "scope", "ok", *_COUNTS, *_TIMES)


def summarize_runs(
    runs: Frame,
    by: str | Sequence[str] | None = "workflow_version_id",
    *,
    every: str | None = None,
    scope: str | None = None,
    edits: pl.DataFrame | pl.LazyFrame | None = None,
) -> Frame:
    """Sum up runs by version, by other columns, and by time.

    Args:
        runs: A RUNS frame.
        by: One or several columns of it, your own included, but none with the name of a column of
            the outcome. ``"version"`` is the name of the code that ran: ``v5``, ``edit of 29 Nov
            19:26``. With ``every``, None or ``()`` groups by time alone.
        every: Also group by time: the length of a period, as polars writes it (``"1d"``, ``"1w"``,
            ``"2w"``, ``"1mo"``, ``"1q"``). A run belongs to the period in which it was created.
            The last period ends with the day (UTC) of the newest run in ``runs``, so it is whole.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``.
        edits: An EDITS frame of the workflows, for ``by="version"``. Without it a version is the
            draft that runs name by one id, called by its first run:
            ``draft of 29 Nov 19:26``.

    Returns:
        One row per group, ordered by earliest ``created_at``, then by the key: the columns of
        ``by``; with ``every``, ``period_start`` and ``period_end`` (Datetime, UTC; null for runs
        without a ``created_at``), the first moments of the period and of the next. ``n_runs,
        ok_runs, rated_runs, n_outages, n_left_out`` (Int64): the numbers of runs, of ok ones, of
        runs in the pass rate, of outages, and of runs left out for another reason. ``total_evals,
        passed, failed, blocked, error, cancelled`` (Int64) are sums over all runs that have the
        count, null if none has it. ``rated_evals`` (Int64), ``pass_rate, pass_rate_low,
        pass_rate_high`` (Float64). With ``every``, ``pass_rate_change`` (Float64) is the change
        from the last earlier period with a pass rate, in the same group. ``duration_ms_p50,
        duration_ms_p95, queue_ms_p50, queue_ms_p95`` (Float64, linear quantiles);
        ``first_created_at, last_created_at`` (Datetime).

        ``pass_rate`` = passed / (passed + failed + blocked + error) over the ``rated_runs``. These
        are runs of the whole workflow that completed with no eval cancelled. If a group has none,
        the rate takes whole runs that did not complete, then runs of a part that completed, then
        the rest. It leaves out runs with an unknown count, and outages (``is_outage``): runs in
        which at least half of the evals that ended, and at least three, ended in an error.
        Durations are of the same runs. ``rated_evals`` is the denominator. The rate and its Wilson
        interval at 95 % are null if that is 0.

        The interval treats the results as independent. Results of one eval in several runs are not
        quite independent, so the true uncertainty is at least as large as the interval.

    Raises:
        ConfigError: A column, duration or scope cannot be used, or it is not a frame.
        SchemaError: It is not a RUNS frame.

    Examples:
        >>> import retab_analysis as ra
        >>> with ra.Sandbox() as sandbox:
        ...     client = ra.Client(**sandbox.credentials)
        ...     runs = ra.fetch_runs(client=client, limit=200)
        ...     workflows = ra.fetch_workflows(client=client).select("workflow_id", "name")
        >>> weekly = ra.summarize_runs(
        ...     runs.join(workflows, on="workflow_id"), ["workflow_id", "name"], every="1w"
        ... )
        >>> weekly.columns[:4]
        ['workflow_id', 'name', 'period_start', 'period_end']
    """
    length = None if every is None else Length.read(every)
    period: list[str] = [] if length is None else [PERIOD, PERIOD_END]
    outcome = [*period, *(each.meta.output_name() for each in _aggregates())]
    outcome += [_CHANGE] if period else []
    by_time_alone = every is not None and (by is None or (isinstance(by, list | tuple) and not by))
    keys: list[str] = [] if by_time_alone else check_keys(by, runs, RUNS, outcome, [VERSION])
    named = VERSION in keys and VERSION not in checked(runs, RUNS, ()).collect_schema()
    if edits is not None and not named:
        raise ConfigError(f'edits= names versions: by must hold "version", got {shown(by)}')
    if scope is not None:
        check_choice("scope", scope, SCOPES)

    def summarized(lazy: pl.LazyFrame) -> pl.LazyFrame:
        lazy = add_versions(lazy, edits) if named else lazy
        lazy = lazy if length is None else lazy.with_columns(length.place("created_at"))
        if scope is not None:
            lazy = lazy.filter(pl.col("scope") == scope)
        groups = lazy.group_by(*keys, *period).agg(_aggregates(scope))
        if length is None:
            return groups.sort("first_created_at", *keys, nulls_last=True)
        ordered = groups.sort(PERIOD, "first_created_at", *keys, nulls_last=True)
        before = pl.col("pass_rate").forward_fill().shift(1)
        change = pl.col("pass_rate") - (before.over(keys) if keys else before)
        dated = pl.when(pl.col(PERIOD).is_not_null()).then(change)
        names = [*keys, *period, *(each.meta.output_name() for each in _aggregates())]
        names.insert(names.index("pass_rate_high") + 1, _CHANGE)
        return ordered.with_columns(dated.alias(_CHANGE)).select(names)

    also: tuple[str, ...] = ("workflow_id", "workflow_version_id") if named else ()
    return apply_lazily(runs, RUNS, (*keys, *also, *READ), summarized)


def _aggregates(scope: str | None = None) -> list[pl.Expr]:
    rated, outage, standing = rated_total(), was_outage(), find_standing(scope)
    known = pl.when(rated.is_not_null()).then(standing)
    in_rate, in_times = known == known.max(), standing == standing.max()
    passed, n = (each.filter(in_rate).sum().cast(pl.Int64) for each in (pl.col("passed"), rated))
    low, high = wilson_over(passed, n)
    return [
        count_rows().alias("n_runs"),
        count_where(pl.col("ok").fill_null(False)).alias("ok_runs"),
        count_where(in_rate).alias("rated_runs"),
        count_where(outage).alias("n_outages"),
        count_where(~in_rate.fill_null(False) & ~outage).alias("n_left_out"),
        # The sum over the runs that have a count; polars itself gives 0 if none has it.
        *(
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
            for name in _COUNTS
        ),
        n.alias("rated_evals"),
        pl.when(n > 0).then(passed / n).alias("pass_rate"),
        low.alias("pass_rate_low"),
        high.alias("pass_rate_high"),
        *(
            pl.col(name).filter(in_times).quantile(share, "linear").alias(f"{name}_{which}")
            for name in _TIMES
            for which, share in _QUANTILES.items()
        ),
        pl.col("created_at").min().alias("first_created_at"),
        pl.col("created_at").max().alias("last_created_at"),
    ]
