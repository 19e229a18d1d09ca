"""Frames as CSV, as the same frames back, and as the sheets of an Excel file."""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import polars.selectors as cs

from retab_analysis.arguments import check_choice, check_flag
from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.files import PathOrFile, load, save
from retab_analysis.schema import TABLES, Datetime, Table, as_polars, converted, find_other_table
from retab_analysis.schema.conversion import check_polars_threads

# Programs open CSV under these names with a warning, as rubbish, or not at all.
OTHER_KINDS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet"}
OTHER_KINDS |= {".gz", ".zip", ".zst", ".bz2", ".xz"}

# Spreadsheets drop spaces and invisible characters before they look for a formula, and accept the
# full-width forms of its signs.
_SIGN = r"[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]"
_START = rf"(?:[\t\r\n]|{_SIGN})"
_CUTS = '",;\t|\r\n'  # characters that end a cell, also for readers with another separator
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
# polars accepts second 60, and cuts off a seventh digit.
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)
# Half of a surrogate pair is no text.
_UNIT = r"(?:[0-9a-cefA-CEF][0-9a-fA-F]|[dD](?:[0-7]|[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]))"
_ITEM = rf'\s*(?:null|"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u{_UNIT}[0-9a-fA-F]{{2}})*")\s*'
_LIST = rf"^\s*\[(?:{_ITEM}(?:,{_ITEM})*|\s*)\]\s*\z"
_EXPECTED: Mapping[pl.DataType, str] = {
    pl.Int64(): "a 64-bit integer",
    pl.Float64(): "a number",
    pl.Boolean(): "true or false",
    Datetime: "a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00",
    pl.List(pl.String()): "a JSON array of strings",
}
_PIECE = 1 << 23  # bytes of whole rows that are parsed together
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_575, 16_384, 32_767  # Excel's own limits
_EXACT = 10**15  # Excel shows whole numbers up to this with all their digits
_FIRST_YEAR = 1901  # Excel treats 1900 as a leap year, and its first day as a time without a date
_NO_SHEET = re.compile(r"(?is)|history|.*[\x00-\x1f\ud800-\udfff\ufffe\uffff].*")

_NEWEST_OF_RUNS = "validity_fingerprint"  # older files have all other columns


def write_csv(
    frame: object,
    path: PathOrFile,
    *,
    spreadsheet_safe: bool = True,
    excel: bool = False,
) -> None:
    r"""Write a frame as CSV; :func:`read_csv` gives RUNS, RESULTS, EVALS and WORKFLOWS back.

    The file is UTF-8 with a header. A null is an empty cell, an empty string ``""``. Times are
    ISO 8601 in UTC with all their digits (``2024-05-01T10:00:00.000000Z``; no Z if the column has
    no time zone). Floats are the shortest text for the same number, lists and structs JSON. A path
    is replaced whole or not at all, and keeps its permissions; it may be a link, pipe or device.

    Args:
        frame: Any frame, of polars, pandas, pyarrow or duckdb; a ``Comparison`` is its ``.evals``,
            an ``Overview`` its ``.frame``.
        path: A path, or a file, which stays open; open one for text with ``newline=""``.
        spreadsheet_safe: Put ``'`` before cells and column names that a spreadsheet would execute:
            they start with tab, carriage return, newline or one of ``= + - @`` (full-width, too)
            after spaces and invisible characters, and are not JSON numbers. The same after ``;``, a
            tab or ``|`` in a cell. A ``'`` there gets one more, also without this option.
            ``read_csv`` takes one away.
        excel: For a double click in an Excel that separates by ``;`` and writes ``0,95``, as in
            most of Europe: ``;``, decimal commas, CRLF, a byte order mark, and times such as
            ``2024-05-01 10:00:00.123``. **Excel keeps only milliseconds: finer digits are cut
            off**; no mode loses anything else. Import texts of over 15 digits as text, or use
            :func:`write_excel`: Excel rounds them.

    Raises:
        ConfigError: ``frame`` is not a frame. Or a column cannot be written: Binary, Object,
            Duration, or a year outside 1 to 9999. Or ``path`` is not a path or a file open for
            writing, is a folder or in a missing one, or has a suffix such as ``.xlsx``.
        OSError: The file cannot be written. The old file is untouched.

    Examples:
        >>> import io
        >>> frame = pl.DataFrame({"run_id": ["run_1", "=1+2"], "passed": [79, None]})
        >>> file = io.StringIO()
        >>> ra.write_csv(frame, file)
        >>> file.getvalue()
        "run_id,passed\nrun_1,79\n'=1+2,\n"
        >>> _ = file.seek(0)
        >>> ra.read_csv(file).equals(frame)
        True
    """
    check_flag("spreadsheet_safe", spreadsheet_safe)
    check_flag("excel", excel)
    suffix = Path(path).suffix.lower() if isinstance(path, str | os.PathLike) else ""
    if suffix in OTHER_KINDS:
        raise ConfigError(
            f"path ends in {suffix}, but the content is CSV: let it end in .csv, or use "
            "retab_analysis.write_excel, or write_parquet of the frame"
        )
    rows = _collect("frame", frame)
    cells = _cells(rows, safe=spreadsheet_safe, excel=excel)
    names = pl.DataFrame({"": rows.columns}, {"": pl.String})
    cells.columns = _cells(names, safe=spreadsheet_safe, excel=excel).to_series().to_list()
    ends: Any = {"separator": ";", "line_terminator": "\r\n", "include_bom": True} if excel else {}
    save(path, lambda file: cells.write_csv(file, quote_style="never", **ends))


def _collect(name: str, given: object) -> pl.DataFrame:
    for own in (getattr(given, each, None) for each in ("evals", "frame")):
        # Of a frame of pandas this may be a column.
        given = own if isinstance(own, pl.DataFrame) else given
    known = as_polars(given, name)
    if known is None:
        first = "; it comes first: write_csv(runs, path)" if isinstance(given, str) else ""
        raise ConfigError(f"{name}: expected a frame, got {described(given)}{first}")
    frame = known.lazy().collect()
    for table in (each for each in TABLES.values() if {*each.schema} <= {*frame.columns}):
        frame = converted(frame, table.schema)  # pandas has floats for integers with nulls
    for column, dtype in frame.schema.items():
        reason = None
        if no_form := re.search("Binary|Object|Duration", str(dtype)):
            reason = f"there is no form for {no_form[0]}, cast it to String first"
        elif dtype in (pl.Datetime, pl.Date):
            # Beyond, polars' formatting panics and ISO 8601 needs an agreement.
            is_known = frame[column].dt.year().is_between(1, 9999).all()
            reason = None if is_known else "a year is outside of 1 to 9999"
        if reason:
            raise ConfigError(f"column {column!r} ({dtype}) cannot be written: {reason}")
    return frame


def _format(cell: pl.Expr, dtype: pl.DataType, *, excel: bool = False) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:  # without one, polars formats in two thirds of the time
            cell = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if excel:
            return cell.dt.to_string("%Y-%m-%d %H:%M:%S%.3f").str.strip_suffix(".000")
        zone = "" if dtype.time_zone is None else "Z"
        return cell.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
    if dtype.is_temporal():
        return cell.dt.to_string("iso")
    if dtype.is_nested():
        # Only structs can be encoded: the value becomes a member, and its shell is removed.
        text = pl.struct(cell.alias("v")).struct.json_encode()
        text = text.str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(cell.is_not_null()).then(text)
    return cell.cast(pl.String)


def _cells(frame: pl.DataFrame, *, safe: bool, excel: bool) -> pl.DataFrame:
    # With numbers as names: pl.col reads "*" and "^…$" as patterns.
    cells = pl.DataFrame({str(n): column for n, column in enumerate(frame.iter_columns())})
    # Floats are texts, too: a spreadsheet reads -inf as a formula.
    texts = cells.select(~cs.integer() & ~cs.boolean()).schema
    cells = cells.with_columns(
        _format(pl.col(name), dtype, excel=excel).alias(name) for name, dtype in texts.items()
    )
    numbers = {name for name, dtype in texts.items() if excel and dtype.is_numeric()}
    # Most columns need no escapes: their texts begin with a digit or a letter, and hold nothing
    # that ends a cell. This check is cheap, and also finds all formulas.
    special = cells.select(
        (pl.col(name).min() < "0")
        | (pl.col(name).max() > "~")
        | pl.col(name).str.contains(f"[{_CUTS}=@]").any()
        for name, dtype in texts.items()
        if not dtype.is_temporal()
    )
    return cells.with_columns(
        _escape(cells[name], safe=safe, has_commas=name in numbers)
        for name in special.columns
        if name in numbers or special[name].item()
    )


def _escape(text: pl.Series, *, safe: bool, has_commas: bool) -> pl.Series:
    least = "*" if safe else "+"
    is_active = text.str.contains(rf"^'{least}{_START}") & ~text.str.contains(_JSON_NUMBER)
    text = text.str.replace_all(rf"([;\t|])('{least}{_SIGN})", "${1}'${2}")
    text = text.zip_with(~is_active, "'" + text)
    if has_commas:  # only now: with a comma it is no number to the search for formulas
        text = text.str.replace(".", ",", literal=True)
    is_cut = text.str.contains(f"[{_CUTS}]") | (text == "") | text.str.starts_with("\ufeff")
    quoted = '"' + text.str.replace_all('"', '""', literal=True) + '"'
    return text.zip_with(~is_cut, quoted)


def _unescape(cells: pl.DataFrame) -> pl.DataFrame:
    marked = cells.select(pl.all().str.contains(rf"'{_START}").any()).row(0)
    text = pl.nth([n for n, is_marked in enumerate(marked) if is_marked])
    whole = text.str.replace_all(rf"([;\t|])'('*{_SIGN})", "${1}${2}")
    is_escaped = whole.str.contains(rf"^'+{_START}")
    return cells.with_columns(pl.when(is_escaped).then(whole.str.slice(1)).otherwise(whole))


def read_csv(path: PathOrFile, table: str = "runs") -> pl.DataFrame:
    r"""Read a file of :func:`write_csv` into the frame that was written.

    The table's columns get their dtypes, others stay String. Commas separate cells; if the header
    has none, ``;``, tabs or ``|`` do. With ``;``, and in a single column, fractions may have a
    decimal comma. A time without an offset is UTC. A file of all columns of runs from before there
    was ``validity_fingerprint`` gets it, with nulls.

    Args:
        path: A path, or a file open for reading, text or binary, which stays open. A text file that
            you have read from before needs ``newline=""`` to keep the line ends inside cells.
        table: runs, results, evals or workflows.

    Raises:
        ConfigError: The table does not exist, or ``path`` is not a path or a file, or is a folder.
        SchemaError: The file has none of the table's columns, all of another one's, or a column
            twice. Or a row has too few or too many cells, quotes in wrong places, or a cell that is
            not a value of its column's dtype. Row 1 is the first after the header. No value is
            dropped, nulled or rounded, but a fraction becomes the nearest Float64.
        OSError: The file cannot be read, for example because it does not exist.

    Examples:
        >>> import io
        >>> ra.read_csv(io.StringIO("run_id,passed,note\nrun_1,79,slow\n")).row(0, named=True)
        {'run_id': 'run_1', 'passed': 79, 'note': 'slow'}
    """
    check_choice("table", table, TABLES)
    check_polars_threads()
    with load(path) as file:
        header = _read_rows(file, 0).removeprefix(codecs.BOM_UTF8)
        if not header:
            raise SchemaError("the file is empty, expected at least a header")
        bare = re.sub(b'"[^"]*"', b"", header).decode("latin-1")
        separator = next((each for each in ",;\t|" if each in bare), ",")
        width = bare.count(separator) + 1
        names = [name or "" for name in _split(header, separator, width, 0).row(0)]
        _check_names(names, TABLES[table])
        schema = {name: TABLES[table].schema.get(name, pl.String()) for name in names}
        frame = pl.DataFrame(schema=schema)
        has_commas = separator == ";" or width == 1
        values = [_parse(pl.nth(n), dtype, has_commas) for n, dtype in enumerate(frame.dtypes)]
        while piece := _read_rows(file, _PIECE):
            cells = _split(piece, separator, width, frame.height + 1)
            cells.columns = names
            parsed = cells.select_seq(values)
            _check_values(cells, parsed, frame.height + 1)
            frame.vstack(parsed, in_place=True)
    if {*TABLES[table].schema} - {*names} == {_NEWEST_OF_RUNS} and table == "runs":
        at = frame.columns.index("freshness_reasons") + 1
        frame.insert_column(at, pl.lit(None, pl.String).alias(_NEWEST_OF_RUNS))
    return frame


def _read_rows(file: BinaryIO, size: int) -> bytes:
    """At least so many bytes, up to a newline that ends a row: each quote before it is closed."""
    parts = [file.read(size) + file.readline()]
    is_open = parts[0].count(b'"') % 2
    while is_open and (line := file.readline()):
        is_open ^= line.count(b'"') % 2
        parts.append(line)
    return b"".join(parts)


def _split(piece: bytes, separator: str, width: int, first: int) -> pl.DataFrame:
    # polars fills a row that is too short with nulls, so the form is checked before it reads.
    cell = rf'(?:(?:"[^"]*")+|[^"\r\n{separator}]*)'
    row = rf"{cell}(?:[{separator}]{cell}){{{width - 1}}}\r?\n"
    piece = piece if piece.endswith(b"\n") else piece + b"\n"
    try:
        is_whole = pl.Series([piece]).cast(pl.String).str.contains(rf"\A(?:{row})*\z").all()
    except pl.exceptions.ComputeError:  # not UTF-8, or too many columns for such a pattern
        is_whole = False
    if not is_whole:
        _check_rows(piece, row, width, first)
    cells = pl.read_csv(
        # polars removes one byte order mark wherever it begins to read.
        codecs.BOM_UTF8 + piece if piece.startswith(codecs.BOM_UTF8) else piece,
        has_header=False,
        schema={str(n): pl.String() for n in range(width)},
        separator=separator,
    )
    return _unescape(cells) if b"'" in piece else cells


def _check_rows(piece: bytes, row: str, width: int, first: int) -> None:
    try:
        text = piece.decode()
    except UnicodeDecodeError as error:
        message = f"{error}; expected UTF-8 text (in Excel: save as CSV UTF-8)"
        raise SchemaError(message) from None
    number, at, pattern = first, 0, re.compile(row)
    while found := pattern.match(text, at):
        number, at = number + 1, found.end()
    if at < len(text):
        where, got = f"row {number}" if number else "the header", _shorten(text[at:].split("\n")[0])
        expected = f"{width} cell(s) as in the header, with quotes around whole cells only"
        raise SchemaError(f"{where}: got {got!r}, expected {expected}")


def _check_names(names: list[str], table: Table) -> None:
    known = set(names) & set(table.schema)
    for name in names:
        if (times := names.count(name)) > 1:
            raise SchemaError(f"column {name!r}: got it {times} times, expected it once")
    if not known:
        got, expected = _shorten(", ".join(map(repr, names))), _shorten(", ".join(table.schema))
        raise SchemaError(f"got the columns {got}, expected some of {table.name}: {expected}")
    other = find_other_table(table, names)
    # With a column that only the expected table has, it may be a join of both tables.
    if other is not None and known <= set(other.schema):
        raise SchemaError(
            f"got the columns of {other.name}, expected the columns of {table.name}: "
            f"read_csv(path, {other.name!r}) reads them"
        )


def _parse(text: pl.Expr, dtype: pl.DataType, has_commas: bool) -> pl.Expr:
    """The values of cells, in which only a cell that is not a value becomes null."""
    if dtype == Datetime:
        is_zoned = text.str.contains(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})\z")
        zoned = pl.when(is_zoned).then(text).otherwise(text + "Z")
        time = zoned.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        return pl.when(text.str.contains(_TIME)).then(time)
    if dtype == pl.Float64:
        return _parse_number(text.str.replace(",", ".", literal=True) if has_commas else text)
    if dtype == pl.Boolean:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["true", "false"])).then(lower == "true")
    if dtype == pl.List(pl.String):
        return pl.when(text.str.contains(_LIST)).then(text).str.json_decode(dtype)
    return text.cast(dtype, strict=False)


def _parse_number(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    whole = text.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?\z")
    exact = whole.cast(pl.Int128, strict=False) == value.cast(pl.Int128, strict=False)
    lost = whole.is_not_null() & ~exact.fill_null(False)
    lost |= value.is_infinite() & ~text.str.contains("(?i)inf")
    lost |= (value == 0) & text.str.contains("^[^eE]*[1-9]")
    return pl.when(~lost).then(value)


def _check_values(cells: pl.DataFrame, values: pl.DataFrame, first: int) -> None:
    for text, value in zip(cells, values, strict=True):
        if value.dtype == Datetime and value.null_count() < len(value):
            value = value.set(~value.dt.year().is_between(1, 9999), None)
        if value.null_count() > text.null_count():
            wrong = (value.is_null() & text.is_not_null()).arg_true()[0]
            where, got = f"row {first + wrong}, column {text.name!r}", _shorten(text[wrong])
            message = f"{where}: got {got!r}, expected {_EXPECTED[value.dtype]}"
            raise SchemaError(message, path=where)


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def write_excel(frames: object, path: PathOrFile) -> None:
    """Write frames as the sheets of an Excel file, with a header that stays in sight.

    It needs xlsxwriter: ``pip install 'retab_analysis[excel]'``. Texts stay texts, never formulas,
    numbers or links, and so do whole numbers of more than 15 digits, which Excel would round. Times
    are Excel's own, in UTC and to the millisecond; before 1901 they are text. Lists of texts are
    joined by ``", "``, other lists and structs are JSON.

    Args:
        frames: A frame, a ``Comparison`` or an ``Overview`` with its blocks; or several by the
            names of their sheets.
        path: A path that ends in ``.xlsx``, or a file open for writing bytes, as for ``write_csv``.

    Raises:
        ConfigError: xlsxwriter is missing, ``frames`` are not frames, or ``path`` cannot be
            used. Or Excel does not accept a sheet's name, so many rows or columns, a text of more
            than 32,767 characters, or a column (Binary, Object, Duration).
        OSError: The file cannot be written. The old file is untouched.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> ra.write_excel({"runs": pl.DataFrame({"run_id": ["run_1"], "passed": [79]})}, file)
        >>> file.getvalue()[:2]
        b'PK'
    """
    try:
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import XlsxInputError
    except ImportError:
        message = "write_excel needs xlsxwriter: pip install 'retab_analysis[excel]'"
        raise ConfigError(message) from None
    if isinstance(path, str | os.PathLike) and Path(path).suffix.lower() != ".xlsx":
        raise ConfigError(f"path must end in .xlsx, got {Path(path).name!r}")
    sheets = dict(frames) if isinstance(frames, Mapping) else {"Sheet1": frames}
    if isinstance(blocks := getattr(frames, "blocks", None), pl.DataFrame):  # an Overview
        sheets = {"workflows": sheets["Sheet1"], "blocks": blocks}
    wrong = [name for name in sheets if not isinstance(name, str) or _NO_SHEET.fullmatch(name)]
    if wrong or not sheets:
        got = f"{wrong[0]!r}, which is no name of a sheet" if wrong else "none"
        raise ConfigError(f"frames must be at least one frame by the name of its sheet, got {got}")
    rows = {name: _sheet_rows(f"frames[{name!r}]", frame) for name, frame in sheets.items()}
    written = io.BytesIO()
    # Texts are texts, whatever they begin with.
    plain = dict.fromkeys(("strings_to_formulas", "strings_to_numbers", "strings_to_urls"), False)
    form: Any = {"float_precision": 4, "autofit": True, "freeze_panes": (1, 0)}
    form["dtype_formats"] = {pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd"}
    try:
        with Workbook(written, {"in_memory": True, "nan_inf_to_errors": True, **plain}) as book:
            for name, each in rows.items():
                each.write_excel(book, name, **form)
    except XlsxInputError as error:
        raise ConfigError(f"frames: {error}") from None
    save(path, written.getvalue())


def _sheet_rows(what: str, given: object) -> pl.DataFrame:
    rows = _collect(what, given)
    if rows.height > _MOST_ROWS or rows.width > _MOST_COLUMNS:
        raise ConfigError(
            f"{what} has {rows.height:,} rows and {rows.width:,} columns, a sheet at most "
            f"{_MOST_ROWS:,} and {_MOST_COLUMNS:,}: write_csv writes any number"
        )
    return rows.with_columns(map(_cast, rows.iter_columns()))


def _cast(series: pl.Series) -> pl.Series:
    dtype, cell = series.dtype, pl.nth(0)
    if dtype in (pl.Datetime, pl.Date) and (series.dt.year() >= _FIRST_YEAR).all():
        utc = series if dtype == pl.Date else series.dt.convert_time_zone("UTC")
        return utc if dtype == pl.Date else utc.dt.replace_time_zone(None)
    is_exact = dtype.is_integer() and series.is_between(-_EXACT, _EXACT).all()
    if is_exact or dtype.is_float() or dtype == pl.Boolean:
        return series
    cell = cell.list.join(", ") if dtype == pl.List(pl.String) else _format(cell, dtype)
    text = series.to_frame().select(cell).to_series().alias(series.name)
    longest: Any = text.str.len_chars().max() or 0
    if longest > _MOST_CHARACTERS:
        got = f"a text has {longest:,} characters, a cell of Excel at most {_MOST_CHARACTERS:,}"
        raise ConfigError(f"column {text.name!r}: {got}")
    return text
