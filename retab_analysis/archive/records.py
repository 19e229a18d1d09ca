"""Records of the API into the archive, byte by byte as they were sent, and frames out of it."""

from __future__ import annotations

import itertools
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import polars as pl

from retab_analysis.decode import Page, Problem, Problems, read_one, read_page, to_frame
from retab_analysis.fetch.paging import Fetched
from retab_analysis.schema import EVALS, RESULTS, RUNS, VERSIONS, Table
from retab_analysis.vocabulary import TERMINAL

KINDS = {table.name: table for table in (RUNS, RESULTS, EVALS, VERSIONS)}

_NEWEST_FIRST = "created DESC NULLS LAST, id DESC"
_LEVEL = 1  # of compression: the usual 6 saves a twentieth, and takes half as long again
_AT_ONCE = 1_000  # documents that are decoded together
_created = attrgetter("timing.created_at")
# What differs once a run has gone on: its results have to be read again then.
_progress = attrgetter("lifecycle.status", "total_evals", "counts", "timing")


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record of the API, compressed; ``struct`` is None where it does not decode."""

    id: str
    packed: bytes
    struct: Any

    @classmethod
    def make(cls, document_id: str, raw: bytes, struct: Any = None) -> RawRecord:
        """Compress a record; its checksum is part of that."""
        return cls(document_id, zlib.compress(raw, _LEVEL), struct)


@dataclass(slots=True)
class Kept:
    """Where documents belong: all of one kind and workflow, results of one run, seen now."""

    table: Table
    workflow: str
    now: int
    run: str | None = None


def read_documents(table: Table, page: Page, problems: Problems) -> list[RawRecord]:
    """The records of a page; those without an id that can be read are only added to problems."""
    raws = page.cut()
    if not page.problems:
        pairs = zip(raws, page.structs, strict=True)
        return [RawRecord.make(struct.id, raw, struct) for raw, struct in pairs]
    problems.add_all(page.problems)
    documents = []
    for raw in raws:
        one = read_one(table.record, raw)
        record_id = one.structs[0].id if one.structs else one.problems[0].record_id
        if record_id:
            documents.append(RawRecord.make(record_id, raw, *one.structs))
    return documents


def put(
    db: sqlite3.Connection, kept: Kept, document: RawRecord, position: int, again: bool
) -> tuple[str | None, bool]:
    """Put a document in, or note that it was seen again; results of a run are read ``again``.

    Returns:
        ``added``, also for one that had gone, ``changed``, or None where it is as it was. And
        whether that is news: of a run, whether it is new or has gone on.
    """
    struct, is_timed = document.struct, kept.table in (RUNS, RESULTS)
    at = struct and ((struct.timing and _created(struct)) if is_timed else struct.created_at)
    row = {
        "kind": kept.table.name,
        "id": document.id,
        "workflow": kept.workflow,
        "run": kept.run,
        "created": None if at is None else int(at),
        "position": position,
        "now": kept.now,
        "body": document.packed,
    }
    here = "WHERE kind = :kind AND id = :id"
    known = db.execute(f"SELECT body, gone FROM documents {here}", row).fetchone()
    change: str | None
    if known is None:
        stored, change = b"", "added"
        db.execute(
            "INSERT INTO documents (kind, id, workflow, run, created, position, first_seen,"
            " state_seen, last_seen, body) VALUES (:kind, :id, :workflow, :run, :created,"
            " :position, :now, :now, :now, :body)",
            row,
        )
    else:
        stored, change = _unpack(known[0]), "added" if known[1] else "changed"
        if stored == zlib.decompress(document.packed):
            news, change = "", change if known[1] else None
        else:
            # A state of its own, also where two come in one sync, or the clock was put back.
            news = ", created = :created, state_seen = max(:now, state_seen + 1), body = :body"
            columns = "kind, id, state_seen, last_seen, body"
            if kept.table is EVALS:
                db.execute(f"INSERT INTO earlier SELECT {columns} FROM documents {here}", row)
        seen = "last_seen = :now, position = :position, gone = NULL"
        db.execute(f"UPDATE documents SET {seen}{news} {here}", row)
    is_news = change is not None
    if kept.table is RUNS:
        before = read_one(RUNS.record, stored).structs if stored and change == "changed" else []
        if before and struct and _progress(before[0]) == _progress(struct):
            is_news = False  # its freshness changed, for example
        row["open"] = struct is not None and struct.lifecycle.status not in TERMINAL
        row["due"] = is_news or again
        db.execute(f"UPDATE documents SET is_open = :open, is_due = is_due OR :due {here}", row)
    return change, is_news


def kept_workflows(db: sqlite3.Connection, asked: Sequence[str] | None) -> list[str]:
    """The workflows that are kept, in the order of their ids; only those asked for, if any are."""
    kept = [each for (each,) in db.execute("SELECT workflow FROM workflows ORDER BY workflow")]
    return kept if asked is None else [each for each in kept if each in asked]


def select(
    db: sqlite3.Connection, table: Table, workflow: str, *, gone: bool = True
) -> Iterator[tuple[Any, ...]]:
    """The documents of a kind and workflow, in the order of a fetch: the newest first."""
    there = "TRUE" if gone else "gone IS NULL"
    query = f"SELECT id, run, body FROM documents WHERE kind = ? AND workflow = ? AND {there}"
    if table is not RESULTS:
        order = _NEWEST_FIRST if table is RUNS else "position, id"
        yield from db.execute(f"{query} ORDER BY {order}", (table.name, workflow))
        return
    # Run by run, so that nothing has to be sorted together with all the documents.
    for run_id, *_ in select(db, RUNS, workflow, gone=gone):
        of_run = (
            query.replace("WHERE", "WHERE run = ? AND") + " ORDER BY gone IS NOT NULL, position"
        )
        yield from db.execute(of_run, (run_id, table.name, workflow))


def select_states(db: sqlite3.Connection, workflow: str) -> Iterator[tuple[Any, ...]]:
    """Every state of every saved eval, the latest first, and beside it since and until when."""
    columns = "kind, id, workflow, position, gone"
    query = (
        "SELECT id, NULL, body, state_seen, last_seen, gone IS NOT NULL FROM ("
        f"SELECT {columns}, body, state_seen, last_seen FROM documents UNION ALL"
        f" SELECT {columns}, e.body, e.state_seen, e.last_seen FROM documents JOIN earlier AS e"
        " USING (kind, id)) WHERE kind = ? AND workflow = ?"
        " ORDER BY position, id, state_seen DESC"
    )
    return iter(db.execute(query, (EVALS.name, workflow)))


def decode(
    table: Table, rows: Iterable[tuple[Any, ...]], beside: list[tuple[Any, ...]] | None = None
) -> Fetched:
    """Make a frame of documents, by the same way as a fetch does of pages.

    Args:
        table: What they are.
        rows: The documents: id, run, compressed bytes, and what else is of them.
        beside: Where that is put, for each row of the frame.
    """
    frames, problems, waiting = [table.empty()], Problems(), iter(rows)
    while batch := list(itertools.islice(waiting, _AT_ONCE)):
        unpacked = [(_unpack(packed), *row) for row in batch for packed in row[2:3]]
        good = [row for row in unpacked if row[0]]
        for _, document_id, *_ in itertools.filterfalse(itemgetter(0), unpacked):
            problems.add(Problem(document_id, "$", "its compressed bytes are damaged", ""))
        body = b'{"data": [' + b",".join(map(itemgetter(0), good)) + b'], "list_metadata": {}}'
        page = read_page(table.record, body)
        for each in page.problems:  # their places in the page mean nothing to anybody
            path = "$" + each.path.partition("]")[2]
            problems.add(Problem(each.record_id, path, each.reason, each.raw))
        if page.problems:
            good = [row for row in good if read_one(table.record, row[0]).structs]
        for struct, (_, _, run, *_) in zip(page.structs, good, strict=True):
            if table is RESULTS:
                # They were asked for by run, so it is known where a result does not say it.
                struct.workflow_eval_run_id = run
        frames.append(to_frame(table, page.structs))
        if beside is not None:
            beside += [row[4:] for row in good]
    return Fetched(pl.concat(frames), problems)


def decode_all(
    db: sqlite3.Connection, table: Table, workflows: Sequence[str], *, gone: bool = True
) -> Fetched:
    """Make a frame of all documents of a kind, one workflow after the other."""
    rows = (select(db, table, each, gone=gone) for each in workflows)
    return decode(table, itertools.chain.from_iterable(rows))


def _unpack(packed: bytes) -> bytes:
    """A document; nothing where its bytes are damaged, as their checksum says."""
    try:
        return zlib.decompress(packed)
    except (zlib.error, TypeError):  # even their type may be another one
        return b""
