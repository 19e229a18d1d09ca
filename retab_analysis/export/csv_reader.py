"""``read_csv``: from CSV text to a frame of declared dtypes."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Mapping

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.export.csv_cells import CELL_PARSERS, CellParser
from retab_analysis.export.formula_escaping import unescape_formulas
from retab_analysis.files import PathOrFile, load
from retab_analysis.schema import TABLES, Table

# A whole cell in quotes, with quotes doubled inside. It starts with the quote, and looks back from
# there, because the regular expression engine searches for a literal start at full speed.
_QUOTED_CELL = re.compile(rb'"(?<![^,\n]")[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])')
_SHOWN = 80
_PIECE = 1 << 20  # bytes that are checked at once


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
        SchemaError: The file has none of the table's columns, a column twice, rows of different
            lengths, quotes in wrong places, text that is not UTF-8, or a cell that is not a
            value of its column's dtype. Nothing is dropped, rounded or nulled instead. Rows are
            counted from 1 after the header.
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
    if table not in tuple(TABLES):
        raise ConfigError(f"table: got {table!r}, expected one of {', '.join(TABLES)}")
    cells = _read_cells(path)
    names = ["" if name is None else name for name in cells.row(0)]
    _check_names(names, TABLES[table])
    return _parse_columns(cells.slice(1), names, TABLES[table].schema)


def _read_cells(path: PathOrFile) -> pl.DataFrame:
    """Every cell as text, the header as the first row; the file's own text is given up here."""
    data = _without_mark(load(path))
    _check_text(data)
    return _split_cells(data, _row_width(data))


def _without_mark(data: bytes) -> bytes:
    return data.removeprefix(codecs.BOM_UTF8)


def _check_text(data: bytes) -> None:
    if not data:
        raise SchemaError("the file is empty, expected at least a header")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):
        end = start + _PIECE
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start:end], final=end >= len(data))
        except UnicodeDecodeError as error:
            place = start - pending + error.start
            raise SchemaError(
                f"byte {place} is 0x{data[place : place + 1].hex()}, expected UTF-8 text (in "
                "Excel: save as CSV UTF-8)"
            ) from None


def _row_width(data: bytes) -> int:
    """How many cells every row has.

    polars fills a row that is too short with nulls, so this is checked before it reads. Without
    the quoted cells, a newline always ends a row, a comma a cell, and a quote is misplaced.
    """
    skeleton = _QUOTED_CELL.sub(b"_", data)
    _check_stray(skeleton, b'"', "a quote", "quotes around a whole cell, and doubled inside it")
    if b"\r" in skeleton:
        skeleton = skeleton.replace(b"\r\n", b"\n")
        _check_stray(skeleton, b"\r", "a carriage return", "rows that end in LF or CRLF")
    width = 0
    for number, row in enumerate(io.BytesIO(skeleton)):
        got = row.count(b",") + 1
        width = width or got
        if got != width:
            raise SchemaError(f"row {number}: got {got} cell(s), expected {width} as in the header")
    return width


def _check_stray(skeleton: bytes, character: bytes, got: str, expected: str) -> None:
    place = skeleton.find(character)
    if place >= 0:
        row = skeleton.count(b"\n", 0, place)
        where = f"row {row}" if row else "the header"
        raise SchemaError(f"{where}: got {got} in the middle of a cell, expected {expected}")


def _split_cells(data: bytes, width: int) -> pl.DataFrame:
    """Every cell as text, the header as the first row."""
    cells = pl.read_csv(
        data, has_header=False, schema={str(n): pl.String() for n in range(width)}, eol_char="\n"
    )
    # Most columns have no apostrophe in front of anything, and are taken as they are.
    marked = cells.select(pl.all().str.starts_with("'").any()).row(0)
    return cells.with_columns(
        unescape_formulas(pl.col(name)).alias(name)
        for name, is_marked in zip(cells.columns, marked, strict=True)
        if is_marked
    )


def _check_names(names: list[str], table: Table) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SchemaError(f"column {twice!r}: got it {names.count(twice)} times, expected it once")
    if not set(names) & set(table.schema):
        raise SchemaError(
            f"got the columns {_shorten(', '.join(map(repr, names)))}, expected some of those of "
            f"{table.name}: {_shorten(', '.join(table.schema))}"
        )


def _parse_columns(
    cells: pl.DataFrame, names: list[str], declared: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    parsers = [CELL_PARSERS[declared.get(name, pl.String())] for name in names]
    parsed = cells.select(
        parser.parse(pl.col(str(n))).alias(str(n)) for n, parser in enumerate(parsers)
    )
    columns = {}
    for name, parser, text, half in zip(names, parsers, cells, parsed, strict=True):
        columns[name] = parser.finish(half)
        _check_values(name, parser, text, columns[name])
    return pl.DataFrame(columns)


def _check_values(name: str, parser: CellParser, text: pl.Series, value: pl.Series) -> None:
    bad = (value.is_null() & text.is_not_null()).arg_true()
    if bad.is_empty():
        return
    where = f"row {bad[0] + 1}, column {name!r}"
    more = f" ({len(bad)} such cells in all)" if len(bad) > 1 else ""
    got = _shorten(text[bad[0]])
    raise SchemaError(f"{where}: got {got!r}, expected {parser.expected}{more}", path=where)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
