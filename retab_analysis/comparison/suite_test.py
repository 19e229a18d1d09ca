"""The suite as a whole: the one row of ``Comparison.summary``, and the verdict.

The change of the pass rate is over *all* evals that were decided on both sides, flaky ones
included, with evals of one document held together; :mod:`retab_analysis.stats.suite` has the test
and the interval. The verdict adds what the model knows of single evals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.comparison.transitions import CERTAIN_ENOUGH
from retab_analysis.evidence.since import p_any_regressed
from retab_analysis.stats.clusters import join_clusters
from retab_analysis.stats.outcome_table import OutcomeTable
from retab_analysis.stats.suite import clustered_change
from retab_analysis.vocabulary import BROKEN, RATED, TRANSITIONS, pass_rate

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
        evals: One row per eval: ``eval_id, transition, p_regressed, p_improved, block_id,
            expected_reruns, unknown, is_latest``.
        table: The comparable decided results of some evals in each row of time.
        documents: What the rows of ``table`` are: ``eval_id, documents`` (List(String)).
        pass_rates: Those of all results before and after.
    """

    evals: pl.DataFrame
    table: OutcomeTable
    documents: pl.DataFrame
    pass_rates: tuple[float | None, float | None]

    def without(self, eval_ids: pl.Series) -> Suite:
        """The same without some evals; the pass rates stay those of all results."""
        left_out = pl.col("eval_id").is_in(eval_ids.implode())
        counted = ~self.documents.select(left_out).to_series()
        return replace(
            self,
            evals=self.evals.filter(~left_out),
            table=self.table.take(counted.to_numpy()),
            documents=self.documents.filter(counted),
        )


def summarize(suite: Suite, alpha: float) -> pl.DataFrame:
    """The one row of ``Comparison.summary``.

    Args:
        suite: The evals and their outcomes.
        alpha: The level of the test, and one minus that of the interval.
    """
    counts = dict(suite.evals["transition"].value_counts().iter_rows())
    kept = suite.table.comparable()
    table = _in_order(suite.table.take(kept))
    clusters = _find_clusters(suite.documents["documents"].filter(pl.Series(kept)))
    change = clustered_change(table, clusters, alpha)
    row = {
        **dict.fromkeys(TRANSITIONS, 0),
        **counts,
        "baseline_pass_rate": suite.pass_rates[0],
        "candidate_pass_rate": suite.pass_rates[1],
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
    significant = is_significant(row, alpha)
    broken = any(row[each] for each in BROKEN)
    # Of many blocks that were edited, one may well have got worse unseen; where all evals pass,
    # that is no reason to call it so.
    any_worse = (row["p_any_regressed"] or 0) >= CERTAIN_ENOUGH and any(
        row[each] for each in (*_UNSETTLED, "flaky")
    )
    if any_worse or (significant and row["delta"] < 0):
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
    return is_significant(row, alpha) and row["delta"] < 0


def is_significant(row: Mapping[str, Any], alpha: float) -> bool:
    """Whether test and interval both say that the pass rate changed.

    The test asks how rare a run like the candidate's is among the others. Where twenty runs were
    clean and one eval fails once, that is one run in 21, which is true and says nothing of the
    suite; the interval over documents does not exclude zero then.

    Args:
        row: The row of the summary.
        alpha: The level of both.
    """
    if row["p_value"] is None or row["delta_low"] is None or row["p_value"] > alpha:
        return False
    return bool(row["delta_low"] > 0 or row["delta_high"] < 0)


def _in_order(table: OutcomeTable) -> OutcomeTable:
    """Without the rows of time in which there is no outcome.

    They are sorted as texts, because where orders of runs are drawn it matters which run is first.
    """
    is_after, used = table.is_after, np.flatnonzero(table.outcomes.any(axis=0))
    runs = sorted(used.tolist(), key=lambda run: (is_after[run], str(run)))
    return OutcomeTable(table.passes[:, runs], table.outcomes[:, runs], is_after[runs])


def _find_clusters(documents: pl.Series) -> npt.NDArray[np.int64]:
    """The number of each eval's cluster of documents, see :func:`label_clusters`."""
    frame = documents.alias("document").to_frame().with_row_index("eval")
    pairs = frame.filter(pl.col("document").list.len() > 0).explode("document")
    known = pl.Enum(pairs["document"].drop_nulls().unique())
    number = pairs["document"].cast(known).to_physical().cast(pl.Int64).fill_null(-1) + 1
    return join_clusters(pairs["eval"].to_numpy(), number.to_numpy(), len(documents))


def rate_results(results: pl.DataFrame) -> float | None:
    """The pass rate of some results."""
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
