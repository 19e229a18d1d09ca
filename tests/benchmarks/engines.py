"""Four questions asked of the same files by three engines, as an archive exports them.

Polars streams the library's own functions. DuckDB and Spark are asked in SQL, and have to say the
same. Spark is a program of its own, ``python -m benchmarks.engines FOLDER``, and is left out where
pyspark or Java is missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl
from polars.testing import assert_frame_equal
from support import questions
from support.hive import ask, in_utc, open_views, scan, write_hive
from support.inside import RUNS

import retab_analysis as ra
from benchmarks import harness
from benchmarks.compare import side
from benchmarks.harness import AtMost, Figure, seconds

NAME = "engines"
SIZE = 1_000_000
POLARS, DUCKDB, SPARK = (
    f"three questions of {SIZE:,} results: {engine}" for engine in ("polars", "DuckDB", "Spark")
)
PROMISES = {POLARS: AtMost(15.0)}
WORKFLOWS, MONTHS, EVALS = 10, 12, 80
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def states_by_version(results: Any) -> Any:
    return ra.states(results, "workflow_version_id")


QUESTIONS: dict[Callable[[Any], Any], str] = {
    ra.summarize_runs: questions.summarize_runs(),
    states_by_version: questions.states("workflow_version_id"),
    ra.summarize_results: questions.summarize_results("block_id"),
}


Engine = Callable[[Callable[[Any], Any]], pl.DataFrame]


def measure(size: int = SIZE) -> list[Figure]:
    """Ask for ``size`` results of ten workflows and twelve months."""
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        folder = Path(name)
        write_hive(folder, world(size))
        open_views(connection, folder)
        took = {
            POLARS: time(partial(stream, folder)),
            DUCKDB: time_like_ours(lambda each: ask(connection, QUESTIONS[each]), folder),
        }
        if reason := why_no_spark():
            sys.stderr.write(f"Spark was not asked: {reason}\n")
        else:
            took[SPARK] = _time_spark(folder)
    return [Figure(label, each, "s") for label, each in took.items()]


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


def time(engine: Engine) -> float:
    """How many seconds an engine takes for the three questions, one after the other."""
    return median(seconds(lambda: [*map(engine, QUESTIONS)]) for _ in range(harness.ROUNDS))


def time_like_ours(engine: Engine, folder: Path) -> float:
    """The same, once it is seen that the engine gives the answers that ours gives."""
    for question in QUESTIONS:
        ours, theirs = stream(folder, question), engine(question)
        assert_frame_equal(theirs.select(ours.columns), ours, rel_tol=1e-9, abs_tol=1e-9)
    return time(engine)


def why_no_spark() -> str | None:
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (pip install pyspark pyarrow)"
    return None if shutil.which("java") else "there is no Java here (17 or newer)"


def _time_spark(folder: Path) -> float:
    """By a program of its own, with which its virtual machine ends."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.engines", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert ended.returncode == 0, ended.stderr
    return float(ended.stdout)


def main(folder: Path) -> None:
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.shuffle.partitions": "4",  # and not 200, on two cores
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    for name in ("runs", "results"):
        spark.read.parquet(str(folder / name)).createOrReplaceTempView(name)

    def engine(question: Callable[[Any], Any]) -> pl.DataFrame:
        return in_utc(pl.DataFrame(spark.sql(QUESTIONS[question]).toArrow()))

    sys.stdout.write(f"{time_like_ours(engine, folder)}\n")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
