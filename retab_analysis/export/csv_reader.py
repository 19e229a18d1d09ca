"""``read_csv``: from CSV text to a frame of declared dtypes."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Mapping

import polars as pl

from retab_analysis.arguments import check_choice
from retab_analysis.errors import SchemaError
from retab_analysis.export.csv_writer import unescape_formulas
from retab_analysis.files import PathOrFile, load
from retab_analysis.schema import TABLES, Datetime, Table, find_other_table
from retab_analysis.schema.polars_threads import check_polars_threads

_SHOWN = 80
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)


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
            that is not a value of its column's dtype. Nothing is dropped or nulled instead; a
            number becomes the nearest Float64 where the column has those. Cells are separated by
            commas, or by ``;`` where no comma is in the header; then fractions may have decimal
            commas. Rows are counted from 1 after the header.
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
    cells, separator = _split(load(path))
    names = ["" if name is None else name for name in cells.row(0)]
    _check_names(names, TABLES[table])
    has_commas = separator == b";" or len(names) == 1
    parsed = {}
    for name, text in zip(names, cells.slice(1).iter_columns(), strict=True):
        dtype = TABLES[table].schema.get(name, pl.String())
        parsed[name] = _parse(name, text, dtype, has_commas=has_commas)
    return pl.DataFrame(parsed)


def _split(given: bytes) -> tuple[pl.DataFrame, bytes]:
    """Every cell as text, the header in the first row, and what separates them.

    polars fills a row that is too short with nulls, so the form is checked before it reads. Without
    the quoted cells, a newline always ends a row, a separator a cell, and a quote is misplaced.
    """
    text = given.removeprefix(codecs.BOM_UTF8)
    if not text:
        raise SchemaError("the file is empty, expected at least a header")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"byte {error.start} is 0x{text[error.start]:02x}, expected UTF-8 text (in Excel: save "
            "as CSV UTF-8)"
        ) from None
    header = re.match(rb'(?:"[^"]*"|[^"\n])*', text)
    between = re.sub(rb'"[^"]*"', b"", header[0]) if header else b""
    separator = b";" if b";" in between and b"," not in between else b","
    # A whole cell in quotes, with quotes doubled inside. It starts with the quote, and looks back
    # from there, because the engine searches for a literal start at full speed.
    quoted = rb'"(?<![^%b\n]")[^"]*+(?:""[^"]*+)*+"(?![^%b\r\n])' % (separator, separator)
    skeleton = re.sub(quoted, b"_", text).replace(b"\r\n", b"\n")
    for sign, got, expected in (
        (b'"', "a quote", "quotes around a whole cell, and doubled inside it"),
        (b"\r", "a carriage return", "rows that end in LF or CRLF"),
    ):
        if (place := skeleton.find(sign)) >= 0:
            row = skeleton.count(b"\n", 0, place)
            where = f"row {row}" if row else "the header"
            raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")
    width = skeleton.partition(b"\n")[0].count(separator) + 1
    for number, line in enumerate(io.BytesIO(skeleton)):
        if (cells := line.count(separator) + 1) != width:
            raise SchemaError(
                f"row {number}: got {cells} cell(s), expected {width} as in the header"
            )
    schema = {str(n): pl.String() for n in range(width)}
    # With its byte order mark, because polars takes one away; a second one is part of a cell.
    found = pl.read_csv(
        given, has_header=False, schema=schema, eol_char="\n", separator=separator.decode()
    )
    return found.with_columns(unescape_formulas(pl.all())), separator


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


def _parse(name: str, text: pl.Series, dtype: pl.DataType, *, has_commas: bool) -> pl.Series:
    if dtype == pl.String:
        return text
    expected, parse = _PARSERS[dtype]
    is_fraction = has_commas and dtype == pl.Float64
    values = parse(text.str.replace(r"^([^.,]*),([^.,]*)\z", "${1}.${2}") if is_fraction else text)
    wrong = (values.is_null() & text.is_not_null()).arg_true()
    if len(wrong):
        where = f"row {wrong[0] + 1}, column {name!r}"
        more = f" ({len(wrong)} such cells in all)" if len(wrong) > 1 else ""
        got = _shorten(text[wrong[0]])
        raise SchemaError(f"{where}: got {got!r}, expected {expected}{more}", path=where)
    return values


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
    pl.Float64(): ("a number", lambda text: text.cast(pl.Float64, strict=False)),
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
