"""Hand-made histories, written as letters: what is known of evals, and what must be said of it."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

import polars as pl
from support.frames import START, result, results
from support.inside import (
    COMPARISON,
    Comparison,
    Sides,
    check_results,
    compare,
    compare_sides,
)
from support.lettered_api import STATES

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
    more = {"asked": (None, "last_good")} | more
    return compare_sides(Sides.of(now, history=past, **more), 0.05, 0.05)


def the_only(comparison: Comparison) -> dict[str, Any]:
    """The row of the only eval."""
    (row,) = comparison.evals.iter_rows(named=True)
    return row


def suite(before: str, after: str, code: str = "A", **more: Any) -> Comparison:
    """Compare one run with another: a letter per eval on either side, a dot is no result.

    Args:
        before: The baseline's run.
        after: The candidate's.
        code: The code of the candidate; the baseline's is A.
        **more: Further columns of all results.
    """
    sides: list[Rows] = [[], []]
    for at, letters in enumerate(zip(before, after, strict=True)):
        rows = history(f"e{at:02}", "".join(letters), f"A{code}", **more)
        for row in rows:
            sides[row["run_id"] == "run_2"].append(row)
    return compare(results(*sides[0]), results(*sides[1]))


def many_evals(
    number: int, outcomes: str, codes: str | None = None, name: str = "e", **more: Any
) -> Rows:
    """The same history of several evals, each of a document of its own."""
    return [
        row for at in range(number) for row in history(f"{name}{at:03}", outcomes, codes, **more)
    ]


RUNS = 20
"""How many runs there are before the candidate's in :func:`every_transition`."""


def every_transition() -> Rows:
    """Evals of which, in run 21, something different has become of each."""
    edited = {"block_id": "edited", "codes": "A" * RUNS + "B"}
    steady = {"block_id": "steady"}
    return [
        *history("broken", "P" * RUNS + "F", **edited),
        *history("blocked", "P" * RUNS + "B", **edited),
        *history("crashed", "P" * RUNS + "E", **edited),
        *history("doubtful", "P" * RUNS + "F", **steady),
        *history("mended", "F" * RUNS + "P", **edited),
        *history("shaky", "FFPFP" * 4 + "F", **steady),
        *history("stopped", "P" * RUNS + "C", **steady),
        *history("changed", "P" * RUNS, **steady),
        *history("changed", "." * RUNS + "F", expected_value="9", **steady),
        *history("gone", "P" * RUNS + ".", **steady),
        *history("new", "." * RUNS + "F", **steady),
        *history("gap", "F" * (RUNS + 1), **steady),
        *(row for at in range(8) for row in history(f"fine{at}", "P" * (RUNS + 1), **steady)),
    ]


TRANSITION_OF = {
    "broken": "regressed",
    "blocked": "newly_blocked",
    "crashed": "newly_errored",
    "doubtful": "suspect",
    "mended": "fixed",
    "shaky": "flaky",
    "stopped": "incomplete",
    "changed": "not_comparable",
    "gone": "removed",
    "new": "added",
    "gap": "still_failing",
    **{f"fine{at}": "still_passing" for at in range(8)},
}
"""What has become of each eval of :func:`every_transition`."""


@functools.cache
def of_every_transition(*, own_past: bool = False) -> Comparison:
    """The comparison of run 21 with run 20, or with each eval's own past."""
    rows = every_transition()
    if own_past:
        return held_against_own_past(rows, RUNS + 1)
    return held_against(rows, RUNS, RUNS + 1)


BESIDE = {
    "is_latest": pl.Boolean(),
    "is_outage": pl.Boolean(),
    "not_run_since": pl.Datetime("us", "UTC"),
}
"""What is kept of each eval beside what is shown, as far as words are made of it."""


def hand_made(*evals: dict[str, Any]) -> pl.DataFrame:
    """``Comparison.evals`` of evals of which only what matters is said."""
    schema = {**COMPARISON.schema, **BESIDE}
    usual = dict.fromkeys(schema) | {"block_id": "extract", "is_latest": False, "is_outage": False}
    rows = [usual | {"eval_id": f"e{at}"} | each for at, each in enumerate(evals)]
    return pl.DataFrame(rows, schema=schema)


def numbers(comparison: Comparison) -> dict[str, Any]:
    """The row of ``Comparison.summary``."""
    return comparison.summary.row(0, named=True)
