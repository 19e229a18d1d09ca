"""A second world, with heavy tails, made anew from what is promised and not from the first one.

Most evals hardly ever fail and a few often do; documents and blocks multiply a run's odds, by
factors with heavy tails; bad hours and outages begin and end on the clock, so that reruns minutes
later meet them too; what breaks fails always, at 0.6, or at 0.3; an upgrade of the provider breaks
a few evals of nearly every block; some evals get worse slowly. How often all this happens was
chosen with the naive rule alone, near the figures that it has in the first world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from scipy.special import expit, logit

from simulation.luck import BLOCKED, CANCELLED, ERROR, FAILED, PASSED, UNSCORED
from simulation.population import Bools, Floats, Ints, Suite
from simulation.result_frames import FIRST_RUN
from simulation.timeline import Break, break_rates, find_blocked
from simulation.world import ABSENT, MORE_KINDS, Scenario

KINDS = (*MORE_KINDS, "upgrade")
LEVELS, OFTEN = (1.0, 0.6, 0.3), (0.8, 0.12, 0.08)


def simulate(
    kind: str,
    runs: int,
    *,
    seed: Sequence[int],
    episodes: bool = False,
    looks: int = 1,
    level: float | None = None,
    edits: bool = True,
) -> Scenario:
    """Draw a suite and its runs; the arguments are those of the first world."""
    drawn_from = (2, *seed, KINDS.index(kind), runs, int(episodes))
    rng = np.random.default_rng([*drawn_from, 0])
    suite = _draw_suite(rng, runs + 1 + looks, uniform=kind == "uniform")
    past = _Past(rng, suite, runs + 1)
    past.happen(kind, level)
    past.fill_history(episodes)
    past.edit_by_the_way(suite.rows if edits else runs + 2)
    luck = np.random.default_rng([*drawn_from, 1])
    clock = _Clock(luck, suite)
    if kind == "hour":
        clock.stay_bad_from(clock.hours[runs + 1] - 0.3)
    rates = break_rates(past.base, past.breaks)
    blocked = find_blocked(rates, past.breaks)
    states = _cut_off(luck, clock.draw(luck, rates, blocked, clock.hours))
    covered = suite.scheduled() & _draw_covered(luck, suite, runs)

    def draw_again(rng: np.random.Generator, time: datetime) -> Ints:
        hours = np.array([(time - FIRST_RUN) / timedelta(hours=1)])
        return clock.draw(rng, rates[[runs + 1]], blocked[[runs + 1]], hours)

    return Scenario(
        kind=kind,
        runs=runs,
        suite=suite,
        rates=rates,
        code=past.code,
        breaks=past.breaks,
        states=np.where(covered, states, ABSENT),
        times=[FIRST_RUN + timedelta(hours=float(at)) for at in clock.hours],
        seed=drawn_from,
        draw_again=draw_again,
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


@dataclass
class _Past:
    """What happened to the evals up to now, and in run ``now``."""

    rng: np.random.Generator
    suite: Suite
    now: int
    breaks: list[Break] = field(default_factory=list)

    def __post_init__(self) -> None:
        suite = self.suite
        self.base = np.where(suite.redefined(), suite.changed_rate, suite.rate)
        self.code = np.zeros((suite.rows, suite.blocks), dtype=np.int64)
        self.busy = ~suite.scheduled()

    def happen(self, kind: str, level: float | None) -> None:
        """What a kind of scenario is about."""
        rng, rows, here = self.rng, self.suite.rows, self._some_blocks()
        if kind in ("benign", "edit"):
            self.code[self.now :, here] += 1
            self._shift(self.now, here)
        if kind == "edit":
            self._break(self._few_of(here, self.now, rows), self.now, rows, "edit", level)
            gaps = np.flatnonzero(self.suite.gap & np.isin(self.suite.block, here))
            self.base[self.now :, gaps[: int(3 * rng.random() ** 3)]] = 0.02
        if kind == "drift":
            share = rng.uniform(0.15, 0.6)
            self._break(self._share_of(here[:1], self.now, rows, share), self.now, rows, "drift")
        if kind == "upgrade":
            most = np.flatnonzero(rng.random(self.suite.blocks) < 0.85)
            share = rng.uniform(0.02, 0.08)
            self._break(self._share_of(most, self.now, rows, share), self.now, rows, "drift")
        if kind == "past":
            self._incident(int(rng.integers(1, rows)), rows)

    def fill_history(self, episodes: bool) -> None:
        """Slow drifts in long histories; incidents, of which one in eight was never mended."""
        rng, rows, last = self.rng, self.suite.rows, self.now - 3
        if last >= 8 and rng.random() < 0.25:
            ramp = int(rng.integers(4, min(11, last)))
            start = int(rng.integers(1, last - ramp + 2))
            evals = self._share_of(self._some_blocks()[:1], start, rows, 0.05)
            self._break(evals, start, rows, "drift", float(rng.uniform(0.4, 0.9)), ramp)
        for _ in range(rng.poisson(self.now / 18) if episodes else 0):
            start = int(rng.integers(1, last - 2))
            stop = min(start + 2 + int(rng.geometric(0.15)), last)
            self._incident(start, rows if rng.random() < 0.125 else stop)

    def _incident(self, start: int, stop: int) -> None:
        here = self._some_blocks()[:1]
        if self.rng.random() < 0.6:
            # An edit breaks it, and mostly another one mends it.
            self.code[start:, here] += 1
            self.code[stop:, here] += 1
            self._break(self._few_of(here, start, stop), start, stop, "edit")
        else:
            share = self.rng.uniform(0.15, 0.5)
            self._break(self._share_of(here, start, stop, share), start, stop, "drift")

    def edit_by_the_way(self, stop: int) -> None:
        """Edits without effect, before run ``stop`` and not in run ``now``."""
        for row in range(1, stop):
            if row != self.now and self.rng.random() < self.suite.edit_rate:
                here = self._some_blocks()
                self.code[row:, here] += 1
                self._shift(row, here)

    def _shift(self, row: int, here: Ints) -> None:
        """An edit changes the odds of one eval in eight a little, until its definition changes."""
        before = self.base[row]
        odds = logit(np.clip(before, 1e-6, 1 - 1e-6)) + self.rng.normal(0, 0.5, before.size)
        after = np.clip(expit(odds), before - 0.1, before + 0.1)
        moved = np.isin(self.suite.block, here) & (self.rng.random(self.suite.size) < 0.125)
        moved &= (before < 0.3) & ~self.suite.gap
        later = np.arange(self.suite.rows)[:, None] >= row
        same = later & (self.base == before)
        self.base = np.where(same & moved, after, self.base)

    def _some_blocks(self) -> Ints:
        count = 1 + int(self.rng.random() < 0.3) + int(self.rng.random() < 0.1)
        known = self.rng.permutation(np.unique(self.suite.block))
        return known[:count]

    def _pool(self, here: Ints, start: int, stop: int) -> Ints:
        """Evals that mostly pass, are there all the time and have no other break around it."""
        suite = self.suite
        free = ~self.busy[max(start - 2, 0) : stop].any(axis=0) & (suite.removed_at == suite.rows)
        free &= (self.base[start - 1] <= 0.1) & (suite.changed_at < start) & ~suite.gap
        return np.flatnonzero(free & np.isin(suite.block, here))

    def _few_of(self, here: Ints, start: int, stop: int) -> Ints:
        """Mostly a corner of each block, at times half of it; one time in three by documents."""
        found: list[int] = []
        for block in here:
            pool = self._pool(np.array([block]), start, stop)
            count = min(1 + int(2 * self.rng.pareto(1.1)), (len(pool) + 1) // 2)
            order = self.rng.permutation(len(pool))
            if self.rng.random() < 0.33:
                place = self.rng.permutation(self.suite.size)
                order = np.argsort(place[self.suite.document[pool]])
            found += pool[order][:count].tolist()
        return np.array(found, dtype=np.int64)

    def _share_of(self, here: Ints, start: int, stop: int, share: float) -> Ints:
        pool = self._pool(here, start, stop)
        return self.rng.choice(pool, min(len(pool), max(1, round(share * len(pool)))), False)

    def _break(
        self,
        evals: Ints,
        start: int,
        stop: int,
        cause: str,
        level: float | None = None,
        ramp: int = 0,
    ) -> None:
        levels = self.rng.choice(LEVELS, len(evals), p=OFTEN)
        rates = np.clip(levels - self.rng.exponential(0.02, len(evals)), 0.25, 1)
        if level is not None:
            rates = np.full(len(evals), level)
        blocked = bool(self.rng.random() < 0.15)
        self.breaks.append(Break(evals, start, stop, cause, rates >= 0.9, rates, blocked, ramp))
        self.busy[start:stop, evals] = True


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

    def stay_bad_from(self, hour: float) -> None:
        """A bad hour that lasts for one to four."""
        self.bad = [(hour, hour + self.rng.uniform(1, 4), self._draw_hit(), self.rng.random())]

    def draw(self, rng: np.random.Generator, rates: Floats, blocked: Bools, hours: Floats) -> Ints:
        """What each eval ends with in runs at some hours, an index into ``STATES``."""
        suite, shape = self.suite, rates.shape
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
        shown = rng.random(shape) < np.where(blocked, 0.9, 0.01)
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
