"""Instants as whole microseconds since 1970, and their ISO 8601 text."""

import re
import time
from datetime import UTC, date, datetime, timedelta

MILLI = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?([Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def wall_clock() -> int:
    """Read the system's clock, in microseconds since 1970."""
    return time.time_ns() // 1_000


def start_of_day(instant: int) -> int:
    """Give the midnight (UTC) at or before an instant."""
    return instant - instant % DAY


def iso(instant: int) -> str:
    """Write an instant as the API does today.

    >>> iso(1_779_062_400_000_000)
    '2026-05-18T00:00:00.000000Z'
    """
    return _moment(instant).isoformat(timespec="microseconds")[:-6] + "Z"


def old_iso(instant: int) -> str:
    """Write an instant as the API's older records have it: milliseconds and an offset.

    >>> old_iso(1_779_062_400_000_000)
    '2026-05-18T00:00:00.000+00:00'
    """
    return _moment(instant).isoformat(timespec="milliseconds")


def day_name(instant: int, separator: str = "-") -> str:
    """Write the day of an instant.

    >>> day_name(1_779_062_400_000_000, "_")
    '2026_05_18'
    """
    return _moment(instant).strftime(separator.join(("%Y", "%m", "%d")))


def parse_instant(text: str) -> int | None:
    """Read an ISO 8601 date or date-time; without an offset it is UTC.

    Whole-number arithmetic throughout: year 1 with a positive offset lies before `datetime.min`,
    and a leap second has no `datetime` at all, yet both are valid in a query.

    >>> parse_instant("2026-05-18T02:00:00+02:00") == parse_instant("2026-05-18")
    True
    >>> parse_instant("yesterday") is None
    True
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups()[:3])
    hour, minute, second = (int(part or 0) for part in match.groups()[3:6])
    offset = _offset_minutes(match[8])
    if hour > 23 or minute > 59 or second > 60 or offset is None:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    fraction = int((match[7] or "0").ljust(9, "0")) // 1_000
    minutes = hour * 60 + minute - offset
    return days * DAY + minutes * MINUTE + second * SECOND + fraction


def _offset_minutes(text: str | None) -> int | None:
    if text is None or text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (-1 if text[0] == "-" else 1) * (hours * 60 + minutes)


def _moment(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)
