"""How a check grows with the number of saved evals: the first, the second, its text and its page.

Every figure is of a process of its own, ``python -m benchmarks.scale``, with the server in another
one: the processor time of all its threads.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise

import retab_analysis as ra
from benchmarks import harness
from benchmarks.bulk_world import BULK_WORKFLOW_ID
from benchmarks.harness import AtMost, Figure, alone
from benchmarks.programs import BulkServer

NAME = "scale"
SIZE, RUNS, GREATER = 500, 100, 4
PARTS = ("the first check", "the second check", "its text", "its page")
LARGEST = GREATER * SIZE
TOOK = {part: f"{LARGEST:,} evals × {RUNS} runs: {part}, processor time" for part in PARTS}
GROWTH = {part: f"an eval among {LARGEST:,}, against one among {SIZE}: {part}" for part in PARTS}
PROMISES = {
    TOOK["the first check"]: AtMost(2500),
    TOOK["the second check"]: AtMost(1000),
    **dict.fromkeys(GROWTH.values(), AtMost(GREATER**0.2)),  # an exponent of 1.2
}


def measure(size: int = SIZE) -> list[Figure]:
    """Check a workflow of ``size`` evals, and one of four times as many."""
    runs = min(RUNS, size)
    small, large = (_best(each, runs) for each in (size, GREATER * size))
    return [
        *(Figure(TOOK[part], 1000 * took, "ms") for part, took in zip(PARTS, large, strict=True)),
        *(
            Figure(GROWTH[part], more / GREATER / less, "times the time")
            for part, less, more in zip(PARTS, small, large, strict=True)
        ),
    ]


def _best(evals: int, runs: int) -> list[float]:
    """The least time of each part, among a few processes."""
    with BulkServer("ended", runs, evals, 0) as server:
        measured = [alone(NAME, **server.settings) for _ in range(harness.ROUNDS)]
    return [min(times) for times in zip(*measured, strict=True)]


def main() -> None:
    check = ra.check  # public names are loaded at first use
    moments = [time.process_time()]
    check(BULK_WORKFLOW_ID, progress=False)
    moments.append(time.process_time())
    verdict = check(BULK_WORKFLOW_ID, progress=False)
    moments.append(time.process_time())
    assert repr(verdict)
    moments.append(time.process_time())
    assert verdict.to_html()
    moments.append(time.process_time())
    sys.stdout.write(json.dumps([after - before for before, after in pairwise(moments)]))


if __name__ == "__main__":
    main()
