"""The simulated runs are what they are said to be: frames and truth agree."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.inside import RESULTS

from simulation import luck
from simulation.musts import EARLIER
from simulation.population import draw_suite
from simulation.world import Scenario

CODE = "block_execution_fingerprint"
in_both_worlds = pytest.mark.parametrize("world", EARLIER)


@functools.cache
def scenario(world: str, kind: str, runs: int, seed: int = 0) -> Scenario:
    return EARLIER[world](kind, runs, seed=(11, seed))


def many(world: str, kind: str, runs: int, count: int = 12) -> list[Scenario]:
    return [scenario(world, kind, runs, seed) for seed in range(count)]


def codes(results: pl.DataFrame) -> dict[str, str]:
    """The code of each block that was seen in a frame."""
    seen = results.drop_nulls(CODE).group_by("block_id").agg(pl.col(CODE).unique())
    return {block: code for block, [code] in seen.iter_rows()}


def edited_blocks(made: Scenario) -> set[str]:
    before, after = codes(made.baseline), codes(made.candidate)
    return {block for block in before.keys() & after.keys() if before[block] != after[block]}


@in_both_worlds
@pytest.mark.parametrize("runs", [0, 1, 50])
def test_every_frame_is_a_results_frame(world: str, runs: int) -> None:
    made = scenario(world, "same", runs)
    parts = [made.history, made.baseline, made.candidate]
    assert all(frame.schema == RESULTS.schema for frame in parts)
    assert_frame_equal(pl.concat(parts), made.results)
    assert made.history["run_id"].n_unique() == runs
    assert made.results["result_id"].is_unique().all()
    assert made.results["run_created_at"].is_sorted()


@in_both_worlds
def test_states_and_what_the_api_says_agree(world: str) -> None:
    frame = pl.concat(each.results for each in many(world, "same", 10))
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
def test_where_nothing_happens_no_code_and_no_rate_changes_in_the_last_run(world: str) -> None:
    for made in many(world, "same", 3):
        assert not edited_blocks(made)
        assert (made.rates[-1] == made.rates[-2])[made.suite.changed_at != 4].all()


@in_both_worlds
def test_a_changed_eval_has_another_definition_from_its_run_on(world: str) -> None:
    columns = np.array(["expected_value", "handle_inputs_fingerprint"])
    seen = set()
    for made in many(world, "same", 10):
        order = {run_id: row for row, run_id in enumerate(made.run_ids)}
        for at in np.flatnonzero(made.suite.changed_at):
            eval_id, column = (
                made.eval_ids[at],
                columns[made.suite.changed_inputs[at] * 1],
            )
            results = made.results.filter(eval_id=eval_id, verdict="passed")
            after = results["run_id"].replace_strict(order) >= made.suite.changed_at[at]
            values = results[column]
            assert not set(values.filter(after)) & set(values.filter(~after))
            seen.add(column)
    assert seen == set(columns)


def test_an_eval_fails_as_often_as_its_rate_says() -> None:
    rng = np.random.default_rng(5)
    suite = draw_suite(rng, 2)
    rates = np.tile(np.linspace(0, 1, suite.size), (4000, 1))
    states = luck.draw_states(rng, suite, rates, np.zeros(rates.shape, bool), 0 * rates)
    fails = np.isin(states, (luck.FAILED, luck.BLOCKED))
    decided = fails | (states == luck.PASSED)
    found = fails.sum(0) / decided.sum(0)
    assert np.abs(found - rates[0]).max() < 4 * 0.5 / np.sqrt(4000) + 0.005
