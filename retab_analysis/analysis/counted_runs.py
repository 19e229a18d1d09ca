"""Which runs count in rates and durations: one rule for runs and for results."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.vocabulary import MOMENT, RATED, TERMINAL, is_outage, rated_total

OF_RUN = ("run_id", "workflow_version_id", "run_scope", "run_is_outage", "run_created_at")
READ_OF_RESULTS = (*OF_RUN, "eval_id", "state", "status", "created_at")
"""The columns that :func:`describe_runs` reads."""
COMPLETE = 3
"""The standing of a whole run that completed."""


def was_outage() -> pl.Expr:
    """Whether a run was an outage, from its counts; False if they do not tell."""
    return is_outage(pl.col("error"), rated_total()).fill_null(False)


def is_complete() -> pl.Expr:
    """Whether a run completed with no eval cancelled."""
    complete = (pl.col("status") == "completed") & (pl.col("cancelled").fill_null(0) == 0)
    return complete.fill_null(False)


def find_standing(
    scope: str | None, outage: pl.Expr | None = None, complete: pl.Expr | None = None
) -> pl.Expr:
    """How much a run counts: the runs of a group with the highest standing do, and no others.

    A run of the scope (by default the whole workflow) that completed has 3, another one of it 2; of
    the rest, those that completed have 1. An outage has none.
    """
    whole = (pl.col("scope") == (scope or "workflow")).fill_null(False).cast(pl.Int8)
    ended = (is_complete() if complete is None else complete).cast(pl.Int8)
    return pl.when(~(was_outage() if outage is None else outage)).then(2 * whole + ended)


def describe_runs(results: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``scope``, ``is_outage`` and ``is_complete`` of the run of each result.

    Where a frame does not tell a run's scope, a run of one eval is of an eval.
    """
    state, own = pl.col("state"), "run_id"
    errors, ended = (state == "error"), state.is_in(RATED)
    counted = is_outage(errors.sum().over(own), ended.sum().over(own))
    only = pl.when(pl.col("eval_id").n_unique().over(own) == 1).then(pl.lit("eval"))
    scope = pl.coalesce("run_scope", only, pl.lit("workflow"))
    is_open = ~pl.col("status").is_in(TERMINAL).fill_null(True) | (state == "cancelled")
    return results.with_columns(
        scope=scope,
        is_outage=pl.coalesce("run_is_outage", counted & (scope == "workflow")).fill_null(False),
        is_complete=~is_open.fill_null(False).any().over(own),
        moment=MOMENT,
    )


def stand_out(standing: pl.Expr, groups: Sequence[str]) -> pl.Expr:
    """Whether a result's run counts among the runs of its group."""
    best = standing.max()
    return (standing == (best.over(groups) if groups else best)).fill_null(False)
