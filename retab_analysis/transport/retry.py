"""Retries: which failures, how often, after how long, and the one loop.

The loop tries again if that may help: the connection failed, the body broke off or is not JSON, or
the status is one of :data:`RETRIED_STATUSES`. It only repeats a GET, because the API may have acted
on a POST without an answer. The wait before the next attempt is the answer's ``Retry-After``, or a
backoff with full jitter. If it is longer than the remaining time, the loop raises the failure at
once.
"""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from retab_analysis.errors import (
    APIError,
    DeadlineExceeded,
    RateLimitError,
    RetabAnalysisError,
    TransportError,
)

T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
_DIGITS = 11  # of an absurd age; RFC 9111's largest has ten
# Python also reads "1_0", "nan" and digits of other scripts as numbers.
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")

_log = logging.getLogger("retab_analysis")


@dataclass(frozen=True, slots=True)
class TimeSource:
    """The clocks, sleep and random numbers of a client; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt without a result: the error if it is the last, and whether it is."""

    error: RetabAnalysisError
    retry: bool


class RetryState:
    """How often one request was tried (``attempt``, from 1), and its remaining time."""

    def __init__(
        self, request: str, source: TimeSource, *, deadline: float, max_attempts: int
    ) -> None:
        self.request, self.deadline, self.max_attempts = request, deadline, max_attempts
        self.attempt, self._source = 0, source
        self._end = source.monotonic() + deadline

    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self._source.monotonic())

    def backoff(self) -> float:
        """Seconds to wait before the next attempt, with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        # The exponent is bounded because max_attempts is not, and 2.0 ** 1024 overflows.
        ceiling: float = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(self.attempt - 1, 16))
        return self._source.random() * ceiling


class RetryLoop:
    """The one loop of a client; a 429 holds back all of its threads for the requested time."""

    def __init__(self, source: TimeSource, sleep: Callable[[float], None]) -> None:
        self._now, self._sleep = source.monotonic, sleep
        self._paused_until = -math.inf

    def call(self, attempt: Callable[[RetryState], T | FailedAttempt], state: RetryState) -> T:
        """Send a request until it succeeds, cannot succeed, or the time is over."""
        while True:
            self._wait_until_allowed(state)
            state.attempt += 1
            outcome = attempt(state)
            if not isinstance(outcome, FailedAttempt):
                return outcome
            error = outcome.error
            asked = error.retry_after if isinstance(error, APIError) else None
            if isinstance(error, RateLimitError) and asked is not None:
                self._paused_until = max(self._paused_until, self._now() + asked)
            if not outcome.retry or state.attempt >= state.max_attempts:
                raise error
            seconds = state.backoff() if asked is None else asked
            if seconds > state.remaining():
                # A status tells more than "the deadline passed"; a network failure tells less.
                if not isinstance(error, TransportError):
                    raise error
                raise DeadlineExceeded(
                    f"the deadline of {state.deadline:g} s leaves no time for another attempt"
                    f"{attempts_made(state.attempt)}; the last one: {error}",
                    attempts=state.attempt,
                )
            _log.debug("attempt %d failed, the next in %.2f s: %s", state.attempt, seconds, error)
            self._sleep(seconds)

    def _wait_until_allowed(self, state: RetryState) -> None:
        # Another thread may have got a longer wait meanwhile, so check it again.
        while (left := self._paused_until - self._now()) > 0:
            if left > state.remaining():
                raise DeadlineExceeded(
                    f"{state.request}: the API asked this client to slow down, for longer than the "
                    f"deadline of {state.deadline:g} s",
                    attempts=state.attempt,
                    retry_after=left,
                )
            self._sleep(left)


def attempts_made(attempt: int) -> str:
    """The end of a message with the number of attempts; empty for one."""
    return f" (after {attempt} attempts)" if attempt > 1 else ""


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110, section 10.2.3).

    A value that is not finite or not positive counts as absent; ``now`` is in seconds since 1970.
    """
    value = value or ""
    moment = _parse_date(value)
    seconds = float(value) if _NUMBER.fullmatch(value.strip()) else math.nan
    seconds = seconds if moment is None else moment.timestamp() - now
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def tell_time(headers: Mapping[str, str]) -> datetime | None:
    """The API's time by an answer: its ``Date``, and the ``Age`` of a cached one."""
    moment, age = _parse_date(headers.get("date", "")), headers.get("age", "")
    is_age = age.isdecimal() and len(age) < _DIGITS
    return moment and moment + timedelta(seconds=int(age) if is_age else 0)


def _parse_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        made = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # Sums with a time at the end of the calendar overflow.
    return made if 1970 <= made.year < 9000 else None
