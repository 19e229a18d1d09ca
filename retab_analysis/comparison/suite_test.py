"""The suite as a whole: the one row of ``Comparison.summary``, and the verdict.

The change of the pass rate is over *all* evals that were decided on both sides, flaky ones
included, with evals of one document held together. Rates, test and interval use the same rows and
one standard error, from :mod:`retab_analysis.stats.suite`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from retab_analysis.evidence.story import Story
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


@dataclass(frozen=True, eq=False)
class Suite:
    """The stories of some evals, the most urgent first, and their pass rates.

    ``rates`` has the pass rate of the evals ``eval_ids`` in each row of time, and ``documents`` a
    number for the document of each.
    """

    stories: tuple[Story, ...]
    rates: SuiteRates
    eval_ids: pl.Series
    documents: npt.NDArray[np.integer]

    def without(self, eval_ids: Iterable[str]) -> Suite:
        ids = frozenset(eval_ids)
        kept = ~self.eval_ids.is_in([*ids])
        stories = tuple(each for each in self.stories if each.id not in ids)
        at = kept.arg_true().to_numpy()
        return Suite(stories, self.rates.take(at), self.eval_ids.filter(kept), self.documents[at])

    def test(self, alpha: float) -> SuiteTest:
        gone = [each.id for each in self.stories if each.transition == "removed"]
        kept = self.rates.is_comparable() & ~self.eval_ids.is_in(gone).to_numpy()
        documents = np.unique(self.documents[kept], return_inverse=True)[1]
        change = suite_change(self.rates.take(kept), documents, alpha)
        return SuiteTest(Counter(each.transition for each in self.stories), change, alpha)


@dataclass(frozen=True, eq=False)
class SuiteTest:
    """Whether the pass rate of a suite changed, at a level ``alpha``.

    ``counts`` says how many evals have each transition.
    """

    counts: Mapping[str, int]
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
        return any(self.counts[each] for each in BROKEN)

    @property
    def is_sure(self) -> bool:
        """Whether a fall is more than one bad hour: an eval broke, or two runs show it."""
        return self.is_called or self.change.runs > 1

    def is_not_worse(self, margin: float) -> bool:
        """Whether the pass rate did not fall by so much.

        It may have risen, so one side of the interval is enough.
        """
        limits = self.change.limits(min(2 * self.alpha, 1.0))
        return limits is not None and limits[0] > -margin

    def summarize(self) -> pl.DataFrame:
        numbers = [name for name in SUMMARY_SCHEMA if name not in TRANSITIONS]
        row = {
            **dict.fromkeys(TRANSITIONS, 0),
            **self.counts,
            **{name: getattr(self.change, name) for name in numbers},
        }
        return pl.DataFrame([row], schema=SUMMARY_SCHEMA)

    def conclude(self, margin: float) -> str:
        """The verdict: ``regressed``, ``improved``, ``no_change`` or ``inconclusive``.

        ``margin`` is the largest fall of the pass rate for ``no_change``.
        """
        if self.is_called or self.fell:
            return "regressed"
        if self.counts["same_code"] == sum(self.counts.values()) > 0:
            return "no_change"
        if self.rose or self.counts["fixed"]:
            return "improved"
        # A suspect is no doubt about the suite: the headline and the gate name it.
        is_settled = not (self.counts["newly_errored"] or self.counts["incomplete"])
        return "no_change" if is_settled and self.is_not_worse(margin) else "inconclusive"
