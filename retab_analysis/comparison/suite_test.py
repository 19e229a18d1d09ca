"""The suite as a whole: the one row of ``Comparison.summary``, and the verdict.

The change of the pass rate is over *all* evals that were decided on both sides, flaky ones
included, with evals of one document held together. Rates, test and interval are of the same rows;
:mod:`retab_analysis.stats.suite` has them. The verdict adds what the model knows of single evals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.since import p_any_regressed
from retab_analysis.stats.clusters import find_clusters
from retab_analysis.stats.interval import cluster_interval
from retab_analysis.stats.outcomes import OutcomeTable
from retab_analysis.stats.suite import suite_change
from retab_analysis.vocabulary import BROKEN, CERTAIN_ENOUGH, TRANSITIONS

SUMMARY_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(TRANSITIONS, pl.Int64()),
        **dict.fromkeys(("baseline_pass_rate", "candidate_pass_rate"), pl.Float64()),
        **dict.fromkeys(("n_evals", "n_documents"), pl.Int64()),
        **dict.fromkeys(("delta", "delta_low", "delta_high", "p_value"), pl.Float64()),
        **dict.fromkeys(("p_any_regressed", "detectable"), pl.Float64()),
    }
)
"""The columns of ``Comparison.summary``."""

_NOT_SETTLED = (*BROKEN, "newly_errored", "incomplete")
_DECIDED = (*BROKEN, "suspect", "fixed", "flaky", "still_passing")


@dataclass(frozen=True, eq=False)
class Suite:
    """What the summary of some evals is made of.

    Attributes:
        evals: One row per eval: ``eval_id, transition, block_id, p_worse, p_better,
            expected_reruns, unknown, is_latest``; ``p_worse`` is the probability that it got worse,
            whenever that began, ``p_better`` that it got better.
        table: The results of some evals in each row of time, of which 0 outcomes where they are no
            part of what the candidate is held against.
        documents: What the rows of ``table`` are: ``eval_id, documents`` (List(String)).
    """

    evals: pl.DataFrame
    table: OutcomeTable
    documents: pl.DataFrame

    def without(self, eval_ids: Iterable[str]) -> Suite:
        ids = pl.Series([*eval_ids], dtype=pl.String())
        left_out = pl.col("eval_id").is_in(ids.implode())
        counted = ~self.documents.select(left_out).to_series()
        table = self.table.take(counted.to_numpy())
        return Suite(self.evals.filter(~left_out), table, self.documents.filter(counted))

    def comparable(self) -> tuple[OutcomeTable, npt.NDArray[np.int64]]:
        """The evals that were decided on both sides, and the number of each one's cluster."""
        kept = self.table.is_comparable()
        clusters = _find_clusters(self.documents["documents"].filter(pl.Series(kept)))
        return self.table.take(kept), clusters


def summarize(suite: Suite, alpha: float) -> pl.DataFrame:
    """The one row of ``Comparison.summary``; ``alpha`` is the level of test and interval."""
    row = {
        **dict.fromkeys(TRANSITIONS, 0),
        **dict(suite.evals["transition"].value_counts().iter_rows()),
        **asdict(suite_change(*suite.comparable(), alpha)),
        "p_any_regressed": _any(suite.evals, "p_worse"),
    }
    return pl.DataFrame([row], schema=SUMMARY_SCHEMA)


def conclude(suite: Suite, summary: pl.DataFrame, alpha: float, margin: float) -> str:
    """The verdict: ``regressed``, ``improved``, ``no_change`` or ``inconclusive``.

    ``margin`` is by how much the pass rate may have fallen for ``no_change``.
    """
    row = summary.row(0, named=True)
    significant = is_significant(row, alpha)
    if (row["p_any_regressed"] or 0) >= CERTAIN_ENOUGH or (significant and row["delta"] < 0):
        return "regressed"
    # What was mended long ago is no improvement of what is compared.
    fixed = suite.evals.filter(pl.col("transition") == "fixed")
    got_better = (_any(fixed, "p_better") or 0) >= CERTAIN_ENOUGH
    if (got_better or significant) and not any(row[each] for each in BROKEN):
        return "improved"
    # What is suspect is no doubt about the suite: the headline and the gate name it.
    settled = not any(row[each] for each in _NOT_SETTLED)
    return "no_change" if settled and is_not_worse(suite, alpha, margin) else "inconclusive"


def is_not_worse(suite: Suite, alpha: float, margin: float) -> bool:
    """Whether the pass rate did not fall by so much.

    That the suite may be better is no doubt, so that one side of the interval is enough.
    """
    table, clusters = suite.comparable()
    change = table.rates(after=True) - table.rates(after=False)
    interval = cluster_interval(change, clusters, min(2 * alpha, 1.0))
    return interval is not None and interval[0] > -margin


def suite_regressed(summary: pl.DataFrame, alpha: float) -> bool:
    """Whether the suite's test alone says that the pass rate fell."""
    row = summary.row(0, named=True)
    return is_significant(row, alpha) and row["delta"] < 0


def is_significant(row: Mapping[str, Any], alpha: float) -> bool:
    """Whether test and interval both say that the pass rate changed.

    The test asks how rare a run like the candidate's is among the others. Where twenty runs were
    clean and one eval fails once, that is one run in 21, which is true and says nothing of the
    suite; the interval over documents does not exclude zero then.
    """
    if row["p_value"] is None or row["delta_low"] is None or row["p_value"] > alpha:
        return False
    return bool(row["delta_low"] > 0 or row["delta_high"] < 0)


def _find_clusters(documents: pl.Series) -> npt.NDArray[np.int64]:
    """The number of each eval's cluster of documents, see :func:`find_clusters`."""
    frame = documents.alias("document").to_frame().with_row_index("eval")
    pairs = frame.filter(pl.col("document").list.len() > 0).explode("document")
    numbers = pairs["document"].rank("dense").cast(pl.Int64).fill_null(0)
    return find_clusters(pairs["eval"].to_numpy(), numbers.to_numpy(), len(documents))


def _any(evals: pl.DataFrame, column: str) -> float | None:
    """The probability that it holds for any eval, where it can be said of at least one."""
    known = evals.filter(pl.col("transition").is_in(_DECIDED)).drop_nulls(column)
    if known.is_empty():
        return None
    blocks = known["block_id"].fill_null("").rank("dense").to_numpy().astype(np.int64)
    return p_any_regressed(known[column].to_numpy(), blocks)
