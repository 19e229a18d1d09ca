"""Times of documents: texts that are checked here, many at once, before polars reads them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import polars as pl

from retab_analysis import wire
from retab_analysis.schema import base_type, path_type

# A time that can be read for sure, before a newline: years from 1000, months of 31, 30 and 28 days,
# no offset. Any other time needs a closer look.
_DAY = (
    r"[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
_USUAL = rf"(?-u)\A(?:{_DAY}[T ]{_CLOCK}(?:Z|\+00:00)?\n)*\z"
_USUAL_FORM = "%Y-%m-%dT%H:%M:%S.%6fZ"  # which polars reads twice as fast as others
_FEW = 50  # times that Python reads faster than polars begins


def find_unreadable_time(record: type[wire.Wire], structs: Sequence[Any]) -> str | None:
    """The path of a time in the structs that cannot be read; None if all of them can be."""
    texts = dict(_find_texts(record, structs))
    if (number := sum(map(len, texts.values()))) > _FEW:
        lines = "\n".join(itertools.chain(*texts.values(), [""]))
        if lines.count("\n") == number and pl.Series([lines]).str.contains(_USUAL).all():
            return None
    wrong = (path for path, each in texts.items() if None in map(wire.read_time, each))
    return next(wrong, None)


def read_times(path: str, texts: Sequence[str | None]) -> pl.Series:
    """Checked times as a column of Datetime; one without an offset is UTC."""
    sent = pl.Series(path, texts, pl.String())
    moments = sent.str.to_datetime(_USUAL_FORM, time_unit="us", time_zone="UTC", strict=False)
    if moments.null_count() > sent.null_count():
        text = pl.col(path)
        is_zoned = text.str.contains(r"(?:Z|[+-][0-9]{2}:[0-9]{2})\z")
        zoned = pl.when(is_zoned).then(text).otherwise(text + "Z")
        moment = zoned.str.to_datetime("%+", time_unit="us", time_zone="UTC")
        return sent.to_frame().select(moment.alias(path)).to_series()
    return moments


def _find_texts(
    record: type[wire.Wire], parts: Sequence[Any], before: str = ""
) -> Iterator[tuple[str, list[str]]]:
    for name, declared in _fields(record):
        members = [each for each in map(attrgetter(name), parts) if each is not None]
        if declared is wire.Time:
            yield before + name, members
        else:
            yield from _find_texts(declared, members, f"{before}{name}.")


@functools.cache
def _fields(record: type[wire.Wire]) -> Sequence[tuple[str, Any]]:
    """The fields of a record that are times, or objects that have some; with their types."""
    declared = {name: base_type(path_type(record, name)) for name in record.__struct_fields__}
    return [
        (name, each)
        for name, each in declared.items()
        if each is wire.Time
        or (isinstance(each, type) and issubclass(each, wire.Wire) and _fields(each))
    ]
