"""What is worth running again, and when."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retab_analysis.comparison.suite_test import Suite
from retab_analysis.comparison.transitions import is_undecided
from retab_analysis.vocabulary import BROKEN, SURE

SETTLE_ROUNDS = 4
"""So many times :func:`settle` runs an eval again, unless it is told otherwise."""

COLUMNS = ("eval_name", "p_regressed", "reruns_to_clear", "reruns_to_confirm", "eval_id")


def list_reruns(
    suite: Suite, rounds: int = SETTLE_ROUNDS, now: datetime | None = None
) -> pl.DataFrame:
    """The evals that are worth a rerun: ``Comparison.reruns``.

    An isolated error is, unless it is one in two rows. What is suspect, or called broken with a
    probability below 0.95, is worth it where the reruns that are left of ``rounds`` may change what
    is said of it. With ``now`` only those are listed that can be run now: once in a row of three
    hours, because a further rerun within it could not confirm anything.
    """
    unsure = pl.col("transition").is_in(BROKEN) & (pl.col("p_regressed") < SURE)
    is_error = pl.col("transition") == "newly_errored"
    may_change = pl.col("rounds") <= rounds - pl.col("reruns")
    once = is_undecided() & is_error & pl.col("errors_since").is_null()
    worth = once | ((is_undecided() | unsure) & ~is_error & may_change)
    waits = pl.lit(False) if now is None else _waits(now)
    chosen = suite.evals.filter(worth.fill_null(False) & ~waits.fill_null(False))
    return chosen.select(COLUMNS) if rounds else chosen.select(COLUMNS).clear()


def _waits(now: datetime) -> pl.Expr:
    """Whether an eval was run again in its newest row, which is not over."""
    return (pl.col("reruns_in_row") > 0) & (pl.col("row_ends_at") >= now)


def find_next_look(
    suite: Suite, rounds: int, now: datetime | None = None
) -> tuple[pl.DataFrame, datetime | None]:
    """The evals that have to wait until their row is over, and when all of these are.

    Without ``now`` these are all that were run again in their newest row.
    """
    evals = suite.evals.filter(_waits(now) if now else pl.col("reruns_in_row") > 0)
    waiting = list_reruns(suite, rounds).join(evals, on="eval_id", how="semi")
    ends = evals.filter(pl.col("eval_id").is_in(waiting["eval_id"].implode()))
    return waiting, ends.select(pl.col("row_ends_at").max()).item()
