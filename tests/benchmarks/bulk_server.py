"""Serves a bulk world: ``python -m benchmarks.bulk_server KIND RUNS EVALS LATENCY``.

A program of ``programs.BulkServer``. The kinds of worlds:

- ``ended``: all runs have.
- ``queue``: half of the runs have ended, one is moving, and the others wait for it.
- ``moving``: all are moving at once.
- ``story``: the sandbox's own world, whatever numbers are given; a tick is two seconds.

In a run that moves an eval ends with each tick, and time stands still in between, so that all
rounds of a benchmark have the same work to do.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

from support.inside import SimulatedRun, Store, StoreServer
from support.sandbox_api import START, make_store

from benchmarks.bulk_world import bulk_runs, bulk_world

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
    if kind == "story":
        clock.now = START
        store, tick = make_store(clock=clock), 2 * TICK
    else:
        store, tick = bulk_store(clock, kind, runs, evals), TICK
    with StoreServer(store, latency=latency) as server:
        for line in sys.stdin:
            if json.loads(line)["want"] == "tick":
                clock.now += tick
            sys.stdout.write(json.dumps(server.credentials) + "\n")
            sys.stdout.flush()


def bulk_store(clock: Clock, kind: str, runs: int, evals: int) -> Store:
    """A store of a bulk world of that kind."""
    world = bulk_world(evals, anchor=clock.now - 60 * TICK)
    history = bulk_runs(world, runs)
    if kind != "ended":
        history = in_flight(history, kind, clock.now)
    return Store(world, history, clock=clock)


def in_flight(runs: list[SimulatedRun], kind: str, now: int) -> list[SimulatedRun]:
    """The runs, oldest first, as they are while some of them go on."""
    ended = len(runs) // 2 if kind == "queue" else 0
    going = [_waiting(run) for run in runs[ended:]]
    for run in going[:1] if kind == "queue" else going:
        run.begin(now)
    return [*runs[:ended], *going]


def _waiting(run: SimulatedRun) -> SimulatedRun:
    children = tuple(child._replace(ms=EVAL_MS) for child in run.plan.children)
    return SimulatedRun(replace(run.plan, children=children))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
