"""The scoring, with rules whose worth is known: one that knows, one that cries wolf, one step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pytest

from simulation import scoring
from simulation.rules import Answer, Blame, NaiveRule
from simulation.scoring import BlameTally, Calibration, Cell, Tally
from simulation.table import Study, table
from simulation.world import Scenario, simulate

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
        return Answer(broken, told, [], "regressed" if broken else "no_change", 0.0, 1.0)

    def blame(self, results: pl.DataFrame) -> Mapping[str, Blame]:
        return {
            row["eval_id"]: Blame(
                row["since_run_id"], frozenset([row["since_run_id"]]), row["cause"]
            )
            for row in self.scenario.truth.filter("broken").iter_rows(named=True)
        }

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        return frozenset(self.scenario.truth.filter("mended")["eval_id"])


class CryWolf(NaiveRule):
    """Calls every eval of the candidate, and is always sure."""

    name = "all"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        called = frozenset(candidate["eval_id"])
        return Answer(called, dict.fromkeys(called, 1.0), sorted(called), "regressed", -0.5, 0.001)

    def find_ended(self, results: pl.DataFrame) -> frozenset[str]:
        return frozenset(results["eval_id"])


class OneStep(NaiveRule):
    """Does not pass now, and so many failures are rare if it fails as often as it used to."""

    name = "one step"

    def compare(
        self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
    ) -> Answer:
        before = self._count(pl.concat([history, baseline]))
        now = self._count(candidate).select("eval_id", fails_now="fails", n_now="n")
        both = before.join(now, on="eval_id").with_columns(
            chance=((pl.col("fails") + 0.5) / (pl.col("n") + 1)) ** pl.col("fails_now")
        )
        both = both.with_columns(p=0.03 / (0.03 + pl.col("chance")) * (pl.col("fails_now") > 0))
        called = frozenset(both.filter(pl.col("p") > 0.5)["eval_id"])
        undecided = both.filter(pl.col("p").is_between(0.05, 0.95))["eval_id"].to_list()
        return Answer(called, dict(both.select("eval_id", "p").rows()), undecided)

    def _count(self, results: pl.DataFrame) -> pl.DataFrame:
        judged = results.filter(pl.col("state").is_in(("passed", "failed", "blocked")))
        return judged.group_by("eval_id").agg(fails=FAILS.sum(), n=pl.len())


def ask(rule: NaiveRule | Oracle, scenario: Scenario) -> Answer:
    return rule.compare(scenario.baseline, scenario.candidate, scenario.history)


def test_who_knows_the_truth_is_never_wrong() -> None:
    tally, past = Tally(), BlameTally()
    for seed in range(8):
        for kind in ("edit", "drift", "benign"):
            made = simulate(kind, 3, seed=[seed])
            tally.add(ask(Oracle(made), made), made.truth)
        made = simulate("past", 50, seed=[seed], episodes=True)
        past.add(Oracle(made), made)
    assert tally.planted > 40
    assert tally.planted_soft > 5
    assert tally.alarms == 0
    figures = (tally.recall, tally.recall_hard, tally.recall_soft, tally.precision)
    assert figures == (1, 1, 1, 1)
    assert tally.caught_share == 1
    assert tally.red_share < 1
    assert tally.verdict_share("regressed") == tally.red_share
    assert set(tally.calibration.table()["off"]) == {0}
    assert past.named > 20
    assert past.mended > 20
    assert (past.recall, past.precision, past.coverage, past.cause_share) == (1, 1, 1, 1)
    assert past.right_share(hard=True) == past.right_share(hard=False) == 1
    assert past.recognised_share == past.runs_in_set == 1
    assert past.mended_called_share == 0


def test_who_calls_everything_finds_everything_and_is_always_red() -> None:
    tally = Tally()
    for seed in range(4):
        for kind in ("edit", "same"):
            made = simulate(kind, 0, seed=[seed])
            tally.add(ask(CryWolf(), made), made.truth)
    assert (tally.recall, tally.red_share) == (1, 1)
    assert tally.precision < 0.2
    assert tally.alarms_a_suite > 20
    assert tally.worse_share == tally.verdict_share("regressed") == 1
    (off,) = tally.calibration.table()["off"]
    assert off == pytest.approx(1 - tally.precision, abs=0.01)


def test_history_spares_a_simple_rule_false_alarms_that_the_naive_one_raises() -> None:
    tallies = scoring.tally_compare([NaiveRule(), OneStep()], Cell("same", 20, 12, 3))
    naive, step = tallies["naive"], tallies["one step"]
    assert naive.suites == step.suites == 12
    assert step.alarms < naive.alarms / 2
    assert naive.planted == 0
    assert math.isnan(naive.recall)
    assert math.isnan(naive.verdict_share("regressed"))
    assert not naive.calibration.cases.any()
    assert step.calibration.cases.sum() > 12 * 20


def test_the_naive_rule_is_right_about_half_of_what_it_calls() -> None:
    tally = Tally()
    for runs in (0, 3, 10):
        tally.merge(scoring.tally_compare([NaiveRule()], Cell("edit", runs, 60, 1))["naive"])
    assert 0.35 <= tally.precision <= 0.55
    assert 0.75 <= tally.recall <= 0.9


def test_reruns_are_counted_one_by_one_and_add_evidence() -> None:
    cell = Cell("edit", 10, 8, 4)
    once = scoring.tally_compare([OneStep()], cell)["one step"]
    none = scoring.tally_settle([OneStep()], cell, rounds=0)["one step"]
    after = scoring.tally_settle([OneStep()], cell)["one step"]
    assert (none.found, none.alarms, none.reruns) == (once.found, once.alarms, 0)
    assert after.reruns > 0
    made = cell.draw(0)
    first = len(ask(OneStep(), made).reruns)
    one, two = Tally(), Tally()
    scoring.settle(OneStep(), made, one, rounds=1)
    scoring.settle(OneStep(), made, two, rounds=2)
    assert one.reruns == first
    assert first <= two.reruns <= 2 * first + made.suite.size


def test_a_version_can_be_checked_again() -> None:
    seen: list[tuple[int, int]] = []

    class Watching(NaiveRule):
        def compare(
            self, baseline: pl.DataFrame, candidate: pl.DataFrame, history: pl.DataFrame
        ) -> Answer:
            assert history["run_created_at"].max() < candidate["run_created_at"].min()
            seen.append((history["run_id"].n_unique(), candidate["run_id"].n_unique()))
            return super().compare(baseline, candidate, history)

    tally = scoring.tally_compare([Watching()], Cell("edit", 3, 1, 5), checks=3)["naive"]
    assert seen == [(3 + 2, 1)]
    assert tally.suites == 1


def test_the_naive_blame_is_the_run_after_the_last_pass() -> None:
    made = simulate("past", 20, seed=[1])
    one = made.results.filter(pl.col("eval_id") == made.candidate["eval_id"][0])
    passes = [at < 5 or 7 <= at < 12 for at in range(one.height)]
    states = ["passed" if each else "failed" for each in passes]
    (said,) = NaiveRule().blame(one.with_columns(state=pl.Series(states))).values()
    assert said.since == one["run_id"][12]


def test_tenths_hold_their_ends() -> None:
    counted = Calibration()
    told = {"a": 0.0, "b": 0.0999, "c": 0.1, "d": 0.95, "e": 1.0}
    counted.add(Answer(frozenset(), told, []), {"d", "c"})
    rows = counted.table().select("tenth", "cases", "true").rows()
    assert rows == [(0, 2, 0), (1, 1, 1), (9, 2, 0.5)]
    assert counted.table(least=2)["tenth"].to_list() == [0, 9]
    counted.merge(counted)
    assert counted.cases.sum() == 10


def test_tallies_add_up() -> None:
    rules = [OneStep()]
    study = Study(rules, 3, 6)
    parts = [study.compare("edit", runs)["one step"] for runs in (0, 3)]
    total = study.pooled("edit", (0, 3), "one step")
    assert total.suites == 6
    assert total.found == parts[0].found + parts[1].found
    assert total.calibration.cases.sum() == sum(each.calibration.cases.sum() for each in parts)
    past = study.blamed((3, 10), "one step")
    assert past.failing == sum(study.blame(runs)["one step"].failing for runs in (3, 10))


def test_the_whole_table_is_printed() -> None:
    text = table(Study([NaiveRule(), OneStep()], 2, 7), (0, 3))
    assert "| earlier runs | 0 | 3 |" in text
    assert "| earlier runs | 0 | 3 | together |" in text
    for row in ("nothing changed: red", "drift: recall", "blame: right run, soft", "reruns"):
        assert row in text
    assert "`p_regressed` of one step" in text
    assert "`p_regressed` of naive" not in text
    assert "nan" not in text
