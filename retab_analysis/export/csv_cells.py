"""One cell of a CSV file: what text a value of each dtype becomes, and what value a text is.

The two directions stand side by side because they have to agree: every value that is written is
read back as the identical value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from polars.datatypes import DataTypeClass

from retab_analysis.errors import ConfigError
from retab_analysis.schema import Datetime

_FRACTION = {"ms": "%.3f", "us": "%.6f", "ns": "%.9f"}
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
# From year 1 to year 9999; beyond, polars' formatting panics and ISO 8601 needs an agreement.
_DAYS = (-719162, 2932896)
_SECONDS = (_DAYS[0] * 86400, (_DAYS[1] + 1) * 86400 - 1)
_BEYOND = "a year is outside of 1 to 9999"
_EXACT = 2**53  # whole numbers up to there are Float64
_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)


def check_writable(series: pl.Series) -> None:
    """Refuse a column that would not be written as it is.

    Raises:
        ConfigError: It holds a value that CSV has no form for.
    """
    for leaf in _leaves(series):
        dtype, reason = leaf.dtype, None
        if dtype in (pl.Binary, pl.Object):
            reason = f"CSV has no form for {dtype}, cast it to String first"
        elif dtype.is_float() and series.dtype.is_nested() and not leaf.is_finite().all():
            reason = "JSON has no NaN and no infinity"
        elif isinstance(dtype, pl.Datetime):
            seconds = leaf.to_physical() // _PER_SECOND[dtype.time_unit]
            reason = None if seconds.is_between(*_SECONDS).all() else _BEYOND
        elif dtype == pl.Date:
            reason = None if leaf.to_physical().is_between(*_DAYS).all() else _BEYOND
        if reason:
            raise ConfigError(
                f"column {series.name!r} ({series.dtype}) cannot be written: {reason}"
            )


def _leaves(series: pl.Series) -> Iterator[pl.Series]:
    """The series itself, or, of lists and structs, the series of their items and fields."""
    if isinstance(series.dtype, pl.List | pl.Array):
        yield from _leaves(series.explode())
    elif isinstance(series.dtype, pl.Struct):
        for name in series.struct.fields:
            yield from _leaves(series.struct.field(name))
    else:
        yield series


def format_cells(cell: pl.Expr, dtype: pl.DataType, *, excel: bool) -> pl.Expr:
    """Values as the text of their cells; null stays null.

    Args:
        cell: Values of the dtype.
        dtype: Any that :func:`check_writable` lets pass.
        excel: Write times so that Excel takes them for times.
    """
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            cell = cell.dt.convert_time_zone("UTC")
        if excel:
            return cell.dt.to_string("%Y-%m-%d %H:%M:%S%.3f").str.strip_suffix(".000")
        zone = "" if dtype.time_zone is None else "Z"
        return cell.dt.to_string(f"%Y-%m-%dT%H:%M:%S{_FRACTION[dtype.time_unit]}{zone}")
    if dtype.is_temporal():
        return cell.dt.to_string("iso")
    if dtype.is_nested():
        # Only structs can be encoded, so the value becomes a member and its shell is taken off.
        text = pl.struct(cell.cast(_jsonable(dtype)).alias("v")).struct.json_encode()
        inner = text.str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(cell.is_not_null()).then(inner)
    return cell.cast(pl.String)


def _jsonable(dtype: pl.DataType | DataTypeClass) -> pl.DataType | DataTypeClass:
    """The dtype with text for what polars' JSON of some versions gets wrong."""
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(_jsonable(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _jsonable(field.dtype) for field in dtype.fields})
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum | pl.Decimal) else dtype


@dataclass(frozen=True)
class CellParser:
    """How the text of a cell becomes a value: what is not one becomes null, and nothing else does.

    Attributes:
        expected: What a cell may be, in words.
        parse: What expressions can do, for all columns at once.
        finish: What they cannot, of the values and the text.
    """

    expected: str
    parse: Callable[[pl.Expr], pl.Expr] = lambda text: text
    finish: Callable[[pl.Series, pl.Series], pl.Series] = lambda values, text: values


def _refuse_rounded(values: pl.Series, text: pl.Series) -> pl.Series:
    """The values without those that are not what the text says, but for the digits of a fraction.

    Only a few values may be: to look at every text costs as much as all the rest.
    """
    is_zero = (values == 0) & (text.str.len_bytes() > len("-0.0"))
    odd = (values.is_infinite() | is_zero | (values.abs() >= _EXACT)).arg_true()
    found = zip(odd, text.gather(odd), values.gather(odd), strict=True)
    wrong = [at for at, said, value in found if not _is_said(said, value)]
    return values.scatter(wrong, None) if wrong else values


def _is_said(text: str, value: float) -> bool:
    if math.isinf(value):
        return "inf" in text.lower()
    if value == 0:
        return re.match("[^eE]*[1-9]", text) is None
    whole = re.fullmatch(r"([+-]?[0-9]+)(\.0*)?", text)
    return whole is None or int(whole[1]) == int(value)


def _parse_time(text: pl.Expr) -> pl.Expr:
    # Checked before it is parsed, because polars takes second 60 and cuts a seventh digit off.
    exact = pl.when(text.str.contains(_TIME)).then(text)
    clock = exact.str.slice(11).str.replace(r"Z\z", "+00:00")
    clock = clock.str.replace(r"^([^+-]*)\z", "${1}+00:00")
    moment = pl.concat_str(exact.str.head(10), pl.lit("T"), clock).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False
    )
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment)


def _parse_lists(text: pl.Series, _: pl.Series) -> pl.Series:
    wrong = [each for each in text.drop_nulls().unique() if not _is_list(each)]
    lists = text.set(text.is_in(wrong), None) if wrong else text
    # By way of lists of Python it would take four times the memory of all the rest.
    return lists.str.json_decode(pl.List(pl.String()))


def _is_list(text: str) -> bool:
    """Whether it is a JSON array of strings and nulls."""
    try:
        value = json.loads(text)
        # Fails where an item is not a string, or holds a lone surrogate, which is not text.
        "".join(each for each in value if each is not None).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(value, list)


CELL_PARSERS: Mapping[pl.DataType, CellParser] = {
    pl.String(): CellParser("text"),
    pl.Int64(): CellParser("a 64-bit integer", lambda text: text.cast(pl.Int64, strict=False)),
    pl.Float64(): CellParser(
        "a number", lambda text: text.cast(pl.Float64, strict=False), _refuse_rounded
    ),
    pl.Boolean(): CellParser(
        "true or false",
        lambda text: text.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        ),
    ),
    Datetime: CellParser(
        "a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00", _parse_time
    ),
    pl.List(pl.String()): CellParser("a JSON array of strings", finish=_parse_lists),
}
