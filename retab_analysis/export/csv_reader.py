"""``read_csv``: from CSV text to a frame of declared dtypes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

import polars as pl

from retab_analysis.arguments import check_choice
from retab_analysis.errors import SchemaError
from retab_analysis.export.csv_cells import CELL_PARSERS
from retab_analysis.export.csv_rows import split_cells
from retab_analysis.files import PathOrFile, load
from retab_analysis.schema import TABLES, Table, find_other_table
from retab_analysis.schema.polars_threads import check_polars_threads

_SHOWN = 80
_PIECE = 1 << 23  # bytes that are read at once, or characters of an open text file


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
            rounded, but that a fraction becomes the nearest Float64. Cells are separated by commas.
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
    pieces = split_cells(load(path, _PIECE))
    first = next(pieces)
    names = ["" if name is None else name for name in first.row(0)]
    _check_names(names, TABLES[table])
    columns = _Columns(names, TABLES[table].schema)
    for cells in itertools.chain([first.slice(1)], pieces):
        columns.add(cells)
    return columns.frame()


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


class _Columns:
    """The columns of a file, grown from its rows as they come."""

    def __init__(self, names: list[str], declared: Mapping[str, pl.DataType]) -> None:
        self._names = names
        self._parsers = [CELL_PARSERS[declared.get(name, pl.String())] for name in names]
        self._parts: list[list[pl.Series]] = [[] for _ in names]
        # Of each column with cells that are not values of its dtype: the first one's row and text.
        self._wrong: dict[int, tuple[int, str]] = {}
        self._wrong_cells: Counter[int] = Counter()
        self._height = 0

    def add(self, cells: pl.DataFrame) -> None:
        """Take in further rows."""
        parsed = cells.select(
            parser.parse(pl.col(str(n))).alias(str(n)) for n, parser in enumerate(self._parsers)
        )
        for n, parser in enumerate(self._parsers):
            text = cells[str(n)]
            value = parser.finish(parsed[str(n)], text)
            if value.null_count() > text.null_count():
                bad = (value.is_null() & text.is_not_null()).arg_true()
                self._wrong.setdefault(n, (self._height + bad[0] + 1, text[bad[0]]))
                self._wrong_cells[n] += len(bad)
            self._parts[n].append(value)
        self._height += cells.height

    def frame(self) -> pl.DataFrame:
        """All rows.

        Raises:
            SchemaError: A cell is not a value of its column's dtype.
        """
        if self._wrong:
            column = min(self._wrong)
            row, text = self._wrong[column]
            where, count = f"row {row}, column {self._names[column]!r}", self._wrong_cells[column]
            more = f" ({count} such cells in all)" if count > 1 else ""
            expected = self._parsers[column].expected
            raise SchemaError(
                f"{where}: got {_shorten(text)!r}, expected {expected}{more}", path=where
            )
        return pl.DataFrame(
            {name: pl.concat(parts) for name, parts in zip(self._names, self._parts, strict=True)}
        )


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
