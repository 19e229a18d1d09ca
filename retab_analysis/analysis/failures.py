"""The results that did not pass."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily
from retab_analysis.schema import RESULTS, RESULTS_WITH_PAYLOADS
from retab_analysis.vocabulary import FAILING, MOMENT

_TIMES = ("run_created_at", "created_at")
_READING = (
    *("eval_name", "eval_id", "state", "block_id", "document_names", "expected_value"),
    *("actual_value", "path", "condition", "condition_kind", "failure_code", "failure_message"),
    *("status_message", "score", "threshold", "duration_ms", "run_id", "workflow_version_id"),
    *("run_created_at", "result_id"),
)


def failures(results: Frame) -> Frame:
    """Select the results that did not pass, with the columns to read.

    Args:
        results: A RESULTS frame.

    Returns:
        The rows that failed, were blocked or ended in an error, the newest run first, then by block
        and eval. They have the columns of a RESULTS frame about the expected and the actual value
        and the reason, then your own. Cancelled and unscored results are not among them.

    Raises:
        ConfigError: It is not a frame.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> sorted(ra.failures(results)["state"].unique())
        ['blocked', 'error', 'failed']
    """

    def failing(lazy: pl.LazyFrame) -> pl.LazyFrame:
        ours = RESULTS_WITH_PAYLOADS.schema
        own = [name for name in lazy.collect_schema() if name not in ours]
        order = (MOMENT, "run_id", "block_id", "eval_id", "result_id")
        newest_first = [True, False, False, False, False]
        rows = lazy.filter(pl.col("state").is_in(FAILING))
        return rows.sort(order, descending=newest_first, nulls_last=True).select(*_READING, *own)

    return apply_lazily(results, RESULTS, (*_READING, *_TIMES), failing)
