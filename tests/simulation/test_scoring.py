"""The scoring, with rules whose worth is known: one that knows all, and one that knows little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pytest

from simulation.rules import Answer, NaiveRule, Since
from simulation.scoring import (
    JUDGES,
    WORLDS,
    Cell,
    calibrate,
    count_suites,
    judge_compare,
    judge_past,
)
from simulation.world import Scenario


@dataclass
class Oracle:
    """Knows the truth of one scenario."""

    scenario: Scenario
    name: str = "oracle"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        rows = self.scenario.truth.select("eval_id", "by_candidate").rows()
        broken = frozenset(eval_id for eval_id, is_broken in rows if is_broken)
        told = {eval_id: float(is_broken) for eval_id, is_broken in rows}
        return Answer(broken, probability=told, verdict="regressed" if broken else "no_change")

    def check(self, candidate: pl.DataFrame, history: pl.DataFrame) -> Answer:
        return Answer(frozenset(self.scenario.truth.filter("broken")["eval_id"]))

    def find_since(self, results: pl.DataFrame) -> Mapping[str, Since]:
        return {
            eval_id: Since(run, frozenset([run]), cause)
            for eval_id, run, cause in self.scenario.truth.filter("broken")
            .select("eval_id", "since_run_id", "cause")
            .iter_rows()
        }

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        return frozenset(self.scenario.truth.filter("mended")["eval_id"])


@pytest.mark.parametrize("world", WORLDS)
def test_who_knows_the_truth_is_never_wrong(world: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(6):
        for kind in ("edit", "drift", "benign"):
            made = Cell("compare", kind, 3).draw(world, 1, seed)
            counts.update(judge_compare(Oracle(made), made))
        made = Cell("past", "past", 50).draw(world, 1, seed)
        counts.update(judge_past(Oracle(made), made))
        made = Cell("looks", "edit", 3, looks=3, level=0.6).draw(world, 1, seed)
        counts.update(JUDGES["looks"](Oracle(made), made))
    assert counts["planted"] > 30
    assert counts["planted 3"] > 5
    assert min(counts["named"], counts["steady"], counts["soft"], counts["known"]) > 5
    assert counts["alarms"] == counts["false"] == counts["red"] == counts["green"] == 0
    assert counts["found"] == counts["planted"] > counts["failing 3"]
    assert counts["called 3"] == counts["planted 3"]
    assert counts["named"] == counts["broken"] == counts["covered"] == counts["right cause"]
    assert counts["named"] == counts["right hard"] + counts["right soft"]
    assert counts["recognised"] == counts["steady"]
    assert set(calibrate(counts)["off"]) == {0}


def test_an_eval_that_fails_from_a_run_on_is_asked_for_until_the_end() -> None:
    cell = Cell("sequence", "same", 2, looks=6)
    (counts,) = count_suites(cell, "second", 1, range(2), [NaiveRule()]).values()
    assert counts == {"looks": 8, "red": 8}
