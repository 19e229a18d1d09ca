"""``write_csv``: from a frame to CSV text."""

from __future__ import annotations

import io
import os
from pathlib import Path

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.errors import ConfigError, described
from retab_analysis.export.csv_cells import (
    check_writable,
    escape_formulas,
    format_cells,
    is_plain,
    quote,
)
from retab_analysis.files import PathOrFile, save
from retab_analysis.schema.polars_threads import check_polars_threads

# Files of these names that hold CSV are opened with a warning, or as rubbish, or not at all.
OTHER_KINDS = (
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet"),
    *(".gz", ".zip", ".zst", ".bz2", ".xz"),
)


def write_csv(
    frame: pl.DataFrame | pl.LazyFrame,
    path: PathOrFile,
    *,
    spreadsheet_safe: bool = True,
    excel: bool = False,
) -> None:
    r"""Write a frame as CSV that :func:`read_csv` turns back into the identical frame.

    UTF-8, a header always. A null is an empty cell and an empty string is ``""``; times are ISO
    8601 in UTC with all their digits (``2024-05-01T10:00:00.000000Z``, without the Z where the
    column has no time zone), booleans ``true`` and ``false``, floats the shortest text that gives
    the same number (``inf``, ``-inf`` and ``NaN`` for those that are not finite), lists and structs
    JSON; structs are read back as that text. A cell with ``;``, a tab or ``|`` is in quotes.

    A path is replaced whole or not at all: the text goes to a temporary file beside it, is synced
    and renamed, so that a reader sees the old file or the new one. Its permissions stay; a link is
    followed; a pipe or a device is written to. Only a process that is killed may leave the
    temporary file (``.<16 hex digits>.tmp``). An open file is written to and stays open; open a
    text file with ``newline=""``, as for Python's csv module.

    Args:
        frame: Any frame, a whole table or not; a LazyFrame is collected.
        path: Where to: a path, or a file open for writing, text or binary.
        spreadsheet_safe: Put ``'`` before cells and column names that start with tab, carriage
            return or newline, or with one of ``= + - @`` (full-width, too) after nothing but spaces
            and invisible characters, and are not JSON numbers, so that a spreadsheet shows them and
            does not execute them; likewise behind ``;``, a tab or ``|`` inside of them. Texts in
            which that is already preceded by ``'`` get one more in either mode. Reading takes it
            away again.
        excel: For a double click on the file where Excel separates by ``;`` and writes ``0,95``, as
            in most of Europe: there a file with commas opens as one column, and ``1.5`` as the
            first of May. Cells are separated by ``;``, fractions have a decimal comma; a byte order
            mark, so that Excel takes the text for UTF-8, CRLF line ends, and times as
            ``2024-05-01 10:00:00`` or ``… 10:00:00.123`` in UTC. **Excel keeps no more than
            milliseconds: what is finer is cut off**, the one thing that any mode loses. Texts of
            more than 15 digits are in the file as they are, but Excel shows them rounded and saves
            them so; import such a column as text. An Excel that separates by commas opens the
            other mode; :func:`write_excel` makes a file that opens the same everywhere.

    Raises:
        ConfigError: ``frame`` is not a polars frame; a column cannot be written (Binary, Object,
            Duration; a year outside of 1 to 9999); ``path`` is neither a
            path nor a file open for writing, is a folder, is in a folder that there is not, or is
            named like a file of another kind (``.xlsx``, ``.parquet``, ``.gz``).
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
    check_polars_threads()
    check_flag("spreadsheet_safe", spreadsheet_safe)
    check_flag("excel", excel)
    suffix = Path(path).suffix.lower() if isinstance(path, str | os.PathLike) else ""
    if suffix in OTHER_KINDS:
        raise ConfigError(
            f"path ends in {suffix}, but what is written is CSV: let it end in .csv, which a "
            "spreadsheet opens too, or use retab_analysis.write_excel or write_parquet of the frame"
        )
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(f"frame: expected a polars DataFrame, got {described(frame)}")
    save(path, _encode(frame, spreadsheet_safe=spreadsheet_safe, excel=excel))


def _encode(frame: pl.DataFrame, *, spreadsheet_safe: bool, excel: bool) -> bytes:
    cells = _cells(frame, spreadsheet_safe=spreadsheet_safe, excel=excel)
    names = pl.DataFrame({"": frame.columns}, schema={"": pl.String})
    header = _cells(names, spreadsheet_safe=spreadsheet_safe, excel=excel)
    cells.columns = header.to_series().to_list()
    file = io.BytesIO()
    cells.write_csv(
        file,
        include_bom=excel,
        separator=";" if excel else ",",
        line_terminator="\r\n" if excel else "\n",
        quote_style="never",
    )
    return file.getvalue()


def _cells(frame: pl.DataFrame, *, spreadsheet_safe: bool, excel: bool) -> pl.DataFrame:
    """Every column as numbers, booleans or text that can be written as it stands."""
    for series in frame.iter_columns():
        check_writable(series)
    # Under numbers for names: pl.col takes "*" and "^…$" for patterns.
    numbered = pl.DataFrame({str(n): column for n, column in enumerate(frame.iter_columns())})
    # polars writes the others as we want; not floats: a spreadsheet takes -inf for a formula.
    texts = {
        name: dtype
        for name, dtype in numbered.schema.items()
        if dtype != pl.Boolean and not dtype.is_integer()
    }
    cells = numbered.with_columns(
        format_cells(pl.col(name), dtype, excel=excel).alias(name) for name, dtype in texts.items()
    )
    # Most columns are written as they are, and finding that out is a third of the work.
    plain = cells.select(is_plain(pl.col(name)).all() for name in texts)
    written = []
    for name, dtype in texts.items():
        has_comma = excel and dtype.is_numeric()
        if has_comma or not plain[name].item():
            text = escape_formulas(pl.col(name), spreadsheet_safe=spreadsheet_safe)
            if has_comma:
                # Only now: with a decimal comma it is no number to whoever looks for formulas.
                text = text.str.replace(".", ",", literal=True)
            written.append(quote(text).alias(name))
    return cells.with_columns(written)
