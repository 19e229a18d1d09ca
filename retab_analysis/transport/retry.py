"""When a request is sent again: which failures, how often, after how long, and the one loop.

A request is tried again where that may help: the connection failed, the body broke off or is not
JSON, or the status is one of :data:`RETRIED_STATUSES`. Only a GET is, because whether the API acted
on a POST that got no answer is not known. The wait before the next attempt is what the answer's
``Retry-After`` asks for, else a backoff with full jitter; where it is longer than the time that is
left, or the client's :class:`RetryBudget` is used up, the failure is raised at once.
"""

from __future__ import annotations

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
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

RETRIED_METHODS = frozenset({"GET"})
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
# As in botocore's standard mode.
BUDGET = 500
RETRY_COST, TIMEOUT_COST = 5, 10
# Python also reads "1_0", "nan" and digits of other scripts as numbers.
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")

_log = logging.getLogger("retab_analysis")


@dataclass(frozen=True, slots=True)
class TimeSource:
    """The clocks, the sleep and the random numbers that a client goes by; tests give their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that gave no result: what is raised if it was the last, and whether it is."""

    error: RetabAnalysisError
    retry: bool
    timed_out: bool = False


class RetryState:
    """How often one request was tried (``attempt``, from 1), and how much time is left for it."""

    def __init__(
        self, request: str, source: TimeSource, *, deadline: float, max_attempts: int
    ) -> None:
        self.request = request
        self.deadline = deadline
        self.attempt = 0
        self._source = source
        self._max_attempts = max_attempts
        self._end = source.monotonic() + deadline

    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self._source.monotonic())

    def is_last(self) -> bool:
        """Whether no attempt is left after this one."""
        return self.attempt >= self._max_attempts

    def backoff(self) -> float:
        """Seconds to wait before the next attempt, with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        # The exponent is bounded because max_attempts is not, and 2.0 ** 1024 overflows.
        ceiling: float = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(self.attempt - 1, 16))
        return self._source.random() * ceiling


class RateLimitPause:
    """Holds back every thread of a client once one of them was told to slow down (429)."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._end = -math.inf

    def extend(self, seconds: float) -> None:
        """Send nothing for so long; a longer pause that is already under way stays."""
        with self._lock:
            self._end = max(self._end, self._monotonic() + seconds)

    def wait_until_over(self, state: RetryState) -> None:
        """Sleep until it is over.

        Raises:
            DeadlineExceeded: That is past the deadline; at once.
        """
        # Another thread may have extended it during the sleep, so it is looked at again.
        while (left := self._end - self._monotonic()) > 0:
            if left > state.remaining():
                raise DeadlineExceeded(
                    f"{state.request}: the API asked this client to slow down, for longer than the "
                    f"deadline of {state.deadline:g} s",
                    attempts=state.attempt - 1,  # it was not sent this time
                    retry_after=left,
                )
            self._sleep(left)


class RetryBudget:
    """How many further attempts all requests of a client have together.

    A server that is down must not get five times the requests that it gets when it is well. Each
    retry takes from the budget, each success gives back what its last retry took, or one where it
    took none. Once the budget is used up, each request is tried once, until there are successes.

    Source: the retry quota of botocore's standard retry mode (``botocore/retries/quota.py``).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = BUDGET

    def take(self, failed: FailedAttempt) -> int:
        """Pay for another attempt; what it cost, or 0 where there is not enough left."""
        cost = TIMEOUT_COST if failed.timed_out else RETRY_COST
        with self._lock:
            if cost > self._left:
                return 0
            self._left -= cost
            return cost

    def give_back(self, cost: int) -> None:
        """Note a success, and what its last retry had cost; 0 for none."""
        with self._lock:
            self._left = min(BUDGET, self._left + max(1, cost))


def call_with_retries(
    attempt: Callable[[RetryState], T | FailedAttempt],
    state: RetryState,
    pause: RateLimitPause,
    budget: RetryBudget,
    sleep: Callable[[float], None],
) -> T:
    """Send a request until it succeeds, it is clear that it will not, or the time is over.

    Raises:
        RetabAnalysisError: That of the last attempt, or ``DeadlineExceeded``.
    """
    cost = 0
    while True:
        state.attempt += 1
        pause.wait_until_over(state)
        outcome = attempt(state)
        if not isinstance(outcome, FailedAttempt):
            budget.give_back(cost)
            return outcome
        seconds = _seconds_to_wait(outcome, state, pause)
        cost = budget.take(outcome)
        if not cost:
            error = outcome.error
            error.args = (
                f"{error}; not tried again, because too many requests of this client failed",
            )
            raise error
        sleep(seconds)


def _seconds_to_wait(failed: FailedAttempt, state: RetryState, pause: RateLimitPause) -> float:
    """How long to wait before the next attempt; raises where there is none."""
    error = failed.error
    asked = error.retry_after if isinstance(error, APIError) else None
    if isinstance(error, RateLimitError) and asked is not None:
        pause.extend(asked)
    if not failed.retry or state.is_last():
        raise error
    seconds = state.backoff() if asked is None else asked
    if seconds <= state.remaining():
        _log.debug("attempt %d failed, the next in %.2f s: %s", state.attempt, seconds, error)
        return seconds
    # A status says more than "the deadline passed" does; a network failure says less.
    if not isinstance(error, TransportError):
        raise error
    raise DeadlineExceeded(
        f"the deadline of {state.deadline:g} s leaves no time for another attempt"
        f"{attempts_made(state.attempt)}; the last one: {error}",
        attempts=state.attempt,
    )


def deadline_exceeded(state: RetryState) -> DeadlineExceeded:
    """The error of a request whose time is over."""
    return DeadlineExceeded(
        f"{state.request}: not finished within the deadline of {state.deadline:g} s"
        f"{attempts_made(state.attempt)}",
        attempts=state.attempt,
    )


def attempts_made(attempt: int) -> str:
    """The end of a message that says how often it was tried; empty for once."""
    return f" (after {attempt} attempts)" if attempt > 1 else ""


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110, section 10.2.3).

    Returns:
        Seconds from ``now`` (since 1970), finite and positive; None for anything else.
    """
    if value is None:
        return None
    is_number = _NUMBER.fullmatch(value.strip())
    seconds = float(value) if is_number else seconds_until(value, now)
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def seconds_until(date: str, now: float) -> float:
    """Read an HTTP date; NaN for anything else."""
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
