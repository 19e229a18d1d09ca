"""The evidence about each eval of one frame of results.

There is one model, in :mod:`retab_analysis.evidence`; this file only asks it. The candidate here is
the newest run of each block, with later runs on the same code. A check uses the same rule: it
judges an eval as a summary does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from retab_analysis.analysis.frames import Frame, check_frame, count_rows, count_where
from retab_analysis.evidence.comparable import NEEDED as OF_LEDGER
from retab_analysis.evidence.comparable import (
    Ledger,
    collect,
    combine_sides,
)
from retab_analysis.evidence.inference import Histories, last_row
from retab_analysis.evidence.placing import place_results
from retab_analysis.evidence.rates import Bools
from retab_analysis.evidence.since import Findings, weigh
from retab_analysis.evidence.story import Reading
from retab_analysis.evidence.transitions import find_word
from retab_analysis.schema import RESULTS
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import (
    BLOCK_CODE,
    CERTAIN_ENOUGH,
    CODE,
    DECIDED,
    LIKELY,
    MOMENT,
    NOT_PASSING,
    TERMINAL,
    first_that_holds,
    known_state,
)

NEEDED = (*OF_LEDGER, "status", "duration_ms")
"""The columns of a RESULTS frame that are read."""

_TREND, _MANY_RUNS = 2.58, 5
"""An eval gets worse little by little if its failures become more frequent (one-sided, in 5 of
1,000 by chance). This began with no single edit, nor in a few runs."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """Facts about the evals of some results.

    ``evals`` has one row per eval: ``eval_id, eval_name, block_id, kind``; ``is_broken``, whether a
    check would report that it got worse; ``p_worse``, its probability; and ``cause, since_at,
    since_run_id, since_version_id, since_runs``. ``results`` has each result once, with
    ``comparable`` (of the present definition), ``row`` (its place in time; null if the result
    judges nothing), ``moment`` and ``code``.
    """

    evals: pl.DataFrame
    results: pl.DataFrame

    @property
    def outcomes(self) -> pl.DataFrame:
        return _select_outcomes(self.results)

    def count(self) -> pl.DataFrame:
        """The outcomes of each eval: how many, since when, and how often it fails."""
        failed, moment = pl.col("state").is_in(NOT_PASSING), pl.col("moment")
        counted = self.outcomes.group_by("eval").agg(
            count_rows().alias("outcomes"),
            count_where(failed).alias("failures"),
            moment.filter(~failed).max().alias("last_passed_at"),
            moment.filter(failed).max().alias("last_failed_at"),
            *(
                pl.col("duration_ms").quantile(share, "linear").alias(f"duration_ms_{name}")
                for name, share in {"p50": 0.5, "p95": 0.95}.items()
            ),
        )
        low, high = wilson_over(pl.col("failures"), pl.col("outcomes"))
        rate = pl.col("failures") / pl.col("outcomes")
        return counted.with_columns(rate=rate, rate_low=low, rate_high=high)


def _select_outcomes(results: pl.DataFrame) -> pl.DataFrame:
    is_outcome = pl.col("state").is_in(DECIDED), pl.col("row").is_not_null()
    return results.filter("comparable", *is_outcome)


def assess(results: pl.LazyFrame) -> Assessment:
    """Ask the model about the history of each eval, one workflow after the other."""
    # In one order: if a run contradicts itself, its first result counts.
    frame = results.select(NEEDED).sort(MOMENT, "result_id", maintain_order=True).collect()
    parts = frame.partition_by("workflow_id") or [frame]
    found: list[Assessment] = []
    offset = 0
    for part in parts:
        found.append(_assess_workflow(part, offset))
        offset += found[-1].evals.height
    return Assessment(
        pl.concat([each.evals for each in found]), pl.concat([each.results for each in found])
    )


def mark_results(results: pl.LazyFrame) -> pl.LazyFrame:
    """Mark each result: is it an outcome of a flaky eval, or since its eval broke?

    Other columns than :data:`NEEDED` stay. ``flaky`` and ``broke`` (its eval is broken since the
    result's run) are new.
    """
    kind = pl.col("kind")
    kinds = assess(results).evals.select(
        "eval_id", is_flaky=kind == "flaky", broke_in=pl.when("is_broken").then("since_run_id")
    )
    joined = results.join(kinds.lazy(), on="eval_id", how="left", maintain_order="left")
    flaky = pl.col("is_flaky").fill_null(False) & pl.col("state").is_in(DECIDED)
    broke = (pl.col("run_id") == pl.col("broke_in")).fill_null(False)
    return joined.with_columns(flaky=flaky, broke=broke).drop("is_flaky", "broke_in")


def assessed(results: Frame, function: Callable[[Assessment], pl.DataFrame]) -> Frame:
    """Run a function of an assessment on a frame of either kind, and return the same kind.

    The model needs all results at once, so it collects a LazyFrame.
    """
    found = function(assess(check_frame(results, RESULTS, NEEDED)))
    return found.lazy() if isinstance(results, pl.LazyFrame) else found


def _assess_workflow(results: pl.DataFrame, offset: int) -> Assessment:
    """The assessment of one workflow, whose evals are numbered from ``offset`` on."""
    placed = _split(results)
    now, earlier, tried = (
        placed.filter(place=place).drop("place") for place in ("candidate", "earlier", "tried")
    )
    combined = combine_sides(now, None, earlier)
    ledger = collect(combined)
    findings = weigh(ledger)
    known = ledger.results.select("at", "eval", "row", "comparable").join(combined, on="at")
    others = (
        tried.with_columns(known_state(), moment=MOMENT)
        .sort("moment", "result_id")
        .join(ledger.evals.select("eval", "eval_id"), on="eval_id")
        .with_columns(at=combined.height + pl.int_range(pl.len()), comparable=pl.lit(False))
    )
    shown = pl.concat([known, others], how="diagonal")
    names = shown.sort("at").group_by("eval").agg(pl.col("eval_name").drop_nulls().last())
    told = _conclude(ledger, findings)
    evals = ledger.evals.join(names, on="eval").join(told, on="eval").sort("eval")
    return Assessment(
        evals.with_columns(pl.col("eval") + offset),
        shown.with_columns(pl.col("eval") + offset, code=CODE),
    )


def _split(results: pl.DataFrame) -> pl.DataFrame:
    """The results with ``place``: ``candidate``, ``earlier``, or ``tried``, which judges nothing.

    The results in a run tell whether it is a whole run, or of a block, or of an eval.
    """
    dated = results.filter(pl.col("eval_id").is_not_null()).with_columns(moment=MOMENT)
    blocks = dated.drop_nulls("block_id").sort("moment", nulls_last=False)
    newest = blocks.unique("eval_id", keep="last", maintain_order=True)
    n, is_cut = pl.col("eval_id").n_unique(), pl.col("state") == "cancelled"
    goes_on = (pl.col("state") == "unscored") & ~pl.col("status").is_in(TERMINAL)
    sizes = dated.with_columns(size=n.over("run_id"))
    decided, ended = pl.col("state").is_in(DECIDED), ~goes_on.any()
    runs = (
        sizes.with_columns(most=pl.col("size").max().over("eval_id"))
        .drop_nulls("run_id")
        .group_by("run_id")
        .agg(
            pl.col("moment").min().alias("created_at"),
            pl.col("run_completed_at").max().alias("ended_at"),
            pl.col("workflow_version_id").drop_nulls().first(),
            scope=first_that_holds(
                ((n == 1) & (pl.col("most").max() > 1), "eval"),
                (pl.col("block_id").n_unique() < min(2, newest["block_id"].n_unique()), "block"),
                otherwise="workflow",
            ),
            is_completed=ended & ~is_cut.any(),
            stands=ended & (~is_cut.any() | (2 * decided.sum() >= pl.len())),
        )
    )
    saved = newest.select("eval_id", "block_id")
    placed = place_results(_mark_present(dated).drop("moment"), runs, saved).drop("is_present")
    # If an eval has nothing else, its tried results count.
    is_only_tried = (pl.col("place") == "tried").all().over("eval_id")
    return placed.with_columns(
        place=pl.when(is_only_tried).then(pl.lit("candidate")).otherwise("place")
    )


def _mark_present(dated: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_present``: whether a result is of the code of its block's newest result."""
    known = []
    for name in (BLOCK_CODE, "workflow_version_id"):
        newest = pl.col(name).sort_by("moment", nulls_last=False).last().over("block_id")
        known.append(pl.col(name) == newest)
    return dated.with_columns(is_present=pl.coalesce(*known, pl.lit(True)))


def _conclude(ledger: Ledger, findings: Findings) -> pl.DataFrame:
    """The conclusion about each eval, by the rules of a comparison."""
    histories = ledger.histories
    rows = np.arange(histories.shape[1])[None, :]
    before = last_row(histories.observed & (rows < histories.candidate))
    # An eval that passes now is judged since then; one that is still broken by its whole history.
    fails = histories.fails[:, histories.candidate :].any(axis=1)
    is_called = np.asarray(findings.overall.p_regressed >= CERTAIN_ENOUGH)
    after = np.where(fails | is_called, -1, before)
    told = findings.of_each_eval(after, np.asarray(histories.observed.any(axis=1)))
    readings = Reading.list_all(told)
    marks = pl.DataFrame(
        {
            "eval": told["eval"],
            "was_mended": _was_mended(histories),
            "word": pl.Series([_find_word(each) or "broken" for each in readings], dtype=pl.String),
        }
    )
    known = told.join(marks, on="eval")
    worded = known.join(_find_trends(ledger.results), on="eval", how="left")
    is_now = pl.col("outcomes_now") > 0
    is_broken = pl.when(is_now).then(pl.col("word") == "broken").otherwise("is_broken")
    return worded.with_columns(is_broken=is_broken.fill_null(False)).with_columns(
        kind=_kind(),
        # A drift has a run and a date, and no version.
        since_version_id=pl.when(cause="edit").then("since_version_id"),
    )


def _was_mended(histories: Histories) -> Bools:
    """Whether each eval passed, failed and passed again, shape (n,)."""
    passed, failed = histories.passed, histories.failed
    had_passed = np.cumsum(passed, axis=1) > 0
    is_before = np.arange(passed.shape[1])[None, :] < last_row(passed)[:, None]
    return np.asarray((failed & had_passed & is_before).any(axis=1))


def _find_trends(results: pl.DataFrame) -> pl.DataFrame:
    """``eval, trend``: the Cochran-Armitage statistic of an eval's failures over its outcomes."""
    outcomes = _select_outcomes(results).sort("at")
    failed = (pl.col("state") != "passed").cast(pl.Float64)
    trend = pl.corr(pl.int_range(pl.len()), failed) * pl.len().sqrt()
    return outcomes.group_by("eval").agg(trend=trend.fill_nan(None))


def _find_word(reading: Reading) -> str | None:
    is_called = (reading.p_worse or 0) >= CERTAIN_ENOUGH
    return find_word(
        reading,
        reading.p_worse if is_called else reading.p_regressed,
        was_good=reading.earlier.passed > 0,
        less_often=0 < reading.now.passed < reading.now.of,
    )


def _kind() -> pl.Expr:
    """The kind of an eval, from a comparison's words about its whole history."""
    rises = (pl.col("trend") >= _TREND).fill_null(False)
    is_undated = (pl.col("since_runs").list.len() >= _MANY_RUNS) & (pl.col("cause") != "edit")
    is_flaky = pl.col("is_flaky") | (pl.col("word") == "flaky")
    is_now = pl.col("outcomes_now") > 0
    passes = is_now & (pl.col("passes_now") == pl.col("outcomes_now"))
    return first_that_holds(
        (pl.col("outcomes_earlier") + pl.col("outcomes_now") == 0, None),
        (pl.col("passes_earlier") + pl.col("passes_now") == 0, "never_passed"),
        (rises & is_undated & pl.col("is_broken"), "getting_worse"),
        (pl.col("is_broken"), "broken"),
        (rises & is_flaky, "getting_worse"),
        (is_flaky, "flaky"),
        (pl.col("was_mended") & passes & (pl.col("p_better") >= LIKELY), "episode"),
        otherwise="steady",
    )
