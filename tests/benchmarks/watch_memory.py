"""What watching adds to the memory of a process, while evals end and are compared.

As a program, ``python -m benchmarks.watch_memory ROUNDS``, it watches runs for so many rounds and
says in each of them how much memory it has: all of it, and what Python's own objects take.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import retab_analysis as ra
from benchmarks.harness import AtMost, Figure, alone
from benchmarks.programs import BulkServer

NAME = "watch_memory"
FLOW = "wf_invoices"
FIRST = "the first five minutes"
LATER = "the ten minutes after them"
OBJECTS = "objects of Python in all of them"
PROMISES = {FIRST: AtMost(5.0), LATER: AtMost(5.0), OBJECTS: AtMost(3.0)}
UNIT = "MB more"

# So many rounds are taken together, because memory goes up and down by some MB between rounds.
TOGETHER = 20
# News are found from the third eval on; what is loaded for them is not what watching adds.
WARM_UP = 15


def measure(size: int = 200) -> list[Figure]:
    """Follow three runs of 95 evals for ``1.5 * size`` and ``3 * size`` seconds, after a start.

    The time of the server goes on by the usual interval with each round, as fast as rounds are.
    """
    first, later = round(0.75 * size), round(1.5 * size)
    rounds = WARM_UP + first + later
    whole, traced = (alone(NAME, rounds, *how)[WARM_UP:] for how in ((), ("trace",)))
    return [
        Figure(FIRST, _growth(whole[:first]), UNIT),
        Figure(LATER, _growth(whole[first:]), UNIT),
        Figure(OBJECTS, _growth(traced), UNIT),
    ]


def _growth(amounts: list[float]) -> float:
    """How much more there is at the end than at the start; nothing where there is less."""
    window = min(TOGETHER, len(amounts) // 2)
    ends = (statistics.median(each) for each in (amounts[:window], amounts[-window:]))
    start, end = ends
    return max(0.0, end - start)


def main(rounds: int, trace: bool) -> None:
    amounts: list[float] = []
    with BulkServer("story", 0, 0, 0) as server, server.client() as client:
        runs = ra.start_runs(FLOW, repeat=3, client=client)["run_id"].to_list()
        view = ra.watch(runs, interval=0.001, client=client)

        def note(_: object) -> None:
            if len(amounts) < rounds:
                if trace and len(amounts) == WARM_UP:
                    tracemalloc.start()
                amounts.append((_traced() if trace else _resident()) / 2**20)
                server.tick()

        view.on_update(note)
        while len(amounts) < rounds and not view.done:
            time.sleep(0.01)
        view.stop()
        ended = view.state.look.checked["completed"].fill_null(0).sum()
        assert len(amounts) == rounds, view.state.look.trouble
        assert ended > rounds / 4
        assert view.comparison is not None or rounds < 2 * WARM_UP
    sys.stdout.write(json.dumps(amounts))


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def _resident() -> int:
    """How much memory this process has now; where that cannot be asked, the most it has had."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    main(int(sys.argv[1]), "trace" in sys.argv[2:])
