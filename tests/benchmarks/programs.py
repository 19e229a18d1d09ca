"""The server and the SDK each run as a program of their own; this one asks them, line by line.

A server in this process would take its time from our side. The SDK patches ``ssl`` for its whole
process when its client is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from support.program import Program

import retab_analysis as ra
from benchmarks.harness import medians_of_both, processor_seconds

TESTS = str(Path(__file__).parents[1])


class BulkServer(Program):
    """A bulk world, served with a latency; see ``bulk_server``."""

    def __init__(self, kind: str, runs: int, evals: int, latency: float) -> None:
        arguments = ("-m", "benchmarks.bulk_server", kind, runs, evals, latency)
        super().__init__(*arguments, PYTHONPATH=TESTS)

    def __enter__(self) -> Self:
        super().__enter__()
        self.credentials: dict[str, str] = self.ask(want="credentials")
        self.settings = {
            "RETAB_API_KEY": self.credentials["api_key"],
            "RETAB_API_BASE_URL": self.credentials["base_url"],
        }
        return self

    def client(self) -> ra.Client:
        """A client of ours with its default settings."""
        return ra.Client(**self.credentials)

    def sdk(self) -> Sdk:
        """The SDK's side, as a program to be entered."""
        return Sdk(self.settings)

    def tick(self) -> None:
        """Let so much time pass that one more eval ends in every run that is moving."""
        self.ask(want="tick")


class Sdk(Program):
    """The official SDK doing a piece of work; see ``sdk_side``."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__("-m", "benchmarks.sdk_side", PYTHONPATH=TESTS, **settings)

    def ids(self, work: str, of: object) -> list[str]:
        """The ids of what the work gives."""
        ids: list[str] = self.ask(want="ids", work=work, of=of)
        return ids

    def seconds(self, work: str, of: object) -> float:
        """How long the work takes, measured over there with the same code as here."""
        return float(self.ask(want="seconds", work=work, of=of))

    def processor_ratio(self, ours: Callable[[], object], work: str, of: object) -> float:
        """How much processor time our side takes for what the SDK takes one second for."""
        took = medians_of_both(
            lambda: processor_seconds(ours),
            lambda: float(self.ask(want="processor_seconds", work=work, of=of)),
        )
        return took[0] / took[1]
