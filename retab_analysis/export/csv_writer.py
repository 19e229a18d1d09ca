"""``write_csv``: from a frame to CSV text that does no harm in a spreadsheet."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import polars as pl

from retab_analysis.arguments import check_flag
from retab_analysis.errors import ConfigError, described
from retab_analysis.files import PathOrFile, save
from retab_analysis.schema.polars_threads import check_polars_threads

# Files of these names that hold CSV are opened with a warning, or as rubbish, or not at all.
OTHER_KINDS = (
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet"),
    *(".gz", ".zip", ".zst", ".bz2", ".xz"),
)
# Spreadsheets drop spaces and characters that nobody sees before they look for a formula, and take
# the full-width forms of its signs for the signs themselves.
_SIGN = r"[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]"
_START = rf"(?:[\t\r\n]|{_SIGN})"
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
# From year 1 to year 9999; beyond, polars' formatting panics and ISO 8601 needs an agreement.
_DAYS = (-719162, 2932896)


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
            in most of Europe; :func:`write_excel` makes a file that opens the same everywhere.
            Fractions have a decimal comma, the file has a byte order mark and CRLF line ends, and
            times are ``2024-05-01 10:00:00`` or ``… 10:00:00.123`` in UTC. **What is finer than
            milliseconds is cut off**, the one thing that any mode loses. Texts of more than 15
            digits are in the file as they are, but Excel shows them rounded and saves them so.

    Raises:
        ConfigError: ``frame`` is not a polars frame; a column cannot be written (Binary, Object,
            Duration; a year outside of 1 to 9999); ``path`` is neither a path nor a file open for
            writing, is a folder, is in a folder that there is not, or is named like a file of
            another kind (``.xlsx``, ``.parquet``, ``.gz``).
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
    written = _quote(escape_formulas(pl.col(""), spreadsheet_safe=spreadsheet_safe))
    cells.columns = names.select(written).to_series().to_list()
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
    """Every column as text that can be written as it stands."""
    for series in frame.iter_columns():
        check_writable(series)
    # Under numbers for names: pl.col takes "*" and "^…$" for patterns.
    numbered = pl.DataFrame({str(n): column for n, column in enumerate(frame.iter_columns())})
    cells = numbered.select(
        format_cells(pl.col(name), dtype, excel=excel).alias(name)
        for name, dtype in numbered.schema.items()
    )
    # Most columns have nothing that looks like a formula, and are written as they are.
    looks = cells.select(pl.all().str.contains(rf"^'*{_START}|[;\t|]'*{_SIGN}").any())
    written = {
        name: escape_formulas(pl.col(name), spreadsheet_safe=spreadsheet_safe)
        if looks[name].any()
        else pl.col(name)
        for name in cells.columns
    }
    if excel:
        # Only now: a number with a decimal comma is no number to whoever looks for formulas.
        numbers = [name for name, dtype in numbered.schema.items() if dtype.is_numeric()]
        written |= {name: written[name].str.replace(".", ",", literal=True) for name in numbers}
    return cells.with_columns(_quote(text).alias(name) for name, text in written.items())


def _quote(text: pl.Expr) -> pl.Expr:
    """Cells in quotes where a reader could cut them, also one that separates by something else.

    An empty text is quoted, which tells it from null, and a byte order mark, so that no reader
    takes it for the file's own.
    """
    quoted = pl.format('"{}"', text.str.replace_all('"', '""', literal=True))
    return pl.when(text.str.contains('^$|^\ufeff|[",;\t|\r\n]')).then(quoted).otherwise(text)


def check_writable(series: pl.Series) -> None:
    """Refuse, with a ConfigError, a column that holds a value without a form in CSV."""
    dtype, at, reason = series.dtype, series.to_physical(), None
    if found := re.search("Binary|Object|Duration", str(dtype)):
        reason = f"there is no form for {found[0]}, cast it to String first"
    elif isinstance(dtype, pl.Datetime):
        per_day = 86400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[dtype.time_unit]
        at = at // per_day
    elif dtype != pl.Date:
        at = pl.Series([0])
    if reason is None and not at.is_between(*_DAYS).all():
        reason = "a year is outside of 1 to 9999"
    if reason:
        raise ConfigError(f"column {series.name!r} ({dtype}) cannot be written: {reason}")


def format_cells(cell: pl.Expr, dtype: pl.DataType, *, excel: bool) -> pl.Expr:
    """Values as the text of their cells; null stays null.

    With ``excel`` times have the form that Excel takes for times.
    """
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            cell = cell.dt.convert_time_zone("UTC")
        if excel:
            return cell.dt.to_string("%Y-%m-%d %H:%M:%S%.3f").str.strip_suffix(".000")
        zone = "" if dtype.time_zone is None else "Z"
        return cell.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
    if dtype.is_temporal():
        return cell.dt.to_string("iso")
    if dtype.is_nested():
        # Only structs can be encoded, so the value becomes a member and its shell is taken off.
        text = pl.struct(cell.alias("v")).struct.json_encode()
        return pl.when(cell.is_not_null()).then(
            text.str.strip_prefix('{"v":').str.strip_suffix("}")
        )
    return cell.cast(pl.String)


def escape_formulas(text: pl.Expr, *, spreadsheet_safe: bool) -> pl.Expr:
    """Text as it is written; :func:`unescape_formulas` is the inverse in both modes.

    With ``spreadsheet_safe`` an apostrophe goes before what starts like a formula and is no number,
    and before what does so behind ``;``, a tab or ``|``, where many spreadsheets begin a cell. What
    looks escaped already gets another one in any case: else reading would take away an apostrophe
    that belongs to the text.
    """
    escaped = text.str.contains(rf"^'+{_START}")
    if spreadsheet_safe:
        is_number = text.str.contains(_JSON_NUMBER)
        escaped = escaped | (text.str.contains(f"^{_START}") & ~is_number)
    whole = pl.when(~escaped).then(text).otherwise(pl.concat_str(pl.lit("'"), text))
    least = "*" if spreadsheet_safe else "+"
    return whole.str.replace_all(rf"([;\t|])('{least}{_SIGN})", "${1}'${2}")


def unescape_formulas(text: pl.Expr) -> pl.Expr:
    """Text as it was before :func:`escape_formulas`."""
    whole = text.str.replace_all(rf"([;\t|])'('*{_SIGN})", "${1}${2}")
    return pl.when(whole.str.contains(rf"^'+{_START}")).then(whole.str.slice(1)).otherwise(whole)
