"""Retries: which failures, how often, and after how long.

Another attempt may help if the connection failed, the body broke off or is not JSON, or the status
is one of :data:`RETRIED_STATUSES`. Only a GET is repeated, because the API may have acted on a POST
without an answer. The wait before the next attempt is the answer's ``Retry-After``, or a backoff
with full jitter. A 429 is no attempt; ``loop`` waits for the rate limit.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from retab_analysis.errors import RetabAnalysisError
from retab_analysis.progress import Silent, Work, current_work

RETRIED_STATUSES = frozenset({408, 500, 502, 503, 504})
BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
OVERTIME = 600.0
"""Seconds by which waiting for the rate limit may exceed a request's deadline."""

_DIGITS = 11  # of an absurd age; RFC 9111's largest has ten
# Python also reads "1_0", "nan" and digits of other scripts as numbers.
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_PARAMETER = re.compile(r";\s*([rt])=([0-9]{1,15})(?![0-9.])")
# Larger ones are seconds since 1970: no limit lasts for thirty years.
_A_MOMENT = 1e9


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


class RetryState:
    """How often one request was tried (``attempt``, from 1), and its remaining time.

    Once the API has answered the current work, waiting for the rate limit takes nothing of that
    time, for :data:`OVERTIME` seconds in all.
    """

    def __init__(
        self,
        request: str,
        source: TimeSource,
        *,
        deadline: float,
        max_attempts: int,
        key: str | None = None,
        overtime: float = OVERTIME,
    ) -> None:
        self.request, self.deadline, self.max_attempts = request, deadline, max_attempts
        self.attempt, self.is_repeatable, self.key = 0, request.startswith("GET "), key
        self.work = current_work() or Work(Silent())
        self._source, self._overtime = source, overtime
        self._end = source.monotonic() + deadline

    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self._source.monotonic())

    def patience(self) -> float:
        """Seconds that this request may wait for the rate limit, negative once they have passed."""
        more = self._overtime if self.work.has_answers else 0.0
        return self._end + more - self._source.monotonic()

    def extend(self, waited: float) -> None:
        """Move the deadline by the seconds spent waiting for the rate limit."""
        if self.work.has_answers:
            more = min(waited, self._overtime)
            self._end, self._overtime = self._end + more, self._overtime - more

    def backoff(self) -> float:
        """Seconds to wait before the next attempt, with full jitter.

        Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        # The exponent is bounded because max_attempts is not, and 2.0 ** 1024 overflows.
        ceiling: float = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(self.attempt - 1, 16))
        return self._source.random() * ceiling


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
    then ``RateLimit`` with the policies that are used up (draft-ietf-httpapi-ratelimit-headers).
    """
    found = parse_retry_after(headers, now)
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        reset = _parse_seconds(headers.get(name, "")) or 0.0
        found = found or _positive(reset - now if reset > _A_MOMENT else reset)
    policies = [dict(_PARAMETER.findall(each)) for each in headers.get("ratelimit", "").split(",")]
    used_up = [_parse_seconds(each.get("t", "")) for each in policies if not int(each.get("r", 0))]
    return found or max(filter(None, used_up), default=None)


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
