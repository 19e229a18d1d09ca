"""Three questions asked of a million results in files, as an archive exports them.

Polars streams the library's own functions; ``tests/archive/test_engines.py`` has DuckDB say the
same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from support.hive import scan, write_hive
from support.inside import RUNS

import retab_analysis as ra
from benchmarks import harness
from benchmarks.compare import side
from benchmarks.harness import AtMost, Figure, seconds

NAME = "engines"
SIZE = 1_000_000
POLARS = f"three questions of {SIZE:,} results in files"
PROMISES = {POLARS: AtMost(15.0)}
WORKFLOWS, MONTHS, EVALS = 10, 12, 80
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def states_by_version(results: Any) -> Any:
    return ra.states(results, "workflow_version_id")


QUESTIONS = (ra.summarize_runs, states_by_version, ra.summarize_results)


def measure(size: int = SIZE) -> list[Figure]:
    """Ask for ``size`` results of ten workflows and twelve months."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_hive(folder, world(size))

        def ask() -> list[pl.DataFrame]:
            return [stream(folder, each) for each in QUESTIONS]

        took = median(seconds(ask) for _ in range(harness.ROUNDS))
    return [Figure(POLARS, took, "s")]


def world(size: int) -> dict[str, pl.DataFrame]:
    """Results with fingerprints as long as the API's, and their runs, spread over a year."""
    number = pl.int_range(pl.len())
    run, part = number // EVALS, number % EVALS
    flow, hour = run % WORKFLOWS, run // WORKFLOWS
    hours = max(1, size // EVALS // WORKFLOWS)
    moment = pl.lit(FIRST) + pl.duration(minutes=hour * (MONTHS * 30 * 24 * 60 // hours))
    draw = number.hash(seed=32) % 100
    results = side(size, 1).with_columns(
        eval_name=pl.format("Document {}: total", part),
        eval_id=pl.format("wfnodeeval_{}_{}", flow, part),
        state=pl.when(draw < 88)
        .then(pl.lit("passed"))
        .when(draw < 94)
        .then(pl.lit("failed"))
        .when(draw < 97)
        .then(pl.lit("blocked"))
        .otherwise(pl.lit("error")),
        block_id=pl.format("block_{}_{}", flow, part % 8),
        duration_ms=800 + (draw * 31).cast(pl.Int64),
        run_id=pl.format("wfevalrun_{}", run),
        workflow_version_id=pl.format("wfv_{}_{}", flow, hour // 100),
        run_created_at=moment,
        created_at=moment,
        workflow_id=pl.format("wf_{}", flow),
    )
    states = ("passed", "failed", "blocked", "error")
    runs = results.group_by("run_id", maintain_order=True).agg(
        pl.col("workflow_id", "workflow_version_id", "created_at").first(),
        *((pl.col("state") == each).sum().cast(pl.Int64).alias(each) for each in states),
        total_evals=pl.len().cast(pl.Int64),
        duration_ms=pl.col("duration_ms").sum(),
        queue_ms=pl.col("duration_ms").min(),
        ok=(pl.col("state") == "passed").all(),
        status=pl.lit("completed"),
        scope=pl.lit("workflow"),
        cancelled=pl.lit(0, pl.Int64),
    )
    return {"runs": pl.concat([RUNS.empty(), runs], how="diagonal"), "results": results}


def stream(folder: Path, question: Callable[[Any], Any]) -> pl.DataFrame:
    """What a function of ours says of exported files."""
    name = "runs" if question is ra.summarize_runs else "results"
    found = question(scan(folder, name))
    return found.drop("month", strict=False).collect(engine="streaming")
