"""Does with the official SDK what its users do, and says how long it took.

A program of ``programs.Sdk``. Address and key are in the environment, where the SDK finds them.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any

from retab import Retab

from benchmarks.harness import processor_seconds, seconds

# The most that the API gives.
PAGE = 100


def runs(client: Retab, workflow_id: str) -> list[Any]:
    """All runs of a workflow; iterating over the SDK's page fetches the next ones."""
    return list(client.workflows.evals.runs.list(workflow_id=workflow_id, limit=PAGE))


def results(client: Retab, run_ids: list[str]) -> list[Any]:
    """The results of some runs, one run after the other."""
    read = client.workflows.evals.results.list
    return [result for run_id in run_ids for result in read(run_id=run_id, limit=PAGE)]


def each_run(client: Retab, run_ids: list[str]) -> list[Any]:
    """Some runs, each asked for by its id."""
    return [client.workflows.evals.runs.get(run_id) for run_id in run_ids]


WORKS = {"runs": runs, "results": results, "each_run": each_run}
CLOCKS = {"seconds": seconds, "processor_seconds": processor_seconds}


def main() -> None:
    with Retab(max_retries=0, timeout=30) as client:
        for line in sys.stdin:
            request = json.loads(line)
            work = partial(WORKS[request["work"]], client, request["of"])
            clock = CLOCKS.get(request["want"])
            answer = clock(work) if clock else [each.id for each in work()]
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
