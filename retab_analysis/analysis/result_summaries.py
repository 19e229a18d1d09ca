"""Results counted by groups."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.counted_runs import (
    OF_RUN,
    READ_OF_RESULTS,
    describe_runs,
    find_standing,
    stand_out,
)
from retab_analysis.analysis.frames import (
    Frame,
    apply_lazily,
    check_single_keys,
    count_rows,
    count_where,
)
from retab_analysis.analysis.periods import PERIOD, PERIOD_END, Length
from retab_analysis.analysis.summaries import SCOPES
from retab_analysis.arguments import check_choice
from retab_analysis.schema import RESULTS
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import NOT_PASSING, RATED

_COUNTS = (*RATED, "cancelled")
_COLUMNS = (
    *("n_results", *_COUNTS, "rated_evals", "n_in_outages", "n_left_out"),
    *("pass_rate", "pass_rate_low", "pass_rate_high", "duration_ms_p50", "duration_ms_p95"),
)
READ = (*READ_OF_RESULTS, "duration_ms")
# The prefix of our own names between the first step and the last.
_OURS = "retab_analysis "


def summarize_results(
    results: Frame,
    by: str | Sequence[str] | None = "block_id",
    *,
    every: str | None = None,
    scope: str | None = None,
) -> Frame:
    """Count results by block, by failure code, or by a column of your own, and by time.

    Args:
        results: A RESULTS frame.
        by: One or several of its columns, your own included: any with single values, except one
            with the name of a column below. With ``every``, None or ``()`` groups by time alone.
        every: Also group by time, as in :func:`summarize_runs`: by when the run was created.
        scope: Only results of runs of this scope: ``workflow``, ``block`` or ``eval``.

    Returns:
        One row per group: the columns of ``by``; with ``every``, ``period_start, period_end``.
        ``n_results`` (Int64) is the number of results in any state; ``passed, failed, blocked,
        error, cancelled`` (Int64) are the numbers in each state. ``rated_evals, n_in_outages,
        n_left_out`` (Int64) are the results in the pass rate, in outages, and left out for another
        reason. ``pass_rate`` = passed / (passed + failed + blocked + error) of the rated ones, with
        its Wilson interval at 95 % ``pass_rate_low, pass_rate_high`` (Float64; null without any).
        ``duration_ms_p50, duration_ms_p95`` (Float64) are linear quantiles of their known
        durations.

        The rate counts the runs that :func:`summarize_runs` counts: whole runs where a period or a
        version has any, and no outages. So the sums over the blocks of a week are those of the
        week.

        The group with the most failures (failed and blocked) comes first. Groups with equal numbers
        are in the order of ``by``, null last. With ``every``, the earliest period comes first.

    Raises:
        ConfigError: A column, duration or scope cannot be used, or it is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> "extract_lines" in ra.summarize_results(results, by="block_id")["block_id"].to_list()
        True
        >>> ra.summarize_results(results, by=["block_id", "condition_kind"]).columns[:3]
        ['block_id', 'condition_kind', 'n_results']
    """
    is_alone = every is not None and (by is None or (isinstance(by, list | tuple) and not by))
    taken = (*_COLUMNS, PERIOD, PERIOD_END)
    keys: list[str] = [] if is_alone else check_single_keys(by, results, RESULTS, taken)
    length = None if every is None else Length.read(every)
    if scope is not None:
        check_choice("scope", scope, SCOPES)
    of_runs = [each for each in keys if each in (*OF_RUN, "workflow_id", "run_completed_at")]
    return apply_lazily(
        results,
        RESULTS,
        (*keys, *READ),
        lambda lazy: count_results(lazy, keys, of_runs, length, scope),
    )


def count_results(
    lazy: pl.LazyFrame,
    keys: Sequence[str],
    of_runs: Sequence[str],
    length: Length | None,
    scope: str | None,
) -> pl.LazyFrame:
    """Count results by keys; those ``of_runs`` are the same for all results of a run."""
    # A key may have the name of a column that is read, or begin like polars' patterns; only
    # ``rename`` treats it as a name.
    groups = {key: f"{_OURS}key {at}" for at, key in enumerate(keys)}
    read = lazy.with_columns(pl.col(name).alias(_OURS + name) for name in READ).rename(groups)
    named = (pl.col(_OURS + name).alias(name) for name in READ)
    known = describe_runs(read.select(*groups.values(), *named))
    period = [] if length is None else [PERIOD, PERIOD_END]
    known = known if length is None else known.with_columns(length.place("moment"))
    if scope is not None:
        known = known.filter(pl.col("scope") == scope)
    standing = find_standing(scope, pl.col("is_outage"), pl.col("is_complete"))
    counts = stand_out(standing, [*period, *(groups[each] for each in of_runs)])
    counted = known.with_columns(counts=counts).group_by(*period, *groups.values())
    low, high = wilson_over(pl.col("_passed"), pl.col("rated_evals"))
    rate = pl.when(pl.col("rated_evals") > 0).then(pl.col("_passed") / pl.col("rated_evals"))
    rated = counted.agg(_aggregates()).with_columns(
        pass_rate=rate, pass_rate_low=low, pass_rate_high=high
    )
    failures = [] if period else [-pl.sum_horizontal(NOT_PASSING)]
    ordered = rated.sort(*period, *failures, *groups.values(), nulls_last=True)
    told = ordered.select(*groups.values(), *period, *_COLUMNS)
    return told.rename({own: key for key, own in groups.items()})


def _aggregates() -> list[pl.Expr]:
    state, counts, outage = pl.col("state"), pl.col("counts"), pl.col("is_outage")
    in_rate = counts & state.is_in(RATED)
    quantiles = {"p50": 0.5, "p95": 0.95}
    return [
        count_rows().alias("n_results"),
        *(count_where(state == each).alias(each) for each in _COUNTS),
        count_where(in_rate).alias("rated_evals"),
        count_where(outage).alias("n_in_outages"),
        count_where(~in_rate & ~outage).alias("n_left_out"),
        count_where(in_rate & (state == "passed")).alias("_passed"),
        *(
            pl.col("duration_ms").filter(counts).quantile(share, "linear").alias(f"duration_ms_{q}")
            for q, share in quantiles.items()
        ),
    ]
