"""``read_csv``: from CSV text to a frame of declared dtypes."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl

from retab_analysis.arguments import check_choice
from retab_analysis.errors import SchemaError
from retab_analysis.export.csv_cells import unescape_formulas
from retab_analysis.files import PathOrFile, load
from retab_analysis.schema import TABLES, Datetime, Table, find_other_table
from retab_analysis.schema.polars_threads import check_polars_threads

_SHOWN = 80
_PIECE = 1 << 22  # bytes of whole rows that are split and parsed at once
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)
_EXACT = 2**53  # whole numbers up to there are Float64


def read_csv(path: PathOrFile, table: str = "runs") -> pl.DataFrame:
    r"""Read what :func:`write_csv` wrote, in any of its modes, into the identical frame.

    The table's columns get their declared dtypes, other columns stay String. The columns and their
    order are those of the file. A time without an offset is UTC.

    Args:
        path: A path, or a file open for reading, text or binary, which stays open. A text file that
            was read from before needs ``newline=""`` to keep the line ends inside cells.
        table: runs, results, evals or workflows.

    Returns:
        One row for each row of the file.

    Raises:
        ConfigError: There is no such table, or ``path`` is neither a path nor a file, or a folder.
        SchemaError: The file has none of the table's columns, all of another one's, a column twice,
            rows of different lengths, quotes in wrong places, text that is not UTF-8, or a cell
            that is not a value of its column's dtype. Nothing is dropped or nulled instead, nor
            rounded, but that a fraction becomes the nearest Float64. Cells are separated by commas,
            or, where the header has none, by ``;``, tabs or ``|``. Behind ``;``, and where there is
            one column, fractions may have decimal commas. Rows are counted from 1 after the header.
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
    check_polars_threads()
    check_choice("table", table, TABLES)
    with load(path) as file:
        pieces = _pieces(file)
        header = next(pieces, b"").removeprefix(codecs.BOM_UTF8)
        if not header:
            raise SchemaError("the file is empty, expected at least a header")
        between = re.sub(rb'"[^"]*"', b"", header)
        separator = next((each for each in (b",", b";", b"\t", b"|") if each in between), b",")
        names = ["" if name is None else name for name in _split(header, separator, 0).row(0)]
        _check_names(names, TABLES[table])
        has_commas = separator == b";" or len(names) == 1
        schema = {name: TABLES[table].schema.get(name, pl.String()) for name in names}
        frame = pl.DataFrame(schema=schema)
        for rows in pieces:
            row = frame.height + 1
            cells = _split(rows, separator, row, len(names))
            columns = zip(schema.items(), cells.iter_columns(), strict=True)
            part = {
                name: _parse(text, name, dtype, row, has_commas=has_commas)
                for (name, dtype), text in columns
            }
            frame.vstack(pl.DataFrame(part), in_place=True)
    return frame


def _pieces(file: Iterable[bytes]) -> Iterator[bytes]:
    """The header, and then some megabytes of whole rows at a time; all of it is UTF-8."""
    lines: list[bytes] = []
    least = size = quotes = 0
    for number, line in enumerate(file, 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise SchemaError(
                f"line {number}: got the byte 0x{line[error.start]:02x}, expected UTF-8 text "
                "(in Excel: save as CSV UTF-8)"
            ) from None
        lines.append(line)
        size += len(line)
        quotes += line.count(b'"')
        # A newline ends a row where every quote before it has been closed.
        if size > least and quotes % 2 == 0:
            yield b"".join(lines)
            lines, size, least = [], 0, _PIECE
    if lines:
        yield b"".join(lines)


def _split(text: bytes, separator: bytes, row: int, width: int | None = None) -> pl.DataFrame:
    """Every cell of some rows as text, the first of them the ``row``-th, each of ``width`` cells.

    polars fills a row that is too short with nulls, so the form is checked before it reads. Without
    the quoted cells, a newline always ends a row, a separator a cell, and a quote is misplaced.
    """
    # A quoted cell starts with the quote, and looks back from there, because the regular expression
    # engine searches for a literal start at full speed.
    quoted = rb'"(?<![^%b\n]")[^"]*+(?:""[^"]*+)*+"(?![^%b\r\n])' % (separator, separator)
    skeleton = re.sub(quoted, b"_", text).replace(b"\r\n", b"\n")
    for sign, got, expected in (
        (b'"', "a quote", "quotes around a whole cell, and doubled inside it"),
        (b"\r", "a carriage return", "rows that end in LF or CRLF"),
    ):
        if sign in skeleton:
            at = row + skeleton.partition(sign)[0].count(b"\n")
            where = f"row {at}" if at else "the header"
            raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")
    width = width or skeleton.count(separator) + 1
    for number, line in enumerate(io.BytesIO(skeleton), row):
        if (cells := line.count(separator) + 1) != width:
            raise SchemaError(
                f"row {number}: got {cells} cell(s), expected {width} as in the header"
            )
    schema = {str(n): pl.String() for n in range(width)}
    # polars takes a byte order mark away wherever it begins to read; one more stays in the cell.
    return pl.read_csv(
        codecs.BOM_UTF8 + text,
        has_header=False,
        schema=schema,
        eol_char="\n",
        separator=separator.decode(),
    ).with_columns(unescape_formulas(pl.all()))


def _check_names(names: list[str], table: Table) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SchemaError(f"column {twice!r}: got it {names.count(twice)} times, expected it once")
    if not set(names) & set(table.schema):
        raise SchemaError(
            f"got the columns {_shorten(', '.join(map(repr, names)))}, expected some of those of "
            f"{table.name}: {_shorten(', '.join(table.schema))}"
        )
    other = find_other_table(table, names)
    # With a column that only the expected table has, it may be part of that, joined with the other.
    if other is not None and set(names) & set(table.schema) <= set(other.schema):
        raise SchemaError(
            f"got the columns of {other.name}, expected those of {table.name}: "
            f"read_csv(path, {other.name!r}) reads them"
        )


def _parse(
    text: pl.Series, name: str, dtype: pl.DataType, row: int, *, has_commas: bool
) -> pl.Series:
    """The values of a column, whose fractions may have decimal commas."""
    if dtype == pl.String:
        return text
    expected, parse = _PARSERS[dtype]
    is_fraction = has_commas and dtype == pl.Float64
    values = parse(text.str.replace(r"^([^.,]*),([^.,]*)\z", "${1}.${2}") if is_fraction else text)
    if values.null_count() > text.null_count():
        wrong = (values.is_null() & text.is_not_null()).arg_true()[0]
        where, got = f"row {row + wrong}, column {name!r}", _shorten(text[wrong])
        raise SchemaError(f"{where}: got {got!r}, expected {expected}", path=where)
    return values


def _parse_numbers(text: pl.Series) -> pl.Series:
    """Numbers, without those that are not what the text says, but for the digits of a fraction."""
    values = text.cast(pl.Float64, strict=False)
    whole = text.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?\z").cast(pl.Int128, strict=False)
    # What is beyond even Int128 is refused, too, where it is written without an exponent.
    lost = (values.abs() >= _EXACT) & text.str.contains(r"^[+-]?[0-9]+(?:\.0*)?\z")
    lost &= (whole != values.cast(pl.Int128, strict=False)).fill_null(True)
    lost |= values.is_infinite() & ~text.str.contains("(?i)inf")
    lost |= (values == 0) & text.str.contains("^[^eE]*[1-9]")
    return values.set(lost, None) if lost.any() else values


def _parse_times(text: pl.Series) -> pl.Series:
    # Checked before it is parsed, because polars takes second 60 and cuts a seventh digit off.
    exact = text.set(~text.str.contains(_TIME), None)
    clock = exact.str.slice(11).str.replace(r"Z\z", "+00:00")
    moment = exact.str.head(10) + "T" + clock.str.replace(r"^([^+-]*)\z", "${1}+00:00")
    found = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    return found.set(~found.dt.year().is_between(1, 9999), None)


def _parse_lists(text: pl.Series) -> pl.Series:
    wrong = [each for each in text.drop_nulls().unique() if not _is_list(each)]
    # By way of lists of Python it would take four times the memory of all the rest.
    return text.set(text.is_in(wrong), None).str.json_decode(pl.List(pl.String()))


def _is_list(text: str) -> bool:
    """Whether it is a JSON array of strings and nulls."""
    try:
        value = json.loads(text)
        # Fails where an item is not a string, or holds a lone surrogate, which is not text.
        "".join(each for each in value if each is not None).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(value, list)


_PARSERS: Mapping[pl.DataType, tuple[str, Callable[[pl.Series], pl.Series]]] = {
    pl.Int64(): ("a 64-bit integer", lambda text: text.cast(pl.Int64, strict=False)),
    pl.Float64(): ("a number", _parse_numbers),
    pl.Boolean(): (
        "true or false",
        lambda text: text.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        ),
    ),
    Datetime: ("a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00", _parse_times),
    pl.List(pl.String()): ("a JSON array of strings", _parse_lists),
}
"""What a cell may be, in words, and its values; what is not one becomes null, and nothing else."""


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
