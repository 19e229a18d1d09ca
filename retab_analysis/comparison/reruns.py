"""What is worth running again, and how many runs that takes."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retab_analysis.comparison.suite_test import Suite
from retab_analysis.comparison.transitions import is_undecided
from retab_analysis.evidence.comparable import SAME_HOUR
from retab_analysis.evidence.reruns import BAD_HOUR_ROUNDS, ROUNDS
from retab_analysis.vocabulary import BROKEN, SURE, first_that_holds

SETTLE_ROUNDS = 4
"""In so many rounds :func:`settle` runs evals again, unless it is told otherwise."""

_COLUMNS = ("eval_name", "p_regressed", "reruns_to_clear", "reruns_to_confirm", "eval_id")


def list_undecided(suite: Suite) -> pl.DataFrame:
    """The evals that one more result may decide: ``Comparison.reruns``."""
    unsure = pl.col("transition").is_in(BROKEN) & (pl.col("p_regressed") < SURE)
    return suite.evals.filter(is_undecided() | unsure).select(_COLUMNS)


def choose_reruns(suite: Suite, rounds: int, now: datetime | None = None) -> pl.DataFrame:
    """Those of ``Comparison.reruns`` that :func:`settle` runs again with so many rounds left.

    Left alone is what is decided (``p_regressed`` at most 0.05, or at least 0.95), and what so many
    further results could not move across 0.5, from where on an eval is called broken: whatever came
    of them, the gate would say of it what it says now. An eval that ended in an error has no
    verdict, so that it is always run again. That the gate is red for another eval is not a reason
    to leave one alone: which evals broke is what the reader wants to know.

    Runs of the same half hour are not independent. So an error is run again once in it, and what
    failed in a bad hour twice; after that they have to wait. Without ``now`` that hour is over.

    Returns:
        As ``reruns``, and ``in_bad_hour``.
    """
    many = suite.evals.filter(_expected(rounds, now) > 0)
    wanted = many.select("eval_id", "in_bad_hour")
    return list_undecided(suite).join(wanted, on="eval_id", maintain_order="left")


def mean_reruns(
    suite: Suite, rounds: int, evals: pl.Series | None = None, now: datetime | None = None
) -> float:
    """How many runs :func:`settle` will start in the mean, in so many rounds.

    ``evals`` are the ids of those that can be run, ``now`` is as for :func:`choose_reruns`.
    """
    chosen = choose_reruns(suite, rounds, now)["eval_id"] if evals is None else evals
    waiting = suite.evals.filter(pl.col("eval_id").is_in(chosen.implode()))
    return float(waiting.select(_expected(rounds, now).sum()).item())


def _expected(rounds: int, now: datetime | None) -> pl.Expr:
    """How many reruns each eval gets in the mean; nobody looks further ahead than ``ROUNDS``."""
    goes_on = pl.lit(False) if now is None else pl.col("tried_at") > now - SAME_HOUR
    again = pl.when(goes_on).then(pl.col("tries") - 1).otherwise(0)
    errored = pl.col("transition") == "newly_errored"
    left = first_that_holds(
        (errored & (again > 0), 0),
        (errored, rounds),
        (pl.col("in_bad_hour"), pl.min_horizontal(rounds, BAD_HOUR_ROUNDS - again)),
        otherwise=rounds,
    )
    return pl.col("expected_reruns").arr.get(left.clip(0, ROUNDS))
