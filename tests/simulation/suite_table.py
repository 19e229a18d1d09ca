"""Prints how often the suite's statistics are right: ``python tests/simulation/suite_table.py``.

``--tries`` suites a design (200), ``--seed`` (1), ``--part`` (``power``, ``level`` or ``cover``)
to print only one of the tables, which are Markdown:

- how often a fall of the size that is called detectable is found, by test and interval;
- how often something is found where nothing changed, at the first, second and fifth look, after an
  edit without effect (only the runs before it count) and without one (all runs count);
- how often the interval holds the true change.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.inside import OutcomeTable, SuiteChange, cluster_interval, suite_change

ALPHA = 0.05
RUNS = (1, 3, 10, 30)
LOOKS = (1, 2, 5)
SIZES = (30, 80, 200, 500)
PARTS = ("power", "level", "cover")


@dataclass(frozen=True)
class World:
    """Evals whose failing rates are from a Beta distribution, and what they have in common.

    Documents of several evals have a good or a bad day in each run; a bad hour raises the log odds
    of failing by 3 in a whole run.
    """

    n: int
    per_document: int
    failing: float
    bad_hours: float = 0.0

    @property
    def clusters(self) -> np.ndarray:
        return np.arange(self.n) // self.per_document

    def draw_odds(self, dice: np.random.Generator) -> np.ndarray:
        """The log odds of failing of each eval."""
        rates = dice.beta(1.5 * self.failing, 1.5 * (1 - self.failing), self.n).clip(1e-4, 0.999)
        return np.log(rates / (1 - rates))

    def draw_rates(self, dice: np.random.Generator, odds: np.ndarray, runs: int) -> np.ndarray:
        """The pass rate of each eval in each run."""
        days = dice.normal(0, self.per_document > 1, (self.clusters[-1] + 1, runs))
        hours = 3 * (dice.random(runs) < self.bad_hours)
        return 1 / (1 + np.exp(odds[:, None] + days[self.clusters] + hours))


def hold(passes: np.ndarray, world: World, counted: int) -> SuiteChange:
    """The last of some runs against the first ``counted``."""
    last = passes.shape[1] - 1
    is_after = np.arange(last + 1) == last
    outcomes = np.broadcast_to(is_after | (np.arange(last + 1) < counted), passes.shape).astype(int)
    return suite_change(OutcomeTable(passes * outcomes, outcomes, is_after), world.clusters, ALPHA)


def is_found(change: SuiteChange) -> bool:
    """Whether test and interval both say that something changed."""
    if change.p_value is None or change.low is None or change.high is None:
        return False
    return change.p_value <= ALPHA and (change.low > 0 or change.high < 0)


def power_rows(tries: int, seed: int) -> Iterator[list[str]]:
    """How often the fall that each history calls detectable is found."""
    designs = itertools.product((40, 100, 300), (1, 5), (0.005, 0.05, 0.2))
    for at, (n, per_document, failing) in enumerate(designs):
        world = World(n, per_document, failing)
        row = [f"{n} evals, {per_document} a document, {failing:.1%} fail"]
        for runs in RUNS:
            dice, falls, found = np.random.default_rng([seed, at, runs]), [], 0
            for _ in range(tries):
                rates = world.draw_rates(dice, world.draw_odds(dice), runs + 1)
                passes = (dice.random(rates.shape) < rates).astype(int)
                fall = hold(passes, world, runs).detectable
                if fall is None:
                    continue
                passes[:, -1] &= dice.random(n) >= fall / rates[:, -1].mean()
                change = hold(passes, world, runs)
                falls.append(fall)
                found += is_found(change) and (change.delta or 0) < 0
            size = f"{np.mean(falls):.3f}: {found / len(falls):.2f}" if falls else "–"
            row.append(f"{size} ({len(falls)})" if len(falls) < tries else size)
        yield row


def level_rows(tries: int, seed: int) -> Iterator[list[str]]:
    """How often the test alone, and test and interval, find what is not there."""
    worlds = (
        World(76, 1, 0.05),
        World(76, 4, 0.15),
        World(150, 5, 0.1, bad_hours=0.02),
        World(60, 4, 0.1, bad_hours=0.04),
    )
    for at, (world, look, edited) in enumerate(itertools.product(worlds, LOOKS, (True, False))):
        row = [
            f"{world.n} evals, {world.per_document} a document, {world.failing:.0%} fail, "
            f"{world.bad_hours:.0%} bad hours, look {look}, {'edit' if edited else 'no edit'}"
        ]
        for runs in RUNS:
            dice, hits = np.random.default_rng([seed, 1000 + at, runs]), np.zeros(2)
            for _ in range(tries):
                rates = world.draw_rates(dice, world.draw_odds(dice), runs + look)
                passes = (dice.random(rates.shape) < rates).astype(int)
                change = hold(passes, world, runs if edited else runs + look - 1)
                hits += ((change.p_value or 1) <= ALPHA, is_found(change))
            row.append(" / ".join(f"{each:.3f}" for each in hits / tries))
        yield row


def cover_rows(tries: int, seed: int) -> Iterator[list[str]]:
    """How often the interval of one run against one holds the change of the expected rates."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    designs = itertools.product((1, 6, 10), (0.035, 0.1, 0.27), (0.0, 0.05, 0.1))
    for at, (per_document, failing, broken) in enumerate(designs):
        row = [f"{per_document} a document, {failing:.1%} fail, {broken:.0%} broken"]
        for n in SIZES:
            world, dice = World(n, per_document, failing), np.random.default_rng([seed, at, n])
            covered = 0
            for _ in range(tries):
                before = world.draw_odds(dice)
                after = before + 4 * (dice.random(n) < broken)
                spread = nodes * (per_document > 1)
                true = [
                    float((1 / (1 + np.exp(odds[:, None] + spread)) @ weights).mean())
                    for odds in (before, after)
                ]
                drawn = [
                    dice.random(n) < world.draw_rates(dice, odds, 1)[:, 0]
                    for odds in (before, after)
                ]
                low, high = cluster_interval(
                    drawn[1].astype(float) - drawn[0], world.clusters, ALPHA
                ) or (-1, 1)
                covered += low <= (true[1] - true[0]) / weights.sum() <= high
            row.append(f"{covered / tries:.3f}")
        yield row


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, for the arguments of a command line."""
    parser = argparse.ArgumentParser(description="How often the suite's statistics are right.")
    parser.add_argument("--tries", type=int, default=200, help="simulated suites a design")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other suites")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this table")
    given = parser.parse_args(arguments)
    heads = {
        "power": ("detectable fall: found, after so many runs", RUNS, power_rows),
        "level": (
            "nothing changed: test / test and interval, after so many runs",
            RUNS,
            level_rows,
        ),
        "cover": (
            "the interval holds the change, of so many evals",
            (30, 80, 200, 500),
            cover_rows,
        ),
    }
    for part in given.part or PARTS:
        title, columns, rows = heads[part]
        lines = itertools.chain(
            ([title, *map(str, columns)], ["---"] * (len(columns) + 1)),
            rows(given.tries, given.seed),
        )
        for cells in lines:
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
