"""The transition of each eval between two sides: the first rule that fits decides.

The rules are those of the table below, in this order. *Earlier* is the state of the results that
the eval is held against; *p* is the probability that it got worse to stay.

1. No earlier result at all: ``added``. No result of the candidate: ``removed``.
2. Inputs, condition or expected value differ from the candidate's in every earlier result:
   ``not_comparable``.
3. Nothing was decided on one side, and nothing ended in an error: ``incomplete``.
4. The candidate ended in an error: ``newly_errored`` where it passed earlier, else
   ``still_failing``. Errors that repeat with no pass between count as failures instead (rule 5),
   unless so many evals ended in errors that it was an outage.
5. It passed earlier and does not pass now, or less often: ``regressed`` (``newly_blocked`` where it
   is blocked) where p is at least 0.5; ``flaky`` where p is at most 0.05 and the eval also failed
   earlier, or also passes now; else ``suspect``.
6. It did not pass earlier and passes now: ``fixed``, or ``flaky`` where it had both passed and
   failed earlier and no lasting improvement shows.
7. Else what it was: ``still_passing``, ``still_failing``, or ``flaky`` where it is mixed now.
"""

from __future__ import annotations

import polars as pl

from retab_analysis.vocabulary import NOT_PASSING, SAME_EVAL, TRANSITIONS

SURE = 0.95
LIKELY = 0.5
UNLIKELY = 0.05
"""The probabilities of a worsening from which on it is certain enough, called, or ruled out."""
CERTAIN_ENOUGH = 0.8
"""From this probability on that any eval got worse, the suite did."""

EVALS_SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "transition": pl.String(),
        "p_regressed": pl.Float64(),
        "block_id": pl.String(),
        "block_changed": pl.Boolean(),
        "cause": pl.String(),
        "since_at": pl.Datetime("us", "UTC"),
        "since_version_id": pl.String(),
        "since_run_id": pl.String(),
        "reason": pl.String(),
        "document_names": pl.List(pl.String()),
        "condition": pl.String(),
        "expected_value": pl.String(),
        "baseline_actual": pl.String(),
        "candidate_actual": pl.String(),
        "failure": pl.String(),
        "baseline_state": pl.String(),
        "candidate_state": pl.String(),
        "baseline_n": pl.Int64(),
        "candidate_n": pl.Int64(),
        "baseline_pass_rate": pl.Float64(),
        "candidate_pass_rate": pl.Float64(),
        "reruns_to_clear": pl.Int64(),
        "reruns_to_confirm": pl.Int64(),
        "score_delta": pl.Float64(),
        "margin_delta": pl.Float64(),
        "duration_delta_ms": pl.Int64(),
        "eval_id": pl.String(),
        "baseline_run_id": pl.String(),
        "candidate_run_id": pl.String(),
        "baseline_result_id": pl.String(),
        "candidate_result_id": pl.String(),
    }
)
"""The columns of ``Comparison.evals``, one row per eval."""

DEFINITION_WORDS = dict(zip(SAME_EVAL, ("inputs", "condition", "expected value"), strict=True))
"""What each of :data:`SAME_EVAL` is called."""

_UNDECIDED = ("unscored", "cancelled")


def find_transition() -> pl.Expr:
    """The transition, over one row per eval that holds both sides and the evidence.

    The columns that it reads: ``state, c_state`` and ``pass_rate, c_pass_rate`` of both sides;
    ``has_earlier, has_candidate, is_comparable``; ``failed_before, passed_before, passes_now,
    errors_repeat`` (Boolean); ``p_regressed, p_improved``.
    """
    before, now = pl.col("state"), pl.col("c_state")
    was_good = before.is_in(("passed", "mixed"))
    is_bad = now.is_in(NOT_PASSING) | ((now == "error") & pl.col("errors_repeat"))
    is_less_often = (
        (before.is_in(("passed", "mixed")))
        & (now == "mixed")
        & (pl.col("c_pass_rate") < pl.col("pass_rate"))
    )
    return (
        pl.when(~pl.col("has_candidate"))
        .then(pl.lit("removed"))
        .when(~pl.col("has_earlier"))
        .then(pl.lit("added"))
        .when(~pl.col("is_comparable"))
        .then(pl.lit("not_comparable"))
        .when(before.is_in(_UNDECIDED) | now.is_in(_UNDECIDED))
        .then(pl.lit("incomplete"))
        .when((now == "error") & ~(pl.col("errors_repeat") & was_good))
        .then(pl.when(was_good).then(pl.lit("newly_errored")).otherwise(pl.lit("still_failing")))
        .when(was_good & (is_bad | is_less_often))
        .then(_worse())
        .when(~was_good & (now == "passed"))
        .then(_better())
        .when(now == "passed")
        .then(pl.lit("still_passing"))
        .when(now == "mixed")
        .then(pl.lit("flaky"))
        .otherwise(pl.lit("still_failing"))
    )


def _worse() -> pl.Expr:
    p = pl.col("p_regressed")
    return (
        pl.when((p >= LIKELY) & (pl.col("c_state") == "blocked"))
        .then(pl.lit("newly_blocked"))
        .when(p >= LIKELY)
        .then(pl.lit("regressed"))
        .when((p <= UNLIKELY) & (pl.col("failed_before") | pl.col("passes_now")))
        .then(pl.lit("flaky"))
        .otherwise(pl.lit("suspect"))
    )


def _better() -> pl.Expr:
    was_both = pl.col("failed_before") & pl.col("passed_before")
    is_noise = was_both & (pl.col("p_improved") <= UNLIKELY)
    return pl.when(is_noise.fill_null(False)).then(pl.lit("flaky")).otherwise(pl.lit("fixed"))


def order_evals(evals: pl.DataFrame) -> pl.DataFrame:
    """What needs attention first: by transition, the surest first, then by block, name and id."""
    place = pl.col("transition").replace_strict(
        TRANSITIONS, range(len(TRANSITIONS)), return_dtype=pl.Int8
    )
    return evals.sort(
        place,
        pl.col("p_regressed").fill_null(-1).round(3),
        "block_id",
        "eval_name",
        "eval_id",
        descending=[False, True, False, False, False],
        nulls_last=True,
    )
