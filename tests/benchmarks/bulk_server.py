"""Serves a bulk world: ``python -m benchmarks.bulk_server KIND RUNS EVALS LATENCY``.

A program of ``programs.BulkServer``. The kinds of worlds:

- ``ended``: all runs have.
- ``queue``: half of the runs have ended, one is moving, and the others wait for it.
- ``moving``: all are moving at once.

In a run that moves an eval ends with each tick, and time stands still in between, so that all
rounds of a benchmark have the same work to do.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

from support.worlds import bulk_world

from retab_analysis.sandbox.http.server import Server
from retab_analysis.sandbox.simulation.simulated_runs import Run, SimulatedRun
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import World

TICK = 1_000_000
# With the gap of 60 ms that the sandbox leaves between two evals, one ends with each tick.
EVAL_MS = 940


class Clock:
    """Stands still until it is told to tick."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now


def main(kind: str, runs: int, evals: int, latency: float) -> None:
    clock = Clock()
    world = bulk_world(runs, evals, anchor=clock.now - 60 * TICK)
    if kind != "ended":
        world = replace(world, runs=in_flight(world, kind, clock.now))
    with Server(Store(world, clock=clock), latency=latency) as server:
        for line in sys.stdin:
            if json.loads(line)["want"] == "tick":
                clock.now += TICK
            sys.stdout.write(json.dumps(server.credentials) + "\n")
            sys.stdout.flush()


def in_flight(world: World, kind: str, now: int) -> list[Run]:
    """The runs of a world, oldest first, as they are while some of them go on."""
    ended = len(world.runs) // 2 if kind == "queue" else 0
    going = [_waiting(run) for run in world.runs[ended:]]
    for run in going[:1] if kind == "queue" else going:
        run.begin(now)
    return [*world.runs[:ended], *going]


def _waiting(run: Run) -> SimulatedRun:
    assert isinstance(run, SimulatedRun)
    children = tuple(child._replace(ms=EVAL_MS) for child in run.plan.children)
    return SimulatedRun(replace(run.plan, children=children))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
