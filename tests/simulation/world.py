"""Simulated eval runs of a workflow, and what is true of them.

The library's model assumes rates on a grid that jump, shares of a block that jump together, and
hours that are bad for a block. This world is made otherwise: rates from Beta distributions, luck
that documents and blocks share, edits that move rates a little, incidents that start and end, runs
that somebody cancelled. ``heavy.py`` has a second world, with other laws.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from simulation import result_frames
from simulation.luck import draw_bad_hours, draw_states
from simulation.population import Bools, Floats, Ints, Suite, draw_suite
from simulation.timeline import Timeline, break_rates, find_blocked

KINDS = ("same", "benign", "edit", "drift", "past")
MORE_KINDS = (*KINDS, "uniform")
ABSENT = -1


@dataclass(frozen=True)
class Scenario:
    """A suite, run after run: ``runs`` earlier ones, the baseline, the candidate, later looks.

    Attributes:
        kind: What happens with the candidate: ``same`` (nothing), ``benign`` (one or two blocks
            are edited, without effect), ``edit`` (some evals of them break), ``drift`` (some evals
            of a block break on the same code), ``past`` (some broke in any of the runs),
            ``uniform`` (nothing, and each of 100 evals fails one time in five).
        runs: How many runs there are before the baseline.
        suite: The evals.
        rates: How often each eval fails in each run, ``rows × evals``.
        code: How often a block had been edited by then, ``rows × blocks``.
        states: What each eval ended with, rows × evals; −1 where a run does not have it.
        times: When each run was created.
        seed: From which everything is drawn.
    """

    kind: str
    runs: int
    suite: Suite
    rates: Floats
    code: Ints
    states: Ints
    times: Sequence[datetime]
    seed: tuple[int, ...]

    @property
    def candidate_row(self) -> int:
        """The index of the candidate's run; the baseline's is one less."""
        return self.runs + 1

    @functools.cached_property
    def run_ids(self) -> list[str]:
        """The runs' ids, oldest first."""
        return [f"run_{row:04d}" for row in range(self.suite.rows)]

    @functools.cached_property
    def results(self) -> pl.DataFrame:
        """All results, oldest run first: a RESULTS frame."""
        versions = result_frames.name_versions(self.code)
        return result_frames.build_results(
            self._evals,
            result_frames.describe_runs(self.run_ids, list(self.times), versions),
            self.states,
            self.code[:, self.suite.block],
            result_frames.define(self.suite, self.suite.redefined()),
        )

    @functools.cached_property
    def _evals(self) -> pl.DataFrame:
        return result_frames.describe_evals(self.suite)

    def of_rows(self, start: int, stop: int) -> pl.DataFrame:
        """The results of some runs; no rows where there are none."""
        return self.results.filter(pl.col("run_id").is_in(self.run_ids[start:stop]))

    @functools.cached_property
    def history(self) -> pl.DataFrame:
        """The results of the runs before the baseline."""
        return self.of_rows(0, self.runs)

    @functools.cached_property
    def baseline(self) -> pl.DataFrame:
        """The results of the run before the candidate's."""
        return self.of_rows(self.runs, self.runs + 1)

    @functools.cached_property
    def candidate(self) -> pl.DataFrame:
        """The results of the run in which it happens, whatever it is."""
        return self.of_rows(self.runs + 1, self.runs + 2)

    @property
    def eval_ids(self) -> list[str]:
        """The evals' ids, in the suite's order."""
        return self._evals["eval_id"].to_list()


def simulate(
    kind: str,
    runs: int,
    *,
    seed: Sequence[int],
    episodes: bool = False,
    looks: int = 1,
) -> Scenario:
    """Draw a suite and its runs.

    Args:
        kind: What happens, one of ``MORE_KINDS``.
        runs: How many runs come before the baseline.
        seed: Numbers that decide everything.
        episodes: Whether incidents of the past are among them; needs 20 runs.
        looks: How many runs there are from the candidate on, if nothing more happens.

    Raises:
        ValueError: The kind is not known, or there are too few runs for episodes.
    """
    if kind not in MORE_KINDS:
        raise ValueError(f"kind is one of {', '.join(MORE_KINDS)}, not {kind!r}")
    if episodes and runs < 20:
        raise ValueError(f"episodes need 20 earlier runs, not {runs}")
    drawn_from = (*seed, MORE_KINDS.index(kind), runs, int(episodes))
    rng = np.random.default_rng([*drawn_from, 0])
    suite = draw_suite(rng, runs + 1 + looks, uniform=kind == "uniform")
    timeline = Timeline(rng, suite)
    _happen(kind, timeline, runs + 1)
    timeline.edit_history(suite.rows - 1)
    if episodes:
        timeline.add_episodes()
    luck = np.random.default_rng([*drawn_from, 1])
    rates = break_rates(timeline.base, timeline.breaks)
    blocked = find_blocked(rates, timeline.breaks)
    states = draw_states(luck, suite, rates, blocked, draw_bad_hours(luck, suite))
    covered = suite.scheduled() & _draw_partial_runs(luck, suite, runs)

    return Scenario(
        kind=kind,
        runs=runs,
        suite=suite,
        rates=rates,
        code=timeline.code,
        states=np.where(covered, states, ABSENT),
        times=result_frames.run_times(np.random.default_rng([*drawn_from, 2]), suite.rows),
        seed=drawn_from,
    )


def _happen(kind: str, timeline: Timeline, at: int) -> None:
    """What a kind of scenario is about, in run ``at``."""
    rows, rng = timeline.suite.rows, timeline.rng
    blocks = timeline.draw_blocks()
    if kind == "benign":
        timeline.edit(at, blocks)
    if kind == "edit":
        timeline.break_blocks(blocks.tolist(), at, rows, "edit", most=0.25)
        timeline.mend_some(at, blocks)
    if kind == "drift":
        timeline.break_blocks(blocks[:1].tolist(), at, rows, "drift", most=0.6)
    if kind == "past":
        cause = "edit" if rng.random() < 0.7 else "drift"
        start = int(rng.integers(1, rows))
        timeline.break_blocks(blocks[:1].tolist(), start, rows, cause, most=0.3)


def _draw_partial_runs(rng: np.random.Generator, suite: Suite, runs: int) -> Bools:
    """Which evals each run covers: one earlier run in twenty is of some blocks alone."""
    partial = rng.random(suite.rows) < 0.05
    partial[[0, *range(runs, suite.rows)]] = False
    chosen = rng.random((suite.rows, suite.blocks)) < 0.5
    chosen[np.arange(suite.rows), rng.integers(suite.blocks, size=suite.rows)] = True
    return ~partial[:, None] | chosen[:, suite.block]
