"""The attempt that is under way in this thread: how long it may wait, and what it must not show.

The HTTP library knows timeouts of single reads only, so a server that sends a byte now and then
could hold it for ever. What waits inside of it (a look-up, a connection, each read of a socket)
asks here how long it may still do so. What takes long without waiting asks :func:`check_time`.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retab_analysis.transport.cancellation import check_cancelled
from retab_analysis.transport.retry import RetryState, deadline_exceeded

_LEAST_WAIT = 0.001  # 0 would be refused as a timeout, and the time may be up just now
_LOGGERS = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt of a request.

    Attributes:
        state: The request, and the time that it has.
        timeout: Seconds that a single wait may take.
        redact: Masks the key in a text.
    """

    state: RetryState
    timeout: float
    redact: Callable[[str], str]


_current: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("exchange", default=None)


@contextlib.contextmanager
def under_way(exchange: Exchange) -> Iterator[None]:
    """Around one attempt."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


def wait_limit() -> float | None:
    """Seconds that the next wait of this attempt may take; None outside of any.

    Raises:
        TimeoutError: The deadline has passed.
    """
    exchange = _current.get()
    if exchange is None:
        return None
    left = exchange.state.remaining()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return max(_LEAST_WAIT, min(exchange.timeout, left))


def check_time() -> None:
    """Raise if an attempt is under way that must not go on.

    Raises:
        DeadlineExceeded: Its deadline has passed.
        Cancelled: This thread was told to stop.
    """
    check_cancelled()
    exchange = _current.get()
    if exchange is not None and exchange.state.remaining() <= 0:
        raise deadline_exceeded(exchange.state)


class _KeyMask(logging.Filter):
    """Masks the key in what urllib3 logs: it quotes headers that a server sent, and addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is logged in any case."""
        exchange = _current.get()
        if exchange is not None:
            record.msg, record.args = exchange.redact(record.getMessage()), ()
            if record.exc_info:
                text = logging.Formatter().formatException(record.exc_info)
                # Without its traceback, whose frames a handler may show with their variables.
                record.exc_text, record.exc_info = exchange.redact(text), None
        return True


# At the loggers themselves, because a filter does not see the records of loggers below it.
for _name in _LOGGERS:
    logging.getLogger(f"urllib3.{_name}").addFilter(_KeyMask())
