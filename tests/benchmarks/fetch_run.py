"""One run after the other, each asked for by its id: what a single request costs."""

from __future__ import annotations

import retab_analysis as ra
from benchmarks.harness import AtMost, Figure
from benchmarks.programs import BulkServer

NAME = "fetch_run"
PROCESSOR = "processor time / the SDK's"
PROMISES = {PROCESSOR: AtMost(3.0)}


def measure(size: int = 200) -> list[Figure]:
    """Compare on ``size`` runs; we end with a frame for each, the SDK with a model."""
    with BulkServer("ended", size, 1, 0) as server, server.sdk() as sdk, server.client() as client:
        run_ids = ra.fetch_runs(progress=False, client=client)["run_id"].to_list()

        def ours() -> list[str]:
            return [ra.fetch_run(each, client=client)["run_id"].item() for each in run_ids]

        assert ours() == sdk.ids("each_run", run_ids)
        return [Figure(PROCESSOR, sdk.processor_ratio(ours, "each_run", run_ids), "times")]
