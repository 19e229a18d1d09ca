"""The first steps of every analysis and plot: check the frame, and the columns to group by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import polars as pl

from retab_analysis.errors import ConfigError
from retab_analysis.evidence.versions import list_names
from retab_analysis.schema import EDITS, Table, checked

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def check_frame(frame: object, table: Table, columns: Iterable[str]) -> pl.LazyFrame:
    """A frame as a LazyFrame with readable columns, and with no row twice.

    A column that the table does not declare is the user's own: :func:`check_keys` has checked that
    it exists, and its dtype is free.
    """
    return checked(frame, table, [name for name in dict.fromkeys(columns) if name in table.schema])


def apply_lazily(
    frame: Frame,
    table: Table,
    columns: Iterable[str],
    function: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> Frame:
    """Run a function of lazy frames on a frame of either kind, and return the same kind."""
    lazy = function(check_frame(frame, table, columns))
    return lazy if isinstance(frame, pl.LazyFrame) else lazy.collect()


def check_keys(
    by: str | Sequence[str] | None,
    frame: object,
    table: Table,
    taken: Iterable[str] = (),
    made: Iterable[str] = (),
) -> list[str]:
    """The columns to group by: any of the frame; ``taken`` are the outcome's other columns.

    Columns that are ``made`` from others need not be there.

    :func:`check_frame` has the better message for declared columns that the frame lacks.
    """
    names = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"by must be a column or several, got {by!r}")
    if len(set(names)) < len(names):
        raise ConfigError(f"by names a column twice: {', '.join(names)}")
    there = checked(frame, table, ()).collect_schema()
    for name in names:
        if name not in (*table.schema, *made) and name not in there:
            raise ConfigError(
                f"by={name!r} is not a column of this frame; it has {', '.join(there) or 'none'}"
            )
        if there.get(name) == pl.Object:
            raise ConfigError(f"by={name!r} holds Python objects, which cannot be grouped by")
        if name in taken:
            raise ConfigError(
                f"by={name!r} is also a column of the outcome; rename it before grouping by it"
            )
    return names


def check_single_keys(
    by: str | Sequence[str] | None, frame: object, table: Table, taken: Iterable[str] = ()
) -> list[str]:
    """The columns of single values to group by; see :func:`check_keys`."""
    keys = check_keys(by, frame, table, taken)
    there = checked(frame, table, ()).collect_schema()
    for key in keys:
        if there.get(key, pl.Null()).is_nested():
            raise ConfigError(f"by must be a column of single values, {key!r} holds {there[key]}")
    return keys


def check_key(by: str, frame: object, table: Table, taken: Iterable[str] = ()) -> str:
    """The one column of single values to group by; see :func:`check_keys`."""
    if not isinstance(by, str):
        raise ConfigError(f"by must be the name of one column, got {by!r}")
    (key,) = check_single_keys(by, frame, table, taken)
    return key


def select_keyed(frame: object, table: Table, by: str, columns: Iterable[str]) -> pl.LazyFrame:
    """Some columns of a frame, with the one to group by as ``key``.

    The key has its own name: it may be any column, even one that is read.
    """
    key, names = check_key(by, frame, table), list(columns)
    return check_frame(frame, table, (key, *names)).select(pl.col(key).alias("key"), *names)


def count_where(condition: pl.Expr) -> pl.Expr:
    return condition.sum().cast(pl.Int64)


def count_rows() -> pl.Expr:
    return pl.len().cast(pl.Int64)


VERSION = "version"


def name_versions(lazy: pl.LazyFrame, edits: object | None) -> pl.LazyFrame:
    """Add ``version`` to runs: ``v5`` or ``edit of 29 Nov``, by an EDITS frame and their time.

    Without it, ``draft of 29 Nov``: the day of the first run that names the same id.
    """
    created = pl.col("created_at")
    if edits is None:
        first = created.min().over("workflow_id", "workflow_version_id")
        is_other_year = first.dt.year() != created.max().dt.year()
        year = pl.when(is_other_year).then(first.dt.strftime(" %Y")).otherwise(pl.lit(""))
        day = pl.concat_str(first.dt.day().cast(pl.String), first.dt.strftime(" %b"), year)
        is_named = pl.col("workflow_version_id").is_not_null()
        return lazy.with_columns(pl.when(is_named).then("draft of " + day).alias(VERSION))
    its = check_frame(edits, EDITS, EDITS.schema).collect()
    order = lazy.with_row_index("_at").sort("created_at")
    named = order.join_asof(
        list_names(its).lazy(),
        left_on="created_at",
        right_on="since",
        by="workflow_id",
        check_sortedness=False,
    )
    return named.sort("_at").drop("_at", "since")
