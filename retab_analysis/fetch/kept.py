"""The results of ended runs, and blocks' histories up to a save: a client asks for them once.

It asks for all pages of the saved evals at once, by the cursors that it knows.

Only what judges asks here (:class:`Source`). ``fetch_results`` always asks the API.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from retab_analysis.decode import Problems
from retab_analysis.errors import NotFoundError
from retab_analysis.fetch.edits import read_history as list_history
from retab_analysis.fetch.lists import read_eval
from retab_analysis.fetch.lists import read_saved as list_saved
from retab_analysis.fetch.paging import Fetched
from retab_analysis.fetch.params import RunList
from retab_analysis.fetch.results import list_results, with_runs
from retab_analysis.fetch.threads import run_all
from retab_analysis.progress import Progress
from retab_analysis.schema import ERAS, RESULTS
from retab_analysis.transport import Client

MOST_RUNS = 300
MOST_BYTES = 64 * 2**20
MOST_ASKED = 10
"""So many evals that the list of saved ones lacks are asked for at a look."""
_STATES = ("passed", "failed", "blocked", "error", "cancelled")
_COUNTS = ("status", "total_evals", *_STATES, "completed", "completed_at")


@dataclass(frozen=True, slots=True)
class _RunResults:
    """The results of a run, and what the run and its workflow said of them then."""

    results: pl.DataFrame
    counts: Sequence[Any]
    size: int


@dataclass(slots=True)
class _Shelf:
    """The kept runs of one client, by their ids: those that come first among the read ones."""

    runs: dict[str, _RunResults] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  # of runs when they were read last
    dropped: set[str] = field(default_factory=set)  # runs for which there was no room
    histories: dict[tuple[str, str], tuple[object, pl.DataFrame]] = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)  # of evals that were saved once
    deleted: set[str] = field(default_factory=set)  # evals that the API does not have any more
    cursors: dict[str, list[str | None]] = field(default_factory=dict)  # of lists of saved evals
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, runs: Mapping[str, _RunResults], read: Iterable[str]) -> None:
        """Keep more runs, of those that were ``read``; drop the last ones if it lacks room."""
        with self.lock:
            self.runs |= runs
            self.places |= {each: place for place, each in enumerate(read)}
            self.dropped -= runs.keys()
            size = sum(each.size for each in self.runs.values())
            while len(self.runs) > MOST_RUNS or size > MOST_BYTES:
                last = max(self.runs, key=self.places.__getitem__)
                size -= self.runs.pop(last).size
                self.dropped.add(last)


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

    Results stay when their eval is deleted, under the name that it had among the saved ``evals``.
    If there is no room for all, the first ``runs`` stay.
    """
    shelf = shelves.setdefault(client, _Shelf())
    counts = {run_id: its for run_id, *its in runs.select("run_id", *_COUNTS).iter_rows()}
    if evals is not None:
        shelf.names |= dict(evals["eval_id", "eval_name"].iter_rows())
    kept = ((each, shelf.runs.get(each)) for each in counts)
    found = {k: its.results for k, its in kept if its and its.counts == counts[k]}
    asked, problems, new = runs.filter(~pl.col("run_id").is_in([*found])), Problems(), {}
    if not asked.is_empty():
        fetched = list_results(client, RunList.make(asked), strict=strict, progress=progress)
        problems, parts = fetched.problems, fetched.frame.partition_by("run_id", as_dict=True)
        found |= {str(run_id): part for (run_id,), part in parts.items()}
        for run in asked.iter_rows(named=True):
            results, run_id = found.get(run["run_id"]), run["run_id"]
            if results is not None and _is_whole(run, results):
                new[run_id] = _RunResults(results, counts[run_id], int(results.estimated_size()))
    shelf.keep(new, counts)
    in_order = (found[each] for each in counts if each in found)
    its = with_runs(pl.concat([RESULTS.empty(), *in_order]), runs)
    name = pl.col("eval_id").replace_strict(shelf.names, default=None, return_dtype=pl.String)
    return Fetched(its.with_columns(eval_name=name), problems)


def say_dropped(client: Client, runs: Iterable[str]) -> str:
    """The end of a sentence about listed runs; empty if there was room for those that were read."""
    dropped = len(shelves.setdefault(client, _Shelf()).dropped.intersection(runs))
    most = f"a client keeps the results of {MOST_RUNS} runs, {MOST_BYTES >> 20} MB at most"
    return f"; {most}: the next check reads {dropped} of these runs again" * bool(dropped)


def read_saved(client: Client, workflow_id: str, *, strict: bool) -> Fetched:
    known = shelves.setdefault(client, _Shelf()).cursors.setdefault(workflow_id, [])
    return list_saved(client, workflow_id, strict=strict, known=known)


def find_deleted(client: Client, evals: Sequence[str]) -> tuple[frozenset[str], bool]:
    """The evals that were deleted, of some: the API answers 404 to their ids. It asks for ten.

    False if it gives another answer for one of them.
    """
    gone = shelves.setdefault(client, _Shelf()).deleted
    asked = [e for e in evals if e not in gone][:MOST_ASKED]
    outcomes = run_all([partial(read_eval, client, e) for e in asked], client.max_concurrency)
    found = {asked[at] for at, e in outcomes.errors.items() if isinstance(e, NotFoundError)}
    gone |= found
    return frozenset(gone.intersection(evals)), len(found) == len(asked)


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


def _is_whole(run: dict[str, Any], results: pl.DataFrame) -> bool:
    """Whether an ended run has all of its results, and as many of each state as it counts."""
    if not run["is_terminal"] or results["eval_id"].n_unique() != run["total_evals"]:
        return False
    states = results["state"].to_list()
    return all(run[each] == states.count(each) for each in _STATES)
