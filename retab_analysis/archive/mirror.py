"""Follow the API from one sync to the next: new records, runs that went on, gone records.

Lists have the newest first. A list that was once read to its end is read again only until a whole
page brings nothing new. A page has at least a hundred runs, which include one that became visible
late. A list that was interrupted is read to its end the next time, without a gap.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any

from retab_analysis.archive.database import transaction
from retab_analysis.archive.records import Kept, RawRecord, put, read_documents, unpack
from retab_analysis.decode import Page, Problems, read_one, report_problems
from retab_analysis.errors import NotFoundError, RetabAnalysisError
from retab_analysis.fetch import paging
from retab_analysis.fetch.edits import history_path
from retab_analysis.fetch.lists import LISTS, refuse_unknown
from retab_analysis.fetch.params import RunQuery, quote_id
from retab_analysis.fetch.publications import is_unavailable, publications_path
from retab_analysis.fetch.results import RESULTS_PATH
from retab_analysis.fetch.runs import RUNS_PATH
from retab_analysis.fetch.threads import TaskOutcomes, run_all
from retab_analysis.progress import Progress
from retab_analysis.schema import ERAS, EVALS, LIVE_BLOCKS, RESULTS, RUNS, VERSIONS, Table
from retab_analysis.transport import Client, check_time
from retab_analysis.transport.request import Params

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 1_000  # results that are written together
_RECENT = 3 * 86_400_000_000  # microseconds in which a run may get further results

RunResults = tuple[str, list[RawRecord] | None]  # None if the run is gone
Change = tuple[str, str, str | None, str]  # workflow, kind, id, and change of a document


class _Passing(paging.Gathering):
    """A list whose pages are processed elsewhere; ``documents`` are the newest page's."""

    documents: Sequence[RawRecord] = ()

    def look(self, page: Page) -> None:
        self.documents = read_documents(self.table, page)

    def add(self, page: Page, number: int = 0) -> None:
        """Keep nothing of it."""


@dataclass(slots=True)
class Place:
    """The progress of the mirror of a workflow.

    It keeps no runs created before ``since``. ``is_deep``: the list of runs has to be read to its
    end, not only to known runs. ``is_changed``: runs came since the saved evals and versions were
    read.
    """

    workflow: str
    since: int | None
    is_deep: bool = True
    is_changed: bool = True


class Mirror:
    """One sync.

    ``failed`` is why the versions or edits of a workflow could not be read, if all else could.
    ``absent`` are the ids of existing runs without a list of results.

    With ``to_check`` it reads all saved evals. Then a missing list is an error, and so is one of
    them, or of the newest runs, that does not decode.
    """

    def __init__(
        self, db: sqlite3.Connection, client: Client, progress: Progress, *, to_check: bool
    ) -> None:
        self._db, self.client, self._progress = db, client, progress
        self._to_check = to_check
        self._now = to_micros(datetime.now(UTC))
        self.changes: list[Change] = []
        self.problems = Problems()
        self.failed: RetabAnalysisError | None = None
        self.absent: list[str] = []
        self._seen = 0

    def sync(self, workflow: str, since: int | None, *, results: bool, refresh: bool) -> None:
        row = self._db.execute("SELECT * FROM workflows WHERE workflow = ?", (workflow,)).fetchone()
        at = Place(workflow, since)
        if row is not None:
            known = Place(*row)
            # Asking for less does not drop kept records.
            both = since, known.since
            at.since = min(each or 0 for each in both) if None not in both else None
            at.is_deep = refresh or known.is_deep or at.since != known.since
            at.is_changed = refresh or known.is_changed
        query = "UPDATE documents SET is_due = 1 WHERE kind = ? AND workflow = ? AND gone IS NULL"
        if refresh:
            with transaction(self._db, self.changes):
                self._db.execute(query, (RUNS.name, workflow))
                self._note(at)  # if this sync is interrupted, the next one goes on with it
        self._list_runs(at)
        self._list_short(at, EVALS)
        try:
            before = len(self.changes)
            self._list_short(at, VERSIONS)
            if not self._to_check:  # which asks only for the needed records
                news = (kind for _, kind, *_ in self.changes[before:])
                self._keep_edits(at, again=refresh or VERSIONS.name in news)
        except RetabAnalysisError as error:
            self.failed = error
        at.is_changed = self.failed is not None
        self._note(at)
        if results:
            self._read_results(workflow)
        query = "SELECT 1 FROM documents WHERE workflow = ? LIMIT 1"
        if self._db.execute(query, (workflow,)).fetchone() is None:
            self._db.execute("DELETE FROM workflows WHERE workflow = ?", (workflow,))
            refuse_unknown(self.client, {"workflow_id": [workflow]}, RUNS.empty())

    def _note(self, at: Place) -> None:
        query = "INSERT OR REPLACE INTO workflows VALUES (?, ?, ?, ?)"
        self._db.execute(query, dataclasses.astuple(at))

    def _list_runs(self, at: Place) -> None:
        start = at.since or 0
        moment = None if at.since is None else EPOCH + timedelta(microseconds=start)
        query = RunQuery({"workflow_id": [at.workflow]}, moment, None, "desc")
        into, kept = paging.Collected(_Passing(RUNS)), Kept(RUNS, at.workflow, self._now)
        accept, params = paging.refuse_other_workflow(at.workflow, RUNS), query.requests()[0]
        times, n_known, is_deep = list[int](), 0, at.is_deep
        for documents in self._read_pages(RUNS_PATH, params, into, accept):
            times += [each.created for each in documents if each.created is not None]
            # If the API does not give the newest first, new records may be at the end.
            is_deep |= times != sorted(times, reverse=True)
            with transaction(self._db, self.changes):
                # The request was for a second more.
                wanted = [each for each in documents if (each.created or start) >= start]
                is_new = self._put_all(kept, wanted)
                n_known = 0 if is_new else n_known + len(documents)
                at.is_changed |= is_new
                # An interrupt now would hide the beginning of a gap.
                at.is_deep = is_deep or n_known < paging.PAGE_SIZE
                self._note(at)
            if not at.is_deep:
                break
        # Down to which run is the list complete?
        reached = min(times, default=sys.maxsize) if into.cursor else start - 1
        self._look_up(at, kept, into.ids, reached)

    def _look_up(self, at: Place, kept: Kept, listed: set[str], reached: int) -> None:
        rows = self._ids(kept, "gone IS NULL AND (is_open OR created > ?)", reached)
        asked = [each for each in rows if each not in listed]
        found: dict[str, RawRecord | None] = {}

        def ask(run_id: str) -> None:
            found[run_id] = self._ask(at.workflow, run_id)

        outcomes: TaskOutcomes[None] = TaskOutcomes()
        run_all([partial(ask, each) for each in asked], self.client.max_concurrency, outcomes)
        with transaction(self._db, self.changes):
            there = [each for each in found.values() if each is not None]
            at.is_changed |= self._put_all(kept, there)
            self._mark_gone(kept, [each for each in found if found[each] is None])
            at.is_deep = len(found) < len(asked)
            self._note(at)
        if error := outcomes.error():
            raise error

    def _ask(self, workflow: str, run_id: str) -> RawRecord | None:
        """A single run; None if it is gone."""

        def parse(body: bytes) -> RawRecord:
            page = read_one(RUNS.record, body, check_time)
            paging.refuse_other(RUNS.noun, "id", run_id, page.structs)
            paging.refuse_other_workflow(workflow, RUNS)(page.structs)
            return RawRecord.make(run_id, body.strip(), *page.structs)

        try:
            return self.client.get(f"{RUNS_PATH}/{quote_id('run_id', run_id)}", parse=parse)
        except NotFoundError:
            return None

    def _read_results(self, workflow: str) -> None:
        due = self._ids(Kept(RUNS, workflow, self._now), "is_due ORDER BY created DESC")
        outcomes, ready = TaskOutcomes[None](), SimpleQueue[RunResults]()
        batch: list[RunResults] = []

        def read(run_id: str) -> None:
            try:
                ready.put((run_id, self._list_results(workflow, run_id)))
            except NotFoundError:
                # An existing run has no results yet, or the API has no such list.
                if self._ask(workflow, run_id) is None:
                    ready.put((run_id, None))
                else:
                    self.absent.append(run_id)

        def write(least: int = _BATCH) -> None:
            while not ready.empty():
                batch.append(ready.get())
            if batch and sum(len(each or ()) for _, each in batch) >= least:
                self._write_results(workflow, batch)
                batch.clear()

        tasks = [partial(read, each) for each in due]
        workers = self.client.max_concurrency
        run_all(tasks, workers, outcomes, write, ahead=2 * workers)
        write(0)
        if self.absent:
            self.changes.append((workflow, RESULTS.name, None, "skipped"))
        if error := outcomes.error():
            raise error

    def _list_results(self, workflow: str, run_id: str) -> list[RawRecord]:
        """The results of a run. It runs in its own thread."""

        def accept(results: Sequence[Any]) -> None:
            paging.refuse_other("run", "workflow_eval_run_id", run_id, results)
            paging.refuse_other("workflow", "workflow_id", workflow, results)

        params, into = [("run_id", run_id), ("order", "desc")], paging.Collected(_Passing(RESULTS))
        pages = self._read_pages(RESULTS_PATH, params, into, accept)
        return [*{each.id: each for page in pages for each in page}.values()]

    def _write_results(self, workflow: str, batch: Sequence[RunResults]) -> None:
        with transaction(self._db, self.changes):
            for run_id, documents in batch:
                if documents is None:
                    self._mark_gone(Kept(RUNS, workflow, self._now), [run_id])
                    continue
                kept = Kept(RESULTS, workflow, self._now, run_id)
                known = {*self._ids(kept, "run = ?", run_id)}
                self._put_all(kept, documents)
                self._mark_gone(kept, known - {each.id for each in documents})
                # Some may come after the run has ended: it is read again until they are complete.
                query = "SELECT body FROM documents WHERE kind = ? AND id = ?"
                body = self._db.execute(query, (RUNS.name, run_id)).fetchone()[0]
                [run] = read_one(RUNS.record, unpack(body)).structs or [None]
                lacks = run is not None and run.total_evals > len(documents)
                newest = (
                    "(SELECT max(created) FROM documents WHERE kind = :kind AND workflow = :of)"
                )
                query = f"UPDATE documents SET is_due = :lacks AND created > {newest} - {_RECENT}"
                named = {"kind": RUNS.name, "of": workflow, "lacks": lacks, "id": run_id}
                self._db.execute(f"{query} WHERE kind = :kind AND id = :id", named)

    def _list_short(self, at: Place, table: Table) -> None:
        """Read a short list; to its end if all are wanted, or something changed."""
        is_needed = self._to_check and table is EVALS
        path, params = publications_path(at.workflow), list[tuple[str, str]]()
        if table is not VERSIONS:
            path, order = LISTS[table.name]
            params = [("workflow_id", at.workflow), *order]
        into, documents = paging.Collected(_Passing(table)), dict[str, RawRecord]()
        kept = Kept(table, at.workflow, self._now)
        accept = paging.refuse_other_workflow(at.workflow, table)
        try:
            for found in self._read_pages(path, params, into, accept):
                with transaction(self._db, self.changes):
                    at.is_changed |= self._put_all(kept, found, len(documents))
                    self._note(at)
                documents |= {each.id: each for each in found}
                is_known = found and not (at.is_changed or is_needed)
                if is_known and into.cursor is not None:
                    return
        except RetabAnalysisError as error:
            is_absent = table is not EVALS and is_unavailable(error)
            # If there are documents, only the cursor is gone.
            if documents or is_needed or not (is_absent or isinstance(error, NotFoundError)):
                raise
            # If no run is left either, the workflow itself is gone, with all its records.
            if self._ids(Kept(RUNS, at.workflow, self._now), "gone IS NULL LIMIT 1"):
                self.changes.append((at.workflow, table.name, None, "skipped"))
                return
        with transaction(self._db, self.changes):
            self._mark_gone(kept, {*self._ids(kept)} - documents.keys())

    def _keep_edits(self, at: Place, *, again: bool) -> None:
        """Read the draft's blocks, and the eras of changed ones; ``again``: of all."""
        self._list_short(at, LIVE_BLOCKS)
        kept = Kept(LIVE_BLOCKS, at.workflow, self._now)
        due = self._ids(kept, "gone IS NULL AND (is_due OR ?) ORDER BY position", again)
        # An API that does not give eras is asked once.
        if not (self._read_eras(at.workflow, due[:1]) and self._read_eras(at.workflow, due[1:])):
            query = "UPDATE documents SET is_due = 0 WHERE kind = ? AND workflow = ?"
            self._db.execute(query, (LIVE_BLOCKS.name, at.workflow))
            self.changes.append((at.workflow, ERAS.name, None, "skipped"))

    def _read_eras(self, workflow: str, blocks: Sequence[str]) -> bool:
        outcomes: TaskOutcomes[list[RawRecord]] = TaskOutcomes()
        tasks = [partial(self._list_eras, workflow, each) for each in blocks]
        run_all(tasks, self.client.max_concurrency, outcomes)
        for at, eras in outcomes.results.items():
            with transaction(self._db, self.changes):
                self._put_all(Kept(ERAS, workflow, self._now, block=blocks[at]), eras)
                query = "UPDATE documents SET is_due = 0 WHERE kind = ? AND id = ?"
                self._db.execute(query, (LIVE_BLOCKS.name, blocks[at]))
        for error in outcomes.errors.values():
            if not is_unavailable(error):
                raise error
        return not outcomes.errors

    def _list_eras(self, workflow: str, block_id: str) -> list[RawRecord]:
        """The eras of a block. It runs in its own thread."""
        into, params = paging.Collected(_Passing(ERAS)), [("workflow_id", workflow)]
        accept = paging.refuse_other_workflow(workflow, ERAS)
        pages = self._read_pages(history_path(block_id), params, into, accept)
        return [dataclasses.replace(e, id=f"{block_id} {e.id}") for page in pages for e in page]

    def _read_pages(
        self, path: str, params: Params, into: paging.Collected, accept: paging.Accept
    ) -> Iterator[Sequence[RawRecord]]:
        passing, table = into.gathering, into.gathering.table
        assert isinstance(passing, _Passing)
        for page in paging.read_pages(self.client, path, params, into, strict=False, accept=accept):
            # A check that lists the newest runs itself would fail on these.
            is_newest = table is RUNS and len(into.ids) <= paging.PAGE_SIZE
            if self._to_check and (is_newest or table is EVALS):
                report_problems(table, page.problems, strict=True)
            self.problems.add_all(page.problems)
            yield passing.documents

    def _ids(self, kept: Kept, where: str = "TRUE", *values: Any) -> list[str]:
        query = f"SELECT id FROM documents WHERE kind = ? AND workflow = ? AND {where}"
        rows = self._db.execute(query, (kept.table.name, kept.workflow, *values))
        return [each for (each,) in rows]

    def _put_all(self, kept: Kept, documents: Sequence[RawRecord], first: int = 0) -> bool:
        """Write documents of a list from a position on; return whether any is news."""
        is_new = False
        for at, each in enumerate(documents, first):
            change, is_news = put(self._db, kept, each, at)
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
    return (moment - EPOCH) // timedelta(microseconds=1)
