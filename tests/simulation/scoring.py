"""What the answers of a rule are worth, when the truth is known.

Every judgement counts into a ``Counter``; those of many suites add up, and a figure is the share
of one count in another, so of all evals (or suites) of a cell together and not a mean of shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from simulation import heavy, world
from simulation.luck import FAILED, PASSED
from simulation.rules import JUDGED, Answer, LibraryRule, NaiveRule, Rule, keep_edited
from simulation.world import RERUN_AFTER, Scenario

WORLDS: dict[str, Callable[..., Scenario]] = {"first": world.simulate, "second": heavy.simulate}
ROUNDS = 4
# An eval that fails more often than this is rightly called flaky after an incident too.
SELDOM = 0.03


@dataclass(frozen=True)
class Cell:
    """Which scenarios are drawn, and what is asked of them.

    Attributes:
        judge: One of ``JUDGES``: what is asked.
        kind: What happens in the scenarios.
        runs: How many runs there are before the baseline; from 50 on with episodes.
        looks: How many runs there are from the candidate on.
        level: How often what breaks fails from then on; None for all sorts.
        edits: Whether blocks are edited, without effect, also after the candidate.
        every: One suite is drawn where other cells have so many.
    """

    judge: str
    kind: str
    runs: int
    looks: int = 1
    level: float | None = None
    edits: bool = True
    every: int = 1

    def draw(self, world: str, seed: int, at: int) -> Scenario:
        """One scenario of the cell."""
        return WORLDS[world](
            self.kind,
            self.runs,
            seed=(seed, at),
            episodes=self.runs >= 50,
            looks=self.looks,
            level=self.level,
            edits=self.edits,
        )


def count_suites(
    cell: Cell,
    world: str,
    seed: int,
    suites: Sequence[int],
    rules: Sequence[Rule] = (NaiveRule(), LibraryRule()),
) -> dict[str, Counter[str]]:
    """What the rules say of some suites of a cell, by the rule's name."""
    counts = {rule.name: Counter[str]() for rule in rules}
    for at in suites:
        scenario = cell.draw(world, seed, at)
        for rule in rules:
            counts[rule.name].update(JUDGES[cell.judge](rule, scenario))
    return counts


def count_calls(answer: Answer, scenario: Scenario, broken: set[str]) -> Counter[str]:
    """What is called, against what broke.

    *Planted* are the evals that broke with the candidate and that somebody could know of: they were
    decided before, as they are defined now, and the candidate has them. Of these, *failing* are
    the ones that do not pass in the candidate's run: the ceiling of what can be found in it.
    Everything that is called and not among the ``broken`` is a false alarm.
    """
    planted = set(scenario.truth.filter("by_candidate", "knowable")["eval_id"])
    alarms, found = answer.called - broken, answer.called & planted
    counts = Counter(
        suites=1,
        alarms=len(alarms),
        red=bool(alarms),
        planted=len(planted),
        failing=len(planted & find_failing(scenario.candidate)),
        found=len(found),
        called=len(found) + len(alarms),
    )
    if answer.verdict is not None:
        counts.update({"verdicts": 1, answer.verdict: 1, "worse": answer.is_worse})
    return counts


def judge_compare(rule: Rule, scenario: Scenario) -> Counter[str]:
    """The candidate against the run before it; every stated probability, in tenths."""
    broken = set(scenario.truth.filter("by_candidate")["eval_id"])
    answer = rule.compare(scenario.baseline, scenario.candidate, scenario.history)
    counts = count_calls(answer, scenario, broken)
    for eval_id, p in answer.probability.items():
        tenth = min(int(p * 10), 9)
        counts.update({f"cases {tenth}": 1, f"true {tenth}": eval_id in broken})
        counts[f"said {tenth}"] += p  # type: ignore[assignment]
    return counts


def calibrate(counts: Counter[str], least: int = 1) -> pl.DataFrame:
    """Each tenth with ``least`` cases: ``tenth, cases, said, true, off`` (said − true)."""
    rows = [
        (tenth, cases, counts[f"said {tenth}"] / cases, counts[f"true {tenth}"] / cases)
        for tenth in range(10)
        if (cases := counts[f"cases {tenth}"]) >= least
    ]
    frame = pl.DataFrame(rows, ["tenth", "cases", "said", "true"], orient="row")
    return frame.with_columns(off=pl.col("said") - pl.col("true"))


def judge_check(rule: Rule, scenario: Scenario) -> Counter[str]:
    """Each eval against its own past: what broke long ago is no false alarm."""
    broken = set(scenario.truth.filter("broken")["eval_id"])
    answer = rule.check(scenario.candidate, scenario.of_rows(0, scenario.candidate_row))
    return count_calls(answer, scenario, broken)


def judge_only(rule: Rule, scenario: Scenario) -> Counter[str]:
    """What is found where only the edited blocks are run, against the whole run; the same draws.

    *Called* and *both* are of the evals of these blocks; *missed* are the evals that an edit broke
    and that were not run.
    """
    history = scenario.of_rows(0, scenario.candidate_row)
    part = keep_edited(scenario.candidate, history)
    ran = set(part["eval_id"])
    planted = set(scenario.truth.filter("by_candidate", "knowable")["eval_id"])
    whole = rule.check(scenario.candidate, history).called & ran
    only = rule.check(part, history).called if ran else frozenset[str]()
    return Counter(
        {
            "suites": 1,
            "same": whole == only,
            "whole": len(whole),
            "both": len(whole & only),
            "either": len(whole | only),
            "planted": len(planted),
            "missed": len(planted - ran),
            "found": len(planted & only),
            "found whole": len(planted & whole),
            "ran": part.height,
            "all": scenario.candidate.height,
        }
    )


def judge_again(rule: Rule, scenario: Scenario) -> Counter[str]:
    """What an edit broke, where the code before it was run once more just before the edit."""
    row = scenario.candidate_row
    planted = set(scenario.truth.filter("by_candidate", "knowable")["eval_id"])
    broken = set(scenario.truth.filter("broken")["eval_id"])
    without, with_it = (
        rule.check(scenario.candidate, scenario.of_rows(0, stop)).called for stop in (row - 1, row)
    )
    return Counter(
        {
            "planted": len(planted),
            "failing": len(planted & find_failing(scenario.candidate)),
            "without": len(planted & without),
            "with": len(planted & with_it),
            "called without": len(without - broken) + len(planted & without),
            "called with": len(with_it - broken) + len(planted & with_it),
        }
    )


def judge_settle(rule: Rule, scenario: Scenario) -> Counter[str]:
    """Run again what the rule leaves open, each eval once a round, and count the last answer."""
    broken = set(scenario.truth.filter("by_candidate")["eval_id"])
    candidate, spent = scenario.candidate, 0
    now = scenario.times[scenario.candidate_row] + RERUN_AFTER
    answer = rule.compare(scenario.baseline, candidate, scenario.history)
    before = len(answer.called - broken)
    for at in range(1, ROUNDS + 1):
        more = scenario.rerun(answer.reruns(ROUNDS + 1 - at, now), at)
        if not more.height:
            break
        spent += more.height
        candidate = pl.concat([candidate, more])
        answer = rule.compare(scenario.baseline, candidate, scenario.history)
    counts = count_calls(answer, scenario, broken)
    counts.update(reruns=spent, before=before, more=counts["alarms"] - before)
    return counts


def judge_past(rule: Rule, scenario: Scenario) -> Counter[str]:
    """What is said of all runs together.

    An eval is *broken at any time* where it broke in some run, the candidate's too, and was not
    mended since. The right run is the one that broke it; where that run did not decide the eval,
    any up to the first that did. *Mended* are the evals with an incident of the past that ended at
    least two runs before the baseline.
    """
    blamed = rule.find_since(scenario.results)
    truth, failing = scenario.truth, find_failing(scenario.results)
    counts = Counter(false=len(blamed.keys() - set(truth.filter("broken")["eval_id"])))
    for row in truth.filter("broken", "knowable").iter_rows(named=True):
        said, fails = blamed.get(row["eval_id"]), row["eval_id"] in failing
        counts.update(broken=1, failing=fails)
        if said is not None:
            right = set(row["since_run_ids"])
            sort = "hard" if row["hard"] else "soft"
            counts.update(
                {
                    "named": 1,
                    sort: 1,
                    f"right {sort}": said.since in right,
                    "covered": bool(said.runs & right),
                    "caused": said.cause is not None,
                    "right cause": said.cause == row["cause"],
                }
            )
    counts["blamed"] = counts["named"] + counts["false"]
    mended = truth.filter("mended")
    steady = set(mended.filter(pl.col("rate_now") < SELDOM)["eval_id"])
    counts["steady"] = len(steady)
    counts["recognised"] = len(steady & rule.find_ended(scenario.results))
    return counts


def judge_looks(rule: Rule, scenario: Scenario) -> Counter[str]:
    """The run that broke something and those after it, each checked when it is the newest."""
    planted = set(scenario.truth.filter("by_candidate", "knowable")["eval_id"])
    broken = set(scenario.truth.filter("broken")["eval_id"])
    counts = Counter(suites=1)
    before: frozenset[str] = frozenset()
    for look, row in enumerate(range(scenario.candidate_row, scenario.suite.rows), 1):
        newest = scenario.of_rows(row, row + 1)
        answer = rule.check(newest, scenario.of_rows(0, row))
        known = planted & before & set(newest.filter(pl.col("state").is_in(JUDGED))["eval_id"])
        counts.update(
            {
                "looks": 1,
                "red": bool(answer.called - broken),
                "known": len(known),
                "not called": len(known - answer.called),
                "green": len(known - answer.called - answer.left_open),
                f"planted {look}": len(planted),
                f"called {look}": len(planted & answer.called),
                f"failing {look}": len(planted & find_failing(newest)),
            }
        )
        before = answer.called
    counts["ever red"] = counts["red"] > 0
    return counts


def judge_sequence(rule: Rule, scenario: Scenario) -> Counter[str]:
    """One eval passes in all runs, then fails in all: is it red from the third or fourth on?

    It is put among evals to which nothing happens. With up to three earlier runs its block is
    edited when it breaks, and three failures are due; else nobody edits it and four are.
    """
    suite, row = scenario.suite, scenario.candidate_row
    is_there = (suite.changed_at == 0) & (suite.added_at == 0) & (suite.removed_at == suite.rows)
    at = int(np.argmax(is_there))
    states, code = scenario.states.copy(), scenario.code.copy()
    states[:row, at], states[row:, at] = PASSED, FAILED
    block, needed = suite.block[at], 4
    if row <= 3:
        code[row:, block], needed = code[row - 1, block] + 1, 3
    else:
        code[row:, block] = code[row - 1, block]
    made = replace(scenario, states=states, code=code)
    eval_id = made.truth["eval_id"][at]
    counts: Counter[str] = Counter()
    for now in range(row + needed - 1, suite.rows):
        answer = rule.check(made.of_rows(now, now + 1), made.of_rows(0, now))
        counts.update(looks=1, red=eval_id in answer.called)
    return counts


JUDGES: dict[str, Callable[[Rule, Scenario], Counter[str]]] = {
    "compare": judge_compare,
    "check": judge_check,
    "only": judge_only,
    "again": judge_again,
    "settle": judge_settle,
    "past": judge_past,
    "looks": judge_looks,
    "sequence": judge_sequence,
}


def find_failing(results: pl.DataFrame) -> frozenset[str]:
    """The evals whose newest judged result is not a pass."""
    judged = results.filter(pl.col("state").is_in(JUDGED)).sort("run_created_at")
    newest = judged.unique("eval_id", keep="last")
    return frozenset(newest.filter(pl.col("state") != "passed")["eval_id"])
