"""Two sides of many results, each eval once on either: the most evals there can be to compare.

As a program, ``python -m benchmarks.compare SIZE``, it compares once and says how far its memory
rose, as a multiple of what the two frames take.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import polars as pl
from support.inside import RESULTS, Comparison

import retab_analysis as ra
from benchmarks import harness
from benchmarks.harness import AtMost, Figure, alone, seconds

NAME = "compare"
SIZE = 100_000
TENTH, WHOLE, TENFOLD = (f"2 × {each:,} results" for each in (SIZE // 10, SIZE, 10 * SIZE))
MEMORY = f"{WHOLE}: peak memory"
GROWTH = f"a result among {10 * SIZE:,}, against one among {SIZE // 10:,}"
EARLIER = 20
HISTORY = f"{WHOLE}, {EARLIER} runs of history"
PROMISES = {
    WHOLE: AtMost(3.0),
    HISTORY: AtMost(15.0),
    MEMORY: AtMost(4.0),
    GROWTH: AtMost(1.5),
}
# One of so many fails on the candidate's side, and one of so many in each earlier run.
BROKEN, SHAKY = 20, 97


def measure(size: int = SIZE) -> list[Figure]:
    """Compare a tenth of ``size`` results with as many, ``size`` and ten times as many."""
    sizes = (max(1, size // 10), size, 10 * size)
    took = [_seconds(each) for each in sizes]
    shown = zip((TENTH, WHOLE, TENFOLD), took, strict=True)
    return [
        *(Figure(label, each, "s") for label, each in shown),
        Figure(HISTORY, _seconds(size, history(size)), "s"),
        Figure(GROWTH, took[2] / sizes[2] / (took[0] / sizes[0]), "times the time"),
        Figure(MEMORY, alone(NAME, size), "times the frames"),
    ]


def side(size: int, run: int) -> pl.DataFrame:
    """The results of a run, with values and fingerprints as long as the API's."""
    number = pl.int_range(size)
    failed = pl.lit(False)
    if run != 1:
        failed = number % BROKEN == 0 if run == 2 else number % SHAKY == run % SHAKY
    wide = number.cast(pl.String).str.zfill(64)
    moment = pl.lit(datetime(2026, 5, 18, tzinfo=UTC) + timedelta(days=run))
    code = 2 if run == 2 else 1
    value = number.cast(pl.String)
    known = {
        "eval_name": pl.format("Invoice {}: total", number),
        "eval_id": pl.format("wfnodeeval_{}", number.cast(pl.String).str.zfill(21)),
        "state": pl.when(failed).then(pl.lit("failed")).otherwise(pl.lit("passed")),
        "block_id": pl.format("block_{}", number % 8),
        "document_names": pl.concat_list(pl.format("invoice {}.pdf", number)),
        "duration_ms": 800 + number % 1000 + run,
        "expected_value": value,
        "actual_value": pl.when(failed).then(pl.lit("null")).otherwise(value),
        "condition_kind": pl.lit("equals"),
        "run_id": pl.lit(f"wfevalrun_{run:012}"),
        "workflow_version_id": pl.lit(f"wfv_{run:032}"),
        "run_created_at": moment,
        "created_at": moment,
        "result_id": pl.format(f"wfevalresult_{run}_{{}}", number.cast(pl.String).str.zfill(12)),
        "workflow_id": pl.lit("wf_invoices"),
        "handle_inputs_fingerprint": wide,
        "block_execution_fingerprint": pl.lit(f"{code:064}"),
        "workflow_draft_fingerprint": pl.lit(f"{run:064}"),
        "execution_fingerprint": wide,
        "artifact_id": pl.format("art_{}", wide.str.slice(48)),
    }
    schema = RESULTS.schema.items()
    frame = pl.select(**{name: known.get(name, pl.lit(None)).cast(kind) for name, kind in schema})
    # In one piece a column of equal values takes the memory of a single one.
    whole = pl.concat([frame.head(size // 2), frame.tail(size - size // 2)], rechunk=True)
    assert whole.height == size
    return whole


def history(size: int) -> pl.DataFrame:
    """The runs before, of the baseline's code, in which now and then an eval failed."""
    return pl.concat([side(size, -run) for run in range(EARLIER)])


def conclude(
    before: pl.DataFrame, after: pl.DataFrame, history: pl.DataFrame | None = None
) -> Comparison:
    """Compare two sides, with the suite's test, which is made once somebody asks for it."""
    compared = ra.compare(before, after, history=history)
    assert compared.verdict
    return compared


def _seconds(size: int, earlier: pl.DataFrame | None = None) -> float:
    work = partial(conclude, side(size, 1), side(size, 2), history=earlier)
    compared = work()
    worse = compared.summary.select(pl.sum_horizontal("regressed", "suspect")).item()
    assert worse == -(-size // BROKEN)
    return median(seconds(work) for _ in range(harness.ROUNDS))


def main(size: int) -> None:
    conclude(side(BROKEN, 1), side(BROKEN, 2))  # what is loaded and started once
    before = peak()
    frames = side(size, 1), side(size, 2)
    conclude(*frames)
    sys.stdout.write(f"{(peak() - before) / sum(map(frame_bytes, frames))}\n")


def frame_bytes(frame: pl.DataFrame) -> int:
    """What a frame takes; polars' estimate leaves out 16 bytes that each text has beside it."""
    texts = sum(kind == pl.String for kind in frame.dtypes)
    return int(frame.estimated_size()) + 16 * texts * frame.height


def peak() -> int:
    """The most memory that this process has had, in bytes.

    Linux counts into ``ru_maxrss`` what the process that started this one had.
    """
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    main(int(sys.argv[1]))
