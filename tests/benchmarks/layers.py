"""How many requests ``check`` and ``overview`` send, how many of them wait for another, how long.

A layer is a request that begins after another one has ended. Where only so many requests are under
way at once, the ninth waits for one of the first eight. The layers are the longest such chain.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure, seconds
from benchmarks.programs import BulkServer

NAME = "layers"
LATENCY = 0.1
FLOW = "wf_invoices"
CHECK, OVERVIEW = "a first check", "a first overview of five workflows"
TIMES = f"{CHECK}: time, in times of fetch_results"
MORE = "a first overview: time, in times of a check"
SECOND = "2,000 evals, a second check, in times of a list"
PROMISES = {
    f"{CHECK}: requests": AtMost(59),
    f"{CHECK}: layers": AtMost(9),
    TIMES: AtMost(2.0),
    f"{OVERVIEW}: requests": AtMost(197),
    f"{OVERVIEW}: layers": AtMost(16),
    MORE: AtMost(2.5),
    SECOND: AtMost(0.7),
}


class Traced(ra.Client):
    """A client that notes when each request begins and ends."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.spans: list[tuple[float, float]] = []

    def get(self, *args: Any, **how: Any) -> Any:
        began = time.perf_counter()
        try:
            return super().get(*args, **how)
        finally:
            self.spans.append((began, time.perf_counter()))

    @property
    def layers(self) -> int:
        """The longest chain of requests, each of which began after the one before had ended."""
        count, end = 0, 0.0
        for began, ended in sorted(self.spans, key=lambda span: span[1]):
            if began >= end:
                count, end = count + 1, ended
        return count


def measure(size: int = 100) -> list[Figure]:
    """Each pair in turns; the median of some rounds."""
    rounds = 1 + max(1, harness.ROUNDS * size // 100)
    with BulkServer("story", 0, 0, LATENCY) as server:
        both = [_look(server.credentials) for _ in range(rounds)][1:]  # the first loads the code
    with BulkServer("ended", 2, 20 * size, LATENCY) as server:
        ratio = median(_look_again(server.credentials) for _ in range(rounds - 1))
    clients = both[0][2:]
    numbers = [
        (len(each.spans), max(its[at].layers for its in both)) for at, each in enumerate(clients, 2)
    ]
    counts = [
        Figure(f"{what}: {word}", number, word)
        for what, its in zip((CHECK, OVERVIEW), numbers, strict=True)
        for word, number in zip(("requests", "layers"), its, strict=True)
    ]
    times, more = (median(each[at] for each in both) for at in range(2))
    last = (
        Figure(TIMES, times, "times"),
        Figure(MORE, more, "times"),
        Figure(SECOND, ratio, "times"),
    )
    return [*counts, *last]


def _look(credentials: dict[str, str]) -> tuple[float, float, Traced, Traced]:
    made: list[ra.Comparison] = []
    with Traced(**credentials) as one, Traced(**credentials) as other:
        check = seconds(lambda: made.append(ra.check(FLOW, client=one, progress=False)))
        board = seconds(lambda: ra.overview(client=other, progress=False))
    with ra.Client(**credentials) as client:
        runs = ra.fetch_runs(FLOW, limit=100, client=client, progress=False)
        read = runs.join(made[0].plan.drop_nulls("run_id"), on="run_id", how="semi")
        fetch = seconds(lambda: ra.fetch_results(read, client=client, progress=False))
    return check / fetch, board / check, one, other


def _look_again(credentials: dict[str, str]) -> float:
    with ra.Client(**credentials) as client:
        flow = ra.fetch_workflows(client=client, progress=False)["workflow_id"][0]
        ra.check(flow, client=client, progress=False)
        again = seconds(lambda: ra.check(flow, client=client, progress=False))
        return again / seconds(lambda: ra.fetch_evals(flow, client=client, progress=False))
