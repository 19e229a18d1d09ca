"""Hand-made histories, written as letters: what is known of evals, and what must be said of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from support.frames import START, result, results

from retab_analysis.comparison import Comparison, compare
from retab_analysis.comparison.compare import compare_sides
from retab_analysis.comparison.sides import Sides, check_results

STATES = {
    "P": "passed",
    "F": "failed",
    "B": "blocked",
    "E": "error",
    "C": "cancelled",
    "U": "unscored",
}
Rows = list[dict[str, Any]]


def history(eval_id: str, outcomes: str, codes: str | None = None, **more: Any) -> Rows:
    """One result per run: the letters are those of :data:`STATES`, a dot is no result.

    Args:
        eval_id: The eval.
        outcomes: A letter for each run, from run 1 on.
        codes: A letter for the code of the eval's block in each run; one code if None.
        **more: Further columns.
    """
    return [
        result(
            eval_id,
            STATES[letter],
            at + 1,
            **{
                "block_execution_fingerprint": codes[at] if codes else "A",
                "workflow_version_id": f"v{codes[at] if codes else 'A'}",
                "document_names": [f"{eval_id}.pdf"],
                "document_ids": [eval_id],
                **more,
            },
        )
        for at, letter in enumerate(outcomes)
        if letter != "."
    ]


def runs(rows: Rows, first: int, last: int | None = None) -> pl.DataFrame:
    """The results of some runs, both ends inclusive."""
    start, end = (START + timedelta(days=run) for run in (first, first if last is None else last))
    return results(*(row for row in rows if start <= row["run_created_at"] <= end))


def held_against(
    rows: Rows, baseline: int | tuple[int, int], candidate: int | tuple[int, int], **more: Any
) -> Comparison:
    """Compare some runs with others; all rows are the history."""
    sides = [runs(rows, *((at,) if isinstance(at, int) else at)) for at in (baseline, candidate)]
    return compare(sides[0], sides[1], history=results(*rows), **more)


def held_against_own_past(rows: Rows, candidate: int, **more: Any) -> Comparison:
    """Compare a run with each eval's own last good result, as ``check`` does."""
    now = check_results(runs(rows, candidate), "candidate").collect()
    past = check_results(runs(rows, 0, candidate - 1), "history").collect()
    return compare_sides(Sides(candidate=now, history=past, **more), 0.05, 0.05)


def the_only(comparison: Comparison) -> dict[str, Any]:
    """The row of the only eval."""
    (row,) = comparison.evals.iter_rows(named=True)
    return row
