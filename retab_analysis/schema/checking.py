"""A user's frame, looked at before anything is read from it."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError, described
from retab_analysis.schema.table import Table
from retab_analysis.schema.tables import TABLES


def checked(
    frame: object, table: Table, columns: Iterable[str], name: str | None = None
) -> pl.LazyFrame:
    """A frame whose columns can be read, and in which no row is there twice.

    Frames that were fetched apart may overlap, and are put together nevertheless. As in paging, of
    two rows with the same id the later one counts; rows without an id all do.

    Args:
        frame: What a user passed.
        table: What it has to be a frame of.
        columns: The columns that are going to be read.
        name: The argument's name, for the errors.

    Returns:
        All columns of the frame, where those of ``columns`` have their dtypes.

    Raises:
        ConfigError: It is no polars frame.
        SchemaError: It lacks columns (all are named), has one with another dtype, or is a frame of
            another table.
    """
    if not isinstance(frame, pl.DataFrame | pl.LazyFrame):
        raise ConfigError(
            f"{f'{name} must be' if name else 'expected'} a {table.name.upper()} frame "
            f"(polars DataFrame or LazyFrame), got {described(frame)}"
        )
    found, columns = frame.collect_schema(), list(columns)
    mismatch = table.mismatch(found, columns) or _is_other(table, found)
    if mismatch is not None:
        raise SchemaError(f"{name or 'this'} is {mismatch}")
    untyped = [each for each in columns if found[each] == pl.Null]
    typed = frame.lazy().with_columns(pl.col(each).cast(table.schema[each]) for each in untyped)
    if not all(found.get(each) == pl.String for each in table.key):
        return typed
    nameless = pl.any_horizontal(pl.col(each).is_null() for each in table.key)
    return typed.filter(nameless | pl.struct(table.key).is_last_distinct())


def _is_other(table: Table, found: pl.Schema) -> str | None:
    """Say so where a frame is of another table, although what is needed is there."""
    if table.mismatch(found) is None:
        return None
    others = (each for each in TABLES.values() if each is not table)
    other = next((each for each in others if each.mismatch(found) is None), None)
    if other is None:
        return None
    return f"no {table.name.upper()} frame, but a {other.name.upper()} frame"
