"""What did not pass: the results to read, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily, check_keys, count_rows, count_where
from retab_analysis.schema import RESULTS, RESULTS_WITH_PAYLOADS
from retab_analysis.vocabulary import FAILING, MOMENT

_TIMES = ("run_created_at", "created_at")
_DOCUMENTS = ("document_names", "document_ids")
_READING = (
    *("eval_name", "eval_id", "state", "block_id", "document_names", "expected_value"),
    *("actual_value", "path", "condition", "condition_kind", "failure_code", "failure_message"),
    *("status_message", "score", "threshold", "duration_ms", "run_id", "workflow_version_id"),
    *("run_created_at", "result_id"),
)


def failures(results: Frame) -> Frame:
    """The results that did not pass, with the columns that one reads.

    Args:
        results: A RESULTS frame.

    Returns:
        The rows that failed, were blocked or ended in an error, the newest run first, then by
        block and eval: the columns of a RESULTS frame that say what was expected, what came out
        and why, then your own. What was cancelled or is not decided yet is not among them.

    Raises:
        ConfigError: It is not a polars frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> sorted(ra.failures(results)["state"].unique())
        ['blocked', 'error', 'failed']
    """

    def failing(lazy: pl.LazyFrame) -> pl.LazyFrame:
        ours = RESULTS_WITH_PAYLOADS.schema
        own = [name for name in lazy.collect_schema() if name not in ours]
        order: list[pl.Expr] = [
            MOMENT,
            *map(pl.col, ("run_id", "block_id", "eval_id", "result_id")),
        ]
        newest_first = [True, *(False for _ in order[1:])]
        rows = lazy.filter(pl.col("state").is_in(FAILING))
        return rows.sort(order, descending=newest_first, nulls_last=True).select(*_READING, *own)

    return apply_lazily(results, RESULTS, (*_READING, *_TIMES), failing)


def count_failures(results: Frame, by: str | Sequence[str] = "block_id") -> Frame:
    """How many results did not pass, by what they have in common.

    Args:
        results: A RESULTS frame.
        by: One or several columns: ``block_id``, ``condition_kind``, ``failure_code``, ``path``,
            ``document_names`` (a result counts for each of its documents, with ``document_ids`` for
            each name and its id), or others, your own included, but none that bears the name of a
            column of the outcome.

    Returns:
        One row per group in which something did not pass, the one with the most failures first,
        then the one with the earliest failure, then by the key: the columns of ``by``;
        ``n_failures``, how many results failed, were blocked or ended in an error; ``n_results``,
        these and those that passed (Int64); ``failure_rate`` = n_failures / n_results (Float64;
        what was cancelled or is not decided yet is in neither); ``failed, blocked, error``
        and ``n_evals``, how many evals the failures are of (Int64); ``first_created_at,
        last_created_at``, from the first failure to the last. The rate says something by columns
        that results which pass have too: by ``failure_code`` it is 1.

    Raises:
        ConfigError: A column that cannot be used, or not a polars frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> "extract_lines" in ra.count_failures(results, by="block_id")["block_id"].to_list()
        True
    """
    outcome = [each.meta.output_name() for each in _counts()]
    keys: list[str] = check_keys(by, results, RESULTS, outcome)

    needed = (*keys, "eval_id", "state", *_TIMES)
    return apply_lazily(results, RESULTS, needed, lambda lazy: _counted(lazy, keys))


def _counted(lazy: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    # Keys have names of their own, so that `by` may also be a column that is counted.
    names = {f"key_{at}": key for at, key in enumerate(keys)}
    ended = lazy.filter(pl.col("state").is_in(("passed", *FAILING))).select(
        *(pl.col(key).alias(name) for name, key in names.items()),
        *("eval_id", "state"),
        moment=MOMENT,
    )
    documents = [name for name, key in names.items() if key in _DOCUMENTS]
    if len(documents) == len(_DOCUMENTS):
        ended = _one_document_each(ended, documents)
    groups = _one_value_each(ended, list(names)).group_by(list(names)).agg(_counts())
    order = ["n_failures", "first_created_at", *names]
    most_first = [True, *(False for _ in order[1:])]
    failing = groups.filter(pl.col("n_failures") > 0)
    return failing.sort(order, descending=most_first, nulls_last=True).rename(names)


def _one_document_each(lazy: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """A row for each different document, of which each list has one thing at the same place."""
    none = pl.lit([], dtype=pl.List(pl.String))
    filled = lazy.with_row_index("row").with_columns(pl.col(names).fill_null(none))
    longest = pl.max_horizontal(1, *(pl.col(name).list.len() for name in names))
    places = pl.int_ranges(longest)
    padded = filled.with_columns(pl.col(names).list.gather(places, null_on_oob=True))
    return padded.explode(names).unique(["row", *names]).drop("row")


def _one_value_each(lazy: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """A row for each different value of a list; one with null for an empty list or none."""
    schema = lazy.collect_schema()
    for name in names:
        if isinstance(schema[name], pl.List):
            values = pl.col(name).list.unique()
            lazy = lazy.with_columns(pl.when(values.list.len() > 0).then(values)).explode(name)
    return lazy


def _counts() -> list[pl.Expr]:
    state = pl.col("state")
    failing = state.is_in(FAILING)
    moments = pl.col("moment").filter(failing)
    return [
        count_where(failing).alias("n_failures"),
        count_rows().alias("n_results"),
        failing.mean().alias("failure_rate"),
        *(count_where(state == each).alias(each) for each in FAILING),
        pl.col("eval_id").filter(failing).n_unique().cast(pl.Int64).alias("n_evals"),
        moments.min().alias("first_created_at"),
        moments.max().alias("last_created_at"),
    ]
