"""Whether runs that were planned to find a break find it, in suites that share no number with the
model."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from support.inside import collect, combine_sides, find_power

from simulation.rules import LibraryRule
from simulation.scoring import ROUNDS, WORLDS
from simulation.world import RERUN_AFTER, Scenario

DETECT, POWER, MOST = 0.6, 0.8, 5


def planned(scenario: Scenario) -> dict[str, tuple[int, float]]:
    """How often to run each eval that passes now, and with which probability that finds a break."""
    ledger = collect(combine_sides(scenario.baseline, None, scenario.history))
    found = find_power(ledger.histories, DETECT, MOST, ROUNDS)
    passing = set(scenario.baseline.filter(state="passed")["eval_id"])
    plan = {}
    for eval_id, column in zip(ledger.evals["eval_id"], found.T, strict=True):
        enough = np.flatnonzero(column >= POWER)
        if enough.size and eval_id in passing:
            plan[eval_id] = (int(enough[0]) + 1, float(column[enough[0]]))
    return plan


def judge(scenario: Scenario) -> Counter[str]:
    """Run what was planned, then settle, and count what was found of what broke."""
    plan, rule = planned(scenario), LibraryRule()
    candidate = scenario.candidate
    for at in range(1, MOST):
        more = [eval_id for eval_id, (repeats, _) in plan.items() if repeats > at]
        candidate = pl.concat([candidate, scenario.rerun(more, at)])
    now = scenario.times[scenario.candidate_row] + RERUN_AFTER * MOST
    answer = rule.compare(scenario.baseline, candidate, scenario.history)
    once = rule.compare(scenario.baseline, scenario.candidate, scenario.history).called
    for at in range(MOST, MOST + ROUNDS):
        more = scenario.rerun(answer.reruns(MOST + ROUNDS - at, now), at)
        if not more.height:
            break
        candidate = pl.concat([candidate, more])
        answer = rule.compare(scenario.baseline, candidate, scenario.history)
    truth = scenario.truth.filter("by_candidate", "knowable", pl.col("rate_before") < 0.1)
    broken = [each for each in truth["eval_id"] if each in plan]
    return Counter(
        broken=len(broken),
        found=len(answer.called.intersection(broken)),
        once=len(once.intersection(broken)),
        said=sum(round(1000 * plan[each][1]) for each in broken),
        runs=sum(repeats for repeats, _ in plan.values()),
        evals=len(plan),
    )


@pytest.mark.study
@pytest.mark.parametrize("world", WORLDS)
def test_what_was_planned_to_be_found_is_found(world: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(40):
        counts += judge(WORLDS[world]("edit", 10, seed=(31, seed), level=DETECT))
    assert counts["broken"] > 100
    found, once = (counts[each] / counts["broken"] for each in ("found", "once"))
    # Planned are .84; luck that documents share, and errors, cost some of it.
    assert found >= 0.7
    assert found >= once + 0.1
