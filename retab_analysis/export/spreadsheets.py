"""Frames as CSV, as the same frames back, and as the sheets of an Excel file."""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import polars.selectors as cs

from retab_analysis.arguments import check_choice, check_flag
from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.files import PathOrFile, load, save
from retab_analysis.schema import TABLES, Datetime, Table, find_other_table
from retab_analysis.schema.conversion import as_polars

# Programs open CSV under these names with a warning, as rubbish, or not at all.
OTHER_KINDS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet"}
OTHER_KINDS |= {".gz", ".zip", ".zst", ".bz2", ".xz"}

# Spreadsheets drop spaces and invisible characters before they look for a formula, and accept the
# full-width forms of its signs.
_SIGN = r"[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]"
_START = rf"(?:[\t\r\n]|{_SIGN})"
_SPECIAL = f"^(?:$|\ufeff|'*{_START})"
_CUT = '[",;\t|\r\n]'  # characters that end a cell, also for readers with another separator
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
# From year 1 to year 9999; beyond, polars' formatting panics and ISO 8601 needs an agreement.
_SECONDS = (-62_135_596_800, 253_402_300_799)
# polars accepts second 60, and cuts off a seventh digit.
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)
# Half of a surrogate pair is no text.
_UNIT = r"(?:[0-9a-cefA-CEF][0-9a-fA-F]|[dD](?:[0-7]|[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]))"
_ITEM = rf'\s*(?:null|"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u{_UNIT}[0-9a-fA-F]{{2}})*")\s*'
_LIST = rf"^\s*\[(?:{_ITEM}(?:,{_ITEM})*|\s*)\]\s*\z"
_DECIMAL_COMMA = r"^([^.,]*),([^.,]*)\z"
_PIECE = 1 << 22  # bytes of whole rows that are split and parsed together
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_575, 16_384, 32_767  # Excel's own limits
_EXACT = 10**15  # Excel shows whole numbers up to this with all their digits
_FIRST_YEAR = 1901  # Excel treats 1900 as a leap year, and its first day as a time without a date
_SHEET = re.compile(r"(?i)(?!'|history\Z)[^\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]+(?<!')")


class _HasEvals(Protocol):
    @property
    def evals(self) -> pl.DataFrame: ...


_Frame = pl.DataFrame | pl.LazyFrame | _HasEvals


def write_csv(
    frame: _Frame,
    path: PathOrFile,
    *,
    spreadsheet_safe: bool = True,
    excel: bool = False,
) -> None:
    r"""Write a frame as CSV; :func:`read_csv` gives RUNS, RESULTS, EVALS and WORKFLOWS back.

    The file is UTF-8, always with a header. A null is an empty cell, an empty string is ``""``.
    Times are ISO 8601 in UTC with all their digits (``2024-05-01T10:00:00.000000Z``, without the Z
    if the column has no time zone). Booleans are ``true`` and ``false``. Floats are the shortest
    text for the same number (or ``inf``, ``-inf``, ``NaN``). Lists and structs are JSON;
    ``read_csv`` leaves structs as that text. A path is replaced whole or not at all, and keeps its
    permissions. It may be a link, pipe or device. A kill may leave ``.<16 hex digits>.tmp``.

    Args:
        frame: Any frame; a LazyFrame is collected, and a ``Comparison`` is its ``.evals``.
        path: A path, or a file, which stays open; open one for text with ``newline=""``.
        spreadsheet_safe: Put ``'`` before cells and column names that a spreadsheet would execute.
            They start with tab, carriage return or newline, or with one of ``= + - @`` (full-width,
            too) after spaces and invisible characters, and are not JSON numbers. It does the same
            after ``;``, a tab or ``|`` in a cell. In both modes a text with ``'`` there gets one
            more. ``read_csv`` takes one away.
        excel: For a double click in an Excel that separates by ``;`` and writes ``0,95``, as in
            most of Europe. The file has ``;`` as separator, decimal commas, CRLF line ends, and a
            byte order mark. Times are ``2024-05-01 10:00:00`` or ``… 10:00:00.123`` in UTC. **Excel
            keeps only milliseconds: finer digits are cut off**; no mode loses anything else. Excel
            rounds texts of over 15 digits: import them as text, or use :func:`write_excel`.

    Raises:
        ConfigError: ``frame`` is not a polars frame. Or a column cannot be written: Binary, Object,
            Duration, or a year outside 1 to 9999. Or ``path`` is not a path or a file open for
            writing, is a folder or in a missing one, or has a suffix such as ``.xlsx``.
        OSError: The file cannot be written. The old file is untouched.

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
    check_flag("spreadsheet_safe", spreadsheet_safe)
    check_flag("excel", excel)
    suffix = Path(path).suffix.lower() if isinstance(path, str | os.PathLike) else ""
    if suffix in OTHER_KINDS:
        raise ConfigError(
            f"path ends in {suffix}, but the content is CSV: let it end in .csv, which a "
            "spreadsheet opens too, or use retab_analysis.write_excel or write_parquet of the "
            "frame"
        )
    rows = _collect("frame", frame)
    cells = _cells(rows, safe=spreadsheet_safe, excel=excel)
    names = pl.Series(rows.columns, dtype=pl.String).to_frame()
    cells.columns = _cells(names, safe=spreadsheet_safe, excel=excel).to_series().to_list()
    file = io.BytesIO()
    cells.write_csv(
        file,
        include_bom=excel,
        separator=";" if excel else ",",
        line_terminator="\r\n" if excel else "\n",
        quote_style="never",
    )
    save(path, file.getvalue())


def _collect(name: str, given: object) -> pl.DataFrame:
    as_polars(given, name)  # whether polars can compute here
    evals = getattr(given, "evals", None)
    given = evals if isinstance(evals, pl.DataFrame) else given
    frame = given.collect() if isinstance(given, pl.LazyFrame) else given
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(f"{name}: expected a polars DataFrame, got {described(given)}")
    for column, dtype in frame.schema.items():
        reason = None
        if no_form := re.search("Binary|Object|Duration", str(dtype)):
            reason = f"there is no form for {no_form[0]}, cast it to String first"
        elif dtype in (pl.Datetime, pl.Date):
            is_known = frame[column].dt.epoch("s").is_between(*_SECONDS).all()
            reason = None if is_known else "a year is outside of 1 to 9999"
        if reason:
            raise ConfigError(f"column {column!r} ({dtype}) cannot be written: {reason}")
    return frame


def _format(cell: pl.Expr, dtype: pl.DataType, *, excel: bool = False) -> pl.Expr:
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
        # Only structs can be encoded: the value becomes a member, and its shell is removed.
        text = pl.struct(cell.alias("v")).struct.json_encode()
        return pl.when(cell.is_not_null()).then(
            text.str.strip_prefix('{"v":').str.strip_suffix("}")
        )
    return cell.cast(pl.String)


def _cells(frame: pl.DataFrame, *, safe: bool, excel: bool) -> pl.DataFrame:
    # With numbers as names: pl.col reads "*" and "^…$" as patterns.
    cells = pl.DataFrame({str(n): column for n, column in enumerate(frame.iter_columns())})
    # Floats are texts, too: a spreadsheet reads -inf as a formula.
    texts = cells.select(~cs.integer() & ~cs.boolean()).schema
    cells = cells.with_columns(
        _format(pl.col(name), dtype, excel=excel).alias(name) for name, dtype in texts.items()
    )
    # Most columns are written as they are, and this check is a third of the work. One search for
    # both, anchored and not, takes longer.
    special = cells.select(
        pl.col(name).str.contains(_CUT).any() | pl.col(name).str.contains(_SPECIAL).any()
        for name in texts
    )
    written = []
    for name, dtype in texts.items():
        has_comma = excel and dtype.is_numeric()
        if has_comma or special[name].item():
            text = _escape(pl.col(name), safe=safe)
            # Only now: with a decimal comma it is no number to the search for formulas.
            text = text.str.replace(".", ",", literal=True) if has_comma else text
            is_cut = text.str.contains(_CUT) | text.str.contains("^(?:$|\ufeff)")
            quoted = pl.format('"{}"', text.str.replace_all('"', '""', literal=True))
            written.append(pl.when(is_cut).then(quoted).otherwise(text).alias(name))
    return cells.with_columns(written)


def _escape(text: pl.Expr, *, safe: bool) -> pl.Expr:
    escaped = text.str.contains(rf"^'+{_START}")
    if safe:
        escaped |= text.str.contains(f"^{_START}") & ~text.str.contains(_JSON_NUMBER)
    whole = pl.when(escaped).then("'" + text).otherwise(text)
    least = "*" if safe else "+"
    return whole.str.replace_all(rf"([;\t|])('{least}{_SIGN})", "${1}'${2}")


def _unescape(text: pl.Expr) -> pl.Expr:
    whole = text.str.replace_all(rf"([;\t|])'('*{_SIGN})", "${1}${2}")
    return pl.when(whole.str.contains(rf"^'+{_START}")).then(whole.str.slice(1)).otherwise(whole)


def read_csv(path: PathOrFile, table: str = "runs") -> pl.DataFrame:
    r"""Read a file of :func:`write_csv` into the frame that was written.

    A file for Excel has no microseconds. The table's columns get their dtypes, others stay String.
    Commas separate cells; if the header has none, ``;``, tabs or ``|`` do. With ``;``, and in a
    single column, fractions may have decimal commas. A time without an offset is UTC.

    Args:
        path: A path, or a file open for reading, text or binary, which stays open. A text file that
            you have read from before needs ``newline=""`` to keep the line ends inside cells.
        table: runs, results, evals or workflows.

    Raises:
        ConfigError: The table does not exist, or ``path`` is not a path or a file, or is a folder.
        SchemaError: The file has none of the table's columns, all of another one's, or a column
            twice. Or it has rows of different lengths, quotes in wrong places, text that is not
            UTF-8, or a cell that is not a value of its column's dtype. ``read_csv`` drops, nulls or
            rounds no value, but a fraction becomes the nearest Float64. Row 1 is the first after
            the header.
        OSError: The file cannot be read, for example because it does not exist.

    Examples:
        >>> import io
        >>> from retab_analysis import read_csv
        >>> read_csv(io.StringIO("run_id,passed,note\nrun_1,79,slow\n")).row(0, named=True)
        {'run_id': 'run_1', 'passed': 79, 'note': 'slow'}
    """
    check_choice("table", table, TABLES)
    as_polars(TABLES[table].empty(), "table")  # whether polars can compute here
    with load(path) as file:
        pieces = _pieces(file)
        header = next(pieces, b"").removeprefix(codecs.BOM_UTF8)
        if not header:
            raise SchemaError("the file is empty, expected at least a header")
        found = set(re.sub(rb'"[^"]*"', b"", header))
        separator = next((bytes([each]) for each in b",;\t|" if each in found), b",")
        names = [name or "" for name in _split(header, separator, 0).row(0)]
        _check_names(names, TABLES[table])
        has_commas = separator == b";" or len(names) == 1
        schema = {name: TABLES[table].schema.get(name, pl.String()) for name in names}
        frame = pl.DataFrame(schema=schema)
        for piece in pieces:
            row = frame.height + 1
            cells = _split(piece, separator, row, len(names))
            cells.columns = names
            if has_commas:
                fractions = pl.col(name for name, dtype in schema.items() if dtype == pl.Float64)
                cells = cells.with_columns(fractions.str.replace(_DECIMAL_COMMA, "${1}.${2}"))
            values = {name: _parse(cells[name], dtype, row) for name, dtype in schema.items()}
            frame.vstack(pl.DataFrame(values), in_place=True)
    return frame


def _pieces(file: Iterable[bytes]) -> Iterator[bytes]:
    piece, least, quotes = bytearray(), 0, 0
    for number, line in enumerate(file, 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            problem = f"line {number}: got the byte 0x{line[error.start]:02x}, expected UTF-8 text"
            raise SchemaError(f"{problem} (in Excel: save as CSV UTF-8)") from None
        piece += line
        quotes += line.count(b'"')
        # A newline ends a row if every quote before it is closed.
        if len(piece) > least and quotes % 2 == 0:
            yield bytes(piece)
            piece, least = bytearray(), _PIECE
    if piece:
        yield bytes(piece)


def _split(text: bytes, separator: bytes, row: int, width: int | None = None) -> pl.DataFrame:
    # polars fills a row that is too short with nulls, so the form is checked before it reads.
    # Without the quoted cells, a newline ends a row, a separator a cell, and any quote is
    # misplaced. The pattern starts with the quote, and looks back from there: the regular
    # expression engine searches for a literal start at full speed.
    quoted = rb'"(?<![^%b\n]")[^"]*+(?:""[^"]*+)*+"(?![^%b\r\n])' % (separator, separator)
    skeleton = re.sub(quoted, b"_", text).replace(b"\r\n", b"\n")
    width = width or skeleton.count(separator) + 1
    for number, line in enumerate(io.BytesIO(skeleton), row):
        if b'"' in line:
            problem = "a quote in the middle of a cell, expected quotes around a whole cell"
        elif b"\r" in line:
            problem = "a carriage return in the middle of a cell, expected rows that end in LF"
        elif (cells := line.count(separator) + 1) != width:
            problem = f"{cells} cell(s), expected {width} as in the header"
        else:
            continue
        raise SchemaError(f"{f'row {number}' if number else 'the header'}: got {problem}")
    # polars removes a byte order mark wherever it begins to read; a second one stays in the cell.
    return pl.read_csv(
        codecs.BOM_UTF8 + text,
        has_header=False,
        schema={str(n): pl.String() for n in range(width)},
        separator=separator.decode(),
    ).with_columns(_unescape(pl.all()))


def _check_names(names: list[str], table: Table) -> None:
    known = set(names) & set(table.schema)
    for name in names:
        if (times := names.count(name)) > 1:
            raise SchemaError(f"column {name!r}: got it {times} times, expected it once")
    if not known:
        got, expected = _shorten(", ".join(map(repr, names))), _shorten(", ".join(table.schema))
        message = f"got the columns {got}, expected some columns of {table.name}: {expected}"
        raise SchemaError(message)
    other = find_other_table(table, names)
    # With a column that only the expected table has, it may be a join of both tables.
    if other is not None and known <= set(other.schema):
        raise SchemaError(
            f"got the columns of {other.name}, expected the columns of {table.name}: "
            f"read_csv(path, {other.name!r}) reads them"
        )


def _parse(text: pl.Series, dtype: pl.DataType, row: int) -> pl.Series:
    if dtype == pl.String:
        return text
    # Only a cell that is not a value becomes null.
    if dtype == pl.Int64:
        expected, values = "a 64-bit integer", text.cast(pl.Int64, strict=False)
    elif dtype == pl.Float64:
        expected, values = "a number", _parse_numbers(text)
    elif dtype == pl.Boolean:
        expected, lower = "true or false", text.str.to_lowercase()
        values = (lower == "true").set(~lower.is_in(["true", "false"]), None)
    elif dtype == Datetime:
        expected = "a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00"
        exact = text.set(~text.str.contains(_TIME), None).str.replace(" ", "T", literal=True)
        zoned = exact.str.replace(r"^(.{11}[0-9:.]+)Z?\z", "${1}+00:00")
        values = zoned.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
        values = values.set(~values.dt.year().is_between(1, 9999), None)
    else:
        expected, exact = "a JSON array of strings", text.set(~text.str.contains(_LIST), None)
        values = exact.str.json_decode(pl.List(pl.String()))
    if values.null_count() > text.null_count():
        wrong = (values.is_null() & text.is_not_null()).arg_true()[0]
        where, got = f"row {row + wrong}, column {text.name!r}", _shorten(text[wrong])
        raise SchemaError(f"{where}: got {got!r}, expected {expected}", path=where)
    return values


def _parse_numbers(text: pl.Series) -> pl.Series:
    values = text.cast(pl.Float64, strict=False)
    whole = text.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?\z")
    exact = whole.cast(pl.Int128, strict=False) == values.cast(pl.Int128, strict=False)
    lost = whole.is_not_null() & ~exact.fill_null(False)
    lost |= values.is_infinite() & ~text.str.contains("(?i)inf")
    lost |= (values == 0) & text.str.contains("^[^eE]*[1-9]")
    return values.set(lost, None)


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def write_excel(frames: _Frame | Mapping[str, _Frame], path: PathOrFile) -> None:
    """Write frames as the sheets of an Excel file, with a header that stays in sight.

    It needs xlsxwriter: ``pip install 'retab_analysis[excel]'``. Texts stay texts, never formulas,
    numbers or links. Times are Excel's own, in UTC and to the millisecond; before 1901 they are
    text. Lists of texts are joined by ``", "``, other lists and structs are JSON. Whole numbers of
    more than 15 digits are text, because Excel would round them.

    Args:
        frames: A frame or a ``Comparison``, or several by the names of their sheets.
        path: A path that ends in ``.xlsx``, which is replaced whole or not at all, or a file open
            for writing bytes.

    Raises:
        ConfigError: xlsxwriter is missing, ``frames`` are not polars frames, or ``path`` cannot be
            used. Or Excel does not accept a sheet's name, or so many rows or columns. Or a text has
            more than 32,767 characters, or a column cannot be written (Binary, Object, Duration).
        OSError: The file cannot be written. The old file is untouched.

    Examples:
        >>> import io
        >>> import polars as pl
        >>> from retab_analysis import write_excel
        >>> file = io.BytesIO()
        >>> write_excel({"runs": pl.DataFrame({"run_id": ["run_1"], "passed": [79]})}, file)
        >>> file.getvalue()[:2]
        b'PK'
    """
    try:
        from xlsxwriter import Workbook
    except ImportError:
        message = "write_excel needs xlsxwriter: pip install 'retab_analysis[excel]'"
        raise ConfigError(message) from None
    if isinstance(path, str | os.PathLike) and Path(path).suffix.lower() != ".xlsx":
        raise ConfigError(f"path must end in .xlsx, got {Path(path).name!r}")
    sheets = dict(frames) if isinstance(frames, Mapping) else {"Sheet1": frames}
    _check_sheets(list(sheets))
    written = io.BytesIO()
    # Texts are texts, whatever they begin with.
    plain = dict.fromkeys(("strings_to_formulas", "strings_to_numbers", "strings_to_urls"), False)
    with Workbook(written, {"in_memory": True, "nan_inf_to_errors": True, **plain}) as book:
        for name, frame in sheets.items():
            what = f"frames[{name!r}]"
            rows = _collect(what, frame)
            if rows.height > _MOST_ROWS or rows.width > _MOST_COLUMNS:
                raise ConfigError(
                    f"{what} has {rows.height:,} rows and {rows.width:,} columns, a sheet at "
                    f"most {_MOST_ROWS:,} and {_MOST_COLUMNS:,}: write_csv writes any number"
                )
            rows.with_columns(map(_cast, rows.iter_columns())).write_excel(
                book,
                name,
                autofit=True,
                freeze_panes=(1, 0),
                dtype_formats={pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd"},
                float_precision=4,
            )
    save(path, written.getvalue())


def _check_sheets(names: list[str]) -> None:
    if not names:
        raise ConfigError("frames must be at least one frame")
    for name in names:
        is_text = isinstance(name, str) and _SHEET.fullmatch(name) is not None
        if not is_text or len(name.encode("utf-16-le")) > 2 * 31:
            raise ConfigError(
                "a sheet's name has 1 to 31 characters (an emoji counts as two), none of []:*?/\\ "
                f"and no apostrophe at an end, and is not History, got {name!r}"
            )
    if len({name.lower() for name in names}) < len(names):
        raise ConfigError(f"two sheets have the same name: {', '.join(names)}")


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
