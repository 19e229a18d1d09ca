"""What a check would conclude about each eval, from one frame of results.

The candidate here is the newest run of each block, with later runs on the same code. The results of
a run tell whether it is of the whole workflow, of a block or of an eval, if the frame does not.
From these sides on all is as in a check: :func:`retab_analysis.evidence.telling.tell`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from retab_analysis.evidence.comparable import CANDIDATE, EARLIER, HORIZON
from retab_analysis.evidence.comparable import NEEDED as OF_LEDGER
from retab_analysis.evidence.facts import Facts
from retab_analysis.evidence.places import place_results
from retab_analysis.evidence.saved_evals import find_expected, judge_saved
from retab_analysis.evidence.telling import SHOWN, Told, tell
from retab_analysis.evidence.timeline import Timeline
from retab_analysis.schema import EVALS, RESULTS
from retab_analysis.vocabulary import BROKEN, DECIDED, MOMENT, TERMINAL, first_that_holds

NEEDED = (*OF_LEDGER, "status", "duration_ms")
"""The columns of a RESULTS frame that are read."""

_SHOWN = (*SHOWN, "path", "score", "started_at", "assertion_id")
_UNREAD = tuple(each for each in _SHOWN if each not in NEEDED)


def conclude(results: pl.DataFrame, evals: pl.DataFrame | None) -> Told:
    """The stories of the evals of one workflow; without ``evals`` of those with a result.

    Without ``evals`` it is not known whether an eval without a result on the candidate's side is
    out of date or was deleted: it has a story only if it is broken.
    """
    dated = results.filter(pl.col("eval_id").is_not_null()).with_columns(
        pl.lit(None, RESULTS.schema[name]).alias(name) for name in _UNREAD
    )
    saved = _make_saved(dated) if evals is None else evals
    runs = _describe_runs(dated)
    timeline = Timeline.make(dated, Facts(saved))
    placed = place_results(timeline, runs)
    now = placed.filter(side=CANDIDATE)
    due = runs.filter("is_terminal", pl.col("scope") != "eval")
    known = judge_saved(now, timeline, find_expected(due, saved, placed))
    gone = {*dated["eval_id"]}.difference(saved["eval_id"])
    its, stands = (
        placed.filter(pl.col("side") >= EARLIER),
        known.stand(dict.fromkeys(gone, "removed")),
    )
    told = tell(its, stands, horizon=_find_horizon(runs))
    if evals is not None:
        return told
    stories = (each for each in told.stories if each.present or each.transition in BROKEN)
    return replace(told, stories=tuple(stories))


def _find_horizon(runs: pl.DataFrame) -> datetime | None:
    """As a check does: by the whole runs that decided something before the newest complete one."""
    whole = runs.filter("decides", scope="workflow").sort("created_at", descending=True)
    begun = pl.coalesce(pl.col("created_at").filter("is_completed").max(), pl.max("created_at"))
    earlier = whole.filter(pl.col("created_at") < begun)["created_at"]
    return earlier[HORIZON - 1] if earlier.len() >= HORIZON else None


def _make_saved(dated: pl.DataFrame) -> pl.DataFrame:
    """The evals with results as an EVALS frame, of which nothing else is known."""
    newest = dated.sort(MOMENT, nulls_last=False).drop_nulls("block_id")
    known = newest.unique("eval_id", keep="last", maintain_order=True)
    columns = known.select("eval_id", "eval_name", "block_id", "workflow_id")
    return pl.concat([EVALS.empty(), columns], how="diagonal")


def _describe_runs(dated: pl.DataFrame) -> pl.DataFrame:
    """The facts about runs that :func:`place_results` needs, as far as results tell them."""
    n, is_cut = pl.col("eval_id").n_unique(), pl.col("state") == "cancelled"
    goes_on = (pl.col("state") == "unscored") & ~pl.col("status").is_in(TERMINAL)
    decided, ended = pl.col("state").is_in(DECIDED), ~goes_on.any()
    sized = dated.with_columns(size=n.over("run_id"))
    most = sized.with_columns(most=pl.col("size").max().over("eval_id"))
    blocks = min(2, dated["block_id"].n_unique())
    scope = first_that_holds(
        ((n == 1) & (pl.col("most").max() > 1), "eval"),
        (pl.col("block_id").n_unique() < blocks, "block"),
        otherwise="workflow",
    )
    return (
        most.drop_nulls("run_id")
        .group_by("run_id")
        .agg(
            MOMENT.min().alias("created_at"),
            pl.col("eval_id").first(),
            pl.col("run_completed_at").max().alias("ended_at"),
            pl.col("workflow_version_id").drop_nulls().first(),
            pl.coalesce(pl.col("run_scope").drop_nulls().first(), scope).alias("scope"),
            pl.col("block_id").drop_nulls().first().alias("target_block_id"),
            decides=decided.any(),
            is_terminal=ended,
            is_completed=ended & ~is_cut.any(),
            stands=ended & (~is_cut.any() | (2 * decided.sum() >= pl.len())),
        )
    )
