"""A check and a summary of the same results have one conclusion about an eval."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta

import polars as pl
import pytest
from support.lettered_api import DAY, MINUTE, LetteredApi
from support.sandbox_api import make_server, plan_world
from support.story import FLOWS

import retab_analysis as ra

RUNS = 16
MANY = 44
"""Of so many runs ``check`` reads some: all that decide, and some older ones."""
BLOCKS = ("extract", "classify", "split")
SUITES = int(os.environ.get("SUITES", 12))
CONCLUDED = ("transition", "since_at", "since_run_id", "since_version_id", "cause")
NOT_TOLD = ("stale", "removed", "incomplete")


def draw(rng: random.Random, rates: list[float]) -> str:
    return "".join("PF"[rng.random() < rate] for rate in rates)


def draw_rates(rng: random.Random, runs: int) -> list[float]:
    """A failing rate for each run; it may jump once, and back."""
    start = rng.choice((0.0, 0.0, 0.05, 0.2, 0.4, 1.0))
    rates = [start] * runs
    if rng.random() < 0.5:
        begin, end = rng.randrange(4, runs + 1), rng.choice((runs, rng.randrange(6, runs + 1)))
        rates[begin:end] = [rng.choice((0.3, 0.6, 1.0))] * max(0, end - begin)
    return rates[:runs]


def make_suite(seed: int) -> LetteredApi:
    """Whole runs, some cancelled or in an outage, runs of parts; a deleted eval, an edit."""
    rng = random.Random(seed)
    runs = RUNS if seed % 3 else MANY
    blocks = {f"{block} {at}": block for block in BLOCKS for at in range(9)}
    codes = {block: "A" * (at := rng.randrange(2, runs)) + "B" * (runs - at) for block in BLOCKS}
    evals = {each: list(draw(rng, draw_rates(rng, runs))) for each in blocks}
    for run in range(runs):
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
            if rng.random() < 0.5:
                api.edit(block)
            letters = {each: rng.choice((evals[each][-1], *"PPF")) for each in chosen}
            api.run(letters, scope="B", after=after)
    if rng.random() < 0.4:
        gone = rng.choice([*blocks])
        api.run(dict.fromkeys([*blocks], "P") | {gone: "."})
        api.remove(gone)
    if rng.random() < 0.3:
        api.edit(rng.choice(BLOCKS))
    return api


def assert_one_conclusion(client: ra.Client, workflow_id: str) -> Counter[str]:
    """Whether a check and a summary of the runs that it read agree; how often on each word."""
    verdict = ra.check(workflow_id, client=client, progress=False)
    read = verdict.plan["run_id"].drop_nulls().to_list()
    results = ra.fetch_results(read, client=client, progress=False)
    saved = ra.fetch_evals(workflow_id, client=client, progress=False)
    for evals in (saved, None):
        told = ra.summarize_evals(results, evals=evals)
        both = verdict.evals.join(told, on="eval_id", how="left", suffix="_told")
        if evals is None:
            # Without the saved evals, a summary does not know a pass in a run that was not read.
            passes = results.filter(state="passed").select("eval_id", last_passed_at="completed_at")
            unread = saved.drop_nulls("last_passed_at").join(
                passes, on=("eval_id", "last_passed_at"), how="anti"
            )
            is_unread = pl.col("eval_id").is_in(unread["eval_id"].implode())
            both = both.filter(~pl.col("transition").is_in(NOT_TOLD), ~is_unread)
        for row in both.iter_rows(named=True):
            said = [row[name] for name in CONCLUDED]
            assert said == [row[f"{name}_told"] for name in CONCLUDED], (row, evals is None)
    return Counter(verdict.evals["transition"])


@pytest.mark.parametrize("flow", FLOWS)
def test_the_workflows_of_the_sandbox(flow: str) -> None:
    with make_server(plan_world(0)) as server, ra.Client(**server.credentials) as client:
        seen = assert_one_conclusion(client, flow)
    assert seen["still_passing"]


def test_random_suites() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SUITES):
        with make_suite(seed) as api:
            seen += assert_one_conclusion(api.client, api.flow)
    words = ("regressed", "suspect", "flaky", "fixed", "still_failing", "stale", "removed")
    assert min(seen[each] for each in words) > 0, seen
