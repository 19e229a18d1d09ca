"""The suite as a whole: the one row of ``Comparison.summary``, and the verdict.

The change of the pass rate is over *all* evals that were decided on both sides, flaky ones
included, with evals of one document held together. Rates, test and interval are of the same rows
and have one standard error; :mod:`retab_analysis.stats.suite` has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.stats.clusters import find_clusters
from retab_analysis.stats.suite import SuiteChange, SuiteRates, suite_change
from retab_analysis.vocabulary import BROKEN, TRANSITIONS

SUMMARY_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(TRANSITIONS, pl.Int64()),
        **dict.fromkeys(("baseline_pass_rate", "candidate_pass_rate", "delta"), pl.Float64()),
        **dict.fromkeys(("n_evals", "n_documents"), pl.Int64()),
        **dict.fromkeys(("delta_low", "delta_high", "p_value", "detectable"), pl.Float64()),
    }
)
"""The columns of ``Comparison.summary``."""

_NO_RESULT = ("newly_errored", "incomplete")


@dataclass(frozen=True, eq=False)
class Suite:
    """What the summary of some evals is made of.

    ``evals`` has one row per eval: what a comparison keeps of it. ``rates`` are those of some evals
    in each row of time, and ``documents`` says which evals: ``eval_id, documents`` (List(String)).
    """

    evals: pl.DataFrame
    rates: SuiteRates
    documents: pl.DataFrame

    def without(self, eval_ids: Iterable[str]) -> Suite:
        ids = pl.Series([*eval_ids], dtype=pl.String())
        left_out = pl.col("eval_id").is_in(ids.implode())
        counted = ~self.documents.select(left_out).to_series()
        rates = self.rates.take(counted.to_numpy())
        return Suite(self.evals.filter(~left_out), rates, self.documents.filter(counted))

    def test(self, alpha: float) -> SuiteTest:
        kept = self.rates.is_comparable()
        clusters = _find_clusters(self.documents["documents"].filter(pl.Series(kept)))
        return SuiteTest(self.evals, suite_change(self.rates.take(kept), clusters, alpha), alpha)


@dataclass(frozen=True, eq=False)
class SuiteTest:
    """Whether the pass rate of a suite changed, at a level ``alpha``."""

    evals: pl.DataFrame
    change: SuiteChange
    alpha: float

    @property
    def fell(self) -> bool:
        return self._is_significant and (self.change.delta or 0) < 0

    @property
    def rose(self) -> bool:
        return self._is_significant and (self.change.delta or 0) > 0

    @property
    def _is_significant(self) -> bool:
        return self.change.p_value is not None and self.change.p_value <= self.alpha

    @property
    def is_called(self) -> bool:
        """Whether a single eval is called broken."""
        return bool(self.evals["transition"].is_in(BROKEN).any())

    @property
    def is_sure(self) -> bool:
        """Whether a fall is more than one bad hour: an eval is called, or two runs show it."""
        return self.is_called or self.change.runs > 1

    def is_not_worse(self, margin: float) -> bool:
        """Whether the pass rate did not fall by so much.

        That it may have risen is no doubt, so that one side of the interval is enough.
        """
        limits = self.change.limits(min(2 * self.alpha, 1.0))
        return limits is not None and limits[0] > -margin

    def summarize(self) -> pl.DataFrame:
        """The one row of ``Comparison.summary``."""
        numbers = [name for name in SUMMARY_SCHEMA if name not in TRANSITIONS]
        row = {
            **dict.fromkeys(TRANSITIONS, 0),
            **dict(self.evals["transition"].value_counts().iter_rows()),
            **{name: getattr(self.change, name) for name in numbers},
        }
        return pl.DataFrame([row], schema=SUMMARY_SCHEMA)

    def conclude(self, margin: float) -> str:
        """The verdict: ``regressed``, ``improved``, ``no_change`` or ``inconclusive``.

        ``margin`` is by how much the pass rate may have fallen for ``no_change``.
        """
        transitions = self.evals["transition"]
        if self.is_called or self.fell:
            return "regressed"
        if self.rose or (transitions == "fixed").any():
            return "improved"
        # What is suspect is no doubt about the suite: the headline and the gate name it.
        is_settled = not transitions.is_in(_NO_RESULT).any()
        return "no_change" if is_settled and self.is_not_worse(margin) else "inconclusive"


def _find_clusters(documents: pl.Series) -> npt.NDArray[np.int64]:
    """The number of each eval's cluster of documents, see :func:`find_clusters`."""
    frame = documents.alias("document").to_frame().with_row_index("eval")
    pairs = frame.filter(pl.col("document").list.len() > 0).explode("document")
    numbers = pairs["document"].rank("dense").cast(pl.Int64).fill_null(0)
    return find_clusters(pairs["eval"].to_numpy(), numbers.to_numpy(), len(documents))
