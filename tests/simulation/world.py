"""Simulated eval runs of a workflow, and what is true of them.

The library's model assumes rates on a grid that jump, shares of a block that jump together, and
hours that are bad for a block. This world is made otherwise: rates from Beta distributions, luck
that documents and blocks share, edits that move rates a little, incidents that start and end, runs
that somebody cancelled. ``simulate`` gives a ``Scenario``: frames as a user has them, and
``truth``, which nobody has. ``heavy.py`` has a second world, with other laws.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from simulation import result_frames
from simulation.luck import draw_bad_hours, draw_hour, draw_states
from simulation.population import Bools, Floats, Ints, Suite, draw_suite
from simulation.timeline import Break, Timeline, break_rates, find_blocked

KINDS = ("same", "benign", "edit", "drift", "past")
MORE_KINDS = (*KINDS, "hour", "uniform")
ABSENT = -1
RERUN_AFTER = timedelta(minutes=5)
"""How long after the round before, or the candidate, a round of reruns begins."""


@dataclass(frozen=True)
class Scenario:
    """A suite, run after run: ``runs`` earlier ones, the baseline, the candidate, later looks.

    Attributes:
        kind: What happens with the candidate: ``same`` (nothing), ``benign`` (one or two blocks
            are edited, without effect), ``edit`` (edited, and some evals break), ``drift`` (some
            evals of one block break on the same code), ``upgrade`` (a few of many blocks break);
            ``past``: it broke in any of the runs, by an edit or by drift, and was never mended;
            ``hour``: nothing changed, but the candidate and its reruns are of a bad hour;
            ``uniform``: nothing changed, and each of 100 evals fails one time in five.
        runs: How many runs there are before the baseline.
        suite: The evals.
        rates: How often each eval fails in each run, ``rows × evals``.
        code: How often a block had been edited by then, ``rows × blocks``.
        breaks: What broke.
        states: What each eval ended with, rows × evals; −1 where a run does not have it.
        times: When each run was created.
        seed: From which everything is drawn.
        draw_again: What all evals would end with if they ran again at some time.
    """

    kind: str
    runs: int
    suite: Suite
    rates: Floats
    code: Ints
    breaks: Sequence[Break]
    states: Ints
    times: Sequence[datetime]
    seed: tuple[int, ...]
    draw_again: Callable[[np.random.Generator, datetime], Ints]

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

    def rerun(self, eval_ids: Iterable[str] | None, round_: int) -> pl.DataFrame:
        """Run some evals again on the candidate's code, each once, minutes after it.

        Luck and errors are new in each round, a bad hour is not; what comes of an eval in a round
        does not depend on which others are asked for.

        Args:
            eval_ids: Which; all of the candidate's if None.
            round_: 1 for the first time, and so on: five minutes after the round before.

        Returns:
            A RESULTS frame, to be put below the candidate's: a run of its own for each eval, as
            ``settle`` starts them.
        """
        row = self.candidate_row
        time = self.times[row] + RERUN_AFTER * round_
        states = self.draw_again(np.random.default_rng([*self.seed, 3, round_]), time)
        asked = self._evals["eval_id"].is_in(list(eval_ids)) if eval_ids is not None else True
        states = np.where((self.states[[row]] != ABSENT) & np.asarray(asked), states, ABSENT)
        run_id = f"{self.run_ids[row]}_again_{round_}"
        version = result_frames.name_versions(self.code)[row]
        results = result_frames.build_results(
            self._evals,
            result_frames.describe_runs([run_id], [time], [version]),
            states,
            self.code[[row]][:, self.suite.block],
            result_frames.define(self.suite, self.suite.redefined()[[row]]),
        )
        return results.with_columns(run_id=pl.format("{}_{}", "run_id", "eval_id"))

    @functools.cached_property
    def truth(self) -> pl.DataFrame:
        """What is true of each eval: one row each.

        ``eval_id, block_id`` String · ``rate_before, rate_now`` Float64 (how often it fails, in
        the baseline's and in the candidate's run) · ``broken`` Boolean (broken now, and at some
        time not), ``broken_row`` Int64, ``since_run_id`` String, ``since_run_ids`` List(String)
        (from the run that broke it to the first that decided the eval: usually one), ``hard``
        Boolean, ``cause`` String (edit, drift), ``by_candidate`` Boolean (it broke after the
        baseline), ``knowable`` Boolean (something comparable was decided before it broke, and the
        candidate has it) · ``mended`` Boolean (had incidents, and is not broken now).
        """
        return _tell_truth(self)


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
    """Draw a suite and its runs.

    Args:
        kind: What happens, one of ``MORE_KINDS``.
        runs: How many runs come before the baseline.
        seed: Numbers that decide everything.
        episodes: Whether incidents of the past are among them; needs 20 runs.
        looks: How many runs there are from the candidate on, if nothing more happens.
        level: How often what breaks fails from then on; None for all sorts.
        edits: Whether blocks are edited, without effect, also after the candidate.

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
    _happen(kind, timeline, runs + 1, level)
    timeline.edit_history(suite.rows - 1 if edits or looks == 1 else runs + 1)
    if episodes:
        timeline.add_episodes()
    luck = np.random.default_rng([*drawn_from, 1])
    rates = break_rates(timeline.base, timeline.breaks)
    blocked = find_blocked(rates, timeline.breaks)
    hours = draw_bad_hours(luck, suite)
    if kind == "hour":
        hours[runs + 1] = draw_hour(rng, suite)
    states = draw_states(luck, suite, rates, blocked, hours)
    covered = suite.scheduled() & _draw_partial_runs(luck, suite, runs)

    def draw_again(rng: np.random.Generator, time: datetime) -> Ints:
        now = [runs + 1]
        return draw_states(rng, suite, rates[now], blocked[now], hours[now])

    return Scenario(
        kind=kind,
        runs=runs,
        suite=suite,
        rates=rates,
        code=timeline.code,
        breaks=timeline.breaks,
        states=np.where(covered, states, ABSENT),
        times=result_frames.run_times(np.random.default_rng([*drawn_from, 2]), suite.rows),
        seed=drawn_from,
        draw_again=draw_again,
    )


def _happen(kind: str, timeline: Timeline, at: int, level: float | None) -> None:
    """What a kind of scenario is about, in run ``at``."""
    rows, rng = timeline.suite.rows, timeline.rng
    blocks = timeline.draw_blocks()
    if kind == "benign":
        timeline.edit(at, blocks)
    if kind == "edit":
        timeline.break_blocks(blocks.tolist(), at, rows, "edit", most=0.25, level=level)
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


def _tell_truth(scenario: Scenario) -> pl.DataFrame:
    suite, at = scenario.suite, scenario.candidate_row
    mended = np.zeros(suite.size, dtype=bool)
    for each in scenario.breaks:
        if each.stop < suite.rows:
            mended[each.evals] = True
    told = pl.DataFrame(
        {
            "eval_id": scenario._evals["eval_id"],
            "block_id": scenario._evals["block_id"],
            "rate_before": scenario.rates[at - 1],
            "rate_now": scenario.rates[at],
            "mended": mended & (suite.removed_at == suite.rows),
            **_lasting_breaks(scenario),
        }
    )
    return told.with_columns(
        broken=pl.col("broken_row").is_not_null(),
        by_candidate=(pl.col("broken_row") == at).fill_null(False),
        mended=pl.col("mended") & pl.col("broken_row").is_null(),
    )


def _lasting_breaks(scenario: Scenario) -> dict[str, pl.Series]:
    """Since when, why and how hard each eval is broken now; null where it is not."""
    size = scenario.suite.size
    row: list[int | None] = [None] * size
    cause: list[str | None] = [None] * size
    hard: list[bool | None] = [None] * size
    ramp = [0] * size
    for each in scenario.breaks:
        if each.stop == scenario.suite.rows:
            for at, is_hard in zip(each.evals.tolist(), each.hard.tolist(), strict=True):
                row[at], cause[at], hard[at] = each.start, each.cause, is_hard
                ramp[at] = each.ramp
    runs = [_runs_that_tell(scenario, at, row[at], ramp[at]) for at in range(size)]
    return {
        "broken_row": pl.Series(row, dtype=pl.Int64),
        "cause": pl.Series(cause, dtype=pl.String),
        "hard": pl.Series(hard, dtype=pl.Boolean),
        "since_run_ids": pl.Series(runs, dtype=pl.List(pl.String)),
        "since_run_id": pl.Series([each[0] if each else None for each in runs], dtype=pl.String),
        "knowable": pl.Series([_is_knowable(scenario, at, row[at]) for at in range(size)]),
    }


def _runs_that_tell(scenario: Scenario, at: int, start: int | None, ramp: int) -> list[str] | None:
    """The run that broke an eval and, where that did not decide it, those up to one that did.

    What got worse slowly did so in all the runs of its ``ramp``.
    """
    if start is None:
        return None
    decided = np.isin(scenario.states[start:, at], result_frames.DECIDED)
    stop = max(ramp, int(np.argmax(decided)) if decided.any() else len(decided) - 1)
    return scenario.run_ids[start : start + stop + 1]


def _is_knowable(scenario: Scenario, at: int, start: int | None) -> bool:
    """Whether some result could tell that an eval broke; False where it did not."""
    if start is None or scenario.states[scenario.candidate_row, at] == ABSENT:
        return False
    defined = scenario.suite.changed_at[at]
    return bool(np.isin(scenario.states[defined:start, at], result_frames.DECIDED).any())
