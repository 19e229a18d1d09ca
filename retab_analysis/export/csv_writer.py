"""From a frame to CSV text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl
from polars.datatypes import DataTypeClass

from retab_analysis.errors import ConfigError, described
from retab_analysis.export.formula_escaping import guarded
from retab_analysis.files import Target, save

_BOM = "\ufeff"
_FRACTION = {"ms": "%.3f", "us": "%.6f", "ns": "%.9f"}
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
# From year 1 to year 9999; beyond, polars' formatting panics and ISO 8601 needs an agreement.
_DAYS = (-719162, 2932896)
_SECONDS = (_DAYS[0] * 86400, (_DAYS[1] + 1) * 86400 - 1)


def write_csv(
    frame: pl.DataFrame | pl.LazyFrame,
    path: Target,
    *,
    spreadsheet_safe: bool = True,
    excel: bool = False,
) -> None:
    r"""Write a frame as CSV that :func:`read_csv` turns back into the identical frame.

    UTF-8, a header always. A null is an empty cell and an empty string is ``""``; times are ISO
    8601 in UTC with all their digits (``2024-05-01T10:00:00.000000Z``, without the Z where the
    column has no time zone), durations ISO 8601, booleans ``true`` and ``false``, floats the
    shortest text that gives the same number (``inf``, ``-inf`` and ``NaN`` for those that are
    none), lists and structs JSON.

    A path is replaced whole or not at all: the text goes to a temporary file beside it, is synced
    and renamed, so that a reader sees the old file or the new one. Its permissions stay; a link is
    followed; a pipe or a device is written to. Only a process that is killed may leave the
    temporary file (``.<16 hex digits>.tmp``). An open file is written to and stays open; open a
    text file with ``newline=""``, as for Python's csv module.

    Args:
        frame: Any frame, a whole table or not; a LazyFrame is collected.
        path: Where to: a path, or a file open for writing, text or binary.
        spreadsheet_safe: Put ``'`` before cells and column names that start with one of
            ``= + - @``, tab, carriage return or newline and are no JSON numbers, so that a
            spreadsheet shows them and does not execute them. Texts in which that is already
            preceded by ``'`` get one more in either mode. Reading takes it away again.
        excel: For a double click on the file: a byte order mark, so that Excel takes the text for
            UTF-8, CRLF line ends, and times as ``2024-05-01 10:00:00`` or ``… 10:00:00.123`` in
            UTC. **Excel keeps no more than milliseconds: what is finer is cut off**, the one thing
            that any mode loses. Texts of more than 15 digits are in the file as they are, but Excel
            shows them rounded and saves them so; import such a column as text.

    Raises:
        ConfigError: ``frame`` is no polars frame; a column cannot be written (Binary, Object; NaN
            or an infinity inside a list; a year outside of 1 to 9999); ``path`` is neither.
        OSError: The file cannot be written. What was there before is untouched.

    Examples:
        >>> import io
        >>> import polars as pl
        >>> from retab_analysis import read_csv, write_csv
        >>> frame = pl.DataFrame({"run_id": ["run_1", "=1+2"], "passed": [79, None]})
        >>> file = io.StringIO()
        >>> write_csv(frame, file)
        >>> file.getvalue()
        "run_id,passed\nrun_1,79\n'=1+2,\n"
        >>> _ = file.seek(0)
        >>> read_csv(file).equals(frame)
        True
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(f"frame: expected a polars DataFrame, got {described(frame)}")
    save(path, _encoded(frame, spreadsheet_safe=spreadsheet_safe, excel=excel))


def _encoded(frame: pl.DataFrame, *, spreadsheet_safe: bool, excel: bool) -> bytes:
    mark, end = (_BOM, "\r\n") if excel else ("", "\n")
    names = _guarded_names(frame.columns, spreadsheet_safe=spreadsheet_safe)
    header = ",".join(map(_header_cell, names))
    cells = _cells(frame, spreadsheet_safe=spreadsheet_safe, excel=excel)
    body = cells.write_csv(include_header=False, line_terminator=end) if names else ""
    return (mark + header + end + body).encode()


def _guarded_names(names: list[str], *, spreadsheet_safe: bool) -> list[str]:
    column = pl.DataFrame({"": names}, schema={"": pl.String})
    return column.select(guarded(pl.all(), spreadsheet_safe=spreadsheet_safe)).to_series().to_list()


def _header_cell(name: str) -> str:
    # A BOM that belongs to a name is quoted, so that no reader takes it for the file's own.
    if name and not name.startswith(_BOM) and not re.search('[",\r\n]', name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _cells(frame: pl.DataFrame, *, spreadsheet_safe: bool, excel: bool) -> pl.DataFrame:
    """Every column as numbers, booleans or text that polars' CSV writer writes one way only."""
    for series in frame.iter_columns():
        _check(series)
    # Under numbers for names: pl.col takes "*" and "^…$" for patterns.
    numbered = pl.DataFrame({str(n): column for n, column in enumerate(frame.iter_columns())})
    return numbered.select(
        pl.col(name)
        if _is_native(dtype)
        else guarded(
            _text(pl.col(name), dtype, excel=excel), spreadsheet_safe=spreadsheet_safe
        ).alias(name)
        for name, dtype in numbered.schema.items()
    )


def _is_native(dtype: pl.DataType) -> bool:
    """Whether polars writes it as we want. A float may be -inf, no number to a spreadsheet."""
    return dtype == pl.Boolean or (dtype.is_numeric() and not dtype.is_float())


def _check(series: pl.Series) -> None:
    """Refuse what would not be written as it is."""
    for leaf in _leaves(series):
        reason = _obstacle(leaf, nested=series.dtype.is_nested())
        if reason:
            raise ConfigError(
                f"column {series.name!r} ({series.dtype}) cannot be written: {reason}"
            )


def _leaves(series: pl.Series) -> Iterator[pl.Series]:
    """The series itself, or what its lists and structs are made of."""
    if isinstance(series.dtype, pl.List | pl.Array):
        yield from _leaves(series.explode())
    elif isinstance(series.dtype, pl.Struct):
        for name in series.struct.fields:
            yield from _leaves(series.struct.field(name))
    else:
        yield series


def _obstacle(leaf: pl.Series, *, nested: bool) -> str | None:
    dtype = leaf.dtype
    if dtype in (pl.Binary, pl.Object):
        return f"CSV has no form for {dtype}, cast it to String first"
    if nested and dtype.is_float() and not leaf.is_finite().all():
        return "JSON has no NaN and no infinity"
    if isinstance(dtype, pl.Datetime):
        leaf, bounds = leaf.to_physical() // _PER_SECOND[dtype.time_unit], _SECONDS
    elif dtype == pl.Date:
        leaf, bounds = leaf.to_physical(), _DAYS
    else:
        return None
    return None if leaf.is_between(*bounds).all() else "a year is outside of 1 to 9999"


def _text(cell: pl.Expr, dtype: pl.DataType, *, excel: bool) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return _time(cell, dtype, excel=excel)
    if dtype.is_temporal():
        return cell.dt.to_string("iso")
    if dtype.is_nested():
        return _json(cell, dtype)
    return cell.cast(pl.String)


def _time(cell: pl.Expr, dtype: pl.Datetime, *, excel: bool) -> pl.Expr:
    if dtype.time_zone is not None:
        cell = cell.dt.convert_time_zone("UTC")
    if excel:
        return cell.dt.to_string("%Y-%m-%d %H:%M:%S%.3f").str.strip_suffix(".000")
    zone = "" if dtype.time_zone is None else "Z"
    return cell.dt.to_string(f"%Y-%m-%dT%H:%M:%S{_FRACTION[dtype.time_unit]}{zone}")


def _json(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    # Only structs can be encoded, so the value becomes a member and its shell is taken off.
    text = pl.struct(cell.cast(_plain(dtype)).alias("v")).struct.json_encode()
    inner = text.str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(cell.is_not_null()).then(inner)


def _plain(dtype: pl.DataType | DataTypeClass) -> pl.DataType | DataTypeClass:
    """The dtype with text for what polars' JSON of some versions gets wrong."""
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(_plain(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _plain(field.dtype) for field in dtype.fields})
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum | pl.Decimal) else dtype
