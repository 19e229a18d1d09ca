"""Instants as whole microseconds since 1970, and their ISO 8601 text."""

import time
from datetime import UTC, datetime, timedelta

MILLI = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wall_clock() -> int:
    return time.time_ns() // 1_000


def iso(instant: int) -> str:
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def parse_instant(text: str) -> int | None:
    """Read an ISO 8601 date or date-time; without an offset it is UTC."""
    try:
        # A leap second is valid in a query and has no `datetime`: use the second before it.
        moment = datetime.fromisoformat(text.upper().replace(":60", ":59"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
