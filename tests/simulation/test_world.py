"""The simulated runs are what they are said to be: frames and truth agree."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.inside import RESULTS

from simulation import luck
from simulation.population import SHAKY_MEAN, SOLID_MEAN, draw_rates, draw_suite
from simulation.world import KINDS, Scenario, simulate

CODE = "block_execution_fingerprint"


@functools.cache
def scenario(kind: str, runs: int, seed: int = 0) -> Scenario:
    return simulate(kind, runs, seed=(11, seed), episodes=runs >= 50)


def many(kind: str, runs: int, count: int = 12) -> list[Scenario]:
    return [scenario(kind, runs, seed) for seed in range(count)]


def codes(results: pl.DataFrame) -> dict[str, str]:
    """The code of each block that was seen in a frame."""
    seen = results.drop_nulls(CODE).group_by("block_id").agg(pl.col(CODE).unique())
    return {block: code for block, [code] in seen.iter_rows()}


def edited_blocks(made: Scenario) -> set[str]:
    before, after = codes(made.baseline), codes(made.candidate)
    return {block for block in before.keys() & after.keys() if before[block] != after[block]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("runs", [0, 1, 50])
def test_every_frame_is_a_results_frame(kind: str, runs: int) -> None:
    made = scenario(kind, runs)
    parts = [made.history, made.baseline, made.candidate]
    for frame in [*parts, made.rerun(None, 1), made.rerun([], 1)]:
        assert frame.schema == RESULTS.schema
    assert_frame_equal(pl.concat(parts), made.results)
    assert made.history["run_id"].n_unique() == runs
    assert made.results["result_id"].is_unique().all()
    assert made.results["run_created_at"].is_sorted()


def test_a_seed_decides_everything() -> None:
    once, again = (simulate("past", 50, seed=[3, 4], episodes=True) for _ in range(2))
    assert_frame_equal(once.results, again.results)
    assert_frame_equal(once.truth, again.truth)
    assert_frame_equal(once.rerun(None, 2), again.rerun(None, 2))
    other = simulate("past", 50, seed=[3, 5], episodes=True)
    assert not once.results.equals(other.results)


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(ValueError, match="kind is one of"):
        simulate("worse", 3, seed=[1])
    with pytest.raises(ValueError, match="20 earlier runs"):
        simulate("same", 3, seed=[1], episodes=True)


def test_states_and_what_the_api_says_agree() -> None:
    frame = pl.concat(each.results for each in many("edit", 10))
    assert set(frame["state"]) == set(luck.STATES)
    judged = pl.col("state").is_in(("passed", "failed", "blocked"))
    assert frame.filter(judged)["verdict"].equals(frame.filter(judged)["state"])
    assert frame.filter(~judged)["verdict"].null_count() == frame.filter(~judged).height
    ended = pl.col("state").is_in(("error", "cancelled"))
    assert frame.filter(ended)["status"].equals(frame.filter(ended)["state"])
    right = frame["actual_value"].eq_missing(frame["expected_value"])
    assert right.filter(frame["state"] == "passed").all()
    assert not right.filter(frame["state"] == "failed").any()


def test_an_edit_changes_the_code_of_the_blocks_in_which_evals_break() -> None:
    scenarios = many("edit", 3)
    for made in scenarios:
        planted = made.truth.filter("by_candidate")
        assert set(planted["block_id"]) <= edited_blocks(made)
        assert 1 <= len(edited_blocks(made)) <= 2
        assert set(planted["cause"]) <= {"edit"}
        assert set(planted["since_run_id"]) <= {made.candidate["run_id"][0]}
    planted = pl.concat(each.truth for each in scenarios).filter("by_candidate")
    rise = planted["rate_now"] - planted["rate_before"]
    soft = planted.select(~pl.col("hard")).to_series()
    assert soft.any()
    assert (planted.filter("hard")["rate_now"] >= 0.9).all()
    assert (rise.filter(soft) >= 0.3 - 1e-9).all()
    assert (rise.filter(soft) <= 0.6 + 1e-9).all()


def test_drift_breaks_evals_of_one_block_on_the_same_code() -> None:
    for made in many("drift", 3):
        planted = made.truth.filter("by_candidate")
        assert planted.height
        assert planted["block_id"].n_unique() == 1
        assert not edited_blocks(made)


def test_where_nothing_changed_no_rate_did() -> None:
    for made in many("same", 10):
        assert not edited_blocks(made)
        assert not made.truth["broken"].any()
        as_before = made.truth.filter(pl.col("changed_row").ne_missing(made.candidate_row))
        assert as_before["rate_now"].equals(as_before["rate_before"])


def test_a_benign_edit_changes_the_code_and_hardly_a_rate() -> None:
    moved = 0
    for made in many("benign", 3):
        assert edited_blocks(made)
        assert not made.truth["by_candidate"].any()
        same = made.truth.filter(pl.col("changed_row").ne_missing(made.candidate_row))
        change = (same["rate_now"] - same["rate_before"]).abs()
        assert (change <= 0.1 + 1e-9).all()
        moved += int((change > 0).sum())
    assert moved


def test_a_break_of_the_past_shows_from_its_run_on() -> None:
    for made in many("past", 20):
        rates = made.timeline.rates()
        for at, row in enumerate(made.truth.iter_rows(named=True)):
            if row["broken"]:
                start = row["broken_row"]
                assert made.run_ids[start] == row["since_run_id"] == row["since_run_ids"][0]
                assert rates[start:, at].min() >= rates[start - 1, at] + 0.2
                code = made.timeline.code[start - 1 : start + 1, made.suite.block[at]]
                assert (code[0] != code[1]) or row["cause"] == "drift"


def test_the_runs_that_may_be_blamed_end_with_one_that_decided_the_eval() -> None:
    decided = pl.col("state").is_in(("passed", "failed", "blocked"))
    for made in many("past", 20):
        seen = set(made.results.filter(decided).select("run_id", "eval_id").iter_rows())
        for row in made.truth.filter("broken").iter_rows(named=True):
            *before, last = row["since_run_ids"]
            assert not any((run, row["eval_id"]) in seen for run in before)
            assert (last, row["eval_id"]) in seen or last == made.run_ids[-1]


def test_incidents_of_the_past_are_mended_or_last() -> None:
    truth = pl.concat(each.truth for each in many("same", 50))
    mended = truth.filter("mended")
    assert mended.height > 50
    assert truth.filter("broken").height > 5
    assert not truth["by_candidate"].any()
    assert (mended["mended_row"] <= 50 - 2).all()
    assert (mended["rate_now"] <= 0.6).all()
    for made in many("same", 50):
        rates = made.timeline.rates()
        for each in made.timeline.breaks:
            assert (rates[each.start, each.evals] > rates[each.start - 1, each.evals]).all()


def test_known_gaps_never_pass() -> None:
    for made in many("same", 20):
        gaps = made.truth.filter("never_passes", pl.col("changed").is_null())["eval_id"]
        states = made.results.filter(pl.col("eval_id").is_in(gaps.to_list()))["state"]
        assert "passed" not in set(states)


def test_a_changed_eval_has_another_definition_from_its_run_on() -> None:
    seen = set()
    for made in many("same", 10):
        order = {run_id: row for row, run_id in enumerate(made.run_ids)}
        for row in made.truth.drop_nulls("changed").iter_rows(named=True):
            results = made.results.filter(eval_id=row["eval_id"], verdict="passed")
            column = {"inputs": "handle_inputs_fingerprint", "expected": "expected_value"}
            after = results["run_id"].replace_strict(order) >= row["changed_row"]
            values = results[column[row["changed"]]]
            assert not set(values.filter(after)) & set(values.filter(~after))
            seen.add(row["changed"])
    assert seen == {"inputs", "expected"}


def test_evals_come_and_go() -> None:
    came = gone = 0
    for made in many("same", 1):
        now, before = set(made.candidate["eval_id"]), set(made.baseline["eval_id"])
        told = made.truth.filter(pl.col("added_row") == made.candidate_row)
        removed = made.truth.filter(pl.col("removed_row") == made.candidate_row)
        assert now - before == set(told["eval_id"]) - set(removed["eval_id"])
        assert before - now <= set(removed["eval_id"])
        came, gone = came + len(now - before), gone + len(before - now)
    assert came
    assert gone


def test_a_rerun_is_of_the_candidates_code_and_of_nothing_else() -> None:
    made = scenario("edit", 3)
    some = made.candidate["eval_id"].to_list()[:7]
    part, whole = made.rerun(some, 1), made.rerun(None, 1)
    assert part["eval_id"].to_list() == some
    assert_frame_equal(part, whole.filter(pl.col("eval_id").is_in(some)))
    assert not whole["state"].equals(made.rerun(None, 2)["state"])
    assert codes(whole) == codes(made.candidate)
    assert set(whole["eval_id"]) == set(made.candidate["eval_id"])
    assert whole["run_created_at"].min() > made.candidate["run_created_at"].max()
    assert not made.rerun(["eval_of_somebody_else"], 1).height


def test_an_eval_fails_as_often_as_its_rate_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luck, "BAD_HOUR", 0.0)
    rng = np.random.default_rng(5)
    suite = draw_suite(rng, 2)
    rates = np.tile(np.linspace(0, 1, suite.size), (4000, 1))
    states = luck.draw_states(rng, suite, rates, np.zeros(rates.shape, dtype=bool))
    fails = np.isin(states, (luck.FAILED, luck.BLOCKED))
    decided = fails | (states == luck.PASSED)
    found = fails.sum(0) / decided.sum(0)
    assert np.abs(found - rates[0]).max() < 4 * 0.5 / np.sqrt(4000) + 0.005


def test_evals_of_a_document_share_their_luck() -> None:
    rng = np.random.default_rng(6)
    suite = draw_suite(rng, 2)
    rates = np.full((3000, suite.size), 0.3)
    states = luck.draw_states(rng, suite, rates, np.zeros(rates.shape, dtype=bool))
    alike = np.corrcoef((states == luck.FAILED).T)
    other = ~np.eye(suite.size, dtype=bool) & (suite.block[:, None] == suite.block)
    document = (suite.document[:, None] == suite.document) & (suite.document >= 0)
    assert alike[document & other].mean() > alike[~document & other].mean() + 0.02


def test_every_block_has_evals_and_every_run_results() -> None:
    for made in many("same", 50):
        assert set(made.suite.block.tolist()) == set(range(made.suite.blocks))
        assert 30 <= made.suite.size <= 500
        assert made.results["run_id"].n_unique() == 52


def test_most_rates_are_solid_and_some_are_shaky() -> None:
    rng = np.random.default_rng(7)
    rates = np.concatenate([draw_rates(rng, 400) for _ in range(200)])
    assert SOLID_MEAN < rates.mean() < SOLID_MEAN + 0.15 * (SHAKY_MEAN - SOLID_MEAN)
    assert 0.02 < (rates > 0.2).mean() < 0.15
    assert len(np.unique(rates)) > 0.9 * len(rates)
