"""What a click in a view takes on the Python side, and how large its answer is."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import polars as pl
from support.shown import view_of

import retab_analysis as ra
from benchmarks import bodies, harness
from benchmarks.harness import AtMost, Figure, processor_seconds

NAME = "explore"
SIZE = 500
RUNS = 30
FIRST = f"{SIZE} evals, {RUNS} runs: first paint, processor time"
OPEN = f"{SIZE} evals, {RUNS} runs: open an eval, processor time"
ANSWER = f"{SIZE} evals, {RUNS} runs: open an eval, sent"
SEARCH = f"{SIZE} evals, {RUNS} runs: search, processor time"
PROMISES = {FIRST: AtMost(1000), OPEN: AtMost(150), ANSWER: AtMost(5), SEARCH: AtMost(150)}


def measure(size: int = SIZE) -> list[Figure]:
    """Draw a view of so many evals, open one of them, and search."""
    results = _results(size)
    newest = pl.col("run_id") == f"run_{RUNS - 1}"
    before, now = results.filter(~newest), results.filter(newest)
    view = view_of(ra.compare(before, now), results)
    firsts, opens, searches, answers = [], [], [], []
    sent: list[Any] = []
    view.widget.send = sent.append
    assert view.comparison is not None
    eval_id = view.comparison.evals["eval_id"][0]
    for _ in range(harness.ROUNDS):
        view._facts.clear()
        firsts.append(processor_seconds(view._render))
        for each in (eval_id, eval_id):
            time.sleep(0.11)  # what changes within a tenth of a second is sent together
            sent.clear()
            opens.append(processor_seconds(partial(_send, view, "open", each)))
            answers.append(max(len(json.dumps(message)) for message in sent))
        searches += [
            processor_seconds(partial(_send, view, "search", each)) for each in ("eval 1", "")
        ]
    view.close()
    return [
        Figure(FIRST, 1000 * min(firsts), "ms"),
        Figure(OPEN, 1000 * min(opens), "ms"),
        Figure(ANSWER, max(answers) / 1000, "kB"),
        Figure(SEARCH, 1000 * min(searches), "ms"),
    ]


def _results(evals: int) -> pl.DataFrame:
    """Results of so many evals in each of the runs, made of a few."""
    few = ra.decode_results(bodies.page(bodies.results(200)))
    number = pl.int_range(pl.len())
    many = pl.concat([few] * -(-evals * RUNS // few.height)).head(evals * RUNS)
    day = pl.duration(days=number // evals)
    at = pl.lit(few["created_at"].drop_nulls().min()) + day
    return many.with_columns(
        eval_id=pl.format("eval_{}", number % evals),
        eval_name=pl.format("eval {}", number % evals),
        run_id=pl.format("run_{}", number // evals),
        result_id=pl.format("result_{}", number),
        handle_inputs_fingerprint=pl.format("inputs_{}", number % evals),
        expected_value=pl.format("{}", number % evals),
        workflow_id=pl.lit("wf_bulk"),
        run_scope=pl.lit("workflow"),
        run_created_at=at,
        created_at=at,
    ).select(few.columns)


def _send(view: Any, event: str, value: str) -> None:
    content = {"id": "1", "event": event, "scope": "0", "value": value}
    view.widget._handle_custom_msg(content, [])
