"""Evals that pass and fail although nothing changes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.assessment import Assessment, assess, assessed
from retab_analysis.analysis.frames import Frame, count_rows, count_where
from retab_analysis.arguments import check_flag
from retab_analysis.vocabulary import DECIDED, NOT_PASSING

_COLUMNS = (
    *("eval_name", "eval_id", "block_id", "outcomes", "failures", "rate", "rate_low", "rate_high"),
    *("kind", "first_created_at", "last_created_at", "last_failed_at", "by_code"),
)


def flaky_evals(results: Frame, *, episodes: bool = False) -> Frame:
    """The evals that come and go although nothing changes.

    An eval that broke is not flaky, whether by an edit or by itself, and neither is one that never
    passed, that may have broken, or that changed only once, from passing to failing or back: a step
    is not flakiness. What a check calls flaky is among them. Only outcomes count: an execution
    error or a cancelled result says nothing. An eval whose inputs, condition or expected value were
    edited starts anew.

    Args:
        results: A RESULTS frame of several runs.
        episodes: Also those that passed, failed for a while, and pass again for good.

    Returns:
        One row per eval, the one that failed last first, then by ``eval_id``: ``eval_name, eval_id,
        block_id``; ``outcomes`` and ``failures`` (Int64) in its present definition; the ``rate`` of
        failing with its Wilson interval at 95 % ``rate_low, rate_high`` (Float64); ``kind``
        (``flaky`` or ``episode``); ``first_created_at, last_created_at, last_failed_at``;
        ``by_code``, a list of what it did on each code of its block, the newest first: ``code``
        (the block's fingerprint, or ``version …`` where that is not known), ``version`` (the newest
        with it), ``outcomes, failures``.

    Raises:
        ConfigError: It is not a polars frame, or ``episodes`` is not a boolean.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> ra.flaky_evals(results).select("eval_name", "failures", "outcomes").columns
        ['eval_name', 'failures', 'outcomes']
    """
    check_flag("episodes", episodes)
    kinds = ("flaky", "episode") if episodes else ("flaky",)
    return assessed(results, lambda assessment: _flaky(assessment, kinds))


def mark_results(results: pl.LazyFrame) -> pl.LazyFrame:
    """Say of each result whether it is an outcome of a flaky eval, or of the run that broke it.

    Beside the columns :data:`retab_analysis.analysis.assessment.NEEDED` there may be any others;
    ``flaky`` and ``broke`` (its eval is broken since the result's run) are new.
    """
    kind = pl.col("kind")
    kinds = assess(results).evals.select(
        "eval_id", is_flaky=kind == "flaky", broke_in=pl.when("is_broken").then("since_run_id")
    )
    joined = results.join(kinds.lazy(), on="eval_id", how="left", maintain_order="left")
    flaky = pl.col("is_flaky").fill_null(False) & pl.col("state").is_in(DECIDED)
    broke = (pl.col("run_id") == pl.col("broke_in")).fill_null(False)
    return joined.with_columns(flaky=flaky, broke=broke).drop("is_flaky", "broke_in")


def _flaky(assessment: Assessment, kinds: Sequence[str]) -> pl.DataFrame:
    evals = assessment.evals.filter(pl.col("kind").is_in(kinds))
    by_code = (
        assessment.outcomes.sort("at")
        .group_by("eval", "code")
        .agg(
            pl.col("workflow_version_id").drop_nulls().last().alias("version"),
            count_rows().alias("outcomes"),
            count_where(pl.col("state").is_in(NOT_PASSING)).alias("failures"),
            pl.col("at").max(),
        )
        .sort("at", descending=True)
        .group_by("eval")
        .agg(by_code=pl.struct("code", "version", "outcomes", "failures"))
    )
    named = (
        evals.select("eval", "eval_name", "eval_id", "block_id", "kind")
        .join(assessment.count(), on="eval")
        .join(by_code, on="eval")
    )
    newest_first = named.sort(
        "last_failed_at", "eval_id", descending=[True, False], nulls_last=True
    )
    return newest_first.select(_COLUMNS)
