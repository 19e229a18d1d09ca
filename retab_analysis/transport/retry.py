"""When to try again: attempts, backoff, Retry-After, and one gate for all threads."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0


@dataclass(frozen=True, slots=True)
class Time:
    """The clocks and the chance that a client goes by; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


class Schedule:
    """The time and the attempts that one request has."""

    def __init__(self, time: Time, *, deadline: float, max_attempts: int) -> None:
        self._time = time
        self._max_attempts = max_attempts
        self._end = time.monotonic() + deadline
        self.deadline = deadline
        self.attempt = 0

    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self._time.monotonic())

    def is_last(self) -> bool:
        """Whether no attempt is left after this one."""
        return self.attempt >= self._max_attempts

    def backoff(self) -> float:
        """Seconds to wait before the next attempt, with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        ceiling: float = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(self.attempt - 1, 16))
        return self._time.random() * ceiling


class Gate:
    """Holds back every thread of a client once one was told to slow down."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._opens = -math.inf

    def close(self, seconds: float) -> None:
        """Let nobody through for so long; a longer wait that is already set stays."""
        with self._lock:
            self._opens = max(self._opens, self._monotonic() + seconds)

    def pass_through(self, schedule: Schedule) -> bool:
        """Wait until the gate is open; False at once where that is past the deadline."""
        while (wait := self._opens - self._monotonic()) > 0:
            if wait > schedule.remaining():
                return False
            self._sleep(wait)
        return True


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110, section 10.2.3).

    Args:
        value: The header, or None.
        now: The wall clock, in seconds since 1970.

    Returns:
        Seconds from now, finite and positive; None for anything else.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now)
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _seconds_until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
