"""Simulated eval runs of a workflow, and what is true of them.

The library's model assumes rates on a grid that jump, shares of a block that jump together, and
hours that are bad for a block. This world is made otherwise: rates from Beta distributions, luck
that documents and blocks share, edits that move rates a little, incidents that start and end, runs
that somebody cancelled. ``simulate`` gives a ``Scenario``: frames as a user has them, and
``truth``, which nobody has.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from simulation import result_frames
from simulation.luck import draw_states
from simulation.population import Bools, Ints, Suite, draw_suite
from simulation.timeline import Timeline

KINDS = ("same", "benign", "edit", "drift", "past")
ABSENT = -1


@dataclass(frozen=True)
class Scenario:
    """A suite, run after run: ``runs`` earlier ones, the baseline, the candidate.

    Attributes:
        kind: What happens with the candidate: ``same`` (nothing), ``benign`` (one or two blocks
            are edited, without effect), ``edit`` (edited, and some evals break), ``drift`` (some
            evals of one block break on the same code); ``past``: it broke in any of the runs, by an
            edit or by drift, and was never mended.
        runs: How many runs there are before the baseline.
        suite: The evals.
        timeline: Edits and breaks.
        states: What each eval ended with, rows × evals; −1 where a run does not have it.
        seed: From which everything is drawn.
    """

    kind: str
    runs: int
    suite: Suite
    timeline: Timeline
    states: Ints
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
        times = result_frames.run_times(np.random.default_rng([*self.seed, 2]), self.suite.rows)
        versions = result_frames.name_versions(self.timeline.code)
        return result_frames.build_results(
            self._evals,
            result_frames.describe_runs(self.run_ids, times, versions),
            self.states,
            self.timeline.code[:, self.suite.block],
            result_frames.define(self.suite, self.suite.redefined()),
        )

    @functools.cached_property
    def _evals(self) -> pl.DataFrame:
        return result_frames.describe_evals(self.suite)

    @property
    def history(self) -> pl.DataFrame:
        """The results of the runs before the baseline; no rows where there is none."""
        return self.results.filter(pl.col("run_id").is_in(self.run_ids[: self.runs]))

    @property
    def baseline(self) -> pl.DataFrame:
        """The results of the run before the candidate's."""
        return self.results.filter(pl.col("run_id") == self.run_ids[self.runs])

    @property
    def candidate(self) -> pl.DataFrame:
        """The results of the newest run."""
        return self.results.filter(pl.col("run_id") == self.run_ids[self.candidate_row])

    def rerun(self, eval_ids: Iterable[str] | None, round_: int) -> pl.DataFrame:
        """Run some evals again on the candidate's code, each once.

        Luck, bad hours and errors are new in each round; what comes of an eval in a round does
        not depend on which others are asked for.

        Args:
            eval_ids: Which; all of the candidate's if None.
            round_: 1 for the first time, and so on: half an hour after the round before.

        Returns:
            A RESULTS frame of one new run, to be put below the candidate's.
        """
        row = self.candidate_row
        rng = np.random.default_rng([*self.seed, 3, round_])
        rates, blocked = self.timeline.rates()[[row]], self.timeline.blocked()[[row]]
        states = draw_states(rng, self.suite, rates, blocked)
        asked = self._evals["eval_id"].is_in(list(eval_ids)) if eval_ids is not None else True
        states = np.where((self.states[[row]] != ABSENT) & np.asarray(asked), states, ABSENT)
        newest = self.candidate.row(0, named=True)
        time = newest["run_created_at"] + timedelta(minutes=30 * round_)
        run_id = f"{newest['run_id']}_again_{round_}"
        return result_frames.build_results(
            self._evals,
            result_frames.describe_runs([run_id], [time], [newest["workflow_version_id"]]),
            states,
            self.timeline.code[[row]][:, self.suite.block],
            result_frames.define(self.suite, self.suite.redefined()[[row]]),
        )

    @functools.cached_property
    def truth(self) -> pl.DataFrame:
        """What is true of each eval: one row each.

        ``eval_id, block_id`` String · ``rate_before, rate_now`` Float64 (how often it fails, in
        the baseline's and in the candidate's run) · ``broken`` Boolean (broken now, and at some
        time not), ``broken_row`` Int64, ``since_run_id`` String, ``since_run_ids`` List(String)
        (from the run that broke it to the first that decided the eval: usually one), ``hard``
        Boolean, ``cause`` String (edit, drift), ``by_candidate`` Boolean (it broke after the
        baseline), ``knowable`` Boolean (something comparable was decided before it broke, and the
        candidate has it) · ``episodes`` Int64 (incidents of the past that were mended),
        ``mended`` Boolean (had one, and is not broken now), ``mended_row`` Int64 · ``fixed``
        Boolean (by the candidate's edit) · ``never_passes`` Boolean · ``changed`` String (inputs,
        expected), ``changed_row, added_row, removed_row`` Int64.
        """
        return _tell_truth(self)


def simulate(kind: str, runs: int, *, seed: Sequence[int], episodes: bool = False) -> Scenario:
    """Draw a suite and its runs.

    Args:
        kind: What happens, one of ``KINDS``.
        runs: How many runs come before the baseline.
        seed: Numbers that decide everything.
        episodes: Whether incidents of the past are among them; needs 20 runs.

    Raises:
        ValueError: The kind is not known, or there are too few runs for episodes.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    if episodes and runs < 20:
        raise ValueError(f"episodes need 20 earlier runs, not {runs}")
    drawn_from = (*seed, KINDS.index(kind), runs, int(episodes))
    rng = np.random.default_rng([*drawn_from, 0])
    suite = draw_suite(rng, runs + 2)
    timeline = Timeline(rng, suite)
    _happen(kind, timeline)
    timeline.edit_history()
    if episodes:
        timeline.add_episodes()
    luck = np.random.default_rng([*drawn_from, 1])
    states = draw_states(luck, suite, timeline.rates(), timeline.blocked())
    covered = suite.scheduled() & _draw_partial_runs(luck, suite)
    return Scenario(kind, runs, suite, timeline, np.where(covered, states, ABSENT), drawn_from)


def _happen(kind: str, timeline: Timeline) -> None:
    """What a kind of scenario is about."""
    rows, rng = timeline.suite.rows, timeline.rng
    blocks = timeline.draw_blocks()
    if kind == "benign":
        timeline.edit(rows - 1, blocks)
    if kind == "edit":
        timeline.break_blocks(blocks.tolist(), rows - 1, rows, "edit", most=0.25)
        timeline.mend_some(rows - 1, blocks)
    if kind == "drift":
        timeline.break_blocks(blocks[:1].tolist(), rows - 1, rows, "drift", most=0.6)
    if kind == "past":
        cause = "edit" if rng.random() < 0.7 else "drift"
        start = int(rng.integers(1, rows))
        timeline.break_blocks(blocks[:1].tolist(), start, rows, cause, most=0.3)


def _draw_partial_runs(rng: np.random.Generator, suite: Suite) -> Bools:
    """Which evals each run covers: one earlier run in twenty is of some blocks alone."""
    partial = rng.random(suite.rows) < 0.05
    partial[[0, -2, -1]] = False
    chosen = rng.random((suite.rows, suite.blocks)) < 0.5
    chosen[np.arange(suite.rows), rng.integers(suite.blocks, size=suite.rows)] = True
    return ~partial[:, None] | chosen[:, suite.block]


def _tell_truth(scenario: Scenario) -> pl.DataFrame:
    suite, timeline = scenario.suite, scenario.timeline
    rates = timeline.rates()
    lasting = _lasting_breaks(scenario)
    told = pl.DataFrame(
        {
            "eval_id": scenario._evals["eval_id"],
            "block_id": scenario._evals["block_id"],
            "rate_before": rates[-2],
            "rate_now": rates[-1],
            "never_passes": suite.gap & (rates[-1] == 1),
            "fixed": np.isin(np.arange(suite.size), timeline.fixed),
            "changed": np.where(suite.changed_inputs, "inputs", "expected"),
            "changed_row": suite.changed_at,
            "added_row": suite.added_at,
            "removed_row": suite.removed_at,
            **_ended_breaks(scenario),
            **lasting,
        }
    )
    return told.with_columns(
        broken=pl.col("broken_row").is_not_null(),
        by_candidate=(pl.col("broken_row") == scenario.candidate_row).fill_null(False),
        mended=(pl.col("episodes") > 0)
        & pl.col("broken_row").is_null()
        & (pl.col("removed_row") == suite.rows),
        changed=pl.when(pl.col("changed_row") > 0).then("changed"),
        changed_row=pl.when(pl.col("changed_row") > 0).then("changed_row"),
        added_row=pl.when(pl.col("added_row") > 0).then("added_row"),
        removed_row=pl.when(pl.col("removed_row") < suite.rows).then("removed_row"),
    )


def _ended_breaks(scenario: Scenario) -> dict[str, pl.Series]:
    """How many incidents of the past each eval had, and when the last was mended."""
    count = np.zeros(scenario.suite.size, dtype=np.int64)
    stop = np.zeros(scenario.suite.size, dtype=np.int64)
    for each in scenario.timeline.breaks:
        if each.stop < scenario.suite.rows:
            count[each.evals] += 1
            stop[each.evals] = np.maximum(stop[each.evals], each.stop)
    return {
        "episodes": pl.Series(count),
        "mended_row": pl.Series([int(at) if at else None for at in stop], dtype=pl.Int64),
    }


def _lasting_breaks(scenario: Scenario) -> dict[str, pl.Series]:
    """Since when, why and how hard each eval is broken now; null where it is not."""
    size = scenario.suite.size
    row: list[int | None] = [None] * size
    cause: list[str | None] = [None] * size
    hard: list[bool | None] = [None] * size
    for each in scenario.timeline.breaks:
        if each.stop == scenario.suite.rows:
            for at, is_hard in zip(each.evals.tolist(), each.hard.tolist(), strict=True):
                row[at], cause[at], hard[at] = each.start, each.cause, is_hard
    runs = [_runs_that_tell(scenario, at, row[at]) for at in range(size)]
    return {
        "broken_row": pl.Series(row, dtype=pl.Int64),
        "cause": pl.Series(cause, dtype=pl.String),
        "hard": pl.Series(hard, dtype=pl.Boolean),
        "since_run_ids": pl.Series(runs, dtype=pl.List(pl.String)),
        "since_run_id": pl.Series([each[0] if each else None for each in runs], dtype=pl.String),
        "knowable": pl.Series([_is_knowable(scenario, at, row[at]) for at in range(size)]),
    }


def _runs_that_tell(scenario: Scenario, at: int, start: int | None) -> list[str] | None:
    """The run that broke an eval and, where that did not decide it, those up to one that did."""
    if start is None:
        return None
    decided = np.isin(scenario.states[start:, at], result_frames.DECIDED)
    stop = int(np.argmax(decided)) if decided.any() else len(decided) - 1
    return scenario.run_ids[start : start + stop + 1]


def _is_knowable(scenario: Scenario, at: int, start: int | None) -> bool:
    """Whether some result could tell that an eval broke; False where it did not."""
    if start is None or scenario.states[-1, at] == ABSENT:
        return False
    defined = scenario.suite.changed_at[at]
    return bool(np.isin(scenario.states[defined:start, at], result_frames.DECIDED).any())
