"""Retries: which failures, how often, after how long, and the one loop.

The loop tries again if that may help: the connection failed, the body broke off or is not JSON, or
the status is one of :data:`RETRIED_STATUSES`. It only repeats a GET, because the API may have acted
on a POST without an answer. The wait before the next attempt is the answer's ``Retry-After``, or a
backoff with full jitter. If it is longer than the remaining time, the loop raises the failure at
once. A 429 is no attempt: all threads of the client wait for the rate limit.
"""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from retab_analysis.progress import Silent, Work, current_work

T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 500, 502, 503, 504})
BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
OVERTIME = 600.0
"""Seconds by which waiting for the rate limit may exceed a request's deadline."""


_DIGITS = 11  # of an absurd age; RFC 9111's largest has ten
# Python also reads "1_0", "nan" and digits of other scripts as numbers.
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_TIME_LEFT = re.compile(r";\s*t=([0-9]{1,15})(?![0-9.])")
# Larger ones are seconds since 1970: no limit lasts for thirty years.
_A_MOMENT = 1e9

_log = logging.getLogger("retab_analysis")


@dataclass(frozen=True, slots=True)
class TimeSource:
    """The clocks, sleep and random numbers of a client; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] | None = None  # else the usual one, which a token ends
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt without a result: the error if it is the last, and whether it is."""

    error: RetabAnalysisError
    retry: bool


@dataclass
class RetryState:
    """How often one request was tried (``attempt``, from 1), and its remaining time.

    Once the API has answered the current work, waiting for the rate limit takes nothing of that
    time, for :data:`OVERTIME` seconds in all.
    """

    request: str
    source: TimeSource
    deadline: float
    max_attempts: int
    key: str | None = None  # its Idempotency-Key
    overtime: float = OVERTIME
    attempt: int = 0
    work: Work = field(default_factory=lambda: current_work() or Work(Silent()))

    def __post_init__(self) -> None:
        self._end = self.source.monotonic() + self.deadline
        self.is_repeatable = self.request.startswith("GET ")

    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self.source.monotonic())

    def patience(self) -> float:
        """Seconds that this request may wait for the rate limit, negative once they have passed."""
        more = self.overtime if self.work.has_answers else 0.0
        return self._end + more - self.source.monotonic()

    def extend(self, waited: float) -> None:
        """Move the deadline by the seconds spent waiting for the rate limit."""
        if self.work.has_answers:
            more = min(waited, self.overtime)
            self._end, self.overtime = self._end + more, self.overtime - more

    def backoff(self) -> float:
        """Seconds to wait before the next attempt, with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        # The exponent is bounded because max_attempts is not, and 2.0 ** 1024 overflows.
        ceiling: float = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(self.attempt - 1, 16))
        return self.source.random() * ceiling


class RetryLoop:
    """The one loop of a client, and the rate limit as its threads meet it.

    A 429 holds all of them back: for the time that the API names, or for 1, 2, 4 … 20 seconds, of
    which up to half is left out by chance. After that, one request tries. Each answer lets one more
    request go at the same time, so that a window that opens bit by bit refuses few of them.
    """

    first, longest = 1.0, 20.0

    def __init__(
        self, source: TimeSource, sleep: Callable[[float], None], check: Callable[[], None]
    ) -> None:
        self._source, self._sleep, self._check = source, sleep, check
        self._changed = threading.Condition()
        self._until, self._room, self._under_way = -math.inf, math.inf, 0
        self._holds = self._in_vain = 0  # all of them, and those since the last answer

    def call(self, attempt: Callable[[RetryState], T | FailedAttempt], state: RetryState) -> T:
        """Send a request until it succeeds, cannot succeed, or the time is over."""
        while True:
            number, outcome = self._enter(state), None
            try:
                outcome = attempt(state)
            finally:
                self._leave(state, number, outcome)
            if not isinstance(outcome, FailedAttempt):
                return outcome
            error, has_attempts = outcome.error, state.attempt < state.max_attempts
            if isinstance(error, RateLimitError):
                state.attempt -= 1
                if state.is_repeatable and self._left() < state.patience():
                    continue
            if not (outcome.retry and state.is_repeatable and has_attempts):
                raise error
            asked = error.retry_after if isinstance(error, APIError) else None
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

    def _left(self) -> float:
        """Seconds for which requests are held back."""
        return max(0.0, self._until - self._source.monotonic())

    def _enter(self, state: RetryState) -> int:
        """Wait until a request may be sent; the number of holds before it."""
        began = self._source.monotonic()
        while True:
            with self._changed:
                if not (left := self._left()) and self._under_way < self._room:
                    self._under_way += 1
                    state.attempt += 1
                    state.extend(self._source.monotonic() - began)
                    return self._holds
                if left >= state.patience():
                    raise DeadlineExceeded(
                        f"{state.request}: the API asked this client to slow down, for longer than "
                        f"the deadline of {state.deadline:g} s",
                        attempts=state.attempt,
                        retry_after=left or None,
                    )
                state.work.note("waiting for the rate limit")
                if not left:
                    self._changed.wait(0.1)  # then look whether this thread has to stop
            self._check()
            if left:
                self._sleep(left)

    def _leave(self, state: RetryState, number: int, outcome: object) -> None:
        """Note a result or a FailedAttempt; None if the request was broken off."""
        error = outcome.error if isinstance(outcome, FailedAttempt) else None
        is_answer = outcome is not None and not isinstance(error, RateLimitError | TransportError)
        state.work.has_answers |= is_answer
        with self._changed:
            self._under_way -= 1
            if isinstance(error, RateLimitError):
                self._hold(number, error.retry_after)
            elif is_answer and number == self._holds:
                self._in_vain, self._room = 0, self._room + 1
            self._changed.notify_all()

    def _hold(self, number: int, asked: float | None) -> None:
        if number == self._holds:  # else it was sent before the hold that is going on
            pause = min(self.longest, self.first * 2.0 ** min(self._in_vain, 16))
            asked = asked or pause * (1 + self._source.random()) / 2
            self._holds, self._in_vain, self._room = self._holds + 1, self._in_vain + 1, 1
        self._until = max(self._until, self._source.monotonic() + (asked or 0.0))


def attempts_made(attempt: int) -> str:
    """The end of a message with the number of attempts; empty for one."""
    return f" (after {attempt} attempts)" if attempt > 1 else ""


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read Retry-After, seconds or an HTTP date (RFC 9110, section 10.2.3).

    A value that is not finite or not positive counts as absent; ``now`` is in seconds since 1970.
    """
    value = headers.get("retry-after", "")
    moment = _parse_date(value)
    return _parse_seconds(value) if moment is None else _positive(moment.timestamp() - now)


def parse_limit(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the rate limit lets requests through again, by the headers of a 429.

    ``Retry-After`` wins; then ``RateLimit-Reset`` or ``X-RateLimit-Reset``, seconds or a moment;
    then the soonest time in ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers).
    """
    found = parse_retry_after(headers, now)
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        reset = _parse_seconds(headers.get(name, "")) or 0.0
        found = found or _positive(reset - now if reset > _A_MOMENT else reset)
    times = map(_parse_seconds, _TIME_LEFT.findall(headers.get("ratelimit", "")))
    return found or min(filter(None, times), default=None)


def _parse_seconds(value: str) -> float | None:
    return _positive(float(value)) if _NUMBER.fullmatch(value := value.strip()) else None


def _positive(seconds: float) -> float | None:
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
