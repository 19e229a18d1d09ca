"""Follow the API from one sync to the next: what is new, what had not ended, what is gone.

Lists come with the newest first. So a list that was read to its end once is read again only until
a whole page brings nothing new: a hundred runs at least, so that one that became visible late is
among them. A list of runs that was interrupted is read on from its cursor before anything else is
asked for, so that no more than one gap is ever open.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any

from retab_analysis.archive.database import transaction
from retab_analysis.archive.records import (
    Kept,
    RawRecord,
    put,
    read_documents,
)
from retab_analysis.decode import Page, Problems, read_one
from retab_analysis.errors import InvalidRequestError, NotFoundError
from retab_analysis.fetch.lists import LISTS, refuse_unknown
from retab_analysis.fetch.paging import (
    PAGE_SIZE,
    Accept,
    Collected,
    Gathering,
    read_pages,
    refuse_other,
    refuse_other_workflow,
)
from retab_analysis.fetch.params import RunQuery, quote_id
from retab_analysis.fetch.results import RESULTS_PATH
from retab_analysis.fetch.runs import RUNS_PATH
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.progress import Progress
from retab_analysis.schema import EVALS, RESULTS, RUNS, VERSIONS, Table
from retab_analysis.transport import Client
from retab_analysis.transport.request import Params

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 1_000  # results that are written together

RunResults = tuple[str, list[RawRecord] | None]  # None where the run is gone
Change = tuple[str, str, str | None, str]  # workflow, kind, id, and what became of a document


class _Passing(Gathering):
    """A list whose pages are taken elsewhere."""

    def add(self, page: Page, number: int = 0) -> None:
        """Keep nothing of it."""


@dataclass(slots=True)
class Place:
    """Where the list of a workflow's runs has been read to.

    Attributes:
        since: Runs created before are not kept; None where all are.
        cursor: Where an interrupted list goes on, or None.
        is_deep: Whether it goes on to its end, and not only to what is known.
        is_changed: Whether runs came since the saved evals and versions were read.
    """

    since: int | None
    cursor: str | None = None
    is_deep: bool = False
    is_changed: bool = False


class Mirror:
    """One sync: what it has written so far is in ``changes``, what has no id in ``problems``."""

    def __init__(self, db: sqlite3.Connection, client: Client, progress: Progress) -> None:
        self._db, self._client, self._progress = db, client, progress
        self._now = to_micros(datetime.now(UTC))
        self.changes: list[Change] = []
        self.problems = Problems()
        self._seen = 0

    def sync(self, workflow: str, since: int | None, *, results: bool, refresh: bool) -> None:
        """Bring what is kept of a workflow up to date."""
        query = "SELECT since, cursor, is_deep, is_changed FROM workflows WHERE workflow = ?"
        row = self._db.execute(query, (workflow,)).fetchone()
        at = Place(since, is_deep=True, is_changed=True)
        if row is not None:
            known = Place(*row)
            is_whole = refresh or known.cursor is None
            # Where the cursor is refused, all is listed again.
            with contextlib.suppress(InvalidRequestError, NotFoundError):
                if not is_whole:
                    self._list_runs(workflow, known)
                    is_whole = True
            # What is kept already is not given up by asking for less.
            both = since, known.since
            at.since = min(each or 0 for each in both) if None not in both else None
            at.is_deep = refresh or not is_whole or at.since != known.since
            at.is_changed = refresh or known.is_changed
        self._list_runs(workflow, at, again=refresh)
        for table in (EVALS, VERSIONS):
            self._list_short(workflow, table, at.is_changed)
        self._note_change(workflow, False)
        if results:
            self._read_results(workflow)
        query = "SELECT 1 FROM documents WHERE workflow = ? LIMIT 1"
        if self._db.execute(query, (workflow,)).fetchone() is None:
            self._db.execute("DELETE FROM workflows WHERE workflow = ?", (workflow,))
            refuse_unknown(self._client, {"workflow_id": [workflow]}, RUNS.empty())

    def _list_runs(self, workflow: str, at: Place, *, again: bool = False) -> None:
        """Read the list of runs, and write page after page with the place that was reached."""
        start = at.since or 0
        moment = None if at.since is None else EPOCH + timedelta(microseconds=start)
        query = RunQuery({"workflow_id": [workflow]}, moment, None, "desc")
        into = Collected(_Passing(RUNS), at.cursor)
        kept, is_resumed = Kept(RUNS, workflow, self._now), at.cursor is not None
        accept, params = refuse_other_workflow(workflow, RUNS), query.requests()[0]
        times, n_known = list[int](), 0
        for documents in self._read_pages(RUNS_PATH, params, into, accept):
            times += [each for each in map(_created, documents) if each is not None]
            # Where the API does not give the newest first, what is new may be at the end.
            at.is_deep |= times != sorted(times, reverse=True)
            with transaction(self._db, self.changes):
                # The API was asked for a second more.
                wanted = [each for each in documents if (_created(each) or start) >= start]
                is_new = self._put_all(kept, wanted, again=again)
                n_known = 0 if is_new else n_known + len(documents)
                at.is_changed |= is_new
                at.cursor = into.cursor if at.is_deep or n_known < PAGE_SIZE else None
                self._db.execute(
                    "INSERT OR REPLACE INTO workflows VALUES (?, ?, ?, ?, ?)",
                    (workflow, at.since, at.cursor, at.is_deep, at.is_changed),
                )
            if at.cursor is None:
                break
        if not is_resumed:
            # Down to where was everything listed?
            reached = min(times, default=sys.maxsize) if into.cursor else start - 1
            at.is_changed |= self._look_up(kept, into.ids, reached)

    def _look_up(self, kept: Kept, listed: set[str], reached: int) -> bool:
        """Ask for the runs that had not ended, or are missing in the list; has any gone on?"""
        rows = self._ids(kept, "gone IS NULL AND (is_open OR created > ?)", reached)
        asked = [each for each in rows if each not in listed]
        found: dict[str, RawRecord | None] = {}

        def ask(run_id: str) -> None:
            def parse(body: bytes) -> RawRecord:
                page = read_one(RUNS.record, body)
                refuse_other(RUNS.noun, "id", run_id, page.structs)
                refuse_other_workflow(kept.workflow, RUNS)(page.structs)
                return RawRecord.make(run_id, body.strip(), *page.structs)

            path = f"{RUNS_PATH}/{quote_id('run_id', run_id)}"
            try:
                found[run_id] = self._client.get(path, parse=parse)
            except NotFoundError:
                found[run_id] = None

        outcomes: TaskOutcomes[None] = TaskOutcomes()
        run_all([partial(ask, each) for each in asked], self._client.max_concurrency, outcomes)
        with transaction(self._db, self.changes):
            there = [each for each in found.values() if each is not None]
            is_new = self._put_all(kept, there)
            self._mark_gone(kept, [each for each in found if found[each] is None])
            if is_new:
                self._note_change(kept.workflow)
        if error := outcomes.error():
            raise error
        return is_new

    def _note_change(self, workflow: str, is_changed: bool = True) -> None:
        query = "UPDATE workflows SET is_changed = ? WHERE workflow = ?"
        self._db.execute(query, (is_changed, workflow))

    def _read_results(self, workflow: str) -> None:
        """Read the results of all runs that are due, and write them in batches."""
        due = self._ids(Kept(RUNS, workflow, self._now), "is_due ORDER BY created DESC")
        outcomes, ready = TaskOutcomes[None](), SimpleQueue[RunResults]()
        batch: list[RunResults] = []

        def read(run_id: str) -> None:
            ready.put((run_id, self._list_results(workflow, run_id)))

        def write(least: int = _BATCH) -> None:
            while not ready.empty():
                batch.append(ready.get())
            if batch and sum(len(each or ()) for _, each in batch) >= least:
                self._write_results(workflow, batch)
                batch.clear()

        run_all(
            [partial(read, each) for each in due], self._client.max_concurrency, outcomes, write
        )
        write(0)
        if error := outcomes.error():
            raise error

    def _list_results(self, workflow: str, run_id: str) -> list[RawRecord] | None:
        """The results of a run; None where the run is gone. It runs in a thread of its own."""

        def accept(results: Sequence[Any]) -> None:
            refuse_other("run", "workflow_eval_run_id", run_id, results)
            refuse_other("workflow", "workflow_id", workflow, results)

        params, into = [("run_id", run_id), ("order", "desc")], Collected(_Passing(RESULTS))
        pages = self._read_pages(RESULTS_PATH, params, into, accept)
        try:
            found = [each for page in pages for each in page]
        except NotFoundError:
            return None
        return [*{each.id: each for each in found}.values()]

    def _write_results(self, workflow: str, batch: Sequence[RunResults]) -> None:
        """Write the results of whole runs, and with them that these are not due any more."""
        with transaction(self._db, self.changes):
            for run_id, documents in batch:
                if documents is None:
                    self._mark_gone(Kept(RUNS, workflow, self._now), [run_id])
                    continue
                kept = Kept(RESULTS, workflow, self._now, run_id)
                known = {*self._ids(kept, "run = ?", run_id)}
                self._put_all(kept, documents)
                self._mark_gone(kept, known - {each.id for each in documents})
                query = "UPDATE documents SET is_due = 0 WHERE kind = ? AND id = ?"
                self._db.execute(query, (RUNS.name, run_id))

    def _list_short(self, workflow: str, table: Table, is_all: bool) -> None:
        """Read saved evals or versions; to the end where all are wanted, or something changed."""
        (path, order), kept = LISTS[table.name], Kept(table, workflow, self._now)
        into, documents = Collected(_Passing(table)), dict[str, RawRecord]()
        params, accept = [("workflow_id", workflow)], refuse_other_workflow(workflow, table)
        try:
            for found in self._read_pages(path, [*params, *order], into, accept):
                with transaction(self._db, self.changes):
                    if self._put_all(kept, found, len(documents)):
                        is_all = True
                        self._note_change(workflow)
                documents |= {each.id: each for each in found}
                if found and not is_all and into.cursor is not None:
                    return
        except NotFoundError:
            self.changes.append((workflow, table.name, None, "skipped"))
            return
        with transaction(self._db, self.changes):
            self._mark_gone(kept, {*self._ids(kept)} - documents.keys())

    def _read_pages(
        self, path: str, params: Params, into: Collected, accept: Accept
    ) -> Iterator[list[RawRecord]]:
        pages = read_pages(self._client, path, params, into, strict=False, accept=accept)
        return (read_documents(into.gathering.table, page, self.problems) for page in pages)

    def _ids(self, kept: Kept, where: str = "TRUE", *values: Any) -> list[str]:
        query = f"SELECT id FROM documents WHERE kind = ? AND workflow = ? AND {where}"
        rows = self._db.execute(query, (kept.table.name, kept.workflow, *values))
        return [each for (each,) in rows]

    def _put_all(
        self, kept: Kept, documents: Sequence[RawRecord], first: int = 0, again: bool = False
    ) -> bool:
        """Write documents of a list from a position on; whether any is news."""
        is_new = False
        for at, each in enumerate(documents, first):
            change, is_news = put(self._db, kept, each, at, again)
            is_new |= is_news
            if change is not None:
                self.changes.append((kept.workflow, kept.table.name, each.id, change))
        self._seen += len(documents)
        self._progress.update(self._seen)
        return is_new

    def _mark_gone(self, kept: Kept, ids: Iterable[str]) -> None:
        query = (
            "UPDATE documents SET gone = ?, is_open = 0, is_due = 0"
            " WHERE kind = ? AND id = ? AND gone IS NULL"
        )
        for each in ids:
            if self._db.execute(query, (kept.now, kept.table.name, each)).rowcount:
                self.changes.append((kept.workflow, kept.table.name, each, "gone"))


def to_micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _created(document: RawRecord) -> int | None:
    """When a run was created; None where that is not known."""
    created = document.struct and document.struct.timing.created_at
    return None if created is None else int(created)
