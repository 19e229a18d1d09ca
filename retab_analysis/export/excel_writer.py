"""``write_excel``: frames as the sheets of an Excel file."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.errors import ConfigError, described
from retab_analysis.export.csv_cells import check_writable, format_cells
from retab_analysis.files import PathOrFile, save
from retab_analysis.schema.polars_threads import check_polars_threads

_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_575, 16_384, 32_767  # Excel's own limits
_EXACT = 10**15  # whole numbers up to there are shown with all their digits
_FIRST_YEAR = 1901  # Excel takes 1900 for a leap year, and its first day for a time without a date
_SHEET = re.compile(r"(?!')[^\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]+(?<!')")
_Frame = pl.DataFrame | pl.LazyFrame


def write_excel(frames: _Frame | Mapping[str, _Frame], path: PathOrFile) -> None:
    """Write frames as the sheets of an Excel file, with a header that stays in sight.

    Needs xlsxwriter: ``pip install 'retab_analysis[excel]'``. Times are Excel's own, in UTC and to
    the millisecond, those before 1901 text; lists of texts are joined by ``", "``, other lists and
    structs are JSON. Whole numbers of more than 15 digits are text, because Excel would round them.
    Texts stay texts: none is taken for a formula, a number or a link. A path is replaced whole or
    not at all.

    Args:
        frames: A frame, or several by the names of their sheets.
        path: Where to: a path that ends in ``.xlsx``, or a file open for writing bytes.

    Raises:
        ConfigError: xlsxwriter is missing; ``frames`` are not polars frames; Excel does not take a
            sheet's name, or so many rows or columns; a text has more than 32,767 characters; a
            column cannot be written (Binary, Object, Duration); ``path`` cannot be used.
        OSError: The file cannot be written. What was there before is untouched.

    Examples:
        >>> import io
        >>> import polars as pl
        >>> from retab_analysis import write_excel
        >>> file = io.BytesIO()
        >>> write_excel({"runs": pl.DataFrame({"run_id": ["run_1"], "passed": [79]})}, file)
        >>> file.getvalue()[:2]
        b'PK'
    """
    check_polars_threads()
    try:
        from xlsxwriter import Workbook
    except ImportError:
        raise ConfigError(
            "write_excel needs xlsxwriter: pip install 'retab_analysis[excel]'"
        ) from None
    if isinstance(path, str | os.PathLike) and Path(path).suffix.lower() != ".xlsx":
        raise ConfigError(f"path must end in .xlsx, got {Path(path).name!r}")
    sheets = dict(frames) if isinstance(frames, Mapping) else {"Sheet1": frames}
    _check_names(list(sheets))
    written = io.BytesIO()
    # Texts are texts, whatever they begin with.
    plain = dict.fromkeys(("strings_to_formulas", "strings_to_numbers", "strings_to_urls"), False)
    with Workbook(written, {"in_memory": True, "nan_inf_to_errors": True, **plain}) as book:
        for name, frame in sheets.items():
            _prepare(name, frame).write_excel(
                book,
                name,
                autofit=True,
                freeze_panes=(1, 0),
                dtype_formats={pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd"},
                float_precision=4,
            )
    save(path, written.getvalue())


def _check_names(names: list[str]) -> None:
    """Refuse names that a sheet cannot have; what Excel does not open is no file."""
    if not names:
        raise ConfigError("frames must be at least one frame")
    for name in names:
        is_text = isinstance(name, str) and _SHEET.fullmatch(name) is not None
        if not is_text or name.lower() == "history" or len(name.encode("utf-16-le")) > 2 * 31:
            raise ConfigError(
                "a sheet's name has 1 to 31 characters (an emoji counts as two), none of []:*?/\\ "
                f"and no apostrophe at an end, and is not History, got {name!r}"
            )
    if len({name.lower() for name in names}) < len(names):
        raise ConfigError(f"two sheets have the same name: {', '.join(names)}")


def _prepare(name: str, given: object) -> pl.DataFrame:
    """A frame of what a sheet can hold: numbers, booleans, days, times and texts."""
    frame = given.collect() if isinstance(given, pl.LazyFrame) else given
    if not isinstance(frame, pl.DataFrame):
        raise ConfigError(f"frames[{name!r}]: expected a polars DataFrame, got {described(given)}")
    if frame.height > _MOST_ROWS or frame.width > _MOST_COLUMNS:
        raise ConfigError(
            f"frames[{name!r}] has {frame.height:,} rows and {frame.width:,} columns, a sheet at "
            f"most {_MOST_ROWS:,} and {_MOST_COLUMNS:,}: write_csv writes any number"
        )
    prepared = frame.with_columns(map(_as_cells, frame.iter_columns()))
    for text in prepared.select(pl.col(pl.String)).iter_columns():
        longest: Any = text.str.len_chars().max()
        if longest is not None and longest > _MOST_CHARACTERS:
            raise ConfigError(
                f"column {text.name!r}: a text has {longest:,} characters, a cell of Excel at most "
                f"{_MOST_CHARACTERS:,}"
            )
    return prepared


def _as_cells(series: pl.Series) -> pl.Series:
    check_writable(series)
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime | pl.Date) and (series.dt.year() >= _FIRST_YEAR).all():
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series
    if dtype.is_float() or dtype == pl.Boolean:
        return series
    if dtype.is_integer() and series.is_between(-_EXACT, _EXACT).all():
        return series
    if dtype == pl.List(pl.String):
        return series.list.join(", ")
    text = series.alias("").to_frame().select(format_cells(pl.col(""), dtype, excel=False))
    return text.to_series().alias(series.name)
