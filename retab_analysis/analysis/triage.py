"""What does not pass now, and why so, from the saved evals alone."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily
from retab_analysis.schema import EVALS
from retab_analysis.vocabulary import FAILING, first_that_holds

WHY = ("block_changed", "inputs_changed", "eval_edited", "same_code", "never_passed")
"""Why an eval may not pass now, in the order in which :func:`triage` lists them."""

_LATEST, _PASSED = "latest_{}_fingerprint", "last_passed_{}_fingerprint"
_NEEDED = (
    *("eval_id", "eval_name", "block_id", "latest_run_status", "latest_run_outcome"),
    *("latest_run_completed_at", "updated_at", "last_passed_at", "last_failed_at", "workflow_id"),
    *(pattern.format(what) for pattern in (_LATEST, _PASSED) for what in ("block", "inputs")),
)


def triage(evals: Frame) -> Frame:
    """The evals that do not pass now, and what changed since they did.

    A saved eval remembers its newest run, and its newest one that passed, each with the
    fingerprints of the block and of the inputs: one request for 100 evals says which edits have to
    be looked at. What it cannot say is whether one failure will last; :func:`check` can.

    Args:
        evals: An EVALS frame.

    Returns:
        One row per eval whose newest run failed, was blocked or ended in an error: ``eval_name,
        eval_id, block_id``; ``why``: ``block_changed`` (the block's code is another than when it
        passed last), ``inputs_changed`` (the eval was given other inputs since), ``eval_edited``
        (the saved eval was edited since, and may assert something else), ``same_code`` (it passed
        on the same code and inputs: flaky, or a drift), ``never_passed``, null where of block and
        inputs one is not known and nothing else changed; where several changed, the inputs before
        the block, and the eval last; ``state, last_passed_at, last_failed_at, workflow_id``.
        Ordered by workflow, then by ``why`` as above, then by block, name and id.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not an EVALS frame.

    Example:
        >>> unwell = ra.triage(ra.fetch_evals("wf_invoices"))
        >>> "block_changed" in unwell["why"].to_list()
        True
    """
    return apply_lazily(evals, EVALS, _NEEDED, _triage)


def _triage(lazy: pl.LazyFrame) -> pl.LazyFrame:
    order = pl.col("why").replace_strict(WHY, range(len(WHY)), return_dtype=pl.Int8, default=None)
    failing = lazy.with_columns(state=eval_state()).filter(pl.col("state").is_in(FAILING))
    told = failing.select(
        "eval_name",
        "eval_id",
        "block_id",
        why_failing().alias("why"),
        *("state", "last_passed_at", "last_failed_at", "workflow_id"),
    )
    return told.sort("workflow_id", order, "block_id", "eval_name", "eval_id", nulls_last=True)


def eval_state() -> pl.Expr:
    """What an eval of an EVALS frame does now: the outcome of its newest run, else its status."""
    return pl.coalesce("latest_run_outcome", "latest_run_status")


def why_failing() -> pl.Expr:
    """Why an eval of an EVALS frame does not pass, one of :data:`WHY`; null where that is open.

    Inputs come first: a pass on other inputs says nothing about these. That the eval was edited is
    said last of what changed, because the edit may have been of its name alone.
    """
    inputs, block = (
        pl.col(_LATEST.format(what)) != pl.col(_PASSED.format(what)) for what in ("inputs", "block")
    )
    return first_that_holds(
        (pl.col("last_passed_at").is_null(), "never_passed"),
        (inputs, "inputs_changed"),
        (block, "block_changed"),
        (pl.col("updated_at") > pl.col("last_passed_at"), "eval_edited"),
        (block.is_not_null() & inputs.is_not_null(), "same_code"),
    )
