"""What the answers of a rule are worth, when the truth is known.

Each tally adds up many suites; a figure is a share of all evals (or suites) of a cell together,
not a mean of shares, and NaN where there was nothing to count.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from simulation.population import Floats
from simulation.rules import JUDGED, Answer, Blame, Rule
from simulation.world import Scenario, simulate

ALPHA = 0.05
ROUNDS = 4
# An eval that fails more often than this is rightly called flaky after an incident too.
SELDOM = 0.03


def share(part: float, whole: float) -> float:
    """``part / whole``; NaN where the whole is 0."""
    return part / whole if whole else math.nan


@dataclass
class Calibration:
    """The probabilities given and what came true, in tenths: [0, .1), [.1, .2) … [.9, 1]."""

    cases: Floats = field(default_factory=lambda: np.zeros(10))
    said: Floats = field(default_factory=lambda: np.zeros(10))
    true: Floats = field(default_factory=lambda: np.zeros(10))

    def add(self, answer: Answer, broken: set[str]) -> None:
        """Count every eval that has a probability; true is what broke after the baseline."""
        for eval_id, probability in answer.probability.items():
            tenth = min(int(probability * 10), 9)
            self.cases[tenth] += 1
            self.said[tenth] += probability
            self.true[tenth] += eval_id in broken

    def merge(self, other: Calibration) -> None:
        """Add what another one counted."""
        self.cases += other.cases
        self.said += other.said
        self.true += other.true

    def table(self, least: int = 1) -> pl.DataFrame:
        """Each tenth with ``least`` cases: ``tenth, cases, said, true, off`` (said − true)."""
        tenths = np.flatnonzero(self.cases >= least)
        cases = self.cases[tenths]
        said, true = self.said[tenths] / cases, self.true[tenths] / cases
        return pl.DataFrame(
            {"tenth": tenths, "cases": cases, "said": said, "true": true, "off": said - true}
        )


@dataclass
class Tally:
    """What one rule said of many candidates of one kind.

    *Planted* are the evals that broke after the baseline and that somebody could know of: they
    were decided at least once before in their present definition, and the candidate has them. An
    eval that ends in an error there counts as planted. Everything else that a rule calls is a false
    alarm: flaky evals, evals that broke before the baseline, changed and added ones.
    """

    suites: int = 0
    alarms: int = 0
    red: int = 0
    planted: int = 0
    planted_soft: int = 0
    found: int = 0
    found_soft: int = 0
    caught: int = 0
    hit: int = 0
    reruns: int = 0
    worse: int = 0
    better: int = 0
    verdicts: Counter[str | None] = field(default_factory=Counter)
    calibration: Calibration = field(default_factory=Calibration)

    def add(self, answer: Answer, truth: pl.DataFrame, reruns: int = 0) -> None:
        """Count one suite; ``reruns`` is how many single evals were run again for the answer."""
        hits = truth.filter("by_candidate")
        planted = hits.filter("knowable")
        soft = set(planted.filter(~pl.col("hard"))["eval_id"])
        ids, broken = set(planted["eval_id"]), set(hits["eval_id"])
        self.suites += 1
        self.alarms += len(answer.called - broken)
        self.red += bool(answer.called)
        self.planted += len(ids)
        self.planted_soft += len(soft)
        self.found += len(answer.called & ids)
        self.found_soft += len(answer.called & soft)
        self.hit += bool(ids)
        self.caught += bool(answer.called & ids)
        self.reruns += reruns
        self._add_suite(answer)
        self.calibration.add(answer, broken)

    def _add_suite(self, answer: Answer) -> None:
        self.verdicts[answer.verdict] += 1
        if answer.p_value is not None and answer.delta is not None and answer.p_value < ALPHA:
            self.worse += answer.delta < 0
            self.better += answer.delta > 0

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        for name in (
            *("suites", "alarms", "red", "planted", "planted_soft", "found", "found_soft"),
            *("caught", "hit", "reruns", "worse", "better"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.verdicts.update(other.verdicts)
        self.calibration.merge(other.calibration)

    @property
    def alarms_a_suite(self) -> float:
        """Evals called that did not break, in the mean."""
        return share(self.alarms, self.suites)

    @property
    def red_share(self) -> float:
        """Suites with at least one eval called; errors and incomplete evals do not count."""
        return share(self.red, self.suites)

    @property
    def recall(self) -> float:
        """Planted evals that are called."""
        return share(self.found, self.planted)

    @property
    def recall_hard(self) -> float:
        """Planted evals that now fail nine times in ten, and are called."""
        return share(self.found - self.found_soft, self.planted - self.planted_soft)

    @property
    def recall_soft(self) -> float:
        """Planted evals that now fail 0.3 to 0.6 more often, and are called."""
        return share(self.found_soft, self.planted_soft)

    @property
    def precision(self) -> float:
        """Called evals that did break."""
        return share(self.found, self.found + self.alarms)

    @property
    def caught_share(self) -> float:
        """Suites with a planted eval in which at least one planted eval is called."""
        return share(self.caught, self.hit)

    @property
    def reruns_a_suite(self) -> float:
        """Single evals run again, in the mean."""
        return share(self.reruns, self.suites)

    def verdict_share(self, verdict: str) -> float:
        """Suites with that verdict; NaN where the rule gives none."""
        return math.nan if None in self.verdicts else share(self.verdicts[verdict], self.suites)

    @property
    def worse_share(self) -> float:
        """Suites whose test is significant and negative: type I where nothing broke."""
        return math.nan if None in self.verdicts else share(self.worse, self.suites)


@dataclass
class BlameTally:
    """What one rule said about the whole past of many suites.

    An eval is *broken at any time* where it broke in some run, the candidate's too, and was not
    mended since. The right run is the one that broke it; where that run did not decide the eval,
    any up to the first that did. *Mended* are the evals with an incident of the past that ended at
    least two runs before the baseline.
    """

    failing: int = 0
    failing_named: int = 0
    named: int = 0
    false: int = 0
    judged: Counter[bool] = field(default_factory=Counter)
    right: Counter[bool] = field(default_factory=Counter)
    covered: int = 0
    set_size: int = 0
    caused: int = 0
    right_cause: int = 0
    mended: int = 0
    mended_called: int = 0
    steady: int = 0
    recognised: int = 0

    def add(self, rule: Rule, scenario: Scenario) -> None:
        """Ask a rule about all results of a scenario, and count."""
        blamed = rule.blame(scenario.results)
        truth = scenario.truth
        failing = find_failing(scenario.results)
        for row in truth.filter("broken", "knowable").iter_rows(named=True):
            said = blamed.get(row["eval_id"])
            self.failing += row["eval_id"] in failing
            self.failing_named += said is not None and row["eval_id"] in failing
            if said is not None:
                self._add_named(said, row)
        self.false += len(blamed.keys() - set(truth.filter("broken")["eval_id"]))
        mended = truth.filter("mended")
        steady = set(mended.filter(pl.col("rate_now") < SELDOM)["eval_id"])
        self.mended += mended.height
        self.mended_called += len(blamed.keys() & set(mended["eval_id"]))
        self.steady += len(steady)
        self.recognised += len(steady & rule.find_ended(scenario.results))

    def _add_named(self, said: Blame, row: dict[str, Any]) -> None:
        self.named += 1
        self.judged[row["hard"]] += 1
        self.right[row["hard"]] += said.since in row["since_run_ids"]
        self.covered += bool(said.runs & set(row["since_run_ids"]))
        self.set_size += len(said.runs)
        self.caused += said.cause is not None
        self.right_cause += said.cause == row["cause"]

    def merge(self, other: BlameTally) -> None:
        """Add what another tally counted."""
        for name in (
            *("failing", "failing_named", "named", "false", "covered", "set_size"),
            *("caused", "right_cause", "mended", "mended_called", "steady", "recognised"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.judged.update(other.judged)
        self.right.update(other.right)

    @property
    def recall(self) -> float:
        """Evals broken at any time that do not pass now, and are named."""
        return share(self.failing_named, self.failing)

    @property
    def precision(self) -> float:
        """Named evals that are broken now and were not always."""
        return share(self.named, self.named + self.false)

    def right_share(self, *, hard: bool) -> float:
        """Named evals, broken hard or softly, whose likeliest run is the right one."""
        return share(self.right[hard], self.judged[hard])

    @property
    def coverage(self) -> float:
        """Named evals whose 90 % set of runs holds the right one."""
        return share(self.covered, self.named)

    @property
    def runs_in_set(self) -> float:
        """Runs in the 90 % set, in the mean."""
        return share(self.set_size, self.named)

    @property
    def cause_share(self) -> float:
        """Named evals whose cause (edit, drift) is right, of those for which one is said."""
        return share(self.right_cause, self.caused)

    @property
    def recognised_share(self) -> float:
        """Mended evals that fail seldom (less than 0.03) and of which an episode is told."""
        return share(self.recognised, self.steady)

    @property
    def mended_called_share(self) -> float:
        """Mended evals, flaky ones too, that are named as broken nevertheless."""
        return share(self.mended_called, self.mended)


def find_failing(results: pl.DataFrame) -> frozenset[str]:
    """The evals whose newest judged result is not a pass."""
    judged = results.filter(pl.col("state").is_in(JUDGED)).sort("run_created_at")
    newest = judged.unique("eval_id", keep="last")
    return frozenset(newest.filter(pl.col("state") != "passed")["eval_id"])


def judge_again(rule: Rule, scenario: Scenario, tally: Tally, checks: int) -> None:
    """The same version checked ``checks`` times, each a whole run.

    The baseline stays; the earlier checks are history by then, and the last is the candidate.
    """
    later = [scenario.candidate, *(scenario.rerun(None, at) for at in range(1, checks))]
    history = pl.concat([scenario.history, *later[:-1]])
    tally.add(rule.compare(scenario.baseline, later[-1], history), scenario.truth)


def settle(rule: Rule, scenario: Scenario, tally: Tally, rounds: int = ROUNDS) -> None:
    """Run again what the rule leaves open, each eval once a round, and count the last answer."""
    candidate, spent = scenario.candidate, 0
    answer = rule.compare(scenario.baseline, candidate, scenario.history)
    for at in range(1, rounds + 1):
        left = rounds - at + 1
        asked = answer.reruns if answer.choose is None else answer.choose(left)
        more = scenario.rerun(asked, at)
        if not more.height:
            break
        spent += more.height
        candidate = pl.concat([candidate, more])
        answer = rule.compare(scenario.baseline, candidate, scenario.history)
    tally.add(answer, scenario.truth, spent)


@dataclass(frozen=True)
class Cell:
    """Which scenarios are drawn: their kind, how long the history is, how many, from which seed."""

    kind: str
    runs: int
    suites: int
    seed: int

    def draw(self, at: int) -> Scenario:
        """One scenario of the cell; from 50 earlier runs on there are episodes among them."""
        return simulate(self.kind, self.runs, seed=(self.seed, at), episodes=self.runs >= 50)


def tally_compare(rules: list[Rule], cell: Cell, checks: int = 1) -> dict[str, Tally]:
    """What each rule says of the candidates of a cell, by the rule's name."""
    tallies = {rule.name: Tally() for rule in rules}
    for at in range(cell.suites):
        scenario = cell.draw(at)
        for rule in rules:
            judge_again(rule, scenario, tallies[rule.name], checks)
    return tallies


def tally_settle(rules: list[Rule], cell: Cell, rounds: int = ROUNDS) -> dict[str, Tally]:
    """The same after up to ``rounds`` rounds of reruns."""
    tallies = {rule.name: Tally() for rule in rules}
    for at in range(cell.suites):
        scenario = cell.draw(at)
        for rule in rules:
            settle(rule, scenario, tallies[rule.name], rounds)
    return tallies


def tally_blame(rules: list[Rule], cell: Cell) -> dict[str, BlameTally]:
    """What each rule says of the whole past of the suites of a cell."""
    tallies = {rule.name: BlameTally() for rule in rules}
    for at in range(cell.suites):
        scenario = cell.draw(at)
        for rule in rules:
            tallies[rule.name].add(rule, scenario)
    return tallies
