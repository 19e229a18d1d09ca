"""What ``check`` costs on the demo's workflow, beside what it waits for the network.

Every figure is of a process of its own, ``python -m benchmarks.check CALLS``, with the sandbox in
another one: the processor time of all threads, which a busy machine changes less than the time on
the clock, and that time without the moments in which any thread waited for an answer.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure
from benchmarks.programs import BulkServer

NAME = "check"
LOADING = "to load the code: processor time"
FIRST = "the first call: processor time"
FIRST_BESIDE = "the first call: time beside the network"
LATER = "a later call: processor time"
LATER_BESIDE = "a later call: time beside the network"
LABELS = (LOADING, FIRST, FIRST_BESIDE, LATER, LATER_BESIDE)
PROMISES = {FIRST: AtMost(250.0), LATER: AtMost(250.0)}
WORKFLOW = "wf_invoices"


def measure(size: int = 100) -> list[Figure]:
    """Check with ``size / 10`` calls in each of some processes; the best of each kind."""
    calls = max(2, size // 10)
    with BulkServer("story", 0, 0, 0) as server:
        measured = [_in_a_process(server.credentials, calls) for _ in range(harness.ROUNDS)]
    best = map(min, zip(*measured, strict=True))
    return [Figure(label, 1000 * each, "ms") for label, each in zip(LABELS, best, strict=True)]


def _in_a_process(credentials: dict[str, str], calls: int) -> list[float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.check", str(calls)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RETAB_API_KEY": credentials["api_key"],
        "RETAB_API_BASE_URL": credentials["base_url"],
    }
    seconds: list[float] = json.loads(subprocess.check_output(command, env=environment))
    return seconds


class Network:
    """How long any thread has waited for an answer; those who wait together count once."""

    def __init__(self) -> None:
        self.waited = 0.0
        self._lock, self._waiting, self._since = threading.Lock(), 0, 0.0

    def watch(self) -> None:
        """Count from now on, in this process."""
        usual = socket.socket.recv_into

        def recv_into(connection: socket.socket, *arguments: Any) -> int:
            self._change(1)
            try:
                return usual(connection, *arguments)
            finally:
                self._change(-1)

        socket.socket.recv_into = recv_into  # type: ignore[assignment]

    def _change(self, by: int) -> None:
        with self._lock:
            now = time.perf_counter()
            if self._waiting:
                self.waited += now - self._since
            self._waiting, self._since = self._waiting + by, now


def main(calls: int) -> None:
    network = Network()
    network.watch()
    before = time.process_time()
    check = ra.check  # public names are loaded at first use
    loading = time.process_time() - before
    measured = [_call(check, network) for _ in range(1 + calls)]
    later = map(min, zip(*measured[1:], strict=True))
    sys.stdout.write(json.dumps([loading, *measured[0], *later]))


def _call(check: Callable[..., object], network: Network) -> tuple[float, float]:
    """The processor time of a call, and its time beside the network."""
    processor, clock, waited = time.process_time(), time.perf_counter(), network.waited
    check(WORKFLOW, progress=False)
    took = time.perf_counter() - clock
    return time.process_time() - processor, took - (network.waited - waited)


if __name__ == "__main__":
    main(int(sys.argv[1]))
