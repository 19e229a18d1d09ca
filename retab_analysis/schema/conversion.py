"""Frames of users, which come near a table: their library, dtypes, and what converts exactly.

On its way through pandas, duckdb or a Parquet file a frame changes only its dtypes. Integers with
nulls become floats with NaN, ``UTC`` becomes ``Etc/UTC``, microseconds become nanoseconds, a sum
becomes a decimal. Such a column is converted back if every single value stays the same. No value is
rounded and no time zone is guessed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.schema.table import Table
from retab_analysis.schema.tables import TABLES

# Below this a float holds every integer; from here on, its integer may be a rounded one.
_EXACT_INTEGERS: dict[pl.DataType, float] = {pl.Float64(): 2.0**53, pl.Float32(): 2.0**24}
_TEXTS = (pl.String, pl.Categorical, pl.Enum)


@dataclass(frozen=True)
class Conversion:
    """How a column gets another dtype; ``is_lost``: which values would change, None for none."""

    value: pl.Expr
    is_lost: pl.Expr | None = None


def as_polars(frame: object, name: str) -> pl.DataFrame | pl.LazyFrame | None:
    """A frame of polars, pandas, pyarrow, duckdb or another library that speaks Arrow, as polars'.

    None if it is not a frame; ``name`` is its name in errors.
    """
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        check_polars_threads()  # a caller who passes a frame wants a computation
        return frame
    library = type(frame).__module__.partition(".")[0]
    # If pandas was not imported, no object is its frame.
    pandas = sys.modules.get("pandas")
    is_pandas = pandas is not None and isinstance(frame, pandas.DataFrame)
    # A single column speaks Arrow too, but has neither of these.
    if not (is_pandas or hasattr(frame, "columns") or hasattr(frame, "schema")):
        return None
    check_polars_threads()
    arrow: Any = frame if hasattr(frame, "__arrow_c_stream__") else None
    try:
        if is_pandas:
            return _from_pandas(frame)
        if arrow is not None:
            return pl.DataFrame(arrow)
    except ImportError as error:
        reason = str(error)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise SchemaError(f"{name}, a {library} frame, cannot be read: {error}") from None
    else:
        return None
    told = f"{name} is a {library} frame, which needs pyarrow to be read"
    raise ConfigError(f"{told}: pip install 'retab_analysis[pandas]'; {reason}")


def read_ids(frame: pl.DataFrame | pl.LazyFrame, name: str, column: str) -> pl.Series:
    """The ids in a column of a frame that was given for them."""
    if column not in frame.collect_schema():
        raise ConfigError(f"{name}: the frame has no column {column}")
    return frame.lazy().select(pl.col(column).cast(pl.String)).collect().to_series()


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Without its index; a column of only nulls loses its dtype, which pandas made up."""
    read = pl.from_pandas(frame)
    return read.with_columns(
        pl.lit(None).alias(name) for name in read.columns if read[name].null_count() == read.height
    )


def find_conversions(
    found: Mapping[str, pl.DataType], declared: Mapping[str, pl.DataType]
) -> dict[str, Conversion]:
    conversions = {}
    for name, dtype in declared.items():
        if name in found and found[name] != dtype:
            conversion = _find_conversion(pl.col(name), found[name], dtype)
            if conversion is not None:
                conversions[name] = conversion
    return conversions


def _find_conversion(
    column: pl.Expr, found: pl.DataType, declared: pl.DataType
) -> Conversion | None:
    if found == pl.Null or _holds_texts(found, declared):
        return Conversion(column.cast(declared))
    if isinstance(declared, pl.Datetime):
        return _time_conversion(column, found, declared)
    if found.is_numeric() and declared.is_numeric():
        return _number_conversion(column, found, declared)
    return None


def _holds_texts(found: pl.DataType, declared: pl.DataType) -> bool:
    if declared == pl.String:
        return isinstance(found, _TEXTS)
    if isinstance(declared, pl.List) and isinstance(found, pl.List | pl.Array):
        inner: tuple[Any, Any] = found.inner, declared.inner
        # Lists that are empty in every row have no inner dtype.
        return inner[0] == pl.Null or _holds_texts(*inner)
    return False


def _time_conversion(
    column: pl.Expr, found: pl.DataType, declared: pl.Datetime
) -> Conversion | None:
    """Times with a zone are moments, whatever the zone; times without one may be any moment."""
    if not isinstance(found, pl.Datetime) or found.time_zone is None:
        return None
    value = column.dt.convert_time_zone("UTC").dt.cast_time_unit(declared.time_unit)
    back = value.dt.cast_time_unit(found.time_unit).dt.convert_time_zone(found.time_zone)
    return Conversion(value, None if found.time_unit == declared.time_unit else back != column)


def _number_conversion(column: pl.Expr, found: pl.DataType, declared: pl.DataType) -> Conversion:
    if found.is_float() and declared.is_float():
        return Conversion(column.cast(declared))
    # pandas has NaN for a null among integers.
    source = column.fill_nan(None) if found.is_float() else column
    value = source.cast(declared, strict=False)
    is_lost = source.ne_missing(value.cast(found, strict=False))
    if found.is_float():
        is_lost = is_lost | (source.abs() >= _EXACT_INTEGERS[found])
    return Conversion(value, is_lost)


def lost_values(frame: pl.LazyFrame, conversions: Mapping[str, Conversion]) -> dict[str, str]:
    """The first value of each column that its conversion would change, as text.

    Only this reads data, and only columns whose dtype does not tell; a frame with a table's own
    dtypes stays unread.
    """
    firsts = [
        pl.col(name).filter(each.is_lost).first().cast(pl.String).alias(name)
        for name, each in conversions.items()
        if each.is_lost is not None
    ]
    if not firsts:
        return {}
    row = frame.select(firsts).collect().row(0, named=True)
    return {name: value for name, value in row.items() if value is not None}


def converted(frame: pl.DataFrame, declared: Mapping[str, pl.DataType]) -> pl.DataFrame:
    conversions = find_conversions(frame.schema, declared)
    lost = lost_values(frame.lazy(), conversions)
    return frame.with_columns(
        each.value.alias(name) for name, each in conversions.items() if name not in lost
    )


def checked(
    frame: object, table: Table, columns: Iterable[str], name: str | None = None
) -> pl.LazyFrame:
    """A frame with readable columns, and with no row twice.

    It takes frames of polars, pandas, pyarrow and duckdb, and keeps all their columns in their
    order. The table's columns get its dtypes if no value changes. One of ``columns`` that is
    missing or does not convert is a SchemaError. ``name`` is the argument's name, for the errors.

    Frames from separate fetches may overlap. As in paging, the later of two rows with the same id
    counts; rows without an id all count.
    """
    given = as_polars(frame, name or "this")
    if given is None:
        raise ConfigError(
            f"{f'{name} must be' if name else 'expected'} {table.frame_name} "
            f"(of polars, pandas, pyarrow or duckdb), got {described(frame)}{table.say_call(frame)}"
        )
    known = _with_dtypes(given, table, list(columns), name or "this")
    return _without_repeated(known, given, table)


def _with_dtypes(
    frame: pl.DataFrame | pl.LazyFrame, table: Table, needed: list[str], name: str
) -> pl.LazyFrame:
    found, lazy = frame.collect_schema(), frame.lazy()
    conversions = find_conversions(found, table.schema)
    after = {each: table.schema[each] if each in conversions else found[each] for each in found}
    # A frame of another table may have all needed columns.
    if (other := find_other_table(table, found)) is not None:
        asked = {"results": "runs", "runs": '"wf_invoices"'}.get(table.name)
        call = f"; ra.fetch_{table.name}({asked}) gives one" if asked else ""
        raise SchemaError(f"{name} is not {table.frame_name}, but {other.frame_name}{call}")
    if (mismatch := table.mismatch(after, needed)) is not None:
        raise SchemaError(f"{name} is {mismatch}")
    lost = lost_values(lazy, conversions)
    for each in needed:
        if each in lost:
            raise SchemaError(
                f"{name} is not {table.frame_name}: column {each} is {found[each]} and holds "
                f"{lost[each]}, which is not exactly an {table.schema[each]}; "
                "convert it yourself if it may be rounded"
            )
    return lazy.with_columns(
        conversion.value.alias(each) for each, conversion in conversions.items() if each not in lost
    )


def _without_repeated(
    frame: pl.LazyFrame, given: pl.DataFrame | pl.LazyFrame, table: Table
) -> pl.LazyFrame:
    found = frame.collect_schema()
    if not table.key or not all(found.get(each) == pl.String for each in table.key):
        return frame
    # Most often no id is there twice; a LazyFrame is not read for that.
    if isinstance(given, pl.DataFrame) and given[table.key[-1]].n_unique() == given.height:
        return frame
    has_no_id = pl.any_horizontal(pl.col(each).is_null() for each in table.key)
    return frame.filter(has_no_id | pl.struct(table.key).is_last_distinct())


def find_other_table(table: Table, names: Collection[str]) -> Table | None:
    """The table whose columns are all there, if they are not all of the expected table's."""
    tables = (table, *TABLES.values())
    found = next((each for each in tables if {*each.schema}.issubset(names)), table)
    return None if found is table else found


class _PolarsThreads:
    """Whether polars can compute here: in a process forked after its threads began, it hangs."""

    def __init__(self) -> None:
        self._are_used = self._are_lost = False

    def check(self) -> None:
        """Raise a ConfigError if polars' threads stayed in the process before the fork."""
        if self._are_lost:
            raise ConfigError(
                "this process was forked from one in which polars had been used, and polars' "
                "threads do not survive that: start processes with spawn or forkserver, for "
                "example multiprocessing.get_context('spawn'), or fork before the first frame"
            )
        self._are_used = True

    def before_fork(self) -> None:
        """Check whether polars has threads, from any use; only Linux shows that.

        A thread that has just begun has no name yet: while others run, the fork waits up to 1 s.
        """
        until = time.monotonic() + 1
        while not self._are_used and time.monotonic() < until:
            with contextlib.suppress(OSError):  # a thread ended while it was read
                stats = [each.read_text() for each in Path("/proc/self/task").glob("*/stat")]
                self._are_used = any("(polars-0)" in each for each in stats)
                if sum(") S " not in each for each in stats) < 2:  # this thread runs, too
                    break
            time.sleep(0.001)

    def enter_child(self) -> None:
        self._are_lost = self._are_lost or self._are_used


_threads = _PolarsThreads()
check_polars_threads = _threads.check
before_fork = _threads.before_fork  # called by ``retab_analysis``, which is loaded before this is
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.enter_child)
