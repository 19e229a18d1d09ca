"""The first steps of every analysis and plot: check the frame, and the columns to group by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import polars as pl

from retab_analysis.arguments import suggest_words
from retab_analysis.errors import ConfigError, shown
from retab_analysis.evidence.names import name_drafts
from retab_analysis.schema import EDITS, RUNS, Table, checked

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
        raise ConfigError(f"by must be a column or several, got {shown(by)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"by names a column twice: {', '.join(names)}")
    there = checked(frame, table, ()).collect_schema()
    for name in names:
        if name not in (known := [*dict.fromkeys((*there, *made, *table.schema))]):
            hint = suggest_words("columns", name, known)
            raise ConfigError(f"by={name!r} is not a column of this frame; {hint}")
        if there.get(name) == pl.Object:
            raise ConfigError(f"by={name!r} holds Python objects, which cannot be grouped by")
        if name in taken:
            raise ConfigError(
                f"by={name!r} is also a column of the outcome; rename it before grouping by it"
            )
    return names


def check_single_keys(
    by: str | Sequence[str] | None,
    frame: object,
    table: Table,
    taken: Iterable[str] = (),
    made: Iterable[str] = (),
) -> list[str]:
    """The columns of single values to group by; see :func:`check_keys`."""
    keys = check_keys(by, frame, table, taken, made)
    there = checked(frame, table, ()).collect_schema()
    for key in keys:
        if there.get(key, pl.Null()).is_nested():
            raise ConfigError(f"by must be a column of single values, {key!r} holds {there[key]}")
    return keys


def check_key(
    by: str, frame: object, table: Table, taken: Iterable[str] = (), made: Iterable[str] = ()
) -> str:
    """The one column of single values to group by; see :func:`check_keys`."""
    if not isinstance(by, str):
        raise ConfigError(f"by must be the name of one column, got {shown(by)}")
    (key,) = check_single_keys(by, frame, table, taken, made)
    return key


def select_keyed(
    rows: object, table: Table, by: str, columns: Iterable[str], edits: object, read: dict[str, str]
) -> pl.LazyFrame:
    """Some columns of the rows, with the one to group by as ``key``, and its ``name``.

    The key has its own name: it may be any column, even one that is read. A version has a name by
    an EDITS frame, whether its name or its id is the key. ``read`` are names of publications by
    workflow/id.
    """
    key, names = check_key(by, rows, table, made=[VERSION]), list(columns)
    there = checked(rows, table, ()).collect_schema()
    is_version = by in (VERSION, VERSION_ID) and (by != VERSION or VERSION not in there)
    also = (*MOMENTS[table.name], "workflow_id", VERSION_ID) if is_version else ()
    own = [] if is_version and by == VERSION else [key]
    lazy = check_frame(rows, table, (*own, *also, *names))
    if is_version:
        lazy = add_versions(lazy, edits, table, read)
    shown = pl.col(VERSION if is_version else key).alias("name")
    names += ["workflow_id"] * ("workflow_id" in there and "workflow_id" not in names)
    return lazy.select(pl.col(key).alias("key"), shown, *names)


def count_where(condition: pl.Expr) -> pl.Expr:
    return condition.sum().cast(pl.Int64)


def count_rows() -> pl.Expr:
    return pl.len().cast(pl.Int64)


VERSION, VERSION_ID = "version", "workflow_version_id"
MOMENTS = {"runs": ("created_at",), "results": ("run_created_at", "created_at")}


def add_versions(
    lazy: pl.LazyFrame, edits: object, table: Table = RUNS, read: dict[str, str] | None = None
) -> pl.LazyFrame:
    """Add ``version`` to runs or results by an EDITS frame: ``v5`` or ``edit of 29 Nov 19:26``.

    Without it, or before the first edit, ``draft of 29 Nov 19:26``: the first run that names the
    same id.
    """
    created = pl.coalesce(MOMENTS[table.name])
    first = created.min().over("workflow_id", VERSION_ID)
    is_other_year = first.dt.year() != created.max().dt.year()
    year = pl.when(is_other_year).then(first.dt.strftime(" %Y")).otherwise(pl.lit(""))
    parts = first.dt.strftime(" %b"), year, first.dt.strftime(" %H:%M")
    day = pl.concat_str(first.dt.day().cast(pl.String), *parts)
    draft: pl.Expr = pl.when(pl.col(VERSION_ID).is_not_null()).then("draft of " + day)
    if read:
        ident = pl.concat_str("workflow_id", VERSION_ID, separator="/")
        draft = pl.coalesce(ident.replace_strict(read, default=None), draft)
    if edits is None:
        return lazy.with_columns(draft.alias(VERSION))
    order = lazy.with_columns(draft.alias("_draft"), created.alias("_at")).with_row_index("_row")
    named = order.sort("_at").join_asof(
        name_drafts(read_edits(edits)).lazy().rename({VERSION: "_edit"}),
        left_on="_at",
        right_on="since",
        by="workflow_id",
        check_sortedness=False,
    )
    known = named.with_columns(pl.coalesce("_edit", "_draft").alias(VERSION))
    return known.sort("_row").drop("_row", "_at", "_edit", "_draft", "since")


def read_edits(edits: object) -> pl.DataFrame:
    return checked(edits, EDITS, EDITS.schema, "edits").collect()
