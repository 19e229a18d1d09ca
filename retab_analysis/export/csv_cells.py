"""One cell of a CSV file: what text a value of each dtype becomes, and how formulas are defused.

:func:`escape_formulas` maps different texts to different texts, and :func:`unescape_formulas` is
its inverse in both modes, so that reading does not need to know how a file was written.
"""

from __future__ import annotations

import re

import polars as pl

from retab_analysis.errors import ConfigError

# Spreadsheets drop spaces and characters that nobody sees before they look for a formula, and take
# the full-width forms of its signs for the signs themselves.
_SIGN = r"[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]"
_START = rf"(?:[\t\r\n]|{_SIGN})"
_CUT = '[",;\t|\r\n]'
_JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
# From year 1 to year 9999; beyond, polars' formatting panics and ISO 8601 needs an agreement.
_DAYS = (-719162, 2932896)


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
    """Values as the text of their cells, with ``excel`` times that Excel takes for times."""
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
    """Text as it is written.

    With ``spreadsheet_safe`` an apostrophe goes before what starts like a formula and is not a
    number, and before what does so behind ``;``, a tab or ``|``, where many spreadsheets begin a
    cell. What looks escaped already gets another one in any case: else reading would take away an
    apostrophe that belongs to the text.
    """
    escaped = text.str.contains(rf"^'+{_START}")
    if spreadsheet_safe:
        is_number = text.str.contains(_JSON_NUMBER)
        escaped = escaped | (text.str.contains(f"^{_START}") & ~is_number)
    whole = pl.when(~escaped).then(text).otherwise(pl.concat_str(pl.lit("'"), text))
    least = "*" if spreadsheet_safe else "+"
    return whole.str.replace_all(rf"([;\t|])('{least}{_SIGN})", "${1}'${2}")


def quote(text: pl.Expr) -> pl.Expr:
    """Cells in quotes where a reader could cut them, also one that separates by something else.

    An empty text is quoted, which tells it from null, and a byte order mark, so that no reader
    takes it for the file's own.
    """
    quoted = pl.format('"{}"', text.str.replace_all('"', '""', literal=True))
    is_cut = text.str.contains(_CUT) | text.str.contains("^(?:$|\ufeff)")
    return pl.when(is_cut).then(quoted).otherwise(text)


def is_plain(text: pl.Expr) -> pl.Expr:
    """Whether a cell is written as it is, in both modes and without quotes."""
    # Two searches, because one for both, anchored and not, takes longer.
    return ~(text.str.contains(_CUT) | text.str.contains(f"^(?:$|\ufeff|'*{_START})"))


def unescape_formulas(text: pl.Expr) -> pl.Expr:
    """Text as it was before :func:`escape_formulas`."""
    whole = text.str.replace_all(rf"([;\t|])'('*{_SIGN})", "${1}${2}")
    return pl.when(whole.str.contains(rf"^'+{_START}")).then(whole.str.slice(1)).otherwise(whole)
