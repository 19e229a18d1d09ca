"""Tables: columns whose sources are polars expressions over the paths of a document."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from retab_analysis import wire
from retab_analysis.errors import list_some

String, Int64, Float64, Boolean = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
Datetime = pl.Datetime("us", "UTC")
Strings, Int64s = pl.List(pl.String()), pl.List(pl.Int64())
_LISTED = 8  # names in a message; a frame of ours has 32 columns

_DTYPES: Mapping[Any, pl.DataType] = {
    str: String,
    int: Int64,
    float: Float64,
    bool: Boolean,
    wire.Time: Datetime,
    msgspec.Raw: String,
    list: Strings,
}


@dataclass(frozen=True, eq=False)
class Column:
    """One column: ``source`` is None if the API's document does not hold it."""

    name: str
    dtype: pl.DataType
    source: pl.Expr | None
    doc: str

    @property
    def paths(self) -> Sequence[str]:
        """The paths of the API's document behind the column."""
        return [] if self.source is None else sorted(set(self.source.meta.root_names()))


@dataclass(frozen=True, eq=False)
class Table:
    """A frame's columns, in order, and the document of one row.

    ``key`` are the columns that no two rows have in common.
    """

    name: str
    noun: str
    record: type[wire.Wire]
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @functools.cached_property
    def schema(self) -> pl.Schema:
        """Names and dtypes, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @functools.cached_property
    def paths(self) -> Mapping[str, pl.DataType]:
        """Every path that some column needs, and the id, with the dtype of its value."""
        own = {"id"} & {*self.record.__struct_fields__}
        names = sorted(own.union(*(column.paths for column in self.columns)))
        dtypes = {name: _DTYPES[base_type(path_type(self.record, name))] for name in names}
        return {name: pl.List(each) if "*" in name else each for name, each in dtypes.items()}

    @functools.cached_property
    def raws(self) -> Sequence[str]:
        """The paths that hold free-form JSON."""
        return [
            path for path in self.paths if base_type(path_type(self.record, path)) is msgspec.Raw
        ]

    @functools.cached_property
    def expressions(self) -> Sequence[pl.Expr]:
        """One expression for each column, over the paths."""
        return [
            (pl.lit(None, column.dtype) if column.source is None else column.source).alias(
                column.name
            )
            for column in self.columns
        ]

    @functools.cached_property
    def _empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.schema)

    def empty(self) -> pl.DataFrame:
        """The frame with no rows."""
        return self._empty.clone()

    @property
    def frame_name(self) -> str:
        """The name of a frame of this table in messages, with its article."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name.upper()} frame"

    def say_call(self, given: object) -> str:
        """Name the call that gives a frame, if the user gave an id or a name instead."""
        if not isinstance(given, str):
            return "; a verdict has .evals and .values()" if hasattr(given, "gate") else ""
        is_run = self.name == "results" and "run" in given.partition("_")[0]
        runs = f"{given!r}" if is_run else f"ra.fetch_runs({given!r}, limit=10)"
        asked = runs if self.name == "results" else f"{given!r}"
        return f"; ra.fetch_{self.name}({asked}) gives one"

    def mismatch(
        self, found: Mapping[str, pl.DataType], columns: Iterable[str] | None = None
    ) -> str | None:
        """Say why a frame is not one of this table; None if it is.

        All ``columns`` are needed; one with only nulls may have no dtype. The text is the end of a
        sentence that starts with "… is".
        """
        needed = list(self.schema if columns is None else dict.fromkeys(columns))
        missing = [name for name in needed if name not in found]
        wrong = [
            name
            for name in needed
            if name in found and found[name] not in (self.schema[name], pl.Null())
        ]
        reasons = [
            f"column {each} is {found[each]}, expected {self.schema[each]}" for each in wrong
        ]
        if missing:
            there = list_some(found, _LISTED) or "no columns"
            reasons.insert(0, f"it has no column {list_some(missing, _LISTED)}; it has {there}")
        # Each advice once, however many columns need it.
        reasons += dict.fromkeys(filter(None, (_advice(found[e], self.schema[e]) for e in wrong)))
        return f"not {self.frame_name}: {'; '.join(reasons)}" if reasons else None

    def describe(self) -> pl.DataFrame:
        """The columns as a frame: ``name, dtype, source, meaning`` (String each)."""
        rows = [(c.name, str(c.dtype), ", ".join(c.paths), c.doc) for c in self.columns]
        return pl.DataFrame(
            rows, schema=dict.fromkeys(("name", "dtype", "source", "meaning"), String), orient="row"
        )


def _advice(found: pl.DataType, declared: pl.DataType) -> str | None:
    if found == pl.String and declared != pl.String:
        return "a CSV file is read with its dtypes by read_csv"
    if isinstance(found, pl.Datetime) and isinstance(declared, pl.Datetime):
        return (
            "say which time zone it is in: .dt.replace_time_zone('UTC') in polars, "
            ".dt.tz_localize('UTC') in pandas"
        )
    return None


def path_type(record: type[wire.Wire], path: str) -> Any:
    current: Any = record
    for part in path.split("."):
        if part == "*":
            current = typing.get_args(_without_none(current))[-1]  # of an object or a list
        else:
            current = _type_hints(base_type(current))[part]
    return current


@functools.cache
def _type_hints(declared: type) -> Mapping[str, Any]:
    """The types of a class's fields; Python compiles all of them at each call."""
    return typing.get_type_hints(declared)


def _without_none(declared: Any) -> Any:
    if typing.get_origin(declared) in (types.UnionType, typing.Union):
        (declared,) = (each for each in typing.get_args(declared) if each is not types.NoneType)
    return declared


def base_type(declared: Any) -> Any:
    """The type without None, Annotated and type arguments."""
    declared = _without_none(declared)
    return typing.get_origin(declared) or declared
