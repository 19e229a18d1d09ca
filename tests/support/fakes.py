"""Clocks that only move when somebody sleeps, and clients that go by them."""

from __future__ import annotations

from dataclasses import dataclass, field

from retab_analysis import Client
from support.inside import TimeSource


@dataclass
class FakeTime:
    """A clock that starts at 0 and a sleep that moves it at once."""

    now: float = 0.0
    wall_at_start: float = 1_790_000_000.0
    chance: float = 1.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def as_time(self) -> TimeSource:
        return TimeSource(
            monotonic=lambda: self.now,
            wall=lambda: self.wall_at_start + self.now,
            sleep=self.sleep,
            random=lambda: self.chance,
        )


class Recorder:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None, str]] = []
        self.closed = 0

    @property
    def seen(self) -> list[int]:
        """How far it was each time."""
        return [done for done, _, _ in self.told]

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
        self.told.append((done, total, note))

    def close(self) -> None:
        self.closed += 1


KEY = "sk_retab_test_7f3a9c"
STILL = 1e-6
"""A speed of the sandbox at which nothing happens while a test looks at it."""


def client_for(url: str, time: FakeTime | None = None, **settings: object) -> Client:
    """A client of a test server; with a clock that it does not have to wait for."""
    client = Client(KEY, url, **settings)  # type: ignore[arg-type]
    client._set_time((time or FakeTime()).as_time())
    return client
