"""Run the benchmarks, all or those named: ``python tests/benchmarks/run.py [name …]``.

The exit code is 1 when a promise is not kept.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

NAMES = (
    *("decode_runs", "decode_results", "fetch_results", "fetch_run", "history"),
    *("check", "watch", "watch_memory", "compare", "evidence", "explore", "plots"),
    *("csv_round_trip", "engines", "archive", "week", "tables", "layers", "scale"),
)


def main(names: list[str]) -> int:
    harness = load("harness")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}\n")
        return 2
    lines, missed = [], []
    for name in names or NAMES:
        benchmark = load(name)
        rows = benchmark.measure()
        lines += harness.table(benchmark.NAME, rows, benchmark.PROMISES)
        missed += [f"{name}: {label}" for label in harness.broken(rows, benchmark.PROMISES)]
    sys.stdout.write(harness.markdown(lines))
    for each in missed:
        sys.stdout.write(f"not as promised: {each}\n")
    return 1 if missed else 0


def load(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main(sys.argv[1:]))
