"""One row per eval: its state now, how often it fails, and whether that is new."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.assessment import Assessment, assessed
from retab_analysis.analysis.frames import Frame
from retab_analysis.vocabulary import DECIDED, combined_state, state_counts

_RECENT = 10
_SETTLED = (*DECIDED, "error", "mixed")
_COLUMNS = (
    *("eval_name", "eval_id", "block_id", "state", "last_states", "outcomes", "failures", "rate"),
    *("rate_low", "rate_high", "kind", "since_at", "since_run_id", "since_version_id", "cause"),
    *("last_passed_at", "last_failed_at", "duration_ms_p50", "duration_ms_p95"),
)


def summarize_evals(results: Frame) -> Frame:
    """Sum up each eval in one row: its state now, its recent states, and its kind.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval, in order of ``eval_id``: ``eval_name, eval_id, block_id``; ``state`` now:
        in the newest run in which it was decided or ended in an error, else in the newest.
        ``last_states`` (List(String)) are its states in its newest ten runs, the newest last.
        ``outcomes`` and ``failures`` (Int64) are over its present definition, with the ``rate`` of
        failing and its Wilson interval at 95 % ``rate_low, rate_high`` (Float64, null without
        outcomes). ``kind`` is null without outcomes. Broken evals have ``since_at, since_run_id,
        since_version_id`` and ``cause`` (``edit``, ``drift``, ``unknown``). Then ``last_passed_at,
        last_failed_at``, and ``duration_ms_p50, duration_ms_p95`` (Float64, linear quantiles of its
        outcomes): ``summary.top_k(10, by="duration_ms_p50")`` are the slowest.

        A rate over a whole history says little about an eval that broke: read ``kind`` first.
        ``never_passed``: no outcome passed. ``broken``: a check would call it broken, since the
        named run. ``getting_worse``: it fails more and more often, and this began in no single run.
        ``flaky``: it comes and goes although nothing changes. ``episode``: it passed, was broken
        for a while and was fixed. ``steady``: none of these, as far as is known; this includes an
        eval that changed once, until it is clear whether that lasts.

    Raises:
        ConfigError: It is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> evals = ra.summarize_evals(results)
        >>> evals.filter(pl.col("kind") == "broken").select("eval_name", "since_at", "cause").width
        3
    """
    return assessed(results, _summarize)


def _summarize(assessment: Assessment) -> pl.DataFrame:
    since = ("since_at", "since_run_id", "since_version_id", "cause")
    evals = assessment.evals.select(
        *("eval", "eval_name", "eval_id", "block_id", "kind"),
        *(pl.when("is_broken").then(name).alias(name) for name in since),
    )
    joined = evals.join(_recent(assessment), on="eval", how="left")
    counted = joined.join(assessment.count(), on="eval", how="left")
    known = counted.with_columns(pl.col("outcomes", "failures").fill_null(0))
    return known.sort("eval_id").select(_COLUMNS)


def _recent(assessment: Assessment) -> pl.DataFrame:
    """``eval, state, last_states``: the states of the newest runs."""
    runs = assessment.results.group_by("eval", "run_id").agg(
        *state_counts(), pl.col("moment", "at").min()
    )
    ordered = runs.with_columns(combined_state().alias("state")).sort(
        "eval", "moment", "at", nulls_last=False
    )
    settled = pl.col("state").filter(pl.col("state").is_in(_SETTLED)).last()
    return ordered.group_by("eval", maintain_order=True).agg(
        pl.col("state").tail(_RECENT).alias("last_states"),
        pl.coalesce(settled, pl.col("state").last()).alias("state"),
    )
