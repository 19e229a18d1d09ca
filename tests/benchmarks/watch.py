"""What watching costs: its processor time, and what it sends to the browser."""

from __future__ import annotations

import json
import time
from typing import Any

import retab_analysis as ra
from benchmarks.harness import AtMost, Figure
from benchmarks.programs import BulkServer

NAME = "watch"
INTERVAL = 2.0
ONE, MANY = (f"{runs}, interval={INTERVAL:g}: share of a core" for runs in ("1 run", "20 runs"))
SENT = f"1 run, interval={INTERVAL:g}: sent"
PROMISES = {ONE: AtMost(1.5), MANY: AtMost(4.0), SENT: AtMost(2.0)}
# The rounds that are timed come after those that draw what had been before.
WARM_UP = 3


def measure(size: int = 200) -> list[Figure]:
    """Watch runs of the sandbox, one and twenty, for ``size / 5`` seconds of their time."""
    rounds = max(1, round(size / 5 / INTERVAL))
    share, sent = _watch(1, rounds)
    return [
        Figure(ONE, share, "%"),
        Figure(SENT, sent, "kB/s"),
        Figure(MANY, _watch(20, rounds)[0], "%"),
    ]


def _watch(runs: int, rounds: int) -> tuple[float, float]:
    """Percent of a core that this process needs while a view is on, and kB it sends a second."""
    with BulkServer("story", 0, 0, 0) as server, server.client() as client:
        watched = ra.start_runs("wf_invoices", repeat=runs, client=client)
        with ra.watch(watched, interval=INTERVAL, client=client) as view:
            sent: list[int] = []
            ticks: list[object] = []

            def note(message: Any) -> None:
                sent.append(len(json.dumps(message, ensure_ascii=False).encode()))

            view.widget.send = note

            def go_on(view: Any) -> None:
                if view.comparison is not None:  # what had been before is read
                    ticks.append(server.tick())

            # Each round has something new to find, and none is late for it.
            view.on_update(go_on)
            _until(ticks, WARM_UP)
            sent.clear()
            began, used = time.perf_counter(), time.process_time()
            _until(ticks, WARM_UP + rounds)
            took = time.perf_counter() - began
            return 100 * (time.process_time() - used) / took, sum(sent) / took / 1000


def _until(ticks: list[object], rounds: int) -> None:
    end = time.monotonic() + 60 + 2 * INTERVAL * rounds
    while len(ticks) < rounds:
        assert time.monotonic() < end, "the view is not kept up to date"
        time.sleep(INTERVAL / 40)
