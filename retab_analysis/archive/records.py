"""Records of the API into the archive, byte by byte as sent, and frames out of it."""

from __future__ import annotations

import itertools
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import polars as pl

from retab_analysis import wire
from retab_analysis.decode import Page, Problem, Problems, read_one, read_page, to_frame
from retab_analysis.fetch.edits import join_eras
from retab_analysis.fetch.results import with_runs
from retab_analysis.schema import EDITS, ERAS, EVALS, LIVE_BLOCKS, RESULTS, RUNS, VERSIONS, Table
from retab_analysis.transport import check_time
from retab_analysis.vocabulary import TERMINAL

KINDS = {table.name: table for table in (RUNS, RESULTS, EVALS, VERSIONS, EDITS)}
# The types of each kind's documents; edits are eras of blocks, blocks are the draft's.
STORED = {**KINDS, ERAS.name: ERAS, LIVE_BLOCKS.name: LIVE_BLOCKS}

# The rows of a workflow and month. The index has the runs in their order: only the documents of one
# run have to be sorted.
_RUNS = (
    "SELECT id, NULL, body, gone IS NOT NULL FROM documents"
    " WHERE kind = 'runs' AND workflow = ? AND month = ? ORDER BY created DESC, id DESC"
)
_RESULTS = (
    "SELECT d.id, d.run, d.body, coalesce(d.gone, r.gone) IS NOT NULL"
    " FROM documents AS r CROSS JOIN documents AS d ON d.run = r.id AND d.kind = 'results'"
    " WHERE r.kind = 'runs' AND r.workflow = ? AND r.month = ?"
    " ORDER BY r.created DESC, r.id DESC, d.gone IS NOT NULL, d.position"
)
_ERAS = (
    "SELECT id, NULL, body, block FROM documents WHERE kind = 'edits' AND workflow = ?"
    " ORDER BY block, position"
)
_STATE = "SELECT body, state_seen FROM {} WHERE kind = 'evals' AND id = :id"
STATES = " UNION ALL ".join(map(_STATE.format, ("documents", "earlier"))) + " ORDER BY 2 DESC"
# A fetch of saved evals gives the newest first, even if the API does not.
_ORDERS = {EVALS.name: "created DESC NULLS LAST, position, id"}
_DTYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("documents", "gone", "bytes", "rows"), pl.Int64()),
    **dict.fromkeys(("newest", "first_seen_at", "last_seen_at"), ERAS.schema["first_seen_at"]),
    "is_gone": pl.Boolean(),
}
_LEVEL = 1  # of compression: the usual 6 saves 5 %, and takes half as long again
_AT_ONCE = 1_000  # documents that are decoded together
# These fields differ once a run has gone on: then its results have to be read again.
_progress = attrgetter("lifecycle.status", "total_evals", "counts", "timing")


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record of the API, compressed; ``struct`` is None if it does not decode."""

    id: str
    packed: bytes
    struct: Any

    @classmethod
    def make(cls, document_id: str, raw: bytes, struct: Any = None) -> RawRecord:
        return cls(document_id, zlib.compress(raw, _LEVEL), struct)

    @property
    def created(self) -> int | None:
        """When it was created, in microseconds since 1970; None if that is not known."""
        others = {ERAS.record: "first_seen_at", VERSIONS.record: "published_at"}
        name = others.get(type(self.struct), "created_at")
        return wire.read_time(getattr(getattr(self.struct, "timing", self.struct), name, None))


@dataclass(slots=True)
class Kept:
    """The owner of documents: all of one kind and workflow, and of one run or block, seen now."""

    table: Table
    workflow: str
    now: int
    run: str | None = None
    block: str | None = None


def read_documents(table: Table, page: Page) -> list[RawRecord]:
    """The records of a page, but those without a readable id, within its request's deadline."""
    raws = page.cut(check_time)
    if not page.problems:
        pairs = zip(raws, page.structs, strict=True)
        return [RawRecord.make(struct.id, raw, struct) for raw, struct in pairs]
    documents = []
    for raw in raws:
        one = read_one(table.record, raw, check_time)
        record_id = one.structs[0].id if one.structs else one.problems[0].record_id
        if record_id:
            documents.append(RawRecord.make(record_id, raw, *one.structs))
    return documents


def put(
    db: sqlite3.Connection, kept: Kept, document: RawRecord, position: int
) -> tuple[str | None, bool]:
    """Store a document, or note that it was seen again.

    Return ``added``, also for one that had gone, ``changed``, or None if it is unchanged. Also
    return whether that is news: for a run, whether it is new or has gone on.
    """
    struct = document.struct
    row = {
        "kind": kept.table.name,
        "id": document.id,
        "workflow": kept.workflow,
        "run": kept.run,
        "block": kept.block,
        "created": document.created,
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
            "INSERT INTO documents (kind, id, workflow, run, block, created, position, first_seen,"
            " state_seen, last_seen, body) VALUES (:kind, :id, :workflow, :run, :block, :created,"
            " :position, :now, :now, :now, :body)",
            row,
        )
    else:
        stored, change = unpack(known[0]), "added" if known[1] else "changed"
        if stored == zlib.decompress(document.packed):
            news, change = "last_seen = max(:now, last_seen)", change if known[1] else None
        else:
            # A separate state, even if two come in one sync, or the clock was put back.
            later = "max(:now, last_seen + 1)"
            news = f"created = :created, state_seen = {later}, last_seen = {later}, body = :body"
            columns = "kind, id, state_seen, last_seen, body"
            if kept.table in (EVALS, LIVE_BLOCKS):
                db.execute(f"INSERT INTO earlier SELECT {columns} FROM documents {here}", row)
        db.execute(f"UPDATE documents SET {news}, position = :position, gone = NULL {here}", row)
    is_news = change is not None
    if kept.table is RUNS:
        before = read_one(RUNS.record, stored).structs if stored and change == "changed" else []
        if before and struct and _progress(before[0]) == _progress(struct):
            is_news = False  # its freshness changed, for example
        row["open"] = struct is not None and struct.lifecycle.status not in TERMINAL
        row["due"] = is_news
        db.execute(f"UPDATE documents SET is_open = :open, is_due = is_due OR :due {here}", row)
    elif kept.table is LIVE_BLOCKS and is_news:
        db.execute(f"UPDATE documents SET is_due = 1 {here}", row)
    return change, is_news


def list_workflows(db: sqlite3.Connection, asked: Sequence[str] | None) -> list[str]:
    """The workflows in the archive, in the order of their ids; only the requested ones, if any."""
    kept = db.execute("SELECT workflow FROM workflows ORDER BY workflow")
    return [each for (each,) in kept if asked is None or each in asked]


def list_months(db: sqlite3.Connection, workflow: str) -> list[tuple[str, str]]:
    """The months of a workflow's runs, the newest first, and the token of each."""
    query = (
        "SELECT month, coalesce(token, hex(randomblob(8))) FROM (SELECT DISTINCT workflow, month"
        " FROM documents WHERE kind = 'runs' AND workflow = ?) LEFT JOIN months"
        " USING (workflow, month) ORDER BY month = 'unknown', month DESC"
    )
    return db.execute(query, (workflow,)).fetchall()


def read_month(
    db: sqlite3.Connection, table: Table, workflow: str, month: str
) -> tuple[pl.DataFrame, Problems]:
    """The runs of a month, the newest first, or their results, each with ``is_gone``."""
    runs, problems = decode(RUNS, db.execute(_RUNS, (workflow, month)), "is_gone")
    if table is RUNS:
        return runs, problems
    results, problems = decode(RESULTS, db.execute(_RESULTS, (workflow, month)), "is_gone")
    return with_runs(results, runs), problems


def read_saved(
    table: Table, db: sqlite3.Connection, workflows: Sequence[str], *, gone: bool = False
) -> tuple[pl.DataFrame, Problems]:
    query = (
        "SELECT id, NULL, body FROM documents WHERE kind = ? AND workflow = ?"
        f" AND (? OR gone IS NULL) ORDER BY {_ORDERS.get(table.name, 'position, id')}"
    )
    rows = (db.execute(query, (table.name, each, gone)) for each in workflows)
    found, problems = decode(table, itertools.chain.from_iterable(rows))
    return (_add_labels(found, db, workflows) if table is EVALS else found), problems


def read_states(
    table: Table, db: sqlite3.Connection, workflows: Sequence[str]
) -> tuple[pl.DataFrame, Problems]:
    """Every state of every document, the latest first, with its first and last time."""
    columns = "kind, id, workflow, created, position, gone"
    query = (
        "SELECT id, NULL, body, state_seen, last_seen, gone IS NOT NULL FROM ("
        f"SELECT {columns}, body, state_seen, last_seen FROM documents UNION ALL"
        f" SELECT {columns}, e.body, e.state_seen, e.last_seen FROM documents JOIN earlier AS e"
        " USING (kind, id)) WHERE kind = ? AND workflow = ?"
        f" ORDER BY {_ORDERS.get(table.name, 'position, id')}, state_seen DESC"
    )
    rows = (db.execute(query, (table.name, each)) for each in workflows)
    return decode(table, itertools.chain.from_iterable(rows), "first_seen_at last_seen_at is_gone")


def _add_labels(
    evals: pl.DataFrame, db: sqlite3.Connection, workflows: Sequence[str]
) -> pl.DataFrame:
    """Add the labels of saved evals' blocks, the last ones known."""
    labels: dict[tuple[str, str], str] = {}
    for each in workflows:
        blocks, _ = read_saved(LIVE_BLOCKS, db, [each], gone=True)
        labels |= {(each, block): label for block, label in blocks["block_id", "label"].rows()}
    known = [labels.get(each) or None for each in evals["workflow_id", "block_id"].rows()]
    return evals.with_columns(block_label=pl.Series(known, dtype=pl.String))


def read_eras(
    table: Table, db: sqlite3.Connection, workflows: Sequence[str]
) -> tuple[pl.DataFrame, Problems]:
    """The configurations of workflows' blocks: by workflow, the newest era first."""
    frames, problems = [table.empty()], Problems()
    for workflow in workflows:
        told, left_out = decode(ERAS, db.execute(_ERAS, (workflow,)), "block")
        states, others = read_states(LIVE_BLOCKS, db, [workflow])
        told = told.with_columns(block_id="block", workflow_id=pl.lit(workflow))
        frames.append(join_eras(told, states, workflow).select(table.schema.names()))
        problems.add_all(left_out)
        problems.add_all(others)
    return pl.concat(frames), problems


def decode(
    table: Table, rows: Iterable[tuple[Any, ...]], beside: str = ""
) -> tuple[pl.DataFrame, Problems]:
    """Make a frame of documents as a fetch does of pages; also return the problems.

    The rows are id, run, compressed bytes, and the values of the columns in ``beside``.
    """
    frames, problems, waiting = [to_frame(table, [])], Problems(), iter(rows)
    others: list[tuple[Any, ...]] = []
    while batch := list(itertools.islice(waiting, _AT_ONCE)):
        unpacked = [(unpack(packed), *row) for row in batch for packed in row[2:3]]
        good = [row for row in unpacked if row[0]]
        for _, document_id, *_ in itertools.filterfalse(itemgetter(0), unpacked):
            problems.add(Problem(document_id, "$", "its compressed bytes are damaged", ""))
        body = b'{"data": [' + b",".join(map(itemgetter(0), good)) + b'], "list_metadata": {}}'
        page = read_page(table.record, body)
        for each in page.problems:  # their places in the page mean nothing
            path = "$" + each.path.partition("]")[2]
            problems.add(Problem(each.record_id, path, each.reason, each.raw))
        if page.problems:
            good = [row for row in good if read_one(table.record, row[0]).structs]
        for struct, (_, _, run, *_) in zip(page.structs, good, strict=True):
            if table is RESULTS:
                # They were read by run, so the run of a result without it is known.
                struct.workflow_eval_run_id = run
        frames.append(to_frame(table, page.structs))
        others += [row[4:] for row in good]
    return pl.concat(frames).hstack(make_frame(others, beside)), problems


def make_frame(rows: Sequence[tuple[Any, ...]], names: str) -> pl.DataFrame:
    """A frame of rows of SQLite, which has neither times nor truth values; most are texts."""
    numbers = {each: _DTYPES[each] for each in names.split() if each in _DTYPES}
    stored = {each: pl.Int64() if each in numbers else pl.String() for each in names.split()}
    frame = pl.DataFrame(rows, stored, orient="row")
    return frame.with_columns(pl.col(each).cast(dtype) for each, dtype in numbers.items())


def unpack(packed: bytes) -> bytes:
    """A document; empty if its bytes do not match their checksum."""
    try:
        return zlib.decompress(packed)
    except (zlib.error, TypeError):  # even their type may be another one
        return b""
