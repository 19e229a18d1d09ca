"""What watching costs: a cycle from polling to redrawing, its messages, and its CPU time."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, ClassVar

import comm
from comm.base_comm import BaseComm
from support.inside import LiveView, Watcher

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure, processor_seconds
from benchmarks.programs import BulkServer

NAME = "watch"
INTERVAL = 2.0
RUNS = 20
SHARE = f"{RUNS} runs, interval={INTERVAL:g}: share of a core"
NEWS = f"{SHARE}, with news"
CYCLE = "a cycle, processor time"
PROMISES = {
    SHARE: AtMost(3.0),
    NEWS: AtMost(8.0),
    f"{RUNS} runs: {CYCLE}": AtMost(20.0),
}
EVALS = 40
# The cycles that are timed come after those that fetch what had ended before.
WARM_UP = 2


def measure(size: int = 200) -> list[Figure]:
    """Time cycles with up to ``size`` runs, and the CPU for ``size / 20`` seconds.

    The API runs one eval after the other, so that one run moves and the others have ended or wait.
    That all of them move at once is the worst that can be.
    """
    some, rounds = max(2, size // 10), max(1, round(size / 20 / INTERVAL))
    return [
        *_cycle("1 run", "queue", 1),
        *_cycle(f"{RUNS} runs", "queue", RUNS),
        *_cycle(f"{size} runs", "queue", size),
        *_cycle(f"{some} runs, all moving", "moving", some),
        Figure(SHARE, _share("queue", rounds, None), "%"),
        Figure(f"{SHARE}, all moving", _share("moving", rounds, None), "%"),
        Figure(NEWS, _share("queue", rounds, "last_good"), "%"),
    ]


def _cycle(label: str, kind: str, runs: int) -> Iterator[Figure]:
    """What a cycle costs in which evals have ended, and what it sends to the browser."""
    with BulkServer(kind, runs, EVALS, 0) as server, server.client() as client, _sent() as sent:
        run_ids = ra.fetch_runs(progress=False, client=client)["run_id"].to_list()
        watcher = Watcher(client, run_ids, None, None, INTERVAL)
        view = LiveView(watcher, client, may_cancel=True)
        assert view.widget is not None

        def cycle() -> None:
            watcher._look_once()

        def rest() -> None:
            # A message follows another after a tenth of a second: until then nothing is measured.
            time.sleep(0.11)
            sent.clear()

        times, sizes = [], []
        for _ in range(WARM_UP + harness.ROUNDS):
            server.tick()
            rest()
            times.append(processor_seconds(cycle))
            sizes.append(sum(map(len, sent)))
        assert watcher.snapshot.runs.height == runs
        assert min(sizes) > 0
    yield Figure(f"{label}: {CYCLE}", 1000 * median(times[WARM_UP:]), "ms")
    yield Figure(f"{label}: an update", max(sizes[WARM_UP:]) / 1000, "kB")


def _share(kind: str, rounds: int, baseline: str | None) -> float:
    """Percent of a core that this process needs while a view is on and evals go on ending."""
    with BulkServer(kind, RUNS, EVALS, 0) as server, server.client() as client, _sent():
        runs = ra.fetch_runs(progress=False, client=client)
        with ra.watch(runs, baseline=baseline, interval=INTERVAL, client=client) as view:
            assert view.widget is not None
            seen: list[object] = []
            # Each round has something new to find, and none is late for it.
            view.on_update(lambda _: seen.append(server.tick()))
            _until(seen, WARM_UP)
            began, used = time.perf_counter(), time.process_time()
            _until(seen, WARM_UP + rounds)
            return 100 * (time.process_time() - used) / (time.perf_counter() - began)


def _until(seen: list[object], rounds: int) -> None:
    end = time.monotonic() + 30 + 2 * INTERVAL * rounds
    while len(seen) < rounds:
        assert time.monotonic() < end, "the view is not kept up to date"
        time.sleep(INTERVAL / 40)


class Recording(BaseComm):
    """Keeps what would be sent to the browser, as the JSON that a kernel makes of it."""

    sent: ClassVar[list[bytes]] = []

    def publish_msg(self, msg_type: str, data: Any = None, **rest: Any) -> None:
        if msg_type == "comm_msg":
            self.sent.append(json.dumps(data, ensure_ascii=False).encode())


@contextlib.contextmanager
def _sent() -> Iterator[list[bytes]]:
    """The messages of all widgets that are made in the block."""
    usual = comm.create_comm
    comm.create_comm = Recording
    try:
        yield Recording.sent
    finally:
        comm.create_comm = usual
        Recording.sent.clear()
