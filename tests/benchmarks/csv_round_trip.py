"""A CSV file written and read, against polars' own writer and reader on the same rows.

As a program, ``python -m benchmarks.csv_round_trip PATH``, it reads the results in a file once and
says how far its memory rose, as a multiple of what the frame takes.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

import retab_analysis as ra
from benchmarks import harness
from benchmarks.compare import frame_bytes, peak, side
from benchmarks.harness import AtMost, Figure, alone, processor_seconds

NAME = "csv_round_trip"
SIZE = 300_000
WRITE = f"write {SIZE:,} results: processor time"
READ = f"read {SIZE:,} results: processor time"
MEMORY = f"read {SIZE:,} results: peak memory"
PROMISES = {WRITE: AtMost(1.7), READ: AtMost(3.0), MEMORY: AtMost(1.5)}


def measure(size: int = SIZE) -> list[Figure]:
    """Write and read so many results; polars reads and writes the same columns, lists as text."""
    frame = side(size, 2)
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    plain = frame.with_columns(pl.col(name).list.join(",") for name in lists)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours.csv"), Path(folder, "theirs.csv")
        write = _against(partial(ra.write_csv, frame, ours), partial(plain.write_csv, theirs))
        read = _against(partial(ra.read_csv, ours, "results"), partial(pl.read_csv, ours))
        assert ra.read_csv(ours, "results").equals(frame)
        memory = alone(NAME, ours)
    return [
        Figure(WRITE, write, "times polars'"),
        Figure(READ, read, "times polars'"),
        Figure(MEMORY, memory, "times the frame"),
    ]


def _against(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    took = harness.medians_of_both(
        lambda: processor_seconds(ours), lambda: processor_seconds(theirs)
    )
    return took[0] / took[1]


def main(path: str) -> None:
    few = io.StringIO()
    ra.write_csv(side(20, 1), few)
    few.seek(0)
    ra.read_csv(few, "results")  # what is loaded and started once
    before = peak()
    frame = ra.read_csv(path, "results")
    sys.stdout.write(f"{(peak() - before) / frame_bytes(frame)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
