"""Which label a block gave instead of which."""

from __future__ import annotations

import polars as pl

from retab_analysis.analysis.frames import Frame, apply_lazily, check_frame, count_rows
from retab_analysis.arguments import resolve
from retab_analysis.errors import ConfigError, shown
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import DECIDED

_LABEL = ("block_id", "expected_value")
READ = (*_LABEL, "actual_value", "condition_kind", "state")


def confusion(results: Frame, *, block: str | None = None) -> Frame:
    """Count how often a block gave which label, for evals that assert one label.

    These are the evals whose condition is ``equals`` with a text, usually those of a classifier.

    Args:
        results: A RESULTS frame. Each result counts, so choose the runs first: results of one run
            tell how the workflow is now, and results of many runs mix edits.
        block: Only this block, its id; by default all blocks.

    Returns:
        One row per block, expected label and label that came, ordered by them, the most frequent
        first: ``block_id, expected_value, actual_value`` (String), as in RESULTS: JSON, so a label
        has quotation marks; ``n`` (Int64), the number of results. ``precision`` and ``recall``
        (Float64) are those of the expected label, the same in each of its rows. Recall is the share
        of its results that got it. Precision is the share of the results with this label that
        expected it, null if no result has it.

        ``actual_value`` is null if the block gave no value, for example because it was blocked;
        this counts against the recall. Results in error, cancelled and unscored ones are no
        outcomes, and are left out.

    Raises:
        ConfigError: It is not a frame, ``block`` is not a text, or a DataFrame has no such block.
        SchemaError: It is not a RESULTS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=10))
        >>> labels = ra.confusion(results, block="classify_document")
        >>> labels["expected_value"].unique().sort().to_list()
        ['"credit_note"', '"delivery_note"', '"invoice"', '"reminder"']
        >>> labels.filter(expected_value='"invoice"')["recall"][0] > 0.9
        True
    """
    if not isinstance(block, str | None):
        raise ConfigError(f"block must be the id of a block, got {shown(block)}")
    if block is not None and isinstance(results, pl.DataFrame):
        known = check_frame(results, RESULTS, ["block_id"]).select("block_id").collect()
        block = resolve("block", block, dict.fromkeys(known["block_id"].drop_nulls().sort()))
    return apply_lazily(results, RESULTS, READ, lambda lazy: _count(find_labels(lazy, block)))


def find_labels(results: pl.LazyFrame, block: str | None = None) -> pl.LazyFrame:
    """The outcomes of evals that assert one label; a pass has the label that it asserts."""
    asserts = (pl.col("condition_kind") == "equals") & pl.col("expected_value").str.starts_with('"')
    its = pl.lit(True) if block is None else pl.col("block_id") == block
    passed = pl.when(state="passed").then("expected_value")
    kept = results.filter(asserts, its, pl.col("state").is_in(DECIDED))
    return kept.with_columns(pl.coalesce(passed, "actual_value").alias("actual_value"))


def _count(labels: pl.LazyFrame) -> pl.LazyFrame:
    n, is_right = pl.col("n"), pl.col("actual_value") == pl.col("expected_value")
    counted = labels.group_by(*_LABEL, "actual_value").agg(count_rows().alias("n"))
    given = counted.group_by("block_id", expected_value="actual_value").agg(given=n.sum())
    right = n.filter(is_right).sum().over(_LABEL)
    both = counted.join(given, on=_LABEL, how="left", nulls_equal=True).with_columns(
        precision=right / pl.col("given"), recall=right / n.sum().over(_LABEL)
    )
    return both.sort(*_LABEL, -n, "actual_value", nulls_last=True).drop("given")
