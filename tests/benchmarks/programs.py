"""The server and the SDK each run as a program of their own; this one asks them, line by line.

A server in this process would take its time from our side. The SDK patches ``ssl`` for its whole
process when its client is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import retab_analysis as ra
from benchmarks.harness import best_of_both, processor_seconds

TESTS = Path(__file__).parents[1]


class Program:
    """A module of this package that runs until its input ends; a context manager."""

    def __init__(self, name: str, *arguments: object, **environment: str) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"]
        self._command += map(str, arguments)
        self._environment = {**os.environ, "PYTHONPATH": str(TESTS), **environment}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=self._environment,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for what comes back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[-1]} has ended; see its standard error")
        return json.loads(line)


class BulkServer(Program):
    """A bulk world, served with a latency; see ``bulk_server``."""

    def __init__(self, kind: str, runs: int, evals: int, latency: float) -> None:
        super().__init__("bulk_server", kind, runs, evals, latency)

    def __enter__(self) -> Self:
        super().__enter__()
        self.credentials: dict[str, str] = self.ask(want="credentials")
        return self

    def client(self) -> ra.Client:
        """A client of ours with its default settings."""
        return ra.Client(**self.credentials)

    def sdk(self) -> Sdk:
        """The SDK's side, as a program to be entered."""
        return Sdk(self.credentials)

    def tick(self) -> None:
        """Let so much time pass that one more eval ends in every run that is moving."""
        self.ask(want="tick")


class Sdk(Program):
    """The official SDK doing a piece of work; see ``sdk_side``."""

    def __init__(self, credentials: dict[str, str]) -> None:
        key, url = credentials["api_key"], credentials["base_url"]
        super().__init__("sdk_side", RETAB_API_KEY=key, RETAB_API_BASE_URL=url)

    def ids(self, work: str, of: object) -> list[str]:
        """The ids of what the work gives."""
        ids: list[str] = self.ask(want="ids", work=work, of=of)
        return ids

    def seconds(self, work: str, of: object) -> float:
        """How long the work takes, measured over there with the same code as here."""
        return float(self.ask(want="seconds", work=work, of=of))

    def processor_ratio(self, ours: Callable[[], object], work: str, of: object) -> float:
        """How much processor time our side takes for what the SDK takes one second for."""
        best = best_of_both(
            lambda: processor_seconds(ours),
            lambda: float(self.ask(want="processor_seconds", work=work, of=of)),
        )
        return best[0] / best[1]
