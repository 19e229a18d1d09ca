"""What the text of a cell may be for each dtype that a table declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from retab_analysis.schema import Datetime

_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6}0*)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\z"
)


def _text(text: pl.Expr) -> pl.Expr:
    return text


def _unchanged(values: pl.Series) -> pl.Series:
    return values


@dataclass(frozen=True)
class Kind:
    """How text becomes a dtype: what is no value becomes null, and nothing else does.

    Attributes:
        words: What is expected, in words.
        parse: What expressions can do, for all columns at once.
        finish: What they cannot.
    """

    words: str
    parse: Callable[[pl.Expr], pl.Expr]
    finish: Callable[[pl.Series], pl.Series] = _unchanged


def _whole_number(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _number(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    overflown = value.is_infinite() & ~text.str.contains("(?i)inf")
    return pl.when(~overflown).then(value)


def _truth(text: pl.Expr) -> pl.Expr:
    lower = text.str.to_lowercase()
    return pl.when(lower.is_in(["true", "false"])).then(lower == "true")


def _moment(text: pl.Expr) -> pl.Expr:
    # Checked before it is parsed, because polars takes second 60 and cuts a seventh digit off.
    exact = pl.when(text.str.contains(_TIME)).then(text)
    clock = exact.str.slice(11).str.replace(r"Z\z", "+00:00")
    clock = clock.str.replace(r"^([^+-]*)\z", "${1}+00:00")
    moment = pl.concat_str(exact.str.head(10), pl.lit("T"), clock).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False
    )
    return pl.when(moment.dt.year().is_between(1, 9999)).then(moment)


def _decoded_lists(text: pl.Series) -> pl.Series:
    decoded = {each: _decoded_list(each) for each in text.unique().drop_nulls()}
    return pl.Series([decoded.get(each) for each in text], dtype=pl.List(pl.String()))


def _decoded_list(text: str) -> list[str | None] | None:
    try:
        value = json.loads(text)
        # Fails where an item is no string, or has a lone surrogate and so is no text.
        "".join(each for each in value if each is not None).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return value if isinstance(value, list) else None


KINDS: Mapping[pl.DataType, Kind] = {
    pl.String(): Kind("text", _text),
    pl.Int64(): Kind("a 64-bit integer", _whole_number),
    pl.Float64(): Kind("a number", _number),
    pl.Boolean(): Kind("true or false", _truth),
    Datetime: Kind("a time like 2024-05-01T10:00:00.123456Z or 2024-05-01 10:00:00", _moment),
    pl.List(pl.String()): Kind("a JSON array of strings", _text, _decoded_lists),
}
