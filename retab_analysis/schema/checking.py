"""The check of a user's frame, before anything is read from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.schema.conversion import as_polars, find_conversions, lost_values
from retab_analysis.schema.table import Table
from retab_analysis.schema.tables import TABLES


def checked(
    frame: object, table: Table, columns: Iterable[str], name: str | None = None
) -> pl.LazyFrame:
    """A frame with readable columns, and with no row twice.

    It takes frames of polars, pandas, pyarrow and duckdb, and keeps all their columns in their
    order. The table's columns get its dtypes if no value changes, see
    :mod:`retab_analysis.schema.conversion`. One of ``columns`` that is missing or does not convert
    is a SchemaError. ``name`` is the argument's name, for the errors.

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
    other = find_other_table(table, found)
    if other is not None:
        raise SchemaError(f"{name} is not {table.frame_name}, but {other.frame_name}")
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
