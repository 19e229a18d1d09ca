"""A long history of runs, which the API gives page by page."""

from __future__ import annotations

from functools import partial

import retab_analysis as ra
from benchmarks.bulk_world import BULK_WORKFLOW_ID
from benchmarks.harness import AtMost, Figure, Row, medians_of_both, seconds
from benchmarks.programs import BulkServer

NAME = "history"
TO_MODELS = "the SDK to its models only"
PROCESSOR = "processor time / the SDK's"
PROMISES = {TO_MODELS: 3.5, PROCESSOR: AtMost(0.6)}
LATENCY = 0.05


def measure(size: int = 5_000) -> list[Row | Figure]:
    """Compare on ``size`` runs of one workflow."""
    with BulkServer("ended", size, 1, LATENCY) as server:
        with server.sdk() as sdk, server.client() as client:
            ours = partial(ra.fetch_runs, BULK_WORKFLOW_ID, progress=False, client=client)
            assert ours()["run_id"].to_list() == sdk.ids("runs", BULK_WORKFLOW_ID)
            took = medians_of_both(
                partial(seconds, ours), lambda: sdk.seconds("runs", BULK_WORKFLOW_ID)
            )
            processor = sdk.processor_ratio(ours, "runs", BULK_WORKFLOW_ID)
    return [
        Row(TO_MODELS, "runs", size / took[0], size / took[1]),
        Figure(PROCESSOR, processor, "times"),
    ]
