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
from retab_analysis.export.csv_cells import unescape_formulas
from retab_analysis.files import PathOrFile, load
from retab_analysis.schema import TABLES, Datetime, Table, find_other_table
from retab_analysis.schema.polars_threads import check_polars_threads

_SHOWN = 80
# A whole cell in quotes, with quotes doubled inside. It starts with the quote, and looks back from
# there, because the regular expression engine searches for a literal start at full speed.
_QUOTED_CELLS = {
    separator: re.compile(
        rb'"(?<![^%b\n]")[^"]*+(?:""[^"]*+)*+"(?![^%b\r\n])' % (separator, separator)
    )
    for separator in (b",", b";")
}
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
            or by ``;`` where no comma is in the header; then fractions may have decimal commas.
            Rows are counted from 1 after the header.
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
    cells, separator = _split(load(path).removeprefix(codecs.BOM_UTF8))
    names = ["" if name is None else name for name in cells.row(0)]
    _check_names(names, TABLES[table])
    has_commas = separator == b";" or len(names) == 1
    body = cells.slice(1)
    return pl.DataFrame(
        {
            name: _parse(
                name,
                text,
                TABLES[table].schema.get(name, pl.String()),
                has_commas=has_commas,
            )
            for name, text in zip(names, body.iter_columns(), strict=True)
        }
    )


def _separator(text: bytes) -> bytes:
    """``;`` where only that stands between the names of the header, else the comma."""
    header = re.match(rb'(?:"[^"]*"|[^"\n])*', text)
    between = re.sub(rb'"[^"]*"', b"", header[0]) if header else b""
    return b";" if b";" in between and b"," not in between else b","


def _split(text: bytes) -> tuple[pl.DataFrame, bytes]:
    """Every cell as text, the header in the first row, and what separates them.

    polars fills a row that is too short with nulls, so the form is checked before it reads. Without
    the quoted cells, a newline always ends a row, a separator a cell, and a quote is misplaced.

    Raises:
        SchemaError: The file is empty, is not UTF-8, has a quote or a carriage return in a wrong
            place, another separator, or rows of different lengths.
    """
    if not text:
        raise SchemaError("the file is empty, expected at least a header")
    try:
        header = text.decode("utf-8").partition("\n")[0]
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"byte {error.start} is 0x{text[error.start]:02x}, expected UTF-8 text (in Excel: save "
            "as CSV UTF-8)"
        ) from None
    separator = _separator(text)
    skeleton = _QUOTED_CELLS[separator].sub(b"_", text)
    first = skeleton.partition(b"\n")[0]
    other = next((each.decode() for each in (b"\t", b"|") if each in first), None)
    if other is not None and separator not in first:
        raise SchemaError(
            f"the header is {header[:80].strip()!r}: got cells separated by {other!r}, "
            "expected commas; write the file anew with commas, for example with polars: "
            f"pl.read_csv(path, separator={other!r}, infer_schema=False).write_csv(new_path)"
        )
    expected = "quotes around a whole cell, and doubled inside it"
    _check_stray(skeleton, b'"', "a quote", expected)
    if b"\r" in skeleton:
        skeleton = skeleton.replace(b"\r\n", b"\n")
        _check_stray(skeleton, b"\r", "a carriage return", "rows that end in LF or CRLF")
    width = skeleton.partition(b"\n")[0].count(separator) + 1
    for number, row in enumerate(io.BytesIO(skeleton)):
        if (got := row.count(separator) + 1) != width:
            raise SchemaError(f"row {number}: got {got} cell(s), expected {width} as in the header")
    # polars takes a mark away wherever it begins to read; here it would be part of a cell.
    mark = codecs.BOM_UTF8 if text.startswith(codecs.BOM_UTF8) else b""
    schema = {str(n): pl.String() for n in range(width)}
    cells = pl.read_csv(
        mark + text, has_header=False, schema=schema, eol_char="\n", separator=separator.decode()
    )
    return cells.with_columns(unescape_formulas(pl.all())), separator


def _check_stray(skeleton: bytes, character: bytes, got: str, expected: str) -> None:
    place = skeleton.find(character)
    if place >= 0:
        row = skeleton.count(b"\n", 0, place)
        where = f"row {row}" if row else "the header"
        raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")


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
    """The values of a column, whose fractions may have decimal commas.

    Raises:
        SchemaError: A cell is not a value of its dtype.
    """
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
