"""Results: the newest of each eval, states side by side, and what did not pass."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.frames import MOMENT, Frame, applied, key_columns, rows, total
from retab_analysis.errors import ConfigError
from retab_analysis.schema import RESULTS
from retab_analysis.stats import DECIDED, NOT_PASSING, OUTCOMES, known_state, state_of

_TIMES = ("run_created_at", "created_at")
_READING = (
    "eval_name",
    "eval_id",
    "state",
    "block_id",
    "document_names",
    "expected_value",
    "actual_value",
    "path",
    "condition_kind",
    "failure_code",
    "failure_message",
    "status_message",
    "score",
    "threshold",
    "duration_ms",
    "run_id",
    "workflow_version_id",
    "run_created_at",
    "result_id",
)


def latest_results(results: Frame) -> Frame:
    """The newest decided result of each eval.

    Args:
        results: A RESULTS frame.

    Returns:
        A frame of the same columns, one row per eval that has a decided result (passed, failed,
        blocked or error), ordered by the eval's earliest result, then ``eval_id``.

    Raises:
        ConfigError: It is no frame.
        SchemaError: It is no RESULTS frame.
    """

    def latest(lazy: pl.LazyFrame) -> pl.LazyFrame:
        numbered = lazy.with_row_index("retab_analysis_row")
        narrow = numbered.select(
            "retab_analysis_row", "eval_id", "state", "result_id", moment=MOMENT
        )
        first = narrow.group_by("eval_id").agg(pl.col("moment").min().alias("retab_analysis_first"))
        newest = (
            narrow.filter(pl.col("state").is_in(DECIDED))
            .sort("moment", "result_id")
            .unique("eval_id", keep="last", maintain_order=True)
            .join(first, on="eval_id")
        )
        chosen = numbered.join(
            newest.select("retab_analysis_row", "retab_analysis_first"), on="retab_analysis_row"
        )
        return chosen.sort("retab_analysis_first", "eval_id", nulls_last=True).drop(
            "retab_analysis_row", "retab_analysis_first"
        )

    return applied(results, RESULTS, ("eval_id", "state", "result_id", *_TIMES), latest)


def states(results: Frame, by: str = "run_id") -> Frame:
    """The state of each eval in each run, version, or other group.

    Several results of one eval in a group make one state, as when two versions are compared: all
    the same gives that state, some passing and some not gives ``mixed``; ``cancelled`` and
    ``unscored`` only where nothing was decided.

    Args:
        results: A RESULTS frame.
        by: The column that makes the groups.

    Returns:
        Long: ``eval_id, group`` (the value of ``by``), ``state`` (String), ``n`` (Int64, how many
        results were decided), ``pass_rate`` (Float64, null where none was). The groups are ordered
        by earliest run, then by their value; the evals in a group likewise.

    Raises:
        ConfigError: An unknown column, or no frame.
        SchemaError: No RESULTS frame.

    Example:
        Side by side: ``states(results, "workflow_version_id").pivot("group", index="eval_id",
        values="state")``.
    """
    (key,) = key_columns(by, RESULTS) if isinstance(by, str) else (None,)
    if key is None or RESULTS.schema[key] != pl.String:
        raise ConfigError(f"by must be one column of text, got {by!r}")

    def long(lazy: pl.LazyFrame) -> pl.LazyFrame:
        pairs = lazy.select("eval_id", pl.col(key).alias("group"), known_state(), first=MOMENT)
        grouped = pairs.group_by("eval_id", "group").agg(pl.col("first").min(), *outcome_counts())
        wide = grouped.with_columns(*state_columns()).with_columns(
            opened=pl.col("first").min().over("group")
        )
        ordered = wide.sort("opened", "group", "first", "eval_id", nulls_last=True)
        return ordered.select("eval_id", "group", "state", "n", "pass_rate")

    return applied(results, RESULTS, ("eval_id", "state", key, *_TIMES), long)


def outcome_counts() -> list[pl.Expr]:
    """How many results came out which way, from the column ``state``."""
    return [total(pl.col("state") == outcome).alias(outcome) for outcome in OUTCOMES]


def state_columns() -> list[pl.Expr]:
    """``state, n, pass_rate`` from the counts."""
    decided = pl.sum_horizontal(DECIDED)
    return [
        state_of(*(pl.col(outcome) for outcome in OUTCOMES)).alias("state"),
        decided.alias("n"),
        pl.when(decided > 0).then(pl.col("passed") / decided).alias("pass_rate"),
    ]


def failures(results: Frame) -> Frame:
    """The results that did not pass, with the columns that one reads.

    Args:
        results: A RESULTS frame.

    Returns:
        The rows that failed, were blocked or ended in an error, the newest run first, then by
        block and eval. What was cancelled or is not decided yet is not among them.

    Raises:
        ConfigError: It is no frame.
        SchemaError: It is no RESULTS frame.
    """

    def failing(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return (
            lazy.filter(pl.col("state").is_in(NOT_PASSING))
            .sort(
                MOMENT,
                "run_id",
                "block_id",
                "eval_id",
                "result_id",
                descending=[True, False, False, False, False],
                nulls_last=True,
            )
            .select(_READING)
        )

    return applied(results, RESULTS, dict.fromkeys((*_READING, *_TIMES)), failing)


def count_failures(results: Frame, by: str | Sequence[str] = "block_id") -> Frame:
    """How many results did not pass, by what they have in common.

    Args:
        results: A RESULTS frame.
        by: One or several columns: ``block_id``, ``condition_kind``, ``failure_code``, ``path``,
            ``document_names`` (a result counts for each of its documents), or others.

    Returns:
        One row per group, ordered by its earliest run, then by the key: the columns of ``by``;
        ``n_failures, failed, blocked, error`` and ``n_evals``, how many evals these are (Int64);
        ``first_created_at, last_created_at``.

    Raises:
        ConfigError: An unknown column, or no frame.
        SchemaError: No RESULTS frame.
    """
    keys: list[str] = key_columns(by, RESULTS)
    lists = [key for key in keys if RESULTS.schema[key] == pl.List(pl.String)]

    def counted(lazy: pl.LazyFrame) -> pl.LazyFrame:
        failing = lazy.filter(pl.col("state").is_in(NOT_PASSING)).select(
            *keys, state_="state", eval_="eval_id", moment=MOMENT
        )
        for name in lists:
            none = pl.col(name).list.len() == 0
            failing = failing.with_columns(pl.when(~none).then(name)).explode(name)
        groups = failing.group_by(keys).agg(
            rows().alias("n_failures"),
            *(total(pl.col("state_") == outcome).alias(outcome) for outcome in NOT_PASSING),
            pl.col("eval_").n_unique().cast(pl.Int64).alias("n_evals"),
            pl.col("moment").min().alias("first_created_at"),
            pl.col("moment").max().alias("last_created_at"),
        )
        return groups.sort("first_created_at", *keys, nulls_last=True)

    return applied(results, RESULTS, dict.fromkeys((*keys, "eval_id", "state", *_TIMES)), counted)
