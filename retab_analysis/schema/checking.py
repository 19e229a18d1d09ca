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
    return known if _has_distinct_ids(given, table) else _without_repeated(known, table)


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


def _has_distinct_ids(frame: pl.DataFrame | pl.LazyFrame, table: Table) -> bool:
    """Whether no id is there twice; False for a LazyFrame, which is not read for that."""
    if isinstance(frame, pl.LazyFrame) or not table.key:
        return False
    name = table.key[-1]
    return frame.schema.get(name) == pl.String and frame[name].n_unique() == frame.height


def _without_repeated(frame: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    found = frame.collect_schema()
    if not table.key or not all(found.get(each) == pl.String for each in table.key):
        return frame
    has_no_id = pl.any_horizontal(pl.col(each).is_null() for each in table.key)
    return frame.filter(has_no_id | pl.struct(table.key).is_last_distinct())


def find_other_table(table: Table, names: Collection[str]) -> Table | None:
    there = set(names)
    if there.issuperset(table.schema):
        return None
    others = (each for each in TABLES.values() if each is not table)
    return next((each for each in others if there.issuperset(each.schema)), None)
