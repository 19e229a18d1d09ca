"""The decoded runs and results, for fast reads, as Parquet files next to an archive.

There is one for each workflow and month. Its name holds the month's token, which changes with every
write to the month, and the checksum of its content. A file that is missing, stale or damaged is
made again from the documents. If it cannot be written, they are decoded in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import polars as pl

from retab_analysis.archive.records import KINDS, list_months, read_eras, read_month, read_saved
from retab_analysis.decode import Problems
from retab_analysis.errors import ConfigError
from retab_analysis.fetch.results import eval_columns
from retab_analysis.files import save, tidy
from retab_analysis.schema import EDITS, EVALS, RESULTS, RUNS, VERSIONS, Table

_MOMENTS = {EVALS: "created_at", VERSIONS: "published_at", EDITS: "first_seen_at"}
_SCHEMAS = {table: {**table.schema, "is_gone": pl.Boolean()} for table in (RUNS, RESULTS)}
_COLUMNS = repr([each.schema for each in KINDS.values()]).encode()
# Another version of the library may decode the same documents into other rows.
KEY = f"v{version('retab_analysis')}-{zlib.crc32(_COLUMNS):08x}"


class Partition(NamedTuple):
    """Some rows of a table; they are the same as long as ``token`` is."""

    workflow: str
    month: str | None  # in UTC, as 2026-10; None if it is not known
    token: str
    rows: pl.LazyFrame


class Cache:
    """The Parquet files next to an archive."""

    def __init__(self, archive: Path) -> None:
        self._root = Path(f"{archive.absolute()}-tables")
        self._folder = self._root / KEY
        self._checksum = lru_cache(maxsize=None)(_checksum)

    def scan(
        self, table: Table, db: sqlite3.Connection, workflows: Sequence[str], *, gone: bool
    ) -> tuple[pl.LazyFrame, Problems]:
        partitions, problems = self.read(table, db, workflows)
        there = pl.lit(True) if gone else ~pl.col("is_gone")
        return join_rows(table, [each.rows.filter(there) for each in partitions]), problems

    def read(
        self, table: Table, db: sqlite3.Connection, workflows: Sequence[str]
    ) -> tuple[list[Partition], Problems]:
        partitions, problems = list[Partition](), Problems()
        for workflow in workflows:
            if table in _SCHEMAS:
                partitions += self._read_months(table, db, workflow, problems)
                continue
            read = read_eras if table is EDITS else read_saved
            saved, left_out = read(table, db, [workflow])
            problems.add_all(left_out)
            month = pl.col(_MOMENTS[table]).dt.strftime("%Y-%m").alias("#month")
            for (name,), rows in saved.group_by(month, maintain_order=True):
                partitions.append(Partition(workflow, name, _digest(rows), rows.lazy()))
        return partitions, problems

    def _read_months(
        self, table: Table, db: sqlite3.Connection, workflow: str, problems: Problems
    ) -> Iterator[Partition]:
        folder, used = self._folder / table.name / quote(workflow, safe=""), set[Path]()
        evals, digest = None, ""
        if table is RESULTS:
            evals, _ = read_saved(EVALS, db, [workflow], gone=True)
            digest = _digest(evals["eval_id", "eval_name", "path", "condition", "block_label"])
        for month, token in list_months(db, workflow):
            stem = f"{month}.{token}."
            path = self._find(folder, stem)
            if path is None:
                frame, left_out = read_month(db, table, workflow, month)
                problems.add_all(left_out)
                # Each scan has to warn of its omissions.
                path = None if left_out else self._keep(folder, stem, frame)
            if path is None:
                rows = frame.lazy()
            else:
                rows = pl.scan_parquet(path, schema=_SCHEMAS[table], glob=False)
                used.add(path)
            if evals is not None:
                rows = rows.with_columns(eval_columns(evals))
            yield Partition(workflow, None if month == "unknown" else month, token + digest, rows)
        tidy(folder.glob("*"), used)

    def list_damaged(self) -> list[Path]:
        """The files whose content changed after the write, or that cannot be read."""
        files = self._folder.glob("*/*/*.parquet")
        return sorted(each for each in files if not each.name.endswith(_checksum(each)))

    def _find(self, folder: Path, stem: str) -> Path | None:
        for path in folder.glob(f"{stem}*.parquet"):
            with contextlib.suppress(OSError):
                found = path.stat()
                # A file with the same size and time is not read again.
                if path.name.endswith(self._checksum(path, found.st_size, found.st_mtime_ns)):
                    with contextlib.suppress(OSError):
                        if time.time() - found.st_mtime > 3_600:
                            os.utime(path)
                    return path
        return None

    def _keep(self, folder: Path, stem: str, rows: pl.DataFrame) -> Path | None:
        """Write the file of a month; None if that fails."""
        file = io.BytesIO()
        rows.write_parquet(file)
        content = file.getvalue()
        path = folder / f"{stem}{zlib.crc32(content):08x}.parquet"
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            if not self._folder.exists():
                for other in {*self._root.glob("v*-????????")} - {self._folder}:
                    shutil.rmtree(other, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            save(path, content)
            path.chmod(0o600)
        except (OSError, ConfigError):
            return None
        return path


def join_rows(table: Table, several: Iterable[pl.LazyFrame]) -> pl.LazyFrame:
    """Rows of a table from several places, in their order, with its columns only."""
    names = table.schema.names()
    return pl.concat([table.empty().lazy(), *(each.select(names) for each in several)])


def _digest(frame: pl.DataFrame) -> str:
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def _checksum(path: Path, *state: int) -> str:
    """The end of a file's name; another end if the file cannot be read."""
    with contextlib.suppress(OSError):
        return f".{zlib.crc32(path.read_bytes()):08x}.parquet"
    return "."
