"""What the model of failing rates costs, in processor time and memory, alone and in a comparison.

Every figure is of a process of its own, ``python -m benchmarks.evidence KIND EVALS RUNS``: the
processor time of all its threads for the work alone, which a busy machine changes less than the
time on the clock, and how far its memory rose. The load of the machine is printed beside.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from support.inside import Histories, answer, infer

from benchmarks import compare, harness
from benchmarks.harness import AtMost, Figure

NAME = "evidence"
SIZE = 100_000
MODEL_SIZES = ((480, 22), (10_000, 200))
HISTORY_RUNS = 20
SMALL, LARGE = (f"the model, {evals:,} evals × {runs} runs" for evals, runs in MODEL_SIZES)
ALONE = f"compare 2 × {SIZE:,} results"
HISTORY = f"{ALONE} with {HISTORY_RUNS} runs of history"
TIME, MEMORY, LOAD = ": processor time", ": memory", "load of the machine, of all cores"
PROMISES = {
    SMALL + TIME: AtMost(0.15),
    LARGE + TIME: AtMost(5.0),
    LARGE + MEMORY: AtMost(600.0),
    ALONE + TIME: AtMost(2.0),
    HISTORY + TIME: AtMost(15.0),
    HISTORY + MEMORY: AtMost(1_000.0),
}
BLOCKS = 8


def measure(size: int = SIZE) -> list[Figure]:
    """Infer from the histories of two suites, and compare two sides of ``size`` results."""
    scale = size / SIZE
    kinds = [
        *(
            (label, "model", max(1, round(evals * scale)), runs)
            for label, (evals, runs) in zip((SMALL, LARGE), MODEL_SIZES, strict=True)
        ),
        (ALONE, "compare", size, 0),
        (HISTORY, "compare", size, HISTORY_RUNS),
    ]
    figures = []
    for label, kind, evals, runs in kinds:
        measured = [_measure(kind, evals, runs) for _ in range(harness.ROUNDS)]
        took, memory = (min(each) for each in zip(*measured, strict=True))
        figures += [Figure(label + TIME, took, "s"), Figure(label + MEMORY, memory, "MB")]
    return [*figures, Figure(LOAD, os.getloadavg()[0] / (os.cpu_count() or 1), "")]


def _measure(kind: str, evals: int, runs: int) -> tuple[float, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.evidence"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
    }
    told = subprocess.check_output(
        [*command, kind, str(evals), str(runs)], encoding="utf-8", env=environment
    )
    took, memory = map(float, told.split())
    return took, memory


def suite(evals: int, runs: int, seed: int = 0) -> Histories:
    """Outcomes of solid, shaky and failing evals of a few blocks, with episodes and edits."""
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.0005, 0.03, 0.2, 0.6, 0.99], evals, p=[0.75, 0.1, 0.06, 0.04, 0.05])
    rates = np.repeat(rate[:, None], runs + 1, axis=1)
    for e in np.flatnonzero(rng.random(evals) < 0.2):
        begin, length = rng.integers(0, runs + 1), rng.integers(1, 12)
        rates[e, begin : begin + length] = rng.choice([0.5, 0.97])
    fails = (rng.random(rates.shape) < rates).astype(np.int64)
    passes = 1 - fails
    gone = rng.random(rates.shape) < 0.02
    passes[gone], fails[gone] = 0, 0
    block = rng.integers(0, BLOCKS, evals)
    edited = np.where(rng.random((BLOCKS, runs + 1)) < 0.1, 2, 0)
    jumps = np.ones(rates.shape, dtype=bool)
    return Histories(passes, fails, block, edited[block], runs, jumps)


def results(evals: int, runs: int) -> pl.DataFrame:
    """The results of earlier runs, in which now and then an eval failed."""
    number = pl.int_range(pl.len())
    parts = [
        compare.side(evals, 1).with_columns(
            pl.when((number * 7919 + run) % 97 == 0)
            .then(pl.lit("failed"))
            .otherwise(pl.lit("passed"))
            .alias("state"),
            pl.lit(f"wfevalrun_{-run:012}").alias("run_id"),
            pl.format(f"wfevalresult_{-run}_{{}}", number).alias("result_id"),
            pl.col("run_created_at", "created_at") - pl.duration(days=run),
        )
        for run in range(1, runs + 1)
    ]
    return pl.concat(parts) if parts else compare.side(1, 1).clear()


def prepare(kind: str, evals: int, runs: int) -> Callable[[], object]:
    """The work, as a function without arguments."""
    if kind == "model":
        given = suite(evals, runs)
        return lambda: answer(given, infer(given))
    sides = compare.side(evals, 1), compare.side(evals, 2)
    return partial(compare.conclude, *sides, history=results(evals, runs) if runs else None)


def main(kind: str, evals: int, runs: int) -> None:
    prepare(kind, 20, min(runs, 2))()  # what is loaded and started once
    work = prepare(kind, evals, runs)
    before, memory = _processor_seconds(), compare.peak()
    work()
    took, rose = _processor_seconds() - before, compare.peak() - memory
    sys.stdout.write(f"{took} {rose / 1e6}\n")


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
