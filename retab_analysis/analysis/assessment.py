"""What the evidence says of each eval of one frame of results: the ground of blame and flakiness.

There is one model, in :mod:`retab_analysis.evidence`; this file only asks it. The newest run of the
frame stands where a comparison has its candidate, so that an eval that is checked and an eval that
is blamed are judged alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from retab_analysis.analysis.frames import Frame, check_frame
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import BLOCK_CODE, CODE, DECIDED, MOMENT, NOT_PASSING, SAME_EVAL

NEEDED = (
    *("eval_id", "eval_name", "block_id", "state", "run_id", "result_id", "workflow_id"),
    *("workflow_version_id", "run_created_at", "created_at", "completed_at", BLOCK_CODE),
    *SAME_EVAL,
)
"""The columns of a RESULTS frame that are read."""

_WHOLE = 0.5  # a run of more than this share of the largest run's evals is of the whole workflow


@dataclass(frozen=True, eq=False)
class Assessment:
    """What is known of the evals of some results.

    Attributes:
        evals: One row per eval: ``eval_id, eval_name, block_id, kind``; ``p_regressed`` (that it
            got worse and was not mended), ``cause, since_at, since_run_id, since_version_id,
            since_runs``; ``edited_at, edited_run_id, edited_version_id`` (since when it is defined
            as it is now); ``is_gone`` (the newest whole run does not have it).
        results: The results, each once, with ``comparable`` (of the present definition), ``row``
            (its place in time), ``moment`` and ``code``.
    """

    evals: pl.DataFrame
    results: pl.DataFrame

    @property
    def outcomes(self) -> pl.DataFrame:
        """The comparable results that passed or did not."""
        return self.results.filter(
            "comparable", pl.col("state").is_in(DECIDED), pl.col("row").is_not_null()
        )


def assess(results: pl.LazyFrame) -> Assessment:
    """Ask the model what the history of each eval says, one workflow after the other.

    Args:
        results: The columns :data:`NEEDED` of a RESULTS frame.
    """
    frame = results.select(NEEDED).collect()
    parts = frame.partition_by("workflow_id") or [frame]
    found: list[Assessment] = []
    offset = 0
    for part in parts:
        found.append(_assess_workflow(part, offset))
        offset += found[-1].evals.height
    return Assessment(
        pl.concat([each.evals for each in found]), pl.concat([each.results for each in found])
    )


def _assess_workflow(results: pl.DataFrame, offset: int) -> Assessment:
    """The assessment of one workflow, whose evals are numbered from ``offset`` on."""
    # numpy, which the model needs, is loaded only by who asks it.
    from retab_analysis.evidence.comparable import collect, combine_sides
    from retab_analysis.evidence.each_eval import weigh

    newest = _newest_run(results)
    is_newest = pl.col("run_id").eq_missing(pl.lit(newest, pl.String))
    combined = combine_sides(results.filter(is_newest), None, results.filter(~is_newest))
    ledger = collect(combined)
    findings = weigh(ledger)
    # Of each eval, also where the newest run cancelled it, or was of other evals alone.
    told = findings.of_each_eval(known=pl.Series(ledger.histories.observed.any(axis=1)))
    kept = ("at", "eval", "row", "comparable", "is_single", "outage")
    placed = ledger.results.select(kept).join(combined, on="at")
    names = placed.sort("at").group_by("eval")
    named = names.agg(pl.col("eval_name").drop_nulls().last()).with_columns(
        is_gone=~pl.col("eval").is_in(_present(placed))
    )
    evals = ledger.evals.join(named, on="eval").join(told, on="eval").sort("eval")
    return Assessment(
        evals.with_columns(pl.col("eval") + offset),
        placed.with_columns(pl.col("eval") + offset, code=CODE),
    )


def assessed(results: Frame, function: Callable[[Assessment], pl.DataFrame]) -> Frame:
    """Run a function of an assessment on a frame of either kind, and give back the same kind.

    The model needs all results at once, so that a LazyFrame is collected.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    found = function(assess(check_frame(results, RESULTS, NEEDED)))
    return found.lazy() if isinstance(results, pl.LazyFrame) else found


def _newest_run(results: pl.DataFrame) -> str | None:
    runs = results.group_by("run_id").agg(MOMENT.min().alias("moment"))
    newest = runs.sort("moment", "run_id", nulls_last=False).tail(1)
    return None if newest.is_empty() else newest["run_id"].item()


def _present(placed: pl.DataFrame) -> list[int]:
    """The evals of the newest whole run, and of what came after it."""
    sizes = placed.group_by("run_id").agg(pl.col("eval").n_unique().alias("n"), pl.col("at").min())
    whole = sizes.filter(pl.col("n") > _WHOLE * pl.col("n").max())["at"].max()
    if whole is None:
        return []
    return placed.filter(pl.col("at") >= whole)["eval"].unique().to_list()


def failing_now(assessment: Assessment) -> pl.DataFrame:
    """``eval, streak``: the evals whose newest outcome is not a pass, and in how many runs on end.

    The newest outcome is that of the newest run in which the eval was decided; where it has several
    results there, all of them have to pass.
    """
    by_row = assessment.outcomes.group_by("eval", "row").agg(
        pl.col("state").is_in(NOT_PASSING).any().alias("fails")
    )
    ordered = by_row.sort("eval", "row", descending=[False, True])
    streaks = ordered.group_by("eval", maintain_order=True).agg(
        pl.col("fails").cum_min().sum().cast(pl.Int64).alias("streak")
    )
    return streaks.filter(pl.col("streak") > 0)
