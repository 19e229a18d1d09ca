"""What the page of all workflows costs, in checks of the same workflows.

Both sides begin with a client that keeps nothing, in turns, in this process.
"""

from __future__ import annotations

import time
from statistics import median

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure
from benchmarks.programs import BulkServer

NAME = "week"
PAGE = "the page of all workflows with 13 weeks, in checks of each"
PROMISES = {PAGE: AtMost(1.5)}


def measure(size: int = 100) -> list[Figure]:
    """The ratio of both, the median of some rounds."""
    with BulkServer("story", 0, 0, 0) as server:
        ratios = []
        for at in range(1 + max(2, harness.ROUNDS * size // 100)):
            with ra.Client(**server.credentials) as client:
                flows = ra.fetch_workflows(client=client, progress=False)["workflow_id"]
                known = [
                    each for each in flows if ra.fetch_runs(each, limit=1, client=client).height
                ]
                started = time.process_time()
                for each in known:
                    ra.check(each, client=client, progress=False)
                checks = time.process_time() - started
            with ra.Client(**server.credentials) as client:
                started = time.process_time()
                ra.overview(every="1w", client=client, progress=False)
                page = time.process_time() - started
            if at:  # the first round loads the code
                ratios.append(page / checks)
    return [Figure(PAGE, median(ratios), "checks")]
