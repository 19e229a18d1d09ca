"""A second world, with heavy tails, made anew from what is promised and not from the first one.

Most evals hardly ever fail and a few often do; documents and blocks multiply a run's odds, by
factors with heavy tails; bad hours and outages begin and end on the clock; edits have no effect,
but in long histories some evals get worse slowly. How often all this happens was chosen with the
naive rule alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from scipy.special import expit, logit

from simulation.luck import BLOCKED, CANCELLED, ERROR, FAILED, PASSED, UNSCORED
from simulation.population import Bools, Floats, Ints, Suite
from simulation.result_frames import FIRST_RUN
from simulation.world import ABSENT, Scenario

KINDS = ("same", "uniform")


def simulate(kind: str, runs: int, *, seed: Sequence[int], looks: int = 1) -> Scenario:
    """Draw a suite and its runs, in which nothing happens; the arguments as in the first world."""
    drawn_from = (2, *seed, KINDS.index(kind), runs)
    rng = np.random.default_rng([*drawn_from, 0])
    suite = _draw_suite(rng, runs + 1 + looks, uniform=kind == "uniform")
    past = _Past(rng, suite, runs + 1)
    past.edit_by_the_way()
    past.drift_slowly()
    luck = np.random.default_rng([*drawn_from, 1])
    clock = _Clock(luck, suite)
    states = _cut_off(luck, clock.draw(luck, past.rates))
    covered = suite.scheduled() & _draw_covered(luck, suite, runs)
    return Scenario(
        kind=kind,
        runs=runs,
        suite=suite,
        rates=past.rates,
        code=past.code,
        states=np.where(covered, states, ABSENT),
        times=[FIRST_RUN + timedelta(hours=float(at)) for at in clock.hours],
        seed=drawn_from,
    )


def _draw_suite(rng: np.random.Generator, rows: int, *, uniform: bool) -> Suite:
    """30 to 500 evals; few blocks and few documents have most of them."""
    size = 100 if uniform else int(np.clip(np.exp(rng.normal(4.5, 0.8)), 30, 500))
    blocks = int(rng.integers(2, 13))
    heavy = 1 / np.arange(1, blocks + 1)
    documents = 1 / np.arange(1, max(3, int(size / rng.uniform(1, 6)))) ** 0.7
    document = rng.choice(len(documents), size, p=documents / documents.sum())
    if rng.random() < 0.5:
        spread = rng.uniform(1.2, 2.2)
        rate = np.exp(rng.normal(np.log(rng.uniform(0.003, 0.010)), spread, size))
    else:
        narrow, mean = rng.uniform(0.05, 0.3), rng.uniform(0.01, 0.05)
        rate = rng.beta(narrow, narrow * (1 / mean - 1), size)
    gap = (rng.random(size) < rng.uniform(0, 0.08)) & (not uniform)
    rate = np.where(gap, 1.0, np.full(size, 0.2) if uniform else np.clip(rate, 1e-5, 0.8))
    # Evals are saved, edited and thrown away a few at a time.
    moments = [np.zeros(size, dtype=np.int64) for _ in range(3)]
    for moment in moments:
        for row in np.flatnonzero(rng.random(rows) < (0 if uniform else 0.08)):
            if row > 0:
                moment[rng.choice(size, 1 + min(9, int(rng.pareto(1.5))), replace=False)] = row
    added, changed, removed = moments
    return Suite(
        rows=rows,
        blocks=blocks,
        block=rng.choice(blocks, size, p=heavy / heavy.sum()),
        document=np.where(rng.random(size) < 0.1, -1, document),
        rate=rate,
        gap=gap,
        document_luck=rng.uniform(0.2, 0.9),
        block_luck=rng.uniform(0, 0.4),
        edit_rate=rng.uniform(0.05, 0.5),
        added_at=added,
        removed_at=np.where(removed > added, removed, rows),
        changed_at=np.where(changed > added, changed, 0),
        changed_rate=np.where(rng.random(size) < 0.3, 0.97, rng.beta(0.2, 8, size)),
        changed_inputs=rng.random(size) < 0.4,
    )


class _Past:
    """What happened to the evals: edits without effect, and in long histories a slow drift."""

    def __init__(self, rng: np.random.Generator, suite: Suite, now: int) -> None:
        self.rng, self.suite, self.now = rng, suite, now
        self.rates = np.where(suite.redefined(), suite.changed_rate, suite.rate)
        self.code = np.zeros((suite.rows, suite.blocks), dtype=np.int64)

    def edit_by_the_way(self) -> None:
        """Edits, but not in run ``now``."""
        for row in range(1, self.suite.rows):
            if row != self.now and self.rng.random() < self.suite.edit_rate:
                here = self._some_blocks()
                self.code[row:, here] += 1
                self._shift(row, here)

    def _shift(self, row: int, here: Ints) -> None:
        """An edit changes the odds of one eval in eight a little, until its definition changes."""
        before = self.rates[row]
        odds = logit(np.clip(before, 1e-6, 1 - 1e-6)) + self.rng.normal(0, 0.5, before.size)
        after = np.clip(expit(odds), before - 0.1, before + 0.1)
        moved = np.isin(self.suite.block, here) & (self.rng.random(self.suite.size) < 0.125)
        moved &= (before < 0.3) & ~self.suite.gap
        later = np.arange(self.suite.rows)[:, None] >= row
        self.rates = np.where(later & (self.rates == before) & moved, after, self.rates)

    def _some_blocks(self) -> Ints:
        count = 1 + int(self.rng.random() < 0.3) + int(self.rng.random() < 0.1)
        known = self.rng.permutation(np.unique(self.suite.block))
        return known[:count]

    def drift_slowly(self) -> None:
        """One in twenty evals of a block gets worse over 4 to 10 runs, and stays so."""
        rng, suite, last = self.rng, self.suite, self.now - 3
        if last < 8 or rng.random() >= 0.25:
            return
        ramp = int(rng.integers(4, min(11, last)))
        start = int(rng.integers(1, last - ramp + 2))
        before = self.rates[start - 1]
        pool = np.isin(suite.block, self._some_blocks()[:1]) & (before <= 0.1) & ~suite.gap
        pool &= suite.scheduled()[start - 1 :].all(axis=0) & (suite.changed_at < start)
        evals = np.flatnonzero(pool)
        evals = rng.choice(evals, min(len(evals), max(1, round(0.05 * len(evals)))), replace=False)
        part = np.clip((np.arange(suite.rows) - start + 1) / (ramp + 1), 0, 1)[:, None]
        worse = rng.uniform(0.4, 0.9)
        drifted = (1 - part) * before[evals] + part * worse
        self.rates[:, evals] = np.where(part > 0, drifted, self.rates[:, evals])


class _Clock:
    """When runs are created, and what goes on at the provider meanwhile.

    Attributes:
        hours: When each run is created, in hours since the first.
    """

    def __init__(self, rng: np.random.Generator, suite: Suite) -> None:
        self.rng, self.suite = rng, suite
        self.hours = np.cumsum(np.clip(rng.lognormal(2, 1.3, suite.rows), 0.6, 200))
        self.bad = self._incidents(150)
        self.outages = self._incidents(250)

    def _incidents(self, every: float) -> list[tuple[float, float, Bools, float]]:
        """Begin, end, which evals, and how bad between 0 and 1; one in ``every`` hours."""
        end = self.hours[-1] + 5
        begins = self.rng.uniform(0, end, self.rng.poisson(end / every))
        return [
            (begin, begin + self.rng.lognormal(1, 1), self._draw_hit(), self.rng.random())
            for begin in begins.tolist()
        ]

    def _draw_hit(self) -> Bools:
        """All evals, or those of one block."""
        block = self.rng.choice(self.suite.block)
        return (self.suite.block == block) | (self.rng.random() < 0.5)

    def draw(self, rng: np.random.Generator, rates: Floats) -> Ints:
        """What each eval ends with in each run, an index into ``STATES``."""
        suite, shape, hours = self.suite, rates.shape, self.hours
        alone = np.where(suite.document < 0, suite.size + np.arange(suite.size), suite.document)
        by_document = rng.standard_t(4, (shape[0], 2 * suite.size))[:, alone]
        by_block = rng.standard_t(4, (shape[0], suite.blocks))[:, suite.block]
        odds = logit(rates) + suite.document_luck * by_document + suite.block_luck * by_block
        errors = np.full(shape, 0.002)
        for begin, end, hit, strength in self.bad:
            odds += 1.2 * (1 + strength) * (((begin <= hours) & (hours < end))[:, None] & hit)
        for begin, end, hit, strength in self.outages:
            errors += 0.9 * strength * (((begin <= hours) & (hours < end))[:, None] & hit)
        states = np.where(rng.random(shape) < expit(odds), FAILED, PASSED)
        shown = rng.random(shape) < 0.01
        states[(states == FAILED) & shown] = BLOCKED
        states[rng.random(shape) < errors] = ERROR
        states[rng.random(shape) < 0.001] = UNSCORED
        return states


def _cut_off(rng: np.random.Generator, states: Ints) -> Ints:
    """One run in thirty is cancelled on its way: what comes late in it is lost."""
    turn = rng.permutation(states.shape[1]) / states.shape[1]
    reached = np.where(rng.random(len(states)) < 1 / 30, rng.uniform(0.2, 1, len(states)), 1.0)
    return np.where(turn < reached[:, None], states, CANCELLED)


def _draw_covered(rng: np.random.Generator, suite: Suite, runs: int) -> Bools:
    """One earlier run in fifteen is of one block, or of a few evals that somebody named."""
    covered = np.ones((suite.rows, suite.size), dtype=bool)
    for row in range(1, runs):
        if rng.random() < 1 / 15:
            named = rng.random(suite.size) < rng.uniform(0.05, 0.3)
            covered[row] = named if rng.random() < 0.5 else suite.block == rng.choice(suite.block)
    return covered
