"""The suite as a whole: the one row of ``Comparison.summary``, and the verdict.

The change of the pass rate is over *all* evals that were decided on both sides, flaky ones
included, with evals of one document held together; :mod:`retab_analysis.stats.suite` has the test
and the interval. The verdict adds what the model knows of single evals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from retab_analysis.evidence.answers import p_any_regressed
from retab_analysis.stats.outcome_table import OutcomeTable
from retab_analysis.stats.suite import suite_change
from retab_analysis.vocabulary import BROKEN, RATED, TRANSITIONS, pass_rate

CERTAIN_ENOUGH = 0.8
"""From this probability on that any eval got worse, the suite did."""

SUMMARY_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(TRANSITIONS, pl.Int64()),
        "baseline_pass_rate": pl.Float64(),
        "candidate_pass_rate": pl.Float64(),
        "n_evals": pl.Int64(),
        "n_documents": pl.Int64(),
        "delta": pl.Float64(),
        "delta_low": pl.Float64(),
        "delta_high": pl.Float64(),
        "p_value": pl.Float64(),
        "p_any_regressed": pl.Float64(),
        "detectable": pl.Float64(),
    }
)
"""The columns of ``Comparison.summary``."""

_UNSETTLED = (*BROKEN, "newly_errored", "suspect")
_WEIGHED = (*BROKEN, "newly_errored", "suspect", "fixed", "flaky", "still_passing")


@dataclass(frozen=True, eq=False)
class Suite:
    """What the summary of some evals is made of.

    Attributes:
        evals: One row per eval: ``eval_id, transition, p_regressed, p_improved, block``.
        outcomes: One row per eval and run with comparable decided results: ``eval_id, run`` (a
            key), ``is_after``, ``passes, outcomes``.
        documents: ``eval_id, documents`` (List(String)).
        results: One row per result of either side: ``is_after, state``, for the two pass rates.
    """

    evals: pl.DataFrame
    outcomes: pl.DataFrame
    documents: pl.DataFrame
    results: pl.DataFrame

    def without(self, eval_ids: pl.Series) -> Suite:
        """The same without some evals; the pass rates stay those of all results."""
        left_out = pl.col("eval_id").is_in(eval_ids.implode())
        return Suite(
            self.evals.filter(~left_out),
            self.outcomes.filter(~left_out),
            self.documents,
            self.results,
        )


def summarize(suite: Suite, alpha: float) -> pl.DataFrame:
    """The one row of ``Comparison.summary``.

    Args:
        suite: The evals and their outcomes.
        alpha: The level of the test, and one minus that of the interval.
    """
    counts = dict(suite.evals["transition"].value_counts().iter_rows())
    table, documents = _arrange(suite)
    change = suite_change(table, documents, alpha)
    row = {
        **dict.fromkeys(TRANSITIONS, 0),
        **counts,
        "baseline_pass_rate": _pass_rate(suite.results.filter(~pl.col("is_after"))),
        "candidate_pass_rate": _pass_rate(suite.results.filter("is_after")),
        "n_evals": change.n_evals,
        "n_documents": change.n_documents,
        "delta": change.delta,
        "delta_low": change.low,
        "delta_high": change.high,
        "p_value": change.p_value,
        "p_any_regressed": _any(suite.evals, "p_regressed"),
        "detectable": change.detectable,
    }
    return pl.DataFrame([row], schema=SUMMARY_SCHEMA)


def conclude(suite: Suite, summary: pl.DataFrame, alpha: float, margin: float) -> str:
    """The verdict: ``regressed``, ``improved``, ``no_change`` or ``inconclusive``.

    Args:
        suite: The evals.
        summary: Their summary.
        alpha: The level of the suite's test.
        margin: How far the interval may reach to either side for ``no_change``.
    """
    row = summary.row(0, named=True)
    significant = row["p_value"] is not None and row["p_value"] <= alpha
    broken = any(row[each] for each in BROKEN)
    if (row["p_any_regressed"] or 0) >= CERTAIN_ENOUGH or (significant and row["delta"] < 0):
        return "regressed"
    got_better = (_any(suite.evals, "p_improved") or 0) >= CERTAIN_ENOUGH
    if (got_better or (significant and row["delta"] > 0)) and not (broken or row["newly_errored"]):
        return "improved"
    settled = not any(row[each] for each in _UNSETTLED)
    is_inside = (
        row["delta_low"] is not None and row["delta_low"] >= -margin and row["delta_high"] <= margin
    )
    return "no_change" if settled and is_inside else "inconclusive"


def suite_regressed(summary: pl.DataFrame, alpha: float) -> bool:
    """Whether the suite's test alone says that the pass rate fell."""
    row = summary.row(0, named=True)
    return row["p_value"] is not None and row["p_value"] <= alpha and row["delta"] < 0


def _arrange(suite: Suite) -> tuple[OutcomeTable, list[list[str] | None]]:
    """The outcomes as a table of evals by runs, and the documents of its rows."""
    both = suite.outcomes.group_by("eval_id").agg(pl.col("is_after").n_unique() == 2)
    rows = suite.outcomes.join(both.filter("is_after").select("eval_id"), on="eval_id")
    evals = rows.select(pl.col("eval_id").unique().sort()).with_row_index("row")
    runs = rows.select("run", "is_after").unique().sort("is_after", "run").with_row_index("column")
    placed = rows.join(evals, on="eval_id").join(runs, on=["run", "is_after"])
    counts = np.zeros((2, evals.height, runs.height), dtype=np.int64)
    where = placed["row"].to_numpy(), placed["column"].to_numpy()
    for at, name in enumerate(("passes", "outcomes")):
        np.add.at(counts[at], where, placed[name].to_numpy())
    table = OutcomeTable.from_arrays(counts[0], counts[1], runs["is_after"].to_numpy())
    known = evals.join(suite.documents, on="eval_id", how="left").sort("row")
    return table, known["documents"].to_list()


def _pass_rate(results: pl.DataFrame) -> float | None:
    counts = [(pl.col("state") == each).sum().alias(each) for each in RATED]
    rate: float | None = results.select(counts).select(pass_rate()).item()
    return rate


def _any(evals: pl.DataFrame, column: str) -> float | None:
    """The probability that it holds for any eval, where it can be said of at least one."""
    known = evals.filter(pl.col("transition").is_in(_WEIGHED)).drop_nulls(column)
    if known.is_empty():
        return None
    p = known[column].to_numpy()
    blocks = known["block_id"].fill_null("").rank("dense").to_numpy().astype(np.int64)
    return p_any_regressed(p, blocks)
