"""What ``import retab_analysis`` costs, as a multiple of ``import polars``.

Each import is a program of its own; what counts is the processor time of the whole program, which a
busy machine changes less than the time on the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from benchmarks.harness import AtMost, Figure, best_of_both

NAME = "import_cost"
IMPORT = "import retab_analysis"
FIRST_CALL = "what a first fetch_runs needs"
PROMISES = {IMPORT: AtMost(1.4)}
UNIT = "times import polars"


def measure(size: int = 10) -> list[Figure]:
    """Compare both with polars, the best of ``size`` starts in each round."""
    programs = {
        IMPORT: "import retab_analysis",
        FIRST_CALL: "import retab_analysis as ra; ra.Client; ra.fetch_runs",
    }
    return [_compare(label, code, min(size, 10)) for label, code in programs.items()]


def _compare(label: str, code: str, starts: int) -> Figure:
    ours, polars = best_of_both(
        lambda: min(_processor_seconds(code) for _ in range(starts)),
        lambda: min(_processor_seconds("import polars") for _ in range(starts)),
    )
    return Figure(label, ours / polars, UNIT)


def _processor_seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
