"""Evals that pass and fail although nothing changes."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.assessment import Assessment, assess, assessed
from retab_analysis.analysis.frames import Frame
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import DECIDED, NOT_PASSING

_KINDS = ("flaky", "episode")
_COLUMNS = (
    *("eval_name", "eval_id", "block_id", "code", "workflow_version_id", "outcomes", "failures"),
    *("rate", "rate_low", "rate_high", "kind", "first_created_at", "last_created_at"),
    "last_failed_at",
)


def flaky_evals(results: Frame) -> Frame:
    """The evals that fail now and then, and those that passed, failed for a while, and pass again.

    An eval that broke is not flaky, whether by an edit or by itself, and neither is one that never
    passed, that does not pass now and may have broken, or that changed only once on the same code,
    from passing to failing or back: a step is not flakiness. What failed from its first result on
    and was mended is not among them either, as nobody saw it break. Only outcomes
    count: an execution error or a cancelled result says nothing. An eval whose inputs, condition or
    expected value were edited starts anew.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval and code of its block on which it failed, and passed too unless it is an
        episode; the newest code first, then by ``eval_id``: ``eval_name, eval_id, block_id``;
        ``code`` (the block's fingerprint, or ``version …`` where that is not known);
        ``workflow_version_id`` (the newest with it);
        ``outcomes`` and ``failures`` (Int64); ``rate`` of failing with its Wilson interval at 95 %
        ``rate_low, rate_high`` (Float64); ``kind`` (``flaky``, or ``episode`` where it was mended);
        ``first_created_at, last_created_at, last_failed_at``.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    return assessed(results, _flaky)


def mark_results(results: pl.LazyFrame) -> pl.LazyFrame:
    """Say of each result whether it is an outcome of a flaky eval, or of the run that broke it.

    Args:
        results: The columns :data:`retab_analysis.analysis.assessment.NEEDED`, and any others.

    Returns:
        The same, with ``flaky`` and ``broke`` (Boolean): its eval is broken since the result's run.
    """
    kind = pl.col("kind")
    kinds = assess(results).evals.select(
        "eval_id", is_flaky=kind == "flaky", broke_in=pl.when(kind == "broken").then("since_run_id")
    )
    joined = results.join(kinds.lazy(), on="eval_id", how="left", maintain_order="left")
    flaky = pl.col("is_flaky").fill_null(False) & pl.col("state").is_in(DECIDED)
    broke = (pl.col("run_id") == pl.col("broke_in")).fill_null(False)
    return joined.with_columns(flaky=flaky, broke=broke).drop("is_flaky", "broke_in")


def _flaky(assessment: Assessment) -> pl.DataFrame:
    evals = assessment.evals.filter(pl.col("kind").is_in(_KINDS))
    failed = pl.col("state").is_in(NOT_PASSING)
    ordered = assessment.outcomes.sort("row", "moment", "at", nulls_last=False)
    groups = ordered.group_by("eval", "code", maintain_order=True).agg(
        pl.col("workflow_version_id").drop_nulls().last(),
        pl.len().cast(pl.Int64).alias("outcomes"),
        failed.sum().cast(pl.Int64).alias("failures"),
        pl.col("moment").min().alias("first_created_at"),
        pl.col("moment").max().alias("last_created_at"),
        pl.col("moment").filter(failed).max().alias("last_failed_at"),
    )
    low, high = wilson_over(pl.col("failures"), pl.col("outcomes"))
    rate = pl.col("failures") / pl.col("outcomes")
    named = (
        groups.filter(pl.col("failures") > 0)
        .with_columns(rate=rate, rate_low=low, rate_high=high)
        .join(evals.select("eval", "eval_name", "eval_id", "block_id", "kind"), on="eval")
        # On a code on which it never passed, it may be broken.
        .filter((pl.col("kind") == "episode") | (pl.col("failures") < pl.col("outcomes")))
    )
    order = ("last_created_at", "eval_id", "code")
    newest_first = named.sort(order, descending=[True, False, False], nulls_last=True)
    return newest_first.select(_COLUMNS)
