"""One side of a comparison: one row per eval, however many results it has."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.schema import RESULTS, checked
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
        SchemaError: It lacks one of the columns, or has it with another dtype, or is a frame of
            another table.
    """
    columns = list(dict.fromkeys((*_READ, *also)))
    return checked(frame, RESULTS, columns, name).select(columns)


def one_side(results: pl.LazyFrame) -> pl.LazyFrame:
    """One row per eval: its state, what it was evaluated on, and one result to show.

    That is the newest of those that have the eval's state, or the newest that did not pass where
    the state is ``mixed``. ``score, margin, duration_ms`` are medians. For each of :data:`SAME` and
    the block's fingerprint, ``…_low`` and ``…_high`` are the least and the greatest of its values,
    so that two sides can be compared also where one of them has results of two kinds.
    """
    rows = results.with_row_index("row")
    judged = (
        rows.select("row", "eval_id", "result_id", known_state(), moment=MOMENT)
        .sort("moment", "result_id")
        .group_by("eval_id")
        .agg(
            *((pl.col("state") == each).sum().cast(pl.Int64).alias(each) for each in OUTCOMES),
            *(_newest((outcome,)).alias(f"newest_{outcome}") for outcome in OUTCOMES),
            _newest(NOT_PASSING).alias("newest_mixed"),
        )
        .with_columns(state=state_of(*(pl.col(outcome) for outcome in OUTCOMES)))
    )
    decided = pl.sum_horizontal(DECIDED)
    states = judged.select(
        "eval_id",
        "state",
        "passed",
        decided.alias("n"),
        pl.when(decided > 0).then(pl.col("passed") / decided).alias("pass_rate"),
        pl.coalesce(
            pl.when(pl.col("state") == each).then(f"newest_{each}") for each in (*OUTCOMES, "mixed")
        ).alias("row"),
    )
    measured = rows.group_by("eval_id").agg(_measures())
    shown = states.join(rows.select("row", *_SHOWN), on="row").drop("row")
    return shown.join(measured, on="eval_id")


def _newest(outcomes: Sequence[str]) -> pl.Expr:
    return pl.col("row").filter(pl.col("state").is_in(outcomes)).last()


def _measures() -> list[pl.Expr]:
    values = (*SAME, BLOCK)
    return [
        pl.col("score").median(),
        (pl.col("score") - pl.col("threshold")).median().alias("margin"),
        pl.col("duration_ms").median(),
        *(pl.col(name).min().alias(f"{name}_low") for name in values),
        *(pl.col(name).max().alias(f"{name}_high") for name in values),
    ]


def differs(name: str) -> pl.Expr:
    """Whether the two sides differ in a column of :data:`SAME`; null where one is not known."""
    return pl.any_horizontal(
        pl.col(f"{name}_{part}") != pl.col(f"c_{name}_{part}") for part in ("low", "high")
    )
