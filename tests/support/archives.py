"""An archive of a lettered API, and whether it has what a fetch of everything gives."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

import retab_analysis as ra
from support.lettered_api import FLOW, LetteredApi


def sync(archive: ra.Archive, api: LetteredApi, **how: Any) -> pl.DataFrame:
    return archive.sync(api.flow, **{"client": api.client, "progress": False} | how)


def assert_same(archive: ra.Archive, client: ra.Client, workflow_id: str = FLOW) -> None:
    """The archive has what a fetch of everything gives, in the same order, and labels."""
    runs = ra.fetch_runs(workflow_id, client=client)
    assert_frame_equal(archive.scan_runs(workflow_id).collect(), runs)
    results = ra.fetch_results(runs, client=client, progress=False)
    assert_frame_equal(unlabelled(archive.scan_results(workflow_id).collect()), results)
    evals = ra.fetch_evals(workflow_id, client=client)
    assert_frame_equal(unlabelled(archive.scan_evals(workflow_id).collect()), evals)
    versions = ra.fetch_versions(workflow_id, client=client)
    assert_frame_equal(archive.scan_versions(workflow_id).collect(), versions)
    assert archive.verify().is_empty()


def unlabelled(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as a fetch gives them, which does not know the labels of blocks."""
    return rows.with_columns(block_label=pl.lit(None, pl.String))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database itself; what is changed is kept."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db
