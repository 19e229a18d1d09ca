"""Structs become columns: each path is gathered once, then all columns are computed at once.

The cost of a column hardly depends on how many rows it has, so it pays to gather many records at
once. What is gathered are the *paths* that the table's expressions name; the columns are computed
from them at the end, by :func:`to_frame`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import polars as pl

from retab_analysis import wire
from retab_analysis.decode.documents import Check, Records, never, read_any, read_one, read_page
from retab_analysis.decode.problems import Problem, Problems
from retab_analysis.errors import SchemaError
from retab_analysis.schema import Datetime, Table

W = TypeVar("W", bound=wire.Wire)

# RFC 3339 with 0 to 6 digits of fraction; the offset may be missing. More digits would be cut and
# the sixtieth second moved by the parser, in silence.
_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$"
_OFFSET = r"(Z|[+-]\d\d:\d\d)$"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Page:
    """What one body holds.

    Attributes:
        rows: One row per good record, one column per path that the table needs.
        problems: The other records.
        after: The cursor of the next page, or None.
    """

    rows: pl.DataFrame
    problems: Problems
    after: str | None


def parse_page(table: Table, body: bytes, check: Check = never) -> Page:
    """Read a page of a list.

    Args:
        table: What it is a page of.
        body: The JSON.
        check: Called now and then, where that takes long; may raise to end it.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not a page.
    """
    return _gather_page(table, read_page(table.record, body, check), check)


def parse_one(table: Table, body: bytes, check: Check = never) -> Page:
    """Read a single document as a page of one; the arguments are those of :func:`parse_page`.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but not an object.
    """
    return _gather_page(table, read_one(table.record, body, check), check)


def parse_any(table: Table, body: bytes) -> Page:
    """Read a page, a list of records, or a single one.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON, but none of these.
    """
    return _gather_page(table, read_any(table.record, body))


def parse_document(record: type[W], body: bytes) -> W:
    """Read a single document that does not become a row, as a struct.

    Raises:
        ProtocolError: The body is not JSON.
        SchemaError: It is JSON of another shape.
    """
    records = read_one(record, body)
    for problem in records.problems:
        raise SchemaError(f"at {problem.path}: {problem.reason}", path=problem.path)
    document: W = records.structs[0]
    return document


def _gather_page(table: Table, records: Records, check: Check = never) -> Page:
    """Gather the good records; one with a time that cannot be read becomes a problem, too."""
    gathered = gather(table, records.structs, check)
    rows, unreadable = parse_times(table, gathered)
    problems = records.problems
    for row, path in sorted(unreadable.items()):
        text = gathered[path][row]
        reason = f"Expected a time in ISO 8601, to the microsecond at most; found {text!r}"
        where = f"{records.where[row]}.{path}"
        problems.add(Problem(gathered["id"][row], where, reason, text))
    if unreadable:
        rows = rows.filter(~pl.int_range(pl.len()).is_in(list(unreadable)))
    return Page(rows, problems, records.after)


class _Absent:
    """Stands for a missing part of a document: all its members are None."""

    def __getattr__(self, name: str) -> None:
        return None


_ABSENT = _Absent()


def gather(table: Table, records: Sequence[Any], check: Check = never) -> pl.DataFrame:
    """Put each path that the table needs into a column of its name.

    Args:
        table: Says which paths.
        records: Structs of ``table.record``, n of them.
        check: As for :func:`parse_page`.

    Returns:
        A frame of n rows; times are still text, raw JSON is compact text.
    """
    return pl.DataFrame(_series(table, records, check))


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


def _series(table: Table, records: Sequence[Any], check: Check) -> Iterable[pl.Series]:
    parts: dict[str, Sequence[Any]] = {"": records}
    for path, dtype in table.paths.items():
        check()
        values = _values(path, parts)
        if path in table.raws:
            yield pl.Series(path, map(_compact, values), dtype)
        elif isinstance(dtype, pl.List):
            yield _lists(path, values, dtype)
        else:
            # Times stay text: a whole column is parsed at once, later.
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
    """The objects at a path, ``_ABSENT`` in the place of a missing one; each path is read once."""
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
    """A column of lists, by way of JSON: polars reads it 15 times as fast as lists of objects."""
    texts = [None if each is None else _encode(each).decode() for each in values]
    return pl.Series(path, texts, pl.String()).str.json_decode(dtype)


def _parse_time(path: str) -> pl.Expr:
    """Null where it is not a time that can be read; without an offset it is UTC."""
    text = pl.col(path)
    complete = pl.when(text.str.contains(_OFFSET)).then(text).otherwise(text + "Z")
    moment = (
        pl.when(text.str.contains(_TIME))
        .then(complete)
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    )
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment).alias(path)
