"""What ``check`` costs on the demo's workflow, beside what it waits for the network.

Every figure is of a process of its own, ``python -m benchmarks.check CALLS``, with the sandbox in
another one: the processor time of all threads, which a busy machine changes less than the clock.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from statistics import median

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure, alone
from benchmarks.programs import BulkServer

NAME = "check"
LOADING = "to load the code: processor time"
FIRST = "the first call: processor time"
LATER = "a later call: processor time"
LABELS = (LOADING, FIRST, LATER)
PROMISES = {LOADING: AtMost(450.0), FIRST: AtMost(350.0), LATER: AtMost(250.0)}
WORKFLOW = "wf_invoices"


def measure(size: int = 100) -> list[Figure]:
    """Check with ``size / 10`` calls in each of some processes; the median of each kind."""
    calls = max(2, size // 10)
    with BulkServer("story", 0, 0, 0) as server:
        measured = [alone(NAME, calls, **server.settings) for _ in range(harness.ROUNDS)]
    took = map(median, zip(*measured, strict=True))
    return [Figure(label, 1000 * each, "ms") for label, each in zip(LABELS, took, strict=True)]


def main(calls: int) -> None:
    moments = [time.process_time()]
    check = ra.check  # public names are loaded at first use
    moments.append(time.process_time())
    for _ in range(1 + calls):
        check(WORKFLOW, progress=False)
        moments.append(time.process_time())
    loading, first, *later = (after - before for before, after in pairwise(moments))
    sys.stdout.write(json.dumps([loading, first, median(later)]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
