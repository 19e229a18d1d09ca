"""The one loop of a client: attempts until one succeeds, and the rate limit that they share."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import TypeVar

from retab_analysis.errors import APIError, DeadlineExceeded, RateLimitError, TransportError
from retab_analysis.transport.deadline import check_cancelled
from retab_analysis.transport.retry import FailedAttempt, RetryState, TimeSource, attempts_made

T = TypeVar("T")

WAITING = "waiting for the rate limit"
# Seconds between two checks whether this thread has to stop.
_STEP = 0.1

_log = logging.getLogger("retab_analysis")


class RateLimit:
    """The API's rate limit, as the threads of a client meet it.

    A 429 holds all of them back: for the time that the API names, or for 1, 2, 4 … 20 seconds, of
    which up to half is left out by chance. After that, one request tries. Each answer lets one more
    request go at the same time, so that a window that opens bit by bit refuses few of them.
    """

    first, longest = 1.0, 20.0

    def __init__(self, source: TimeSource, sleep: Callable[[float], None]) -> None:
        self._source, self._sleep = source, sleep
        self._changed = threading.Condition()
        self._until, self._room, self._under_way = -math.inf, math.inf, 0
        self._holds = self._in_vain = 0  # all of them, and those since the last answer

    def left(self) -> float:
        """Seconds for which requests are held back."""
        return self._until - self._source.monotonic()

    def enter(self, state: RetryState) -> int:
        """Wait until a request may be sent; the number of holds before it."""
        began = self._source.monotonic()
        while (number := self._try_to_enter()) is None:
            left = max(self.left(), 0.0)
            if left >= state.patience():
                raise DeadlineExceeded(
                    f"{state.request}: the API asked this client to slow down, for longer than the "
                    f"deadline of {state.deadline:g} s",
                    attempts=state.attempt,
                    retry_after=left or None,
                )
            state.work.note(WAITING)
            if left:
                self._sleep(left)
            else:
                with self._changed:
                    self._changed.wait(_STEP)
            check_cancelled()
        state.extend(self._source.monotonic() - began)
        return number

    def _try_to_enter(self) -> int | None:
        with self._changed:
            if self.left() > 0 or self._under_way >= self._room:
                return None
            self._under_way += 1
            return self._holds

    def leave(self, state: RetryState, number: int, outcome: object) -> None:
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
        now = self._source.monotonic()
        if number == self._holds:  # else it was sent before the hold that is going on
            pause = min(self.longest, self.first * 2.0 ** min(self._in_vain, 16))
            self._holds, self._in_vain, self._room = self._holds + 1, self._in_vain + 1, 1
            if asked is None:
                asked = pause * (1 + self._source.random()) / 2
        self._until = max(self._until, now + (asked or 0.0))


class RetryLoop:
    """Sends a request until it succeeds, cannot succeed, or the time is over."""

    def __init__(self, source: TimeSource, sleep: Callable[[float], None]) -> None:
        self._sleep, self.limit = sleep, RateLimit(source, sleep)

    def call(self, attempt: Callable[[RetryState], T | FailedAttempt], state: RetryState) -> T:
        """Raise the last failure at once if the wait before another attempt is too long."""
        while True:
            outcome = self._try_once(attempt, state)
            if not isinstance(outcome, FailedAttempt):
                return outcome
            error = outcome.error
            if isinstance(error, RateLimitError):
                state.attempt -= 1
                if not state.is_repeatable or self.limit.left() >= state.patience():
                    raise error
                continue
            is_last = not state.is_repeatable or state.attempt >= state.max_attempts
            if is_last or not outcome.retry:
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

    def _try_once(
        self, attempt: Callable[[RetryState], T | FailedAttempt], state: RetryState
    ) -> T | FailedAttempt:
        number, outcome = self.limit.enter(state), None
        try:
            state.attempt += 1
            outcome = attempt(state)
            return outcome
        finally:
            self.limit.leave(state, number, outcome)
