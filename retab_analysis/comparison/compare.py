"""``compare`` and ``compare_versions``."""

from __future__ import annotations

import polars as pl

from retab_analysis.comparison.comparison import Comparison
from retab_analysis.comparison.sides import check_results
from retab_analysis.comparison.transitions import find_transitions
from retab_analysis.comparison.wording import counted, label
from retab_analysis.errors import ConfigError

_BY = ("workflow_version_id", "run_id", "workflow_draft_fingerprint")
_LISTED = 20

Results = pl.DataFrame | pl.LazyFrame


def compare(
    baseline: Results,
    candidate: Results,
    *,
    history: Results | None = None,
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two sets of results, eval by eval.

    Args:
        baseline: A RESULTS frame: what was.
        candidate: A RESULTS frame: what is. Either may hold several runs.
        history: A RESULTS frame of other runs, by which flaky evals are told from broken ones.
            Rows of the runs that are compared are left out of it.
        version_diff: What :func:`fetch_version_diff` gives, to tell regressions in blocks that
            changed from those in blocks that did not; else the blocks' fingerprints do.
        alpha: The level at which a difference counts as more than chance.

    Returns:
        The comparison.

    Raises:
        ConfigError: An argument that cannot be used.
        SchemaError: A frame that is no RESULTS frame.
    """
    return compare_sides(
        baseline, candidate, history=history, version_diff=version_diff, alpha=alpha, compared=None
    )


def compare_sides(
    baseline: Results,
    candidate: Results,
    *,
    history: Results | None,
    version_diff: pl.DataFrame | None,
    alpha: float,
    compared: str | None,
) -> Comparison:
    """The same, with a sentence of the caller's own that says what is compared."""
    _check_alpha(alpha)
    blocks = _changed_blocks(version_diff)
    left = check_results(baseline, "baseline").collect()
    right = check_results(candidate, "candidate").collect()
    others = None if history is None else _others(history, left, right)
    evals = find_transitions(left.lazy(), right.lazy(), others, blocks, alpha)
    return Comparison.make(evals, compared or _compared(left, right), alpha)


def _others(history: Results, left: pl.DataFrame, right: pl.DataFrame) -> pl.LazyFrame:
    seen = pl.concat([left["run_id"], right["run_id"]]).drop_nulls().unique()
    run = pl.col("run_id")
    rows = check_results(history, "history")
    return rows.filter(run.is_null() | ~run.is_in(seen.implode()))


def _compared(left: pl.DataFrame, right: pl.DataFrame) -> str:
    sides = (f"{counted(side['eval_id'].n_unique(), 'eval')}" for side in (right, left))
    now, before = sides
    return f"Compared {label(right)} ({now}) with {label(left)} ({before})."


def compare_versions(
    results: Results,
    baseline: str,
    candidate: str,
    *,
    by: str = "workflow_version_id",
    version_diff: pl.DataFrame | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two versions within one frame; its other rows are the history.

    Args:
        results: A RESULTS frame of several runs.
        baseline: The version that was.
        candidate: The version that is.
        by: What makes a version: ``workflow_version_id``, ``run_id`` or
            ``workflow_draft_fingerprint``.
        version_diff: As for :func:`compare`.
        alpha: As for :func:`compare`.

    Returns:
        The comparison.

    Raises:
        ConfigError: A version that is not in the frame (the message lists those that are), or
            another argument that cannot be used.
        SchemaError: A frame that is no RESULTS frame.
    """
    if by not in _BY:
        raise ConfigError(f"by must be one of {', '.join(_BY)}, got {by!r}")
    frame = check_results(results, "results", also=(by,)).collect()
    for name, value in (("baseline", baseline), ("candidate", candidate)):
        _check_known(frame, by, name, value)
    version = pl.col(by)
    others = frame.filter(~version.is_in((baseline, candidate)).fill_null(False))
    return compare(
        frame.filter(version == baseline),
        frame.filter(version == candidate),
        history=others,
        version_diff=version_diff,
        alpha=alpha,
    )


def _check_known(frame: pl.DataFrame, by: str, name: str, value: object) -> None:
    known = (
        frame.group_by(by)
        .agg(pl.col("run_created_at").max())
        .sort("run_created_at", by, descending=True, nulls_last=True)[by]
        .drop_nulls()
        .to_list()
    )
    if not isinstance(value, str) or value not in known:
        more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
        listed = ", ".join(known[:_LISTED]) or "none"
        raise ConfigError(f"{name}={value!r} is no {by} of these results; there are {listed}{more}")


def _check_alpha(alpha: float) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise ConfigError(f"alpha must be between 0 and 1, got {alpha!r}")


def _changed_blocks(version_diff: pl.DataFrame | None) -> frozenset[str] | None:
    if version_diff is None:
        return None
    is_frame = isinstance(version_diff, pl.DataFrame)
    if not is_frame or version_diff.schema.get("block_id") not in (pl.String, pl.Null):
        raise ConfigError(
            "version_diff must be a frame with a column block_id of texts, as "
            f"fetch_version_diff gives it; got {type(version_diff).__name__}"
        )
    return frozenset(version_diff["block_id"].drop_nulls().to_list())
