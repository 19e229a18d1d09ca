"""What the model of failing rates costs, in processor time and memory.

Every figure is of a process of its own, ``python -m benchmarks.evidence EVALS RUNS``: the processor
time of all its threads for the work alone, which a busy machine changes less than the time on the
clock, and how far its memory rose. The load of the machine is printed beside.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from statistics import median

import numpy as np
from evidence.exact import ask
from support.inside import Histories

from benchmarks import compare, harness
from benchmarks.harness import AtMost, Figure, alone, processor_seconds

NAME = "evidence"
SIZE = 100_000
MODEL_SIZES = ((480, 22), (10_000, 200))
SMALL, LARGE = (f"the model, {evals:,} evals × {runs} runs" for evals, runs in MODEL_SIZES)
TIME, MEMORY, LOAD = ": processor time", ": memory", "load of the machine, of all cores"
PROMISES = {
    SMALL + TIME: AtMost(0.15),
    LARGE + TIME: AtMost(5.0),
    LARGE + MEMORY: AtMost(600.0),
}
BLOCKS = 8


def measure(size: int = SIZE) -> list[Figure]:
    """Infer from the histories of two suites, each ``size / 100,000`` of its usual size."""
    figures = []
    for label, (evals, runs) in zip((SMALL, LARGE), MODEL_SIZES, strict=True):
        fewer = max(1, round(evals * size / SIZE))
        measured = [
            alone(NAME, fewer, runs, OPENBLAS_NUM_THREADS="1") for _ in range(harness.ROUNDS)
        ]
        took, memory = (median(each) for each in zip(*measured, strict=True))
        figures += [Figure(label + TIME, took, "s"), Figure(label + MEMORY, memory, "MB")]
    return [*figures, Figure(LOAD, os.getloadavg()[0] / (os.cpu_count() or 1), "")]


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
    codes = np.cumsum(edited == 2, axis=1) + 1
    document = np.arange(evals) // 3
    return Histories(
        passes, fails, block, document, edited[block], codes[block], runs, jumps, ~jumps
    )


def main(evals: int, runs: int) -> None:
    small, given = suite(20, 2), suite(evals, runs)
    ask(small)  # what is loaded and started once
    memory = compare.peak()
    took = processor_seconds(partial(ask, given))
    sys.stdout.write(json.dumps([took, (compare.peak() - memory) / 1e6]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
