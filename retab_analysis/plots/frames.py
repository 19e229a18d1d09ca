"""What every plot does first: look at the frame, and at its columns."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from retab_analysis.errors import ConfigError
from retab_analysis.schema import Table, checked

Frame = pl.DataFrame | pl.LazyFrame


def needed(frame: Frame, table: Table, columns: Iterable[str]) -> pl.LazyFrame:
    """The columns that a plot reads.

    Args:
        frame: The frame, of either kind.
        table: What it has to be a frame of.
        columns: The columns; one that is named twice is there once.

    Raises:
        ConfigError: It is no polars frame.
        SchemaError: It lacks columns (all are named), has one with another dtype, or is a frame of
            another table.
    """
    names = list(dict.fromkeys(columns))
    return checked(frame, table, names).select(names)


def check_key(by: str, table: Table) -> str:
    """The column to group by.

    Raises:
        ConfigError: It is no column of the table that holds texts.
    """
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    if not isinstance(by, str) or by not in texts:
        raise ConfigError(
            f"by must be a column of {table.name.upper()} that holds texts, got {by!r}; "
            f"there are {', '.join(texts)}"
        )
    return by
