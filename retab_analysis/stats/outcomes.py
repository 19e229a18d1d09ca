"""What several results of one eval come to, as expressions."""

from __future__ import annotations

import polars as pl

NOT_PASSING = ("failed", "blocked", "error")
DECIDED = ("passed", *NOT_PASSING)
OUTCOMES = (*DECIDED, "cancelled", "unscored")


def known_state() -> pl.Expr:
    """The column ``state``, where whatever is not an outcome that we know counts as unscored."""
    state = pl.col("state")
    return pl.when(state.is_in(OUTCOMES)).then(state).otherwise(pl.lit("unscored"))


def state_of(
    passed: pl.Expr,
    failed: pl.Expr,
    blocked: pl.Expr,
    error: pl.Expr,
    cancelled: pl.Expr,
    unscored: pl.Expr,
) -> pl.Expr:
    """The state of an eval, from how many of its results came out which way.

    Only decided results count; cancelled or unscored where there are none. Some passing and some
    not is ``mixed``; all not passing is the most frequent, ties by error, blocked, failed.
    """
    not_passing = failed + blocked + error
    return (
        pl.when((passed > 0) & (not_passing > 0))
        .then(pl.lit("mixed"))
        .when(passed > 0)
        .then(pl.lit("passed"))
        .when((not_passing > 0) & (error >= blocked) & (error >= failed))
        .then(pl.lit("error"))
        .when((not_passing > 0) & (blocked >= failed))
        .then(pl.lit("blocked"))
        .when(not_passing > 0)
        .then(pl.lit("failed"))
        .when((cancelled > 0) & (cancelled >= unscored))
        .then(pl.lit("cancelled"))
        .otherwise(pl.lit("unscored"))
    )


def change_of(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """What became of an eval from one decided state to the next; ``mixed`` counts as not passing.

    ``regressed``, ``newly_blocked``, ``newly_errored``, ``fixed``, ``still_passing`` or
    ``still_failing``.
    """
    was, now = before == "passed", after == "passed"
    return (
        pl.when(was & now)
        .then(pl.lit("still_passing"))
        .when(now)
        .then(pl.lit("fixed"))
        .when(~was)
        .then(pl.lit("still_failing"))
        .when(after == "blocked")
        .then(pl.lit("newly_blocked"))
        .when(after == "error")
        .then(pl.lit("newly_errored"))
        .otherwise(pl.lit("regressed"))
    )
