"""What a click in the explorer takes on the Python side: rows, table, messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import polars as pl
from support.inside import Explorer

import retab_analysis as ra
from benchmarks import bodies, harness
from benchmarks.harness import AtMost, Figure

NAME = "explore"
SIZE = 10_000
SEARCH = "10,000 runs: search, processor time"
LARGE = "100,000 runs: search, processor time"
TURN = "100,000 runs: turn a page, processor time"
EVALS = "100,000 results: the evals, processor time"
PROMISES = {SEARCH: AtMost(50), LARGE: AtMost(100), TURN: AtMost(50), EVALS: AtMost(2000)}
_TIMES = 2
_EVALS = 80

Event = tuple[str, Any]


def measure(size: int = SIZE) -> list[Figure]:
    """Search so many runs and ten times as many, and turn their pages.

    Then turn to the list of evals, of ten times as many results.
    """
    normal, large = (_explorer(each) for each in (size, 10 * size))
    return [
        Figure(SEARCH, 1000 * _searching(normal), "ms"),
        Figure(LARGE, 1000 * _searching(large), "ms"),
        Figure(TURN, 1000 * _turning(large), "ms"),
        Figure(EVALS, 1000 * _weighing(large.frame, 10 * size), "ms"),
    ]


def _explorer(runs: int) -> Explorer:
    explorer = ra.explore(ra.decode_runs(bodies.page(bodies.runs(runs))))
    assert explorer.widget is not None
    return explorer


def send(explorer: Explorer, event: str, value: Any) -> None:
    """What a browser sends when a person does something."""
    explorer.widget._handle_custom_msg({"id": "1", "event": event, "value": value}, [])


def _searching(explorer: Explorer) -> float:
    return _each(explorer, [("search", "error"), ("search", "schedule"), ("search", "")] * _TIMES)


def _turning(explorer: Explorer) -> float:
    return _each(explorer, [("page", "2"), ("page", "1")] * _TIMES)


def _weighing(runs: pl.DataFrame, count: int) -> float:
    """Seconds of work from the click to the list of evals, in the median of the rounds."""
    results = _repeat(ra.decode_results(bodies.page(bodies.results(2000))), runs, count)
    rounds = []
    for _ in range(harness.ROUNDS):
        explorer = ra.explore(runs, results)
        assert explorer.widget is not None
        rounds.append(_each(explorer, [("tab", "evals")], rounds=1))
        explorer.close()
    return median(rounds)


def _repeat(few: pl.DataFrame, runs: pl.DataFrame, count: int) -> pl.DataFrame:
    """So many results, one per eval in each of the newest runs, made of a few."""
    number = pl.int_range(pl.len())
    moments = runs.sort("created_at", descending=True).with_row_index("at")
    many = pl.concat([few] * -(-count // few.height)).head(count)
    placed = many.drop("run_id", "run_created_at", "workflow_version_id").with_columns(
        at=(number // _EVALS).cast(pl.UInt32),
        eval_id=pl.format("eval_{}", number % _EVALS),
        result_id=pl.format("result_{}", number),
        handle_inputs_fingerprint=pl.format("inputs_{}", number % _EVALS),
        expected_value=pl.format("{}", number % _EVALS),
    )
    of_run = moments.select(
        "at", "run_id", "workflow_version_id", run_created_at=pl.col("created_at")
    )
    return placed.join(of_run, on="at", maintain_order="left").select(few.columns)


def _each(explorer: Explorer, events: Sequence[Event], rounds: int | None = None) -> float:
    """Seconds of all threads together that each takes, in the median of the rounds."""
    took = []
    for _ in range(rounds or harness.ROUNDS):
        start = time.process_time()
        for each in events:
            send(explorer, *each)
        explorer._jobs.wait()
        took.append(time.process_time() - start)
    return median(took) / len(events)
