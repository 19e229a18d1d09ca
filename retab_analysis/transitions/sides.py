"""One side of a comparison: one row per eval, however many results it has."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.errors import ConfigError, SchemaError
from retab_analysis.schema import RESULTS
from retab_analysis.stats import DECIDED, NOT_PASSING, OUTCOMES, known_state, state_of

SAME = ("handle_inputs_fingerprint", "condition_kind", "expected_value")
"""What has to be the same on both sides, where it is known."""

BLOCK = "block_execution_fingerprint"
MOMENT = pl.coalesce("run_created_at", "created_at")

_SHOWN = (
    "eval_name",
    "block_id",
    "document_names",
    "expected_value",
    "actual_value",
    "run_id",
)
_READ = tuple(
    dict.fromkeys(
        (
            *("eval_id", "state", "result_id", "workflow_version_id", "run_created_at"),
            *("created_at", "score", "threshold", "duration_ms", BLOCK, *SAME, *_SHOWN),
        )
    )
)


def check_results(frame: object, name: str, also: Sequence[str] = ()) -> pl.LazyFrame:
    """The columns that a comparison reads, of a RESULTS frame.

    Args:
        frame: The frame.
        name: What the caller calls it.
        also: Further columns to keep.

    Raises:
        ConfigError: It is no polars frame.
        SchemaError: It lacks one of the columns, or has it with another dtype.
    """
    if not isinstance(frame, pl.DataFrame | pl.LazyFrame):
        raise ConfigError(f"{name} must be a RESULTS frame, got {type(frame).__name__}")
    found = frame.collect_schema()
    columns = dict.fromkeys((*_READ, *also))
    for column in columns:
        expected, got = RESULTS.schema[column], found.get(column)
        if got is None or got not in (expected, pl.Null):
            raise SchemaError(
                f"{name} is no RESULTS frame: column {column} is {got or 'missing'}, "
                f"expected {expected}; it has {', '.join(found) or 'no columns'}"
            )
    return frame.lazy().select(pl.col(name).cast(RESULTS.schema[name]) for name in columns)


def one_side(results: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval: its state, what it was evaluated on, and one result to show.

    That is the newest of those that have the eval's state, or the newest that did not pass where
    the state is ``mixed``. ``score, margin, duration_ms`` are medians. For each of :data:`SAME` and
    the block's fingerprint there are ``…_low``, ``…_high`` and ``…_kinds``, by which two sides can
    be compared also where one of them has results of several kinds.
    """
    rows = results.with_columns(known_state(), moment=MOMENT)
    count = pl.sum_horizontal(DECIDED)
    states = (
        rows.group_by("eval_id")
        .agg(
            *((pl.col("state") == each).sum().cast(pl.Int64).alias(each) for each in OUTCOMES),
            pl.col("score").median(),
            (pl.col("score") - pl.col("threshold")).median().alias("margin"),
            pl.col("duration_ms").median(),
            *(part for name in (*SAME, BLOCK) for part in _kinds(name)),
        )
        .with_columns(
            n=count,
            state=state_of(*(pl.col(outcome) for outcome in OUTCOMES)),
            pass_rate=pl.when(count > 0).then(pl.col("passed") / count),
        )
        .drop(*NOT_PASSING, "cancelled", "unscored")
    )
    return states.join(_shown(rows, states), on="eval_id")


def _kinds(name: str) -> list[pl.Expr]:
    column = pl.col(name)
    return [
        column.min().alias(f"{name}_low"),
        column.max().alias(f"{name}_high"),
        column.drop_nulls().n_unique().alias(f"{name}_kinds"),
    ]


def _shown(rows: pl.LazyFrame, states: pl.LazyFrame) -> pl.LazyFrame:
    chosen = pl.col("chosen")
    of_the_state = pl.col("state") == chosen
    not_passing = (chosen == "mixed") & pl.col("state").is_in(NOT_PASSING)
    return (
        rows.join(states.select("eval_id", chosen="state"), on="eval_id")
        .filter(of_the_state | not_passing)
        .sort("moment", "result_id")
        .unique("eval_id", keep="last", maintain_order=True)
        .select("eval_id", *_SHOWN)
    )


def differs(name: str) -> pl.Expr:
    """Whether the two sides differ in a column of :data:`SAME`; null where one is not known."""
    parts = [pl.col(f"{name}_{part}") != pl.col(f"c_{name}_{part}") for part in ("low", "high")]
    kinds = pl.col(f"{name}_kinds") != pl.col(f"c_{name}_kinds")
    known = pl.col(f"{name}_low").is_not_null() & pl.col(f"c_{name}_low").is_not_null()
    return pl.when(known).then(pl.any_horizontal(*parts, kinds))
