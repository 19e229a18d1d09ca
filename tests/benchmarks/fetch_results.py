"""The results of many runs, of 40 results each, from a server that takes its time."""

from __future__ import annotations

from functools import partial

import retab_analysis as ra
from benchmarks.harness import AtMost, Figure, Row, medians_of_both, python_calls, seconds
from benchmarks.programs import BulkServer

NAME = "fetch_results"
TO_MODELS = "the SDK to its models only"
TO_IDEAL = "time / ideal"
PROCESSOR = "processor time / the SDK's"
CALLS = "calls of Python functions"
PROMISES = {TO_MODELS: 6.5, TO_IDEAL: AtMost(1.3), PROCESSOR: AtMost(0.7), CALLS: AtMost(22.0)}
EVALS = 40
LATENCY = 0.05


def measure(size: int = 200) -> list[Row | Figure]:
    """Compare on ``size`` runs; the ideal is that all connections wait for answers all the time."""
    with BulkServer("ended", size, EVALS, LATENCY) as server:
        with server.sdk() as sdk, server.client() as client:
            runs = ra.fetch_runs(progress=False, client=client)
            ours = partial(ra.fetch_results, runs, progress=False, client=client)
            run_ids = runs["run_id"].to_list()
            assert ours()["result_id"].to_list() == sdk.ids("results", run_ids)
            took = medians_of_both(partial(seconds, ours), lambda: sdk.seconds("results", run_ids))
            ideal = size * LATENCY / client.max_concurrency
            processor = sdk.processor_ratio(ours, "results", run_ids)
            calls = python_calls(ours)
    results = size * EVALS
    return [
        Row(TO_MODELS, "results", results / took[0], results / took[1]),
        Figure(TO_IDEAL, took[0] / ideal, f"× {ideal:g} s"),
        Figure(PROCESSOR, processor, "times"),
        Figure(CALLS, calls / results, "a result"),
    ]
