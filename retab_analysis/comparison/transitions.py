"""The transition of each eval between two sides: the first rule that fits decides.

The rules are those below, in this order. *Earlier* is the state of the results that the eval is
held against; *p* is the probability that it got worse to stay. An eval is *broken* where it did not
pass when it was decided last and p, whenever that began, is at least 0.5, or where p is at least
0.8.

1. Not saved any more (without a list of saved evals: absent), and no result on the candidate's
   side: ``removed``. No earlier outcome at all: ``added``.
2. Inputs, condition or expected value differ from the present ones in every earlier outcome:
   ``not_comparable``.
3. No result on the candidate's side: where one is still to come, no row; where it was broken on
   that code it stays ``regressed`` or ``newly_blocked``; else, where a result was expected,
   ``incomplete``; else no row. Also ``incomplete``: a saved eval that was edited after it was run
   last.
4. An error now: broken before on that code, it stays so; broken before on other code, it is
   ``incomplete``, since an error mends nothing; earlier passed or mixed: ``newly_errored``; else
   ``still_failing``. Repeated errors count as not passing (rule 5).
5. It does not pass now, or less often, and once did: p ≥ 0.5 → ``regressed``, or
   ``newly_blocked`` where it is blocked; p ≤ 0.05 → ``flaky`` where it comes and goes, or failed
   for the first time after five passes, and not twice in a row; else ``suspect``. It passes now,
   and p is at least 0.8: ``regressed``.
6. It did not pass earlier and passes now: ``fixed``, or ``flaky`` where earlier outcomes have
   passes and failures and nothing lasting changed.
7. Else what it was: ``still_passing``, ``still_failing``, or ``flaky`` where it is mixed now.
"""

from __future__ import annotations

import polars as pl

from retab_analysis.vocabulary import CERTAIN_ENOUGH, LIKELY, NOT_PASSING, TRANSITIONS, UNLIKELY

EVALS_SCHEMA = pl.Schema(
    {
        "eval_name": pl.String(),
        "transition": pl.String(),
        "p_regressed": pl.Float64(),
        "p_improved": pl.Float64(),
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


def find_transition(*, own_past: bool) -> pl.Expr:
    """The transition, over one row per eval; null where an eval has no row.

    The columns that it reads are those of :func:`retab_analysis.comparison.eval_rows` and of
    :meth:`retab_analysis.evidence.since.Findings.of_each_eval`, both sides among them: the
    state of what the eval is held against, and ``c_…`` for what it does now.

    Args:
        own_past: Whether each eval is held against its own past; otherwise against one baseline.
    """
    has_now = pl.col("c_decided") | pl.col("c_errored")
    is_gone = ~pl.col("is_saved").fill_null(False) & ~pl.col("has_candidate")
    stays_broken = pl.col("is_broken") & pl.col("same_code")
    was_good = pl.col("state").is_in(("passed", "mixed"))
    was_blocked = pl.coalesce("last_state", "c_state") == "blocked"
    expected = pl.col("is_expected").fill_null(True) | pl.col("has_candidate")
    fails = pl.col("c_decided") & (
        pl.col("c_state").is_in(NOT_PASSING)
        | ((pl.col("c_state") == "error") & pl.col("errors_count"))
    )
    less_often = (pl.col("c_state") == "mixed") & (pl.col("c_pass_rate") < pl.col("pass_rate"))
    passes = pl.col("c_state") == "passed"
    called = pl.col("p_worse") if own_past else pl.col("p_regressed")
    return _first(
        (is_gone & pl.col("was_there"), "removed"),
        (is_gone, None),
        (~pl.col("has_earlier") & pl.col("has_candidate"), "added"),
        (~pl.col("has_earlier"), None),
        (~pl.col("is_comparable") & has_now, "not_comparable"),
        (pl.col("is_edited_since"), "incomplete"),
        (~has_now & pl.col("is_pending"), None),
        (~has_now & stays_broken, _broken(was_blocked)),
        (~has_now & expected, "incomplete"),
        (~has_now, None),
        (~pl.col("c_decided") & stays_broken & own_past, _broken(was_blocked)),
        (~pl.col("c_decided") & pl.col("is_broken") & own_past, "incomplete"),
        (~pl.col("c_decided") & was_good, "newly_errored"),
        (~pl.col("c_decided"), "still_failing"),
        (was_good & (fails | less_often), _worse()),
        (passes & (called >= CERTAIN_ENOUGH) & pl.col("passed_before"), "regressed"),
        (~was_good & passes, _better()),
        (passes, "still_passing"),
        (pl.col("c_state") == "mixed", "flaky"),
        (pl.lit(True), "still_failing"),
    )


def is_called_though_passing() -> pl.Expr:
    """Whether an eval is called broken although it may have passed when it was decided last."""
    return (pl.col("p_worse") >= CERTAIN_ENOUGH).fill_null(False)


def is_undecided() -> pl.Expr:
    """Whether one run cannot tell: it may have got worse, or ended in an isolated error."""
    isolated = (pl.col("transition") == "newly_errored") & ~pl.col("is_outage")
    return isolated | (pl.col("transition") == "suspect")


def _first(*rules: tuple[pl.Expr, str | pl.Expr | None]) -> pl.Expr:
    """The outcome of the first rule that holds."""
    found = pl.lit(None, pl.String)
    for holds, outcome in reversed(rules):
        said = outcome if isinstance(outcome, pl.Expr) else pl.lit(outcome, pl.String)
        found = pl.when(holds.fill_null(False)).then(said).otherwise(found)
    return found


def _broken(is_blocked: pl.Expr) -> pl.Expr:
    blocked = is_blocked.fill_null(False)
    return pl.when(blocked).then(pl.lit("newly_blocked")).otherwise(pl.lit("regressed"))


def _worse() -> pl.Expr:
    p = pl.col("p_regressed")
    return _first(
        (p >= LIKELY, _broken(pl.col("c_state") == "blocked")),
        ((p <= UNLIKELY) & pl.col("may_be_flaky"), "flaky"),
        (pl.lit(True), "suspect"),
    )


def _better() -> pl.Expr:
    was_both = pl.col("failed_before") & pl.col("passed_before")
    return _first((was_both & (pl.col("p_improved") <= UNLIKELY), "flaky"), (pl.lit(True), "fixed"))


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
