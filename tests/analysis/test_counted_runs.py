"""One rule says which runs count: the sums over the blocks of a week are those of the week."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakes import STILL
from support.frames import result, results, run, runs
from support.inside import RATED

import retab_analysis as ra

COUNTS = (*RATED, "cancelled", "rated_evals")
STATES = ("passed", "passed", "failed", "blocked", "error", "error", "cancelled", "unscored")
BLOCKS = ("extract", "split", "check")


def assert_sums(of_runs: pl.DataFrame, of_results: pl.DataFrame, keys: list[str]) -> None:
    """The law, of runs whose results are all there."""
    there = of_results.group_by("run_id").agg(n=pl.col("eval_id").n_unique())
    whole = of_runs.join(there, on="run_id").filter(pl.col("n") == pl.col("total_evals"))
    ids = whole["run_id"].implode()
    frame = of_results.filter(pl.col("run_id").is_in(ids))
    for every in ("1w", None):
        weekly = ra.summarize_runs(whole.drop("n"), keys, every=every)
        blocks = ra.summarize_results(frame, [*keys, "block_id"], every=every)
        passing = (pl.col("pass_rate") * pl.col("rated_evals")).round().sum().alias("passing")
        on = [*keys, *(["period_start"] if every else [])]
        left_out = pl.col("n_in_outages", "n_left_out").sum()
        summed = blocks.group_by(on).agg(pl.col(COUNTS).sum(), passing, left_out)
        both = weekly.join(summed, on=on, how="full", nulls_equal=True, suffix="_summed")
        for name in COUNTS:
            assert both[name].to_list() == both[f"{name}_summed"].to_list(), name
        rated = (pl.col("pass_rate") * pl.col("rated_evals")).round().fill_null(0)
        assert both.select(rated).to_series().to_list() == both["passing"].fill_null(0).to_list()
        parts = pl.sum_horizontal("rated_runs", "n_outages", pl.col("n_left_out"))
        assert weekly.select(parts).to_series().to_list() == weekly["n_runs"].to_list()
        assert (both["n_outages"] > 0).to_list() == (both["n_in_outages"] > 0).to_list()


@pytest.mark.parametrize("keys", [["workflow_id"], ["workflow_id", "workflow_version_id"]])
def test_the_law_over_the_sandboxs_days(keys: list[str], world: Any) -> None:
    assert world[0]["is_outage"].sum() > 0
    assert_sums(*world, keys)


@pytest.fixture(scope="module")
def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        made = ra.fetch_runs(client=client, progress=False)
        return made, ra.fetch_results(made, client=client, progress=False)


SOME = st.lists(
    st.tuples(
        st.integers(0, 20),  # days
        st.sampled_from(["workflow", "workflow", "block", "eval"]),
        st.sampled_from(["v1", "v2"]),
        st.lists(st.sampled_from(STATES), min_size=1, max_size=6),
        st.booleans(),  # whether the results tell that it was an outage
    ),
    max_size=8,
)


@examples(60)
@given(SOME)
def test_the_law_over_random_runs(some: list[tuple[int, str, str, list[str], bool]]) -> None:
    made, rows = [], []
    for at, (day, scope, version, states, is_told) in enumerate(some):
        its = states[:1] if scope == "eval" else states
        n, run_id = Counter(its), f"run_{at}"
        outage = n["error"] >= 3 and 2 * n["error"] >= sum(n[each] for each in RATED)
        counts = {each: n[each] for each in (*RATED, "cancelled")}
        status = "cancelled" if n["cancelled"] else "completed"
        about = {"workflow_version_id": version, "total_evals": len(its), "status": status}
        made.append(run(run_id, day, scope=scope, is_outage=outage, **about, **counts))
        rows += [
            result(
                f"e{number}",
                state,
                day,
                result_id=f"{at}/{number}",
                run_id=run_id,
                run_scope=scope,
                run_is_outage=outage if is_told or scope != "workflow" else None,
                workflow_version_id=version,
                status="cancelled" if state == "cancelled" else "completed",
                block_id=BLOCKS[0] if scope == "block" else BLOCKS[number % 3],
            )
            for number, state in enumerate(its)
        ]
    for keys in (["workflow_id"], ["workflow_version_id"]):
        assert_sums(runs(*made), results(*rows), keys)


def test_durations_are_of_the_runs_that_count() -> None:
    frame = runs(
        run("whole", 1, duration_ms=300_000),
        run("outage", 1, error=5, duration_ms=900_000),
        run("eval", 1, scope="eval", duration_ms=4_000),
    )
    found = ra.summarize_runs(frame)
    assert found["duration_ms_p95"].to_list() == [300_000]
    assert found.select("n_runs", "rated_runs", "n_outages", "n_left_out").row(0) == (3, 1, 1, 1)
    assert ra.summarize_runs(frame, scope="eval")["duration_ms_p95"].to_list() == [4_000]


def test_where_no_run_tells_its_scope_one_eval_is_a_single_run() -> None:
    rows = [result(f"e{at}", "passed", 1) for at in range(3)] + [result("e0", "failed", 2)]
    assert ra.summarize_results(results(*rows), "workflow_id")["pass_rate"].to_list() == [1.0]
    assert ra.summarize_results(results(rows[-1]), "workflow_id")["pass_rate"].to_list() == [0.0]
