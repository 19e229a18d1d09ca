"""What a check calls broken or flaky is so in the frames that are made of the same results."""

from __future__ import annotations

import random
from datetime import timedelta

import polars as pl
import pytest
from support.lettered_api import DAY, MINUTE, LetteredApi

import retab_analysis as ra

RUNS = 16
BLOCKS = ("extract", "classify", "split")
SUITES = 8
BROKEN = {"broken", "getting_worse"}
Suites = list[tuple[pl.DataFrame, pl.DataFrame]]


def draw(rng: random.Random, rates: list[float]) -> str:
    return "".join("PF"[rng.random() < rate] for rate in rates)


def draw_rates(rng: random.Random) -> list[float]:
    """A failing rate for each run; it may jump once, and back."""
    start = rng.choice((0.0, 0.0, 0.05, 0.2, 0.4, 1.0))
    rates = [start] * RUNS
    if rng.random() < 0.5:
        begin, end = rng.randrange(4, RUNS + 1), rng.choice((RUNS, rng.randrange(6, RUNS + 1)))
        rates[begin:end] = [rng.choice((0.3, 0.6, 1.0))] * max(0, end - begin)
    return rates[:RUNS]


def make_suite(seed: int) -> LetteredApi:
    """Whole runs, some cancelled or in an outage; then runs of blocks and of single evals."""
    rng = random.Random(seed)
    blocks = {f"{block} {at}": block for block in BLOCKS for at in range(9)}
    codes = {block: "A" * (at := rng.randrange(2, RUNS)) + "B" * (RUNS - at) for block in BLOCKS}
    evals = {each: list(draw(rng, draw_rates(rng))) for each in blocks}
    for run in range(RUNS):
        how = rng.choice(("", "", "", "", "cancelled", "outage", "holes"))
        for letters in evals.values():
            if rng.random() < {"": 0.01, "cancelled": 0.5, "outage": 0.6, "holes": 0.1}[how]:
                letters[run] = {"cancelled": "C", "outage": "E"}.get(how, "E" if not how else ".")
    api = LetteredApi({each: "".join(row) for each, row in evals.items()}, codes, blocks=blocks)
    for _ in range(rng.randrange(6)):
        after = rng.choice((MINUTE, DAY, timedelta(hours=3)))
        block, alone = rng.choice(BLOCKS), rng.choice([*blocks])
        chosen = [each for each in blocks if blocks[each] == block]
        if rng.random() < 0.6:
            api.run({alone: rng.choice("PPF")}, scope="E", after=after)
        else:
            edited = {block: "C"} if rng.random() < 0.5 else {}
            letters = {each: rng.choice((evals[each][-1], *"PPF")) for each in chosen}
            api.run(letters, scope="B", after=after, codes=edited)
    return api


@pytest.fixture(scope="module")
def suites() -> Suites:
    """Of each suite what a check says of each eval, and the results that it read."""
    made = []
    for seed in range(SUITES):
        with make_suite(seed) as api:
            verdict = api.check()
            read = verdict.plan["run_id"].drop_nulls().to_list()
            results = ra.fetch_results(read, client=api.client, progress=False)
            made.append((verdict.evals, results))
    return made


def test_what_a_check_calls_broken_is_so_since_the_same_run_for_the_same_cause(
    suites: Suites,
) -> None:
    total = 0
    for evals, results in suites:
        called = evals.filter(pl.col("transition").is_in(("regressed", "newly_blocked")))
        names = ("since_run_id", "since_at", "since_version_id", "cause")
        both = called.join(ra.summarize_evals(results), on="eval_id", how="left", suffix="_told")
        for row in both.iter_rows(named=True):
            assert [row[name] for name in names] == [row[f"{name}_told"] for name in names], row
        assert set(both["kind"]) <= BROKEN
        total += called.height
    assert total > 15


def test_what_a_check_calls_flaky_is_flaky(suites: Suites) -> None:
    total = 0
    for evals, results in suites:
        called = set(evals.filter(transition="flaky")["eval_id"])
        assert called <= set(ra.summarize_evals(results).filter(kind="flaky")["eval_id"])
        total += len(called)
    assert total > 5


def test_what_is_broken_is_no_news_to_a_check(suites: Suites) -> None:
    for evals, results in suites:
        broken = ra.summarize_evals(results).filter(pl.col("kind").is_in(BROKEN))
        broken = broken.drop_nulls("since_at").select("eval_id")
        said = evals.join(broken, on="eval_id")
        assert said.height == broken.height
        assert not set(said["transition"]) & {"flaky", "fixed", "still_passing", "suspect"}
