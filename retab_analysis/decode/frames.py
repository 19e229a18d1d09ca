"""Structs become columns: each path is gathered once, then all columns are computed at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from retab_analysis.schema import Datetime, Table

# RFC 3339 with 0 to 6 digits of fraction; the offset may be missing. More digits would be cut and
# the sixtieth second moved by the parser, in silence.
_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$"
_OFFSET = r"(Z|[+-]\d\d:\d\d)$"

_encode = msgspec.json.Encoder().encode


class _Absent:
    """Stands for a missing part: all its members are None."""

    def __getattr__(self, name: str) -> None:
        return None


_ABSENT = _Absent()


def gather(table: Table, records: Sequence[Any]) -> pl.DataFrame:
    """Put each path that the table needs into a column of its name.

    Args:
        table: Says which paths.
        records: Structs of ``table.record``, n of them.

    Returns:
        A frame of n rows; times are still text, raw JSON is compact text.
    """
    return pl.DataFrame(_series(table, records))


def parse_times(table: Table, gathered: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read the times of gathered rows.

    Returns:
        The rows with times in place of their texts; and, for each row that has a time which
        cannot be read to the microsecond, the path of the first.
    """
    parsed = gathered.with_columns(_parse_time(path) for path in table.times)
    unreadable: dict[int, str] = {}
    for path in table.times:
        if gathered[path].null_count() != parsed[path].null_count():
            for row in (gathered[path].is_not_null() & parsed[path].is_null()).arg_true():
                unreadable.setdefault(row, path)
    return parsed, unreadable


def to_frame(table: Table, pages: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Compute the table's columns.

    Args:
        table: The columns.
        pages: Rows as :func:`parse_times` gives them.

    Returns:
        One frame with exactly the table's columns and dtypes.
    """
    if not pages:
        return table.empty()
    return pl.concat(pages, rechunk=True).select(table.expressions)


def _series(table: Table, records: Sequence[Any]) -> Iterable[pl.Series]:
    parts: dict[str, Sequence[Any]] = {"": records}
    for path, dtype in table.paths.items():
        values = _values(path, parts)
        if path in table.raws:
            yield pl.Series(path, map(_compact, values), dtype)
        elif isinstance(dtype, pl.List):
            yield _lists(path, values, dtype)
        else:
            yield pl.Series(path, values, pl.String() if dtype == Datetime else dtype)


def _values(path: str, parts: dict[str, Sequence[Any]]) -> list[Any]:
    container, star, tail = path.partition(".*.")
    if star:
        return [_members(each, tail) for each in _values(container, parts)]
    head, _, leaf = path.rpartition(".")
    return list(map(attrgetter(leaf), _part(head, parts)))


def _members(container: dict[str, Any] | None, tail: str) -> list[Any] | None:
    """What stands at the tail of each member of an object, where its first part is there."""
    if container is None:
        return None
    first, get = attrgetter(tail.partition(".")[0]), attrgetter(tail)
    return [get(each) for each in container.values() if first(each) is not None]


def _part(path: str, parts: dict[str, Sequence[Any]]) -> Sequence[Any]:
    """The objects at a path, the absent one in the place of a missing one."""
    if path not in parts:
        head, _, leaf = path.rpartition(".")
        found = map(attrgetter(leaf), _part(head, parts))
        parts[path] = [_ABSENT if each is None else each for each in found]
    return parts[path]


def _compact(raw: msgspec.Raw | None) -> str | None:
    """The JSON without its white space; its numbers are not touched."""
    sent = b"" if raw is None else bytes(raw)
    return msgspec.json.format(sent, indent=-1).decode() if sent else None


def _lists(path: str, values: list[Any], dtype: pl.List) -> pl.Series:
    """By way of JSON, which polars reads fifteen times as fast as lists of Python objects."""
    texts = [None if each is None else _encode(each).decode() for each in values]
    return pl.Series(path, texts, pl.String()).str.json_decode(dtype)


def _parse_time(path: str) -> pl.Expr:
    text = pl.col(path)
    complete = pl.when(text.str.contains(_OFFSET)).then(text).otherwise(text + "Z")
    moment = (
        pl.when(text.str.contains(_TIME))
        .then(complete)
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    )
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment).alias(path)
