"""What every function here does first: look at the frame, and at its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import polars as pl

from retab_analysis.errors import ConfigError
from retab_analysis.schema import Table, checked

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

MOMENT = pl.coalesce("run_created_at", "created_at")
"""When a result's run was created, or the result where the run is not known."""


def applied(
    frame: Frame,
    table: Table,
    columns: Iterable[str],
    function: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> Frame:
    """Run a function of lazy frames on a frame of either kind.

    Args:
        frame: The frame.
        table: What it has to be a frame of.
        columns: The columns that the function reads.
        function: What to do.

    Raises:
        ConfigError: It is no polars frame.
        SchemaError: It lacks one of the columns, or has it with another dtype, or is a frame of
            another table.
    """
    lazy = function(checked(frame, table, columns))
    return lazy if isinstance(frame, pl.LazyFrame) else lazy.collect()


def key_columns(by: str | Sequence[str], table: Table) -> list[str]:
    """The columns to group by.

    Raises:
        ConfigError: It is none, not in the table, or named twice.
    """
    names = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"by must be a column or several, got {by!r}")
    for name in names:
        if name not in table.schema:
            raise ConfigError(
                f"by={name!r} is no column of {table.name.upper()}; "
                f"there are {', '.join(table.schema)}"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"by names a column twice: {', '.join(names)}")
    return names


def total(condition: pl.Expr) -> pl.Expr:
    """How many rows fulfil a condition, Int64."""
    return condition.sum().cast(pl.Int64)


def rows() -> pl.Expr:
    """How many rows there are, Int64."""
    return pl.len().cast(pl.Int64)
