"""The results of ended runs, and blocks' histories up to a save: a client asks for them once.

Only what judges asks here (:class:`Source`). ``fetch_results`` always asks the API.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from retab_analysis.decode import Problems
from retab_analysis.fetch.edits import read_history as list_history
from retab_analysis.fetch.paging import Fetched
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.results import list_results, with_runs
from retab_analysis.progress import Progress
from retab_analysis.schema import ERAS, RESULTS
from retab_analysis.transport import Client

MOST_RUNS = 300
MOST_BYTES = 64 * 2**20
_STATES = ("passed", "failed", "blocked", "error", "cancelled")
_COUNTS = ("status", "total_evals", *_STATES, "completed", "completed_at")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _RunResults:
    """The results of a run, and what the run and its workflow said of them then."""

    results: pl.DataFrame
    counts: tuple[Any, ...]
    saved: frozenset[str]
    created_at: datetime
    size: int


@dataclass(slots=True)
class _Shelf:
    """The kept runs of one client, by their ids: the newest ones."""

    runs: dict[str, _RunResults] = field(default_factory=dict)
    histories: dict[tuple[str, str], tuple[object, pl.DataFrame]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, run_id: str, kept: _RunResults) -> None:
        with self.lock:
            self.runs[run_id] = kept
            size = sum(each.size for each in self.runs.values())
            while len(self.runs) > MOST_RUNS or size > MOST_BYTES:
                oldest = min(self.runs, key=lambda each: self.runs[each].created_at)
                size -= self.runs.pop(oldest).size


shelves: weakref.WeakKeyDictionary[Client, _Shelf] = weakref.WeakKeyDictionary()
if hasattr(os, "register_at_fork"):  # a lock may be held, and polars does not work in the child
    os.register_at_fork(after_in_child=shelves.clear)


def read_results(
    client: Client,
    runs: pl.DataFrame,
    evals: pl.DataFrame | None,
    *,
    strict: bool,
    progress: Progress,
) -> Fetched:
    """What ``list_results`` gives for a RUNS frame; it asks for the runs that are not kept.

    If ``evals``, the saved evals, are known, the kept results of evals that were deleted meanwhile
    are left out: the API does not have them any more.
    """
    shelf, counts = shelves.setdefault(client, _Shelf()), _list_counts(runs)
    known = frozenset[str]() if evals is None else frozenset(evals["eval_id"])
    found = dict[str, pl.DataFrame]()
    for run_id in counts:
        kept = shelf.runs.get(run_id)
        if kept is not None and kept.counts == counts[run_id]:
            gone = frozenset() if evals is None else kept.saved - known
            is_gone = pl.col("eval_id").is_in([*gone])
            found[run_id] = kept.results.filter(~is_gone) if gone else kept.results
    asked, problems = runs.filter(~pl.col("run_id").is_in([*found])), Problems()
    if not asked.is_empty():
        fetched = list_results(client, RunList.make(asked), strict=strict, progress=progress)
        problems, parts = fetched.problems, fetched.frame.partition_by("run_id", as_dict=True)
        found |= {str(run_id): part for (run_id,), part in parts.items()}
        for run in asked.iter_rows(named=True):
            results = found.get(run["run_id"])
            if results is not None and _is_whole(run, results):
                at, size = run["created_at"] or _EARLIEST, int(results.estimated_size())
                shelf.put(
                    run["run_id"], _RunResults(results, counts[run["run_id"]], known, at, size)
                )
    in_order = (found[each] for each in counts if each in found)
    return Fetched(with_runs(pl.concat([RESULTS.empty(), *in_order]), runs), problems)


def read_history(
    client: Client, workflow_id: str, blocks: Mapping[str, datetime | None], published: str | None
) -> pl.DataFrame | None:
    """The eras of blocks, by the times of their last saves; None if the API does not give them.

    A save and a publication change them: ``published`` is the current version.
    """
    kept = shelves.setdefault(client, _Shelf()).histories
    marks = {each: (at, published) for each, at in blocks.items()}
    known = [each for each, mark in marks.items() if kept.get((workflow_id, each), [0])[0] == mark]
    missing = [each for each in blocks if each not in known]
    if missing:
        found = list_history(client, workflow_id, missing)
        if found is None:
            return None
        for each in missing:
            kept[workflow_id, each] = marks[each], found.filter(block_id=each)
    return pl.concat([ERAS.empty(), *(kept[workflow_id, each][1] for each in blocks)])


def _list_counts(runs: pl.DataFrame) -> dict[str, tuple[Any, ...]]:
    rows = runs.select("run_id", *_COUNTS).iter_rows()
    return {run_id: tuple(counts) for run_id, *counts in rows}


def _is_whole(run: dict[str, Any], results: pl.DataFrame) -> bool:
    """Whether an ended run has all of its results, and as many of each state as it counts."""
    if not run["is_terminal"] or results["eval_id"].n_unique() != run["total_evals"]:
        return False
    states = results["state"].to_list()
    return all(run[each] == states.count(each) for each in _STATES)
