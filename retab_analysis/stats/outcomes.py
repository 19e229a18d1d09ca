"""The outcomes of every eval in every run, as arrays of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Passes and decided outcomes of evals (rows) in runs (columns, in the order of time).

    Outcomes are 0 where the run has none of this eval that counts; ``is_after`` marks the runs on
    the candidate's side.
    """

    passes: Ints
    outcomes: Ints
    is_after: Flags

    def is_comparable(self) -> Flags:
        """For each eval, whether it has an outcome on both sides."""
        present = self.outcomes > 0
        both: Flags = present @ self.is_after & present @ ~self.is_after
        return both

    def rates(self, after: bool) -> Floats:
        """The pass rate of each eval on one side; every eval must be comparable."""
        columns = self.is_after == after
        passes, outcomes = self.passes[:, columns], self.outcomes[:, columns]
        rates: Floats = passes.sum(axis=1) / outcomes.sum(axis=1)
        return rates

    def take(self, evals: NDArray[np.bool_ | np.signedinteger]) -> OutcomeTable:
        return OutcomeTable(self.passes[evals], self.outcomes[evals], self.is_after)


def gaps_of_whole_runs(passes: Ints, outcomes: Ints) -> Floats:
    """For each run, the mean over its evals of (its pass rate - that of all the other runs).

    NaN for a run of less than half the evals: what is bad there says nothing of the hour.
    """
    rest = outcomes.sum(axis=1, keepdims=True) - outcomes
    rest_passes = passes.sum(axis=1, keepdims=True) - passes
    gaps = passes / np.maximum(outcomes, 1) - rest_passes / np.maximum(rest, 1)
    both = (outcomes > 0) & (rest > 0)
    means = np.where(both, gaps, 0.0).sum(axis=0) / np.maximum(both.sum(axis=0), 1)
    return np.where((outcomes > 0).mean(axis=0) >= 0.5, means, np.nan)
