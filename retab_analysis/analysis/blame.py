"""Since when an eval is broken, and what broke it."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.assessment import Assessment, assessed
from retab_analysis.analysis.frames import Frame

_COLUMNS = (
    *("eval_name", "eval_id", "block_id", "cause", "p_regressed", "since_at", "since_run_id"),
    *("since_version_id", "since_runs", "last_good_run_id", "streak"),
)


def blame(results: Frame) -> Frame:
    """Say since when and by what each eval is broken, or fails since it was edited.

    The run is not simply the last one before which it passed: an eval that broke may still pass now
    and then, and one that is flaky did not break at all. Where an eval passed only in an earlier
    definition (other inputs, condition or expected value), the edit of the eval is named.

    Args:
        results: A RESULTS frame of several runs.

    Returns:
        One row per eval that got worse and was not mended (``p_regressed`` ≥ 0.5 where it does not
        pass now, ≥ 0.8 where it may have passed in its newest run), also where the newest run does
        not have it; the surest first: ``eval_name, eval_id, block_id``; ``cause`` (``edit``: the
        block's code was edited then; ``drift``: it was not; ``definition``: the eval was edited;
        ``unknown``); ``p_regressed`` (Float64, null for ``definition``); ``since_at,
        since_run_id``, the likeliest run, and ``since_version_id`` where an edit made it;
        ``since_runs`` (List(String)), the smallest set of runs that holds it with 90 %;
        ``last_good_run_id``, the newest run before that in which it passed; ``streak`` (Int64), in
        how many runs on end it did not pass. There is no row for evals that are flaky, that never
        passed, or of which it is not clear yet whether they broke. Results do not say which evals
        are not saved any more: keep the others by ``eval_id`` of :func:`fetch_evals`.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> ra.blame(results).select("eval_name", "cause", "since_at", "since_version_id").width
        4
    """
    return assessed(results, _blame)


def _blame(assessment: Assessment) -> pl.DataFrame:
    passed = (
        assessment.results.filter(state="passed")
        .group_by("eval")
        .agg(pl.col("comparable").any().alias("passed_now"))
    )
    evals = assessment.evals.join(passed, on="eval")
    is_edited = ~pl.col("passed_now") & (pl.col("streak") > 0)
    told = evals.filter(pl.col("is_broken") | is_edited).with_columns(
        cause=pl.when(is_edited).then(pl.lit("definition")).otherwise("cause"),
        p_regressed=pl.when(~is_edited).then("p_worse"),
        since_runs=pl.when(is_edited)
        .then(pl.concat_list(pl.col("edited_run_id")))
        .otherwise("since_runs"),
        **{
            f"since_{name}": pl.when(is_edited).then(f"edited_{name}").otherwise(f"since_{name}")
            for name in ("at", "run_id", "version_id")
        },
    )
    good = _last_good(assessment, told)
    # What is known for sure comes first: an eval that was edited needs no probability.
    sure = pl.col("p_regressed").fill_null(2).round(6)
    joined = told.join(good, on="eval", how="left")
    ordered = joined.sort(sure, "since_at", "eval_id", descending=[True, False, False])
    return ordered.select(_COLUMNS)


def _last_good(assessment: Assessment, evals: pl.DataFrame) -> pl.DataFrame:
    """``eval, last_good_run_id``: the newest run before the break in which an eval passed."""
    since = evals.select("eval", since_moment="since_at")
    good = assessment.results.filter(state="passed").join(since, on="eval")
    before = good.filter((pl.col("moment") < pl.col("since_moment")).fill_null(True))
    ordered = before.sort("at")
    return ordered.group_by("eval").agg(pl.col("run_id").last().alias("last_good_run_id"))
