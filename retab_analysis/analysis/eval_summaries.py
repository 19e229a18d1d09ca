"""One row per eval: its state now, how often it fails, and whether that is new."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from retab_analysis.analysis.conclusions import NEEDED, conclude
from retab_analysis.analysis.frames import Frame, check_frame, count_rows, count_where
from retab_analysis.evidence.telling import Told
from retab_analysis.schema import COMPARISON, EVALS, RESULTS
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import (
    BROKEN,
    DECIDED,
    MOMENT,
    NOT_PASSING,
    combined_state,
    known_state,
    state_counts,
)

_RECENT = 10
_SETTLED = (*DECIDED, "error", "mixed")
_COLUMNS = (
    *("eval_name", "eval_id", "block_id", "state", "last_states", "outcomes", "failures", "rate"),
    *("rate_low", "rate_high", "transition", "since_at", "since_run_id", "since_version_id"),
    *("cause", "last_passed_at", "last_failed_at", "duration_ms_p50", "duration_ms_p95"),
)
_SINCE = ("since_at", "since_run_id", "since_version_id", "cause")
_CONCLUDED = pl.Schema({each: COMPARISON.schema[each] for each in ("transition", *_SINCE)})


def summarize_evals(results: Frame, *, evals: pl.DataFrame | pl.LazyFrame | None = None) -> Frame:
    """Sum up each eval in one row: its state now, its recent states, and its transition.

    Args:
        results: A RESULTS frame of several runs.
        evals: An EVALS frame: the evals that are saved now. With it the summary knows which evals
            are out of date or were deleted, and has a row for evals that never ran.

    Returns:
        One row per eval, in order of ``eval_id``: ``eval_name, eval_id, block_id``; ``state`` now:
        in the newest run in which it was decided or ended in an error, else in the newest.
        ``last_states`` (List(String)) are its states in its newest ten runs, the newest last.
        ``outcomes`` and ``failures`` (Int64) are over its present definition, with the ``rate`` of
        failing and its Wilson interval at 95 % ``rate_low, rate_high`` (Float64, null without
        outcomes). ``transition`` is the word of :func:`check` for these results. Evals that got
        worse have ``since_at, since_run_id, since_version_id`` and ``cause`` (``edit``, ``drift``,
        ``unknown``). Then ``last_passed_at, last_failed_at``, and ``duration_ms_p50,
        duration_ms_p95`` (Float64, linear quantiles of its outcomes):
        ``summary.top_k(10, by="duration_ms_p50")`` are the slowest.

        Read ``transition`` before the rate. ``regressed`` and ``newly_blocked`` are broken,
        ``suspect`` may be; ``flaky`` comes and goes although nothing changes. It is null for an
        eval without a result on the newest code of its block, unless that is broken: only ``evals``
        tells whether it is ``stale`` or ``removed``, and whether older code was put back. As in
        :func:`check`, the newest 24 runs of the whole workflow decide; a summary counts them among
        the runs that you pass.

    Raises:
        ConfigError: It is not a frame.
        SchemaError: It is not a RESULTS frame, or ``evals`` is not an EVALS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> evals = ra.summarize_evals(results, evals=ra.fetch_evals("wf_invoices"))
        >>> evals.filter(transition="regressed").select("eval_name", "since_at", "cause").width
        3
    """
    frame = check_frame(results, RESULTS, NEEDED).select(NEEDED).collect()
    saved = None if evals is None else check_frame(evals, EVALS, EVALS.schema).collect()
    parts = (_summarize(*part) for part in _split_workflows(frame, saved))
    found = pl.concat(parts).sort("eval_id")
    return found.lazy() if isinstance(results, pl.LazyFrame) else found


def mark_results(results: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``flaky``, for outcomes of flaky evals, and ``broke``: its eval broke in that run."""
    told = summarize_evals(results).select("eval_id", "transition", broke_in="since_run_id")
    joined = results.join(told, on="eval_id", how="left", maintain_order="left")
    flaky = (pl.col("transition") == "flaky") & pl.col("state").is_in(DECIDED)
    broke = pl.col("transition").is_in(BROKEN) & (pl.col("run_id") == pl.col("broke_in"))
    marks = {"flaky": flaky.fill_null(False), "broke": broke.fill_null(False)}
    return joined.with_columns(**marks).drop("transition", "broke_in")


def _split_workflows(
    results: pl.DataFrame, saved: pl.DataFrame | None
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """The results and saved evals of each workflow."""
    if saved is None:
        yield from ((part, None) for part in results.partition_by("workflow_id") or [results])
        return
    # A result without a workflow is of its eval's.
    flows = dict(saved.select("eval_id", "workflow_id").iter_rows())
    own = pl.col("eval_id").replace_strict(flows, default=None, return_dtype=pl.String)
    named = results.with_columns(pl.coalesce("workflow_id", own))
    ids = pl.concat([named["workflow_id"], saved["workflow_id"]]).unique().to_list()
    for each in ids or [None]:
        its = pl.col("workflow_id").eq_missing(pl.lit(each, pl.String))
        yield named.filter(its), saved.filter(its)


def _summarize(results: pl.DataFrame, saved: pl.DataFrame | None) -> pl.DataFrame:
    # In one order: if a run contradicts itself, its first result counts.
    ordered = results.sort(MOMENT, "result_id", maintain_order=True)
    told = conclude(ordered, saved)
    about = ("eval_id", "eval_name", "block_id")
    frames = [ordered] if saved is None else [ordered, saved]
    named = pl.concat([each.select(about) for each in frames]).drop_nulls("eval_id")
    last = (pl.col(name).drop_nulls().last() for name in about[1:])
    evals = named.group_by("eval_id", maintain_order=True).agg(last)
    for part in (_recent(ordered), _count(told), _list_concluded(told)):
        evals = evals.join(part, on="eval_id", how="left")
    return evals.with_columns(pl.col("outcomes", "failures").fill_null(0)).select(_COLUMNS)


def _list_concluded(told: Told) -> pl.DataFrame:
    rows = [
        (s.id, s.transition, s.since_at, s.since_run_id, s.since_version_id, s.cause)
        for s in told.stories
    ]
    return pl.DataFrame(rows, pl.Schema({"eval_id": pl.String(), **_CONCLUDED}), orient="row")


def _count(told: Told) -> pl.DataFrame:
    """The outcomes of each eval: how many, since when, and how often it fails."""
    failed, moment = pl.col("state").is_in(NOT_PASSING), pl.col("moment")
    outcomes = told.ledger.results.filter(
        "comparable", pl.col("state").is_in(DECIDED), pl.col("row").is_not_null()
    )
    counted = outcomes.group_by("eval_id").agg(
        count_rows().alias("outcomes"),
        count_where(failed).alias("failures"),
        moment.filter(~failed).max().alias("last_passed_at"),
        moment.filter(failed).max().alias("last_failed_at"),
        duration_ms_p50=pl.col("duration_ms").quantile(0.5, "linear"),
        duration_ms_p95=pl.col("duration_ms").quantile(0.95, "linear"),
    )
    low, high = wilson_over(pl.col("failures"), pl.col("outcomes"))
    rate = pl.col("failures") / pl.col("outcomes")
    return counted.with_columns(rate=rate, rate_low=low, rate_high=high)


def _recent(results: pl.DataFrame) -> pl.DataFrame:
    """``eval_id, state, last_states``: the states of the newest runs."""
    known = results.with_columns(known_state(), moment=MOMENT, at=pl.int_range(pl.len()))
    runs = known.group_by("eval_id", "run_id").agg(*state_counts(), pl.col("moment", "at").min())
    ordered = runs.with_columns(combined_state().alias("state")).sort(
        "eval_id", "moment", "at", nulls_last=False
    )
    settled = pl.col("state").filter(pl.col("state").is_in(_SETTLED)).last()
    return ordered.group_by("eval_id", maintain_order=True).agg(
        pl.col("state").tail(_RECENT).alias("last_states"),
        pl.coalesce(settled, pl.col("state").last()).alias("state"),
    )
