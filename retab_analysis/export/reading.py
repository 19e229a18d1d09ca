"""From CSV text to a frame of declared dtypes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.export.files import Target, load
from retab_analysis.export.guard import unguarded
from retab_analysis.schema import TABLES, Datetime, Table

# A whole cell in quotes, with quotes doubled inside. It starts with the quote, and looks back from
# there, because the regular expression engine searches for a literal start at full speed.
_QUOTED_CELL = re.compile(rb'"(?<![^,\n]")[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])')
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)
_SHOWN = 80


def read_csv(path: Target, table: str = "runs") -> pl.DataFrame:
    r"""Read what :func:`write_csv` wrote, in any of its modes, into the identical frame.

    The table's columns get their declared dtypes, other columns stay String; which columns there
    are, and their order, is the file's affair. A time without an offset is UTC.

    Args:
        path: A path, or a file open for reading, text (opened with ``newline=""``) or binary.
        table: runs, results, evals or workflows.

    Returns:
        One row for each row of the file.

    Raises:
        ConfigError: There is no such table, or ``path`` is neither a path nor a file.
        SchemaError: The file has none of the table's columns, a column twice, rows of different
            lengths, quotes in wrong places, text that is not UTF-8, or a cell that is no value of
            its column's dtype. Nothing is dropped, rounded or nulled instead.
        OSError: The file cannot be read, for example because there is none.

    Examples:
        >>> import io
        >>> from retab_analysis import read_csv
        >>> read_csv(io.StringIO("run_id,passed,note\nrun_1,79,slow\n")).row(0, named=True)
        {'run_id': 'run_1', 'passed': 79, 'note': 'slow'}
        >>> read_csv(io.StringIO("run_id,passed\nrun_1,7.5\n"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        retab_analysis.errors.SchemaError: row 1, column 'passed': got '7.5', expected ...
    """
    if table not in TABLES:
        raise ConfigError(f"table: got {table!r}, expected one of {', '.join(TABLES)}")
    data = _without_mark(load(path))
    _check_text(data)
    cells = _split(data, _width(data))
    names = ["" if name is None else name for name in cells.row(0)]
    _check_names(names, TABLES[table])
    return _typed(cells.slice(1), names, TABLES[table].schema)


def _without_mark(data: bytes) -> bytes:
    return data.removeprefix(codecs.BOM_UTF8)


def _check_text(data: bytes) -> None:
    if not data:
        raise SchemaError("the file is empty, expected at least a header")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        got = data[error.start : error.start + 1].hex()
        raise SchemaError(
            f"byte {error.start} is 0x{got}, expected UTF-8 text (in Excel: save as CSV UTF-8)"
        ) from None


def _width(data: bytes) -> int:
    """How many cells every row has.

    polars fills a row that is too short with nulls, so this is checked before it reads. Without
    the quoted cells, a newline always ends a row, a comma a cell, and a quote is misplaced.
    """
    skeleton = _QUOTED_CELL.sub(b"_", data)
    _check_stray(skeleton, b'"', "a quote", "quotes around a whole cell, and doubled inside it")
    _check_stray(
        skeleton.replace(b"\r\n", b"\n"), b"\r", "a carriage return", "rows that end in LF or CRLF"
    )
    rows = skeleton.removesuffix(b"\n").split(b"\n")
    width = rows[0].count(b",") + 1
    for number, row in enumerate(rows):
        got = row.count(b",") + 1
        if got != width:
            raise SchemaError(f"row {number}: got {got} cells, expected {width} as in the header")
    return width


def _check_stray(skeleton: bytes, character: bytes, got: str, expected: str) -> None:
    place = skeleton.find(character)
    if place >= 0:
        row = skeleton.count(b"\n", 0, place)
        where = f"row {row}" if row else "the header"
        raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")


def _split(data: bytes, width: int) -> pl.DataFrame:
    """Every cell as text, the header as the first row."""
    cells = pl.read_csv(
        data, has_header=False, schema={str(n): pl.String() for n in range(width)}, eol_char="\n"
    )
    return cells.select(unguarded(pl.all()))


def _check_names(names: list[str], table: Table) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SchemaError(f"column {twice!r}: got it {names.count(twice)} times, expected it once")
    if not set(names) & set(table.schema):
        raise SchemaError(
            f"got the columns {_shown(', '.join(names))}, none of which is a column of "
            f"{table.name}; expected some of {', '.join(table.schema)}"
        )


def _typed(
    cells: pl.DataFrame, names: list[str], declared: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    kinds = [_KINDS[declared.get(name, pl.String())] for name in names]
    values = cells.select(kind.parse(pl.col(str(n))).alias(str(n)) for n, kind in enumerate(kinds))
    for name, kind, text, value in zip(names, kinds, cells, values, strict=True):
        _check_values(name, kind, text, value)
    values.columns = names
    return values


def _check_values(name: str, kind: _Kind, text: pl.Series, value: pl.Series) -> None:
    bad = (value.is_null() & text.is_not_null()).arg_true()
    if bad.is_empty():
        return
    where = f"row {bad[0] + 1}, column {name!r}"
    more = f" (and {len(bad) - 1} more such cells)" if len(bad) > 1 else ""
    got = _shown(text[bad[0]])
    raise SchemaError(f"{where}: got {got!r}, expected {kind.words}{more}", path=where)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class _Kind(NamedTuple):
    """How text becomes a dtype: what is no value becomes null, and only that."""

    words: str
    parse: Callable[[pl.Expr], pl.Expr]


def _same(text: pl.Expr) -> pl.Expr:
    return text


def _whole_number(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _number(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    overflown = value.is_infinite() & ~text.str.contains("(?i)inf")
    return pl.when(~overflown).then(value)


def _truth(text: pl.Expr) -> pl.Expr:
    lower = text.str.to_lowercase()
    return pl.when(lower.is_in(["true", "false"])).then(lower == "true")


def _moment(text: pl.Expr) -> pl.Expr:
    # Checked before it is parsed, because polars takes second 60 and cuts a seventh digit off.
    exact = pl.when(text.str.contains(_TIME)).then(text)
    clock = exact.str.slice(11).str.replace(r"Z\z", "+00:00")
    clock = clock.str.replace(r"^([^+-]*)\z", "${1}+00:00")
    moment = pl.concat_str(exact.str.head(10), pl.lit("T"), clock).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False
    )
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment)


def _strings(text: pl.Expr) -> pl.Expr:
    return text.map_batches(_decoded_lists, return_dtype=pl.List(pl.String()))


def _decoded_lists(text: pl.Series) -> pl.Series:
    decoded = {each: _decoded_list(each) for each in text.unique().drop_nulls()}
    return pl.Series([decoded.get(each) for each in text], dtype=pl.List(pl.String()))


def _decoded_list(text: str) -> list[str | None] | None:
    try:
        value = json.loads(text)
        if not isinstance(value, list) or any(
            type(each) not in (str, type(None)) for each in value
        ):
            return None
        "".join(filter(None, value)).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        return None
    return value


_KINDS: Mapping[pl.DataType, _Kind] = {
    pl.String(): _Kind("text", _same),
    pl.Int64(): _Kind("a 64-bit integer", _whole_number),
    pl.Float64(): _Kind("a number", _number),
    pl.Boolean(): _Kind("true or false", _truth),
    Datetime: _Kind("a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00", _moment),
    pl.List(pl.String()): _Kind("a JSON array of strings", _strings),
}
