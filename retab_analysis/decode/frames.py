"""Structs become rows, and rows the columns of a table.

The expressions of a table name *paths* of a struct: :func:`gather` puts each path into a column,
and :func:`compute` makes the table's columns from them. The cost of both hardly depends on the
number of rows, so it pays to process many records at once.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from retab_analysis import wire
from retab_analysis.schema import Datetime, Table, base_type, path_type
from retab_analysis.schema.conversion import check_polars_threads

# Row by row a cell costs 100 ns, a list 3 µs; a column costs 10 µs once, then 10 ns for each cell.
_FEW = 30  # rows

_NESTED = ("{", "[")
_encode = msgspec.json.Encoder().encode


def to_frame(table: Table, structs: Sequence[Any]) -> pl.DataFrame:
    return compute(table, gather(table, structs))


def gather(table: Table, structs: Sequence[Any]) -> pl.DataFrame:
    """Put each path that the table needs into a column of its name; raw JSON is compact text."""
    columns = _columns(table, structs)
    if len(structs) < _FEW:
        known = (
            map(wire.read_time, column) if dtype == Datetime else column
            for column, dtype in zip(columns, table.paths.values(), strict=True)
        )
        return pl.DataFrame([*zip(*known, strict=True)], schema=table.paths, orient="row")
    return pl.DataFrame([*map(_series, table.paths, columns, table.paths.values())])


def compute(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    check_polars_threads()
    # One after the other, because each is cheap: distributing them costs more than computing them.
    return rows.select_seq(table.expressions)


class _Absent:
    """A missing part of a document: all its members are None."""

    def __getattr__(self, name: str) -> None:
        setattr(self, name, None)  # found directly from now on, at a tenth of the cost


_ABSENT = _Absent()


def _columns(table: Table, structs: Sequence[Any]) -> Iterator[Sequence[Any]]:
    parts: dict[str, Sequence[Any]] = {"": structs}
    for path in table.paths:
        values = _values(path, parts)
        yield _compact(values) if path in table.raws else values


def _values(path: str, parts: dict[str, Sequence[Any]]) -> list[Any]:
    container, star, tail = path.partition(".*.")
    if star:
        return _members(_values(container, parts), tail)
    head, _, leaf = path.rpartition(".")
    return list(map(attrgetter(leaf), _part(head, parts)))


def _members(
    containers: Sequence[dict[str, Any] | list[Any] | None], tail: str
) -> list[list[Any] | None]:
    first, get = attrgetter(tail.partition(".")[0]), attrgetter(tail)
    members = [each.values() if isinstance(each, dict) else each for each in containers]
    return [
        None if each is None else [get(one) for one in each if first(one) is not None]
        for each in members
    ]


def _part(path: str, parts: dict[str, Sequence[Any]]) -> Sequence[Any]:
    """The objects at a path, with ``_ABSENT`` for a missing one; each path is read once."""
    if path not in parts:
        head, _, leaf = path.rpartition(".")
        found = map(attrgetter(leaf), _part(head, parts))
        parts[path] = [_ABSENT if each is None else each for each in found]
    return parts[path]


def _compact(raws: Sequence[msgspec.Raw | None]) -> list[str | None]:
    """The JSON without its white space, made once for each text; numbers stay."""
    sent = [None if raw is None else str(raw, "utf-8") or None for raw in raws]
    # Only objects and lists have some.
    nested = {each for each in sent if each is not None and each[:1] in _NESTED}
    short = {each: msgspec.json.format(each, indent=-1) for each in nested}
    return [None if each is None else short.get(each, each) for each in sent]


def _series(path: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    if dtype == Datetime:
        return read_times(path, values)
    if not isinstance(dtype, pl.List):
        return pl.Series(path, values, dtype)
    # Through JSON: polars reads it many times as fast as lists of objects.
    return pl.Series(path, [_encode(values).decode()]).str.json_decode(pl.List(dtype)).explode()


# A time that can be read for sure: years from 1000, months of 31, 30 and 28 days, no offset. Any
# other time needs a closer look. Python finds it in half the time that polars takes for a page, and
# wakes no other thread.
_DAY = (
    r"[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
_is_usual = re.compile(rf"{_DAY}[T ]{_CLOCK}(?:Z|\+00:00)?", re.ASCII).fullmatch
_USUAL_FORM = "%Y-%m-%dT%H:%M:%S.%6fZ"  # which polars reads twice as fast as others


def find_unreadable_time(record: type[wire.Wire], structs: Sequence[Any]) -> str | None:
    """The path of a time in the structs that cannot be read; None if all of them can be."""
    parts: dict[str, Sequence[Any]] = {"": structs}
    for path in _time_paths(record):
        sent = (each for each in _values(path, parts) if each is not None)
        if any(wire.read_time(each) is None for each in itertools.filterfalse(_is_usual, sent)):
            return path
    return None


def read_times(path: str, texts: Sequence[str | None]) -> pl.Series:
    """Checked times as a column of Datetime; one without an offset is UTC."""
    sent = pl.Series(path, texts, pl.String())
    moments = sent.str.to_datetime(_USUAL_FORM, time_unit="us", time_zone="UTC", strict=False)
    if moments.null_count() > sent.null_count():
        is_zoned = sent.str.contains(r"(?:Z|[+-][0-9]{2}:[0-9]{2})\z")
        zoned = sent.zip_with(is_zoned, sent + "Z")
        return zoned.str.to_datetime("%+", time_unit="us", time_zone="UTC")
    return moments


@functools.cache
def _time_paths(record: type[wire.Wire]) -> Sequence[str]:
    """The paths of a record's times, and of those in its objects."""
    paths: list[str] = []
    for name in record.__struct_fields__:
        declared = base_type(path_type(record, name))
        if declared is wire.Time:
            paths.append(name)
        elif isinstance(declared, type) and issubclass(declared, wire.Wire):
            paths += [f"{name}.{path}" for path in _time_paths(declared)]
    return paths
