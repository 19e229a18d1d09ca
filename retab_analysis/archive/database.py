"""The file of an archive: SQLite, checked before the first write.

Every problem with it is an ``ArchiveError`` with the finding and the remedy. Each use of the file
has its own connection: any thread may use an archive.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retab_analysis.errors import ArchiveError

_FORMAT = 3  # the version of the tables below: PRAGMA user_version
# Upgrades from earlier formats.
_UPGRADES = {2: ["ALTER TABLE documents ADD COLUMN block TEXT"], _FORMAT: []}
_APPLICATION = 0x52744172  # "RtAr": tells an archive from other SQLite files
_WRITE_WAIT = 60.0  # seconds until another process has written its batch
_SYNC_WAIT, _STEP = 600.0, 0.5  # until it has ended its sync, and between two looks

# A document is the API's text, compressed. ``state_seen`` is when its present state was first seen,
# ``gone`` when it was first missing; times are microseconds since 1970, in UTC. ``is_open``: a run
# that has not ended. ``is_due``: its results, or the eras of the ``block``, were not read since it
# changed. ``earlier`` has the former states of a saved eval, or of a block of the draft. ``months``
# has a token for the runs of each month, with their results. It changes whenever these change, and
# never comes again in any copy of the file.
_TABLES = """
CREATE TABLE documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, workflow TEXT NOT NULL, run TEXT, created INTEGER,
    position INTEGER NOT NULL, first_seen INTEGER NOT NULL, state_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL, gone INTEGER, is_open INTEGER NOT NULL DEFAULT 0,
    is_due INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL, month TEXT AS (coalesce(
        strftime('%Y-%m', created / 1000000 - (created % 1000000 < 0), 'unixepoch'), 'unknown'
    )), block TEXT, PRIMARY KEY (kind, id)
);

CREATE INDEX by_month ON documents (kind, workflow, month, created, id);

CREATE INDEX by_run ON documents (run, position) WHERE run IS NOT NULL;

CREATE INDEX unfinished ON documents (workflow) WHERE is_open OR is_due;

CREATE TABLE earlier (
    kind TEXT NOT NULL, id TEXT NOT NULL, state_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (kind, id, state_seen)
);

CREATE TABLE workflows (
    workflow TEXT PRIMARY KEY, since INTEGER, is_deep INTEGER NOT NULL, is_changed INTEGER NOT NULL
);

CREATE TABLE months (
    workflow TEXT, month TEXT, token TEXT NOT NULL, PRIMARY KEY (workflow, month)
) WITHOUT ROWID;

CREATE TRIGGER added AFTER INSERT ON documents BEGIN
    INSERT OR REPLACE INTO months SELECT workflow, month, hex(randomblob(8)) FROM documents
    WHERE kind = 'runs' AND id = coalesce(NEW.run, NEW.id);
END;

CREATE TRIGGER changed AFTER UPDATE ON documents
WHEN NEW.body <> OLD.body OR NEW.gone IS NOT OLD.gone OR NEW.created IS NOT OLD.created
    OR NEW.kind = 'results' AND NEW.position <> OLD.position
BEGIN
    INSERT OR REPLACE INTO months SELECT workflow, month, hex(randomblob(8)) FROM documents
    WHERE kind = 'runs' AND id = coalesce(NEW.run, NEW.id)
    UNION SELECT OLD.workflow, OLD.month, hex(randomblob(8)) WHERE OLD.kind = 'runs';
END;
"""

_ADVICE = {
    sqlite3.SQLITE_FULL: "its earlier content is intact; free some space and sync again",
    sqlite3.SQLITE_IOERR: "its earlier content is intact; look at the disk, and sync again",
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again after that",
    sqlite3.SQLITE_READONLY: "give this user the right to write to the file and to its folder",
    sqlite3.SQLITE_CANTOPEN: "is its folder there, and may this user write to it?",
    sqlite3.SQLITE_NOTADB: "it is not an archive, and was not touched: give another path",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put a copy in its place, or move it away and sync anew",
}


@contextmanager
def reporting(path: Path, kind: type[Exception] = sqlite3.DatabaseError) -> Iterator[None]:
    """Turn an error of SQLite, or another one, into an ``ArchiveError``."""
    try:
        yield
    except kind as error:
        if isinstance(error, OSError):
            code, reason = sqlite3.SQLITE_CANTOPEN, error.strerror or str(error)
        else:
            # Texts that are not UTF-8, and problems found here, have no code.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            reason = str(error)
    else:
        return
    advice = _ADVICE.get(code, "verify() checks the whole file")
    raise ArchiveError(f"the archive {str(path)!r}: {reason}; {advice}")


def prepare(path: Path) -> None:
    """Make sure that there is an archive at a path; create an empty one if there is no file.

    It upgrades an earlier format. A file that is not an archive, is damaged or newer raises an
    ArchiveError, and is not touched.
    """
    if path.is_dir():
        raise ArchiveError(f"the archive {str(path)!r} is a folder; name a file in it")
    with reporting(path, OSError), contextlib.suppress(FileExistsError):
        # For the user alone from the first moment on: it will hold customers' documents.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with reporting(path):
        # A read-only connection does not even tidy up a foreign file.
        with contextlib.closing(_open(path, "ro")) as db:
            found = _read_format(db, path)
            (pages,), (size,) = (*db.execute("PRAGMA page_count"), *db.execute("PRAGMA page_size"))
        # The last writes may still be in the log file. Otherwise SQLite notices a missing end only
        # when it gets there.
        beside = Path(f"{path}-wal")
        if path.stat().st_size < pages * size and not (beside.exists() and beside.stat().st_size):
            there = path.stat().st_size
            raise sqlite3.DatabaseError(f"{there:,} of {pages * size:,} bytes are there")
        if found != _FORMAT:
            with alone(path), connected(path) as db:
                db.execute("PRAGMA journal_mode = WAL")
                with transaction(db, []):
                    found = _read_format(db, path)
                    for statement in _UPGRADES.get(found, _TABLES.split("\n\n")):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION}")
                    db.execute(f"PRAGMA user_version = {_FORMAT}")


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for a block; its errors, and a file that vanished, are ``ArchiveError``."""
    with reporting(path), contextlib.closing(_open(path, "rw")) as db:
        db.execute("PRAGMA synchronous = FULL")
        _read_format(db, path)
        before = path.stat()
        yield db
        with reporting(path, OSError):
            if not os.path.samestat(before, path.stat()):
                raise OSError(0, "another file took its place meanwhile")


@contextmanager
def transaction(db: sqlite3.Connection, notes: list[Any]) -> Iterator[None]:
    """Write all of a block, or nothing of it."""
    before = len(notes)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        del notes[before:]
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other sync goes on, in any process; others wait for this block.

    The lock is on an empty file next to the archive; the system releases it for a killed process.
    """
    with contextlib.closing(_open(Path(f"{path}-sync"), "rwc", _STEP)) as lock:
        end = time.monotonic() + _SYNC_WAIT
        while True:
            try:
                lock.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
        yield


def _open(path: Path, mode: str, wait: float = _WRITE_WAIT) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=wait,
        isolation_level=None,
        check_same_thread=False,
    )


def _read_format(db: sqlite3.Connection, path: Path) -> int:
    """The format of a file, 0 if it has no tables yet; an ArchiveError if it is foreign."""
    # In one statement: another process may be creating the file.
    ((application, version, tables),) = db.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    )
    if application == _APPLICATION and version not in _UPGRADES:
        advice = "upgrade retab_analysis" if version > _FORMAT else "move it away, and sync anew"
        raise ArchiveError(
            f"the archive {str(path)!r} has format {version}, and this version of the library "
            f"knows format {_FORMAT}; it was not touched: {advice}"
        )
    if application != _APPLICATION and (application or version or tables):
        raise ArchiveError(
            f"{str(path)!r} is an SQLite file of another application; it was not touched: give "
            "another path"
        )
    return int(version) if tables else 0
