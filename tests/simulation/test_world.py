"""The simulated runs are what they are said to be: frames and truth agree."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.inside import RESULTS, collect, combine_sides

from simulation import heavy, luck
from simulation.musts import EARLIER
from simulation.population import draw_suite
from simulation.world import Scenario

CODE = "block_execution_fingerprint"
in_both_worlds = pytest.mark.parametrize("world", EARLIER)


@functools.cache
def scenario(world: str, kind: str, runs: int, seed: int = 0) -> Scenario:
    return EARLIER[world](kind, runs, seed=(11, seed), episodes=runs >= 50)


def many(world: str, kind: str, runs: int, count: int = 12) -> list[Scenario]:
    return [scenario(world, kind, runs, seed) for seed in range(count)]


def codes(results: pl.DataFrame) -> dict[str, str]:
    """The code of each block that was seen in a frame."""
    seen = results.drop_nulls(CODE).group_by("block_id").agg(pl.col(CODE).unique())
    return {block: code for block, [code] in seen.iter_rows()}


def edited_blocks(made: Scenario) -> set[str]:
    before, after = codes(made.baseline), codes(made.candidate)
    return {block for block in before.keys() & after.keys() if before[block] != after[block]}


@pytest.mark.parametrize("kind", heavy.KINDS)
@pytest.mark.parametrize("runs", [0, 1, 50])
def test_every_frame_is_a_results_frame(kind: str, runs: int) -> None:
    made = scenario("second" if kind == "upgrade" or runs == 1 else "first", kind, runs)
    parts = [made.history, made.baseline, made.candidate]
    for frame in [*parts, made.rerun(None, 1), made.rerun([], 1)]:
        assert frame.schema == RESULTS.schema
    assert_frame_equal(pl.concat(parts), made.results)
    assert made.history["run_id"].n_unique() == runs
    assert made.results["result_id"].is_unique().all()
    assert made.results["run_created_at"].is_sorted()


@in_both_worlds
def test_states_and_what_the_api_says_agree(world: str) -> None:
    frame = pl.concat(each.results for each in many(world, "edit", 10))
    assert set(frame["state"]) == set(luck.STATES)
    judged = pl.col("state").is_in(("passed", "failed", "blocked"))
    assert frame.filter(judged)["verdict"].equals(frame.filter(judged)["state"])
    assert frame.filter(~judged)["verdict"].null_count() == frame.filter(~judged).height
    ended = pl.col("state").is_in(("error", "cancelled"))
    assert frame.filter(ended)["status"].equals(frame.filter(ended)["state"])
    right = frame["actual_value"].eq_missing(frame["expected_value"])
    assert right.filter(frame["state"] == "passed").all()
    assert not right.filter(frame["state"] == "failed").any()


@in_both_worlds
def test_an_edit_changes_the_code_of_the_blocks_in_which_evals_break(world: str) -> None:
    scenarios = many(world, "edit", 3)
    for made in scenarios:
        planted = made.truth.filter("by_candidate")
        assert set(planted["block_id"]) <= edited_blocks(made)
        assert 1 <= len(edited_blocks(made)) <= 3
        assert set(planted["cause"]) <= {"edit"}
        assert set(planted["since_run_id"]) <= {made.candidate["run_id"][0]}
    planted = pl.concat(each.truth for each in scenarios).filter("by_candidate")
    assert not planted["hard"].all()
    assert (planted.filter("hard")["rate_now"] >= 0.9).all()
    assert (planted["rate_now"] - planted["rate_before"] >= 0.14).all()


@in_both_worlds
def test_drift_breaks_evals_of_one_block_on_the_same_code(world: str) -> None:
    for made in many(world, "drift", 3):
        planted = made.truth.filter("by_candidate")
        assert planted["block_id"].n_unique() == 1
        assert not edited_blocks(made)


@in_both_worlds
def test_a_benign_edit_changes_the_code_and_hardly_a_rate(world: str) -> None:
    moved = 0
    for made in many(world, "benign", 3):
        assert edited_blocks(made)
        assert not made.truth["by_candidate"].any()
        change = np.abs(made.rates[-1] - made.rates[-2])[made.suite.changed_at != 4]
        assert (change <= 0.1 + 1e-9).all()
        moved += int((change > 0).sum())
    assert moved


@in_both_worlds
def test_a_break_of_the_past_shows_from_its_run_on(world: str) -> None:
    for made in many(world, "past", 20):
        assert made.breaks
        for each in made.breaks:
            start = each.start
            told = made.truth[each.evals.tolist()]
            assert set(told["since_run_id"]) == {made.run_ids[start]}
            at_last = made.rates[start + each.ramp :, each.evals].min(axis=0)
            assert (at_last >= made.rates[start - 1, each.evals] + 0.14).all()
            code = made.code[start - 1 : start + 1][:, made.suite.block[each.evals]]
            assert (code[0] != code[1]).all() or each.cause == "drift"


@in_both_worlds
def test_the_runs_that_may_be_blamed_end_with_one_that_decided_the_eval(world: str) -> None:
    decided = pl.col("state").is_in(("passed", "failed", "blocked"))
    for made in many(world, "past", 20):
        seen = set(made.results.filter(decided).select("run_id", "eval_id").iter_rows())
        slow = {each.start for each in made.breaks if each.ramp}
        for row in made.truth.filter("broken").iter_rows(named=True):
            if row["broken_row"] not in slow:
                *before, last = row["since_run_ids"]
                assert not any((run, row["eval_id"]) in seen for run in before)
                assert (last, row["eval_id"]) in seen or last == made.run_ids[-1]


@in_both_worlds
def test_a_changed_eval_has_another_definition_from_its_run_on(world: str) -> None:
    columns = np.array(["expected_value", "handle_inputs_fingerprint"])
    seen = set()
    for made in many(world, "same", 10):
        order = {run_id: row for row, run_id in enumerate(made.run_ids)}
        for at in np.flatnonzero(made.suite.changed_at):
            eval_id, column = (
                made.truth["eval_id"][int(at)],
                columns[made.suite.changed_inputs[at] * 1],
            )
            results = made.results.filter(eval_id=eval_id, verdict="passed")
            after = results["run_id"].replace_strict(order) >= made.suite.changed_at[at]
            values = results[column]
            assert not set(values.filter(after)) & set(values.filter(~after))
            seen.add(column)
    assert seen == set(columns)


@in_both_worlds
def test_a_rerun_is_of_the_candidates_code_and_of_nothing_else(world: str) -> None:
    made = scenario(world, "edit", 3)
    some = made.candidate["eval_id"].to_list()[:7]
    part, whole = made.rerun(some, 1), made.rerun(None, 1)
    assert part["eval_id"].to_list() == some
    assert_frame_equal(part, whole.filter(pl.col("eval_id").is_in(some)))
    assert not whole["state"].equals(made.rerun(None, 2)["state"])
    assert codes(whole) == codes(made.candidate)
    assert set(whole["eval_id"]) == set(made.candidate["eval_id"])
    assert whole["run_created_at"].min() > made.candidate["run_created_at"].max()
    assert not made.rerun(["eval_of_somebody_else"], 1).height
    # As settle starts them, so that they are of the candidate's hour.
    assert part["run_id"].is_unique().all()
    known = collect(combine_sides(pl.concat([made.candidate, part]), made.baseline, made.history))
    again = known.results.filter(pl.col("run_id").is_in(part["run_id"].implode()))
    assert set(again["row"].drop_nulls()) == {known.histories.candidate}


def test_an_eval_fails_as_often_as_its_rate_says() -> None:
    rng = np.random.default_rng(5)
    suite = draw_suite(rng, 2)
    rates = np.tile(np.linspace(0, 1, suite.size), (4000, 1))
    states = luck.draw_states(rng, suite, rates, np.zeros(rates.shape, bool), 0 * rates)
    fails = np.isin(states, (luck.FAILED, luck.BLOCKED))
    decided = fails | (states == luck.PASSED)
    found = fails.sum(0) / decided.sum(0)
    assert np.abs(found - rates[0]).max() < 4 * 0.5 / np.sqrt(4000) + 0.005


@in_both_worlds
def test_reruns_meet_the_same_bad_hour(world: str) -> None:
    failing = {
        kind: [
            (each["state"] == "failed").sum()
            for made in many(world, kind, 3, 40)
            for each in (made.candidate, made.rerun(None, 1), made.rerun(None, 4))
        ]
        for kind in ("same", "hour")
    }
    assert sum(failing["hour"]) > 1.3 * sum(failing["same"])
    assert sum(failing["hour"][2::3]) > 0.8 * sum(failing["hour"][::3])
