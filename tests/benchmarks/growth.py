"""How time and memory of each kind of work grow with the number of results.

As a program, ``python -m benchmarks.growth WORK SIZE``, it does one kind of work once and says what
it took: seconds of processor time, and by how many bytes the peak of its memory rose.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

import retab_analysis as ra
from benchmarks import bodies
from benchmarks.compare import conclude, peak, side
from benchmarks.harness import AtMost, Figure

NAME = "growth"
SIZE = 1_000_000
SIZES = (SIZE // 100, SIZE // 10, SIZE)
EVALS = 2_000
# Three times the results in a run, and a logarithm, are no reason for more.
MOST = AtMost(1.5)


def _decode(size: int) -> Callable[[], object]:
    body = bodies.page(bodies.results(min(size, 10_000)))
    times = max(1, size // 10_000)
    return lambda: [ra.decode_results(body) for _ in range(times)]


def _runs(size: int) -> pl.DataFrame:
    """Results of runs of the same evals, each of a later hour."""
    one = side(min(size, EVALS), 1)
    hour = pl.duration(hours=pl.col("run"))
    many = pl.concat([one.with_columns(run=pl.lit(at)) for at in range(max(1, size // EVALS))])
    return many.with_columns(
        pl.format("run_{}", "run").alias("run_id"),
        pl.format("result_{}", pl.int_range(pl.len())).alias("result_id"),
        pl.col("run_created_at") + hour,
        pl.col("created_at") + hour,
    ).drop("run")


def _summarize(size: int) -> Callable[[], object]:
    results = _runs(size)
    return lambda: ra.summarize_evals(results)


def _compare(size: int) -> Callable[[], object]:
    results = _runs(size)
    newest = pl.col("run_id") == results["run_id"][-1]
    earlier = results.filter(~newest)
    before = earlier if earlier.height else side(results.height, 0)
    return lambda: conclude(before, results.filter(newest))


def _csv(size: int) -> Callable[[], object]:
    frame = side(size, 1)

    def work() -> None:
        file = io.StringIO()
        ra.write_csv(frame, file)
        file.seek(0)
        ra.read_csv(file, "results")

    return work


WORK = {
    "decode": _decode,
    "summarize": _summarize,
    "compare with history": _compare,
    "write and read CSV": _csv,
}
PROMISES = {f"{name}: growth": MOST for name in WORK}


def measure(size: int = SIZE) -> list[Figure]:
    """A hundredth, a tenth and the whole of so many results: time and memory for each of them."""
    figures = []
    for name in WORK:
        sizes = [max(1, size // 100), max(1, size // 10), size]
        measured = [_in_a_process(name, each) for each in sizes]
        for shown, count, (seconds, memory) in zip(SIZES, sizes, measured, strict=True):
            figures.append(Figure(f"{name}, {shown:,}: time", 1e6 * seconds / count, "µs a result"))
            figures.append(Figure(f"{name}, {shown:,}: peak", memory / count, "B a result"))
        times = [seconds / count for count, (seconds, _) in zip(sizes, measured, strict=True)]
        figures.append(Figure(f"{name}: growth", times[2] / times[1], "times the time a result"))
    return figures


def _in_a_process(name: str, size: int) -> tuple[float, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.growth", name, str(size)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    said = subprocess.check_output(command, encoding="utf-8", env=environment)
    seconds, memory = json.loads(said)
    return seconds, memory


def main(name: str, size: int) -> None:
    WORK[name](20)()  # what is loaded and started once
    work = WORK[name](size)
    before = peak()
    start = time.process_time()
    work()
    took = time.process_time() - start
    sys.stdout.write(json.dumps([took, max(1, peak() - before)]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
