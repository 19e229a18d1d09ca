"""Evals over time: how each state changes from run to run."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily
from retab_analysis.analysis.states import combine_results
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import BLOCK_CODE, FAILING, SAME_EVAL, first_that_holds

_NEEDED = (
    *("eval_name", "eval_id", "block_id", "state", "run_id", "workflow_version_id"),
    *("run_created_at", "created_at", "score", "duration_ms", BLOCK_CODE, *SAME_EVAL),
)
# The compared states; any other than ``passed`` counts as not passing.
_SETTLED = ("passed", *FAILING, "mixed")


def eval_history(results: Frame) -> Frame:
    """Follow each eval from run to run.

    A change here is between two runs. :func:`summarize_evals` tells whether it lasts, from the
    whole history.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval and run, the evals ordered by their earliest run, then ``eval_id``, the
        runs of an eval in time order: ``eval_name, eval_id, run_id, workflow_version_id,
        run_created_at, state, previous_state, change, block_changed, inputs_changed, block_id, n,
        pass_rate, score, duration_ms, previous_run_id``. *Previous* is the newest earlier run in
        which the eval was decided or ended in an error: a break shows even across a cancelled run.
        ``change`` is the change since then: ``regressed``, ``newly_blocked``, ``newly_errored``,
        ``fixed``, ``still_passing``, ``still_failing``, ``not_comparable`` (inputs, condition or
        expected value differ), ``incomplete`` (not decided now), null without such a run.
        ``block_changed`` and ``inputs_changed`` are null if a fingerprint is not known.

    Raises:
        ConfigError: It is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> one = ra.eval_history(results).filter(pl.col("eval_name") == "Nordwind: three lines")
        >>> one["run_created_at"].is_sorted()
        True
    """
    return apply_lazily(results, RESULTS, _NEEDED, _history)


def _history(lazy: pl.LazyFrame) -> pl.LazyFrame:
    before = per_run(lazy).with_columns(
        previous_state=_previous("state"),
        previous_run_id=_previous("run_id"),
        first=pl.col("moment").min().over("eval_id"),
        block_changed=pl.col("block") != _previous("block"),
        **{f"{name}_differs": pl.col(name) != _previous(name) for name in SAME_EVAL},
    )
    changed = before.with_columns(
        change=_change(), inputs_changed=pl.col("handle_inputs_fingerprint_differs")
    )
    ordered = changed.sort("first", "eval_id", "moment", "run_id", nulls_last=True)
    return ordered.select(
        *("eval_name", "eval_id", "run_id", "workflow_version_id", "run_created_at", "state"),
        *("previous_state", "change", "block_changed", "inputs_changed", "block_id", "n"),
        *("pass_rate", "score", "duration_ms", "previous_run_id"),
    )


def per_run(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval and run, sorted by eval and time, with the state and the definition."""
    kept = ("eval_name", "block_id", "workflow_version_id", "run_created_at", *SAME_EVAL)
    combined = combine_results(
        lazy,
        *("eval_id", "run_id"),
        block=pl.col(BLOCK_CODE).max(),
        **{name: pl.col(name).max() for name in kept},
        score=pl.col("score").median(),
        # A median duration that overflows Int64 becomes null.
        duration_ms=pl.col("duration_ms").median().cast(pl.Int64, strict=False),
    )
    return combined.sort("eval_id", "moment", "run_id")


def _previous(name: str) -> pl.Expr:
    """A column's value in the newest earlier run with a state of :data:`_SETTLED`."""
    settled = pl.when(pl.col("state").is_in(_SETTLED)).then(pl.struct(name))
    return settled.forward_fill().shift(1).over("eval_id").struct.field(name)


def _change() -> pl.Expr:
    now, was = pl.col("state"), pl.col("previous_state")
    other = pl.any_horizontal(pl.col(f"{name}_differs").fill_null(False) for name in SAME_EVAL)
    passes, passed = now == "passed", was == "passed"
    return first_that_holds(
        (~now.is_in(_SETTLED), "incomplete"),
        (was.is_null(), None),
        (other, "not_comparable"),
        (passes & passed, "still_passing"),
        (passes, "fixed"),
        (~passed, "still_failing"),
        (now == "blocked", "newly_blocked"),
        (now == "error", "newly_errored"),
        otherwise="regressed",
    )
