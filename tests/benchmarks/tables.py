"""What weeks and labels of a frame cost, in times of counting its results by block.

All figures are processor time in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from statistics import median

import polars as pl

import retab_analysis as ra
from benchmarks import harness
from benchmarks.compare import side
from benchmarks.harness import AtMost, Figure, processor_seconds

NAME = "tables"
SIZE, DAYS = 100_000, 100
PLAIN = f"{SIZE:,} results in {DAYS} runs: summarize_results"
WEEKS, LABELS = (f"{each}, in times of summarize_results" for each in ("by week", "confusion"))
EVALS = f"{SIZE:,} results in {DAYS} runs: summarize_evals"
PROMISES = {PLAIN: AtMost(1.0), EVALS: AtMost(0.8), WEEKS: AtMost(2.0), LABELS: AtMost(2.0)}


def measure(size: int = SIZE) -> list[Figure]:
    """Count ``size`` results plainly, by week, and by label; and conclude about each eval."""
    frame = results(size)
    plain = _median(lambda: ra.summarize_results(frame))
    weeks = _median(lambda: ra.summarize_results(frame, every="1w"))
    labels = _median(lambda: ra.confusion(frame))
    evals = _median(lambda: ra.summarize_evals(frame))
    return [
        Figure(PLAIN, plain, "s"),
        Figure(EVALS, evals, "s"),
        Figure(WEEKS, weeks / plain, "times"),
        Figure(LABELS, labels / plain, "times"),
    ]


def results(n: int) -> pl.DataFrame:
    """Evals of four labels in a run each day; some get another label."""
    at = pl.int_range(pl.len())
    evals = max(2, n // DAYS)
    parts = [
        side(evals, day).with_columns(
            pl.col("run_created_at", "created_at") + timedelta(days=1000),
            expected_value=pl.format('"label {}"', at % 4),
            actual_value=pl.format('"label {}"', (at + (at % 50 == day % 50)) % 4),
        )
        for day in range(max(2, n // evals))
    ]
    return pl.concat(parts)


def _median(work: Callable[[], object]) -> float:
    work()  # loads the code
    return median(processor_seconds(work) for _ in range(harness.ROUNDS))
