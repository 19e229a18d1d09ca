"""An archive: its first sync beside a fetch of the same, and what is read of a million results.

As a program, ``python -m benchmarks.archive WORK PATH``, it does one piece of work of ``WORKS``,
and says how long that took and how far the memory of its process rose.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from support.documents import run_document

import retab_analysis as ra
from benchmarks import bodies
from benchmarks.bulk_world import BULK_WORKFLOW_ID
from benchmarks.compare import peak
from benchmarks.harness import ROUNDS, AtMost, Figure, alone, medians_of_both, seconds
from benchmarks.programs import BulkServer

NAME = "archive"
EVALS, LATENCY = 40, 0.05
RUNS, MANY_RUNS = 5_000, 25_000
SYNC = f"first sync of {RUNS * EVALS:,} results: time / the fetch's"
SYNC_PEAK, FETCH_PEAK = (
    f"{each} of {RUNS * EVALS:,} results: peak memory" for each in ("first sync", "fetch")
)
SECOND = f"second sync of {RUNS:,} runs, nothing new"
OPEN, BUILD, MONTH, GROUP_BY, SIZE = (
    f"{MANY_RUNS * EVALS:,} results: {each}"
    for each in (
        "opening the archive",
        "all Parquet files made",
        "those of one month made anew",
        "a group-by in a new process",
        "the file",
    )
)
PROMISES = {SYNC: AtMost(1.25), OPEN: AtMost(50.0), GROUP_BY: AtMost(1.0)}


def measure(size: int = RUNS) -> list[Figure]:
    """Archive ``size`` runs through the network, and then five times as many made ones."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_sync(size, Path(folder))
        path = Path(folder) / "many.sqlite"
        fill(path, size * MANY_RUNS // RUNS)
        return [*figures, *measure_reading(path)]


def measure_sync(size: int, folder: Path) -> list[Figure]:
    """The first sync and a fetch in turns, each in a process of its own, and a second sync."""
    peaks = dict.fromkeys(("sync", "fetch"), 0.0)
    with BulkServer("ended", size, EVALS, LATENCY) as server:

        def work(what: str) -> float:
            for each in folder.glob("a.sqlite*"):
                each.unlink()
            took, rose = alone(NAME, what, folder / "a.sqlite", **server.settings)
            peaks[what] = max(rose, peaks[what])
            return took

        theirs, ours = medians_of_both(partial(work, "fetch"), partial(work, "sync"))
        again, _ = alone(NAME, "sync", folder / "a.sqlite", **server.settings)
    return [
        Figure(SYNC, ours / theirs, "times"),
        Figure(SYNC_PEAK, peaks["sync"], "MB more"),
        Figure(FETCH_PEAK, peaks["fetch"], "MB more"),
        Figure(SECOND, again, "s"),
    ]


class Made(ra.Client):
    """A client that makes what it is asked for: a run each twenty minutes, of 40 results each."""

    def __init__(self, runs: int) -> None:
        super().__init__("sk_retab_made", "http://127.0.0.1:9")
        self._runs = runs
        documents = bodies.results(10 * EVALS)
        for each in documents:
            each.update(id=f"result_RUN_{each['id']}", workflow_eval_run_id="run_RUN")
            each.update(workflow_id=BULK_WORKFLOW_ID, execution_fingerprint="DRAWN")
            each["timing"]["created_at"] = "AT"
        pages = [documents[at : at + EVALS] for at in range(0, len(documents), EVALS)]
        self._pages = [bodies.page(each) for each in pages]
        run = run_document("run_RUN", workflow_id=BULK_WORKFLOW_ID, target=None, total_evals=EVALS)
        run["timing"].update(created_at="AT", started_at="AT", completed_at="AT")
        self._run = json.dumps(run).encode()

    def get(self, path: str, params: Any = (), *, parse: Callable[[bytes], Any], **_: Any) -> Any:
        asked = dict(params)
        if path.endswith("/runs"):
            newest = int(asked.get("after", self._runs))
            numbers = range(newest - 1, max(newest - 101, -1), -1)
            rows = b",".join(self._of_run(self._run, each) for each in numbers)
            after = b"null" if not numbers or numbers[-1] == 0 else b'"%d"' % numbers[-1]
            return parse(b'{"data": [%s], "list_metadata": {"after": %s}}' % (rows, after))
        if path.endswith("/results"):
            number = int(asked["run_id"].removeprefix("run_"))
            return parse(self._of_run(self._pages[number % len(self._pages)], number))
        return parse(b'{"data": [], "list_metadata": {"after": null}}')

    @staticmethod
    def _of_run(body: bytes, number: int) -> bytes:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=20 * number)
        dice = random.Random(number)
        body = body.replace(b"RUN", b"%d" % number).replace(b"AT", at.isoformat().encode())
        return re.sub(b"DRAWN", lambda _: dice.randbytes(32).hex().encode(), body)


def fill(path: Path, runs: int) -> None:
    """An archive of so many made runs; where it is there already, it is gone on with."""
    with Made(runs) as client:
        ra.Archive(path).sync(BULK_WORKFLOW_ID, client=client, progress=False)


def measure_reading(path: Path) -> list[Figure]:
    """What is asked of a large archive, each in a process of its own."""

    def typical(what: str) -> float:
        return median(alone(NAME, what, path)[0] for _ in range(ROUNDS))

    opened = typical("open")
    shutil.rmtree(f"{path}-tables", ignore_errors=True)
    build, _ = alone(NAME, "scan", path)
    grouped = typical("group_by")
    months = sorted({each.name[:7] for each in Path(f"{path}-tables").rglob("*.parquet")})
    for each in Path(f"{path}-tables").rglob(f"{months[-2:][0]}.*.parquet"):  # a whole one
        each.unlink()
    month, _ = alone(NAME, "scan", path)
    return [
        Figure(SIZE, path.stat().st_size / 1e9, "GB"),
        Figure(OPEN, 1000 * opened, "ms"),
        Figure(BUILD, build, "s"),
        Figure(MONTH, month, "s"),
        Figure(GROUP_BY, grouped, "s"),
    ]


def _sync(path: str) -> object:
    return ra.Archive(path).sync(BULK_WORKFLOW_ID, progress=False)


def _fetch(_: str) -> object:
    runs = ra.fetch_runs(BULK_WORKFLOW_ID, progress=False)
    return ra.fetch_results(runs, progress=False)


def _group_by(path: str) -> object:
    results = ra.Archive(path).scan_results()
    mean, failed = pl.col("duration_ms").mean(), (pl.col("state") == "failed").sum()
    return results.group_by("eval_id").agg(pl.len(), mean, failed).collect()


WORKS: dict[str, Callable[[str], object]] = {
    "sync": _sync,
    "fetch": _fetch,
    "open": ra.Archive,
    "scan": lambda path: ra.Archive(path).scan_results(),
    "group_by": _group_by,
}


def main(what: str, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # what is loaded and started once
        ra.Archive(Path(folder) / "other.sqlite").scan_results().group_by("state").len().collect()
    if what in ("sync", "fetch"):
        ra.fetch_runs(BULK_WORKFLOW_ID, limit=1)
    before = peak()
    took = seconds(partial(WORKS[what], path))
    sys.stdout.write(json.dumps([took, (peak() - before) / 1e6]))


if __name__ == "__main__":
    main(*sys.argv[1:])
