"""An archive's tables as a directory for any engine: Parquet, partitioned as in Hive.

A partition is one file, which is replaced whole under its one name. Its own metadata has the
sources: it is written again only if they changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import polars as pl

from retab_analysis.archive.cache import KEY, Partition, join_rows
from retab_analysis.errors import ConfigError
from retab_analysis.files import save, tidy
from retab_analysis.schema import Table

PARTITION_COLUMNS = ("workflow_id", "month")

_MANIFEST = "_retab_analysis.json"  # engines ignore files with this prefix
_FILE, _SOURCE = "data.parquet", "retab_analysis.source"
_NULL = "__HIVE_DEFAULT_PARTITION__"


def claim(directory: Path, by: Sequence[str]) -> None:
    """Make sure that a directory is an export, or create it."""
    path = directory / _MANIFEST
    manifest = json.dumps({"made_by": "Archive.export_parquet", "partition_by": [*by]})
    there = path.read_text(errors="replace") if path.is_file() else None
    if there is None and not directory.is_file() and not any(directory.glob("[!.]*")):
        directory.mkdir(parents=True, exist_ok=True)
        save(path, manifest.encode())
    elif there != manifest:
        found = "a file" if directory.is_file() else "no export of an archive"
        if there is not None:
            found = f"an export with {there}, and this one would have {manifest}"
        raise ConfigError(f"directory {str(directory)!r} is {found}: give one that is new or empty")


def refuse_older(directory: Path, tables: Iterable[Table], by: Sequence[str]) -> None:
    """Refuse folders of tables that are not written now, and have other columns."""
    found = []
    for table in tables:
        columns = pl.Schema({name: each for name, each in table.schema.items() if name not in by})
        files = (directory / table.name).rglob(_FILE)
        if any(pl.read_parquet_schema(each) != columns for each in files):
            found.append(repr(str(directory / table.name)))
    if found:
        advice = "of another version of this library: export these tables as well, or remove them"
        raise ConfigError(f"{' and '.join(found)} have columns {advice}")


def write_table(
    root: Path, table: Table, partitions: Sequence[Partition], by: Sequence[str]
) -> Iterator[tuple[str, str, int, str]]:
    """Write the changed files of a table; return each file, its rows, and its change."""
    files: dict[Path, list[Partition]] = {} if by else {root / _FILE: []}
    for each in partitions:
        values = {"workflow_id": each.workflow, "month": each.month}
        folders = [f"{name}={_escape(values[name])}" for name in by]
        files.setdefault(root.joinpath(*folders, _FILE), []).append(each)
    for path, parts in files.items():
        source = hashlib.sha256("\n".join([KEY, *(each.token for each in parts)]).encode())
        change = "unchanged"
        if _read_source(path) != source.hexdigest():
            change, file = "written", io.BytesIO()
            rows = join_rows(table, [each.rows for each in parts]).drop(by, strict=False)
            rows.sink_parquet(file, metadata={_SOURCE: source.hexdigest()})
            path.parent.mkdir(parents=True, exist_ok=True)
            # An engine reads all files in a table's folder.
            unfinished = root.with_name(f".{secrets.token_hex(8)}.tmp")
            save(unfinished, file.getvalue())
            unfinished.replace(path)
        count = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        yield table.name, str(path), count, change
    tidy(root.parent.glob(".*.tmp"))  # of an export that was killed
    for path in sorted({*root.rglob(_FILE)} - files.keys()):
        path.unlink()
        with contextlib.suppress(OSError):  # of the first folder that is not empty
            for folder in path.parents:
                folder.rmdir()
        yield table.name, str(path), 0, "removed"


def _escape(value: str | None) -> str:
    """The value of a partition as the name of a folder; letters of any script stay."""
    if value is None:
        return _NULL
    return re.sub(r"[^\w.-]", lambda found: quote(found[0], safe=""), value)


def _read_source(path: Path) -> str | None:
    """The sources of a file; None if it is missing, or is not a whole one of ours."""
    with contextlib.suppress(OSError, pl.exceptions.PolarsError):
        return pl.read_parquet_metadata(path).get(_SOURCE)
    return None
