"""The scoring, with rules whose worth is known: one that knows all, and one that knows little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from simulation import table
from simulation.rules import Answer, Blame, NaiveRule, Rule
from simulation.scoring import (
    JUDGES,
    WORLDS,
    Cell,
    calibrate,
    count_suites,
    judge_compare,
    judge_past,
    judge_settle,
)
from simulation.table import Figure, Study
from simulation.world import Scenario

FAILS = pl.col("state").is_in(("failed", "blocked"))


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

    def blame(self, results: pl.DataFrame) -> Mapping[str, Blame]:
        return {
            eval_id: Blame(run, frozenset([run]), cause)
            for eval_id, run, cause in self.scenario.truth.filter("broken")
            .select("eval_id", "since_run_id", "cause")
            .iter_rows()
        }

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        return frozenset(self.scenario.truth.filter("mended")["eval_id"])


class NeverFailed(NaiveRule):
    """Does not pass now, and always did."""

    name = "never failed"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        failed = pl.concat([history, baseline]).filter(FAILS)["eval_id"]
        called = super().compare(baseline, candidate, history).called - set(failed)
        return Answer(called, reruns=lambda rounds, now: sorted(called))


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


@pytest.mark.parametrize("world", WORLDS)
def test_history_spares_a_simple_rule_false_alarms_that_the_naive_one_raises(world: str) -> None:
    rules: list[Rule] = [NaiveRule(), NeverFailed()]
    counts = count_suites(Cell("compare", "same", 20), world, 3, range(12), rules)
    assert counts["never failed"]["alarms"] < 0.7 * counts["naive"]["alarms"]
    assert counts["naive"]["planted"] == counts["naive"]["verdicts"] == 0


@pytest.mark.parametrize("world", WORLDS)
def test_the_naive_rule_is_right_about_half_of_what_it_calls(world: str) -> None:
    counts: Counter[str] = Counter()
    for runs in (0, 3, 10):
        cell = Cell("compare", "edit", runs)
        counts.update(count_suites(cell, world, 1, range(60), [NaiveRule()])["naive"])
    assert 0.35 <= counts["found"] / counts["called"] <= 0.6
    assert 0.75 <= counts["found"] / counts["planted"] <= 0.9
    assert counts["found"] <= counts["failing"] + 0.05 * counts["planted"]


def test_reruns_are_counted_one_by_one() -> None:
    made = Cell("settle", "edit", 3).draw("first", 4, 0)
    first = NeverFailed().compare(made.baseline, made.candidate, made.history)
    counts = judge_settle(NeverFailed(), made)
    asked = len(first.reruns(1, made.times[made.candidate_row]))
    assert 0 < asked <= counts["reruns"] <= 4 * made.suite.size
    assert counts["more"] == counts["alarms"] - counts["before"]


def test_an_eval_that_fails_from_a_run_on_is_asked_for_until_the_end() -> None:
    cell = Cell("sequence", "same", 2, looks=6)
    (counts,) = count_suites(cell, "second", 1, range(2), [NaiveRule()]).values()
    assert counts == {"looks": 8, "red": 8}


def test_all_tables_are_put_into_a_page(tmp_path: Path) -> None:
    study = Study("second", 1, 7, [NaiveRule(), NeverFailed()])
    for figure in (*table.BY_HISTORY, *table.MUSTS):
        for cell in figure.cells:
            # What is drawn is tried elsewhere: the tables are printed from whatever was counted.
            study.add(cell, {"naive": Counter(suites=2, alarms=1)})
            study.add(cell, {"never failed": Counter(suites=2)})
    page = tmp_path / "page.md"
    page.write_text(f"Above.\n{table.MARK}\nas it was")
    table.put_into(page, table.tabulate([study], (0, 3)))
    text = page.read_text()
    assert text.startswith("Above.\n")
    assert "as it was" not in text
    assert "| earlier runs | 0 | 3 |" in text
    assert text.count("| nothing changed: false alarms a suite | 0.50 / 0.00 | 0.50 / 0.00 |") == 1
    assert "| nothing changed: false alarms a suite | ≤ 0.3 | 0.50 / 0.00 |" in text
    assert "nan" not in text


def test_what_is_missed_and_what_is_worse_than_the_naive_rule_is_marked() -> None:
    cell = Cell("compare", "same", 3)
    study = Study("first", 1, 7, [NaiveRule(), NeverFailed()])
    study.add(cell, {"naive": Counter(a=1, n=4), "never failed": Counter(a=2, n=4, most=3)})
    less, more = (Figure("", (cell,), "a/n/most", sign, 0.6) for sign in "≤≥")
    assert table._cell(less, study, [3]) == "0.25 / 0.50 (0.75) ▿"
    assert table._cell(more, study, [3]) == "0.25 / 0.50 (0.75) ✗"
    assert table._cell(more, study, [10]) == "–"
