"""Suites that are simulated from another model than the tests of them take for granted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from support.inside import SuiteRates


@dataclass(frozen=True, slots=True)
class Suite:
    """Evals with failing rates from a Beta distribution, and what makes their outcomes depend.

    ``alike`` is the sum of the distribution's parameters: small where few evals do most of the
    failing, large where all fail equally often. Every document has a good or a bad day in each run;
    a bad hour raises the log odds of failing by 3 in a whole run; outcomes are missing at random
    before, but for one of each eval, and never after.
    """

    n: int = 72
    runs: int = 1
    per_document: int = 1
    failing: float = 0.1
    alike: float = 1.5
    bad_hours: float = 0.0
    missing: float = 0.0
    candidates: int = 1

    @property
    def clusters(self) -> np.ndarray:
        """The number of each eval's document."""
        return np.arange(self.n) // self.per_document

    def draw(self, dice: np.random.Generator, fall: float = 0.0) -> SuiteRates:
        """Its rates; ``fall`` is by how much the pass rate falls, through evals that break."""
        columns = self.runs + self.candidates
        rates = dice.beta(self.alike * self.failing, self.alike * (1 - self.failing), self.n)
        rates = rates.clip(1e-4, 0.999)
        days = dice.normal(0, self.per_document > 1, (self.clusters[-1] + 1, columns))
        hours = 3 * (dice.random(columns) < self.bad_hours)
        odds = np.log(rates / (1 - rates))[:, None] + days[self.clusters] + hours
        passes = dice.random((self.n, columns)) >= 1 / (1 + np.exp(-odds))
        there = dice.random((self.n, columns)) >= self.missing
        there[:, self.runs :] = True
        there[:, 0] |= ~there[:, : self.runs].any(axis=1)
        for run in range(self.runs, columns):
            passes[:, run] &= dice.random(self.n) >= fall / max(passes[:, run].mean(), fall)
        rates_of = np.where(there, passes.astype(float), np.nan)
        is_after = np.arange(columns) >= self.runs
        return SuiteRates(rates_of, is_after, np.tile(~is_after, (self.n, 1)))
