"""A full disk, or a place where nothing may be written: what was there stays, and it is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.archives import assert_same, sync
from support.fakes import KEY
from support.lettered_api import FLOW, LetteredApi, alike
from support.nursery import Nursery
from support.studied import with_studies

import retab_analysis as ra

EVALS = {"a": "PFPP" * 10, **alike(3, "P" * 40)}
SIZE = 1 << 20
WHAT_TO_DO = r"free some space|look at the disk|is its folder there"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk, on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Leave only so many bytes of a disk; deleting what is given frees the others."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    ballast.write_bytes(b"x" * max(0, free.f_bavail * free.f_bsize - left))
    return ballast


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi(EVALS, published="A", upto=10) as made:
        yield made


# What is written first, a page at a time: the tables of the archive take some fifteen.
@pytest.mark.parametrize("pages", with_studies((0, 1, 2, 4, 9, 12, 15), (0, 4, 12)))
def test_45_no_room_for_an_archive(disk: Path, api: LetteredApi, pages: int) -> None:
    path = disk / "a.sqlite"
    ballast = fill(disk, 4_096 * pages)
    with pytest.raises(ra.ArchiveError, match=WHAT_TO_DO):
        ra.Archive(path)
    ballast.unlink()
    archive = ra.Archive(path)
    assert archive.info().is_empty()
    sync(archive, api)
    assert_same(archive, api.client)


@pytest.mark.parametrize("pages", with_studies((0, 4, 8, 9, 12, 20, 40, 60), (0, 9, 40)))
def test_45_no_room_for_what_has_come(disk: Path, api: LetteredApi, pages: int) -> None:
    path = disk / "a.sqlite"
    archive = ra.Archive(path)
    sync(archive, api)
    before = [archive.scan_runs().collect(), archive.scan_results().collect()]
    api.upto = None
    api.change("a", name="Renamed")
    ballast = fill(disk, 4_096 * pages)
    with pytest.raises(ra.ArchiveError, match=WHAT_TO_DO):
        sync(archive, api)
    ballast.unlink()
    assert archive.verify().is_empty()
    runs, results = archive.scan_runs().collect(), archive.scan_results().collect()
    assert_frame_equal(runs.join(before[0], on="run_id", how="semi"), before[0])
    kept = results.join(before[1], on="result_id", how="semi")
    assert_frame_equal(kept.drop("eval_name"), before[1].drop("eval_name"))
    # Of each run that came, all results or none.
    assert results.height == 4 * results["run_id"].n_unique()
    sync(archive, api)
    assert_same(archive, api.client)


# Also where no small disk can be mounted: no file may become larger.
@pytest.mark.parametrize("room", [-100_000, 20_000, 100_000])
def test_45_no_room_for_a_larger_file(
    tmp_path: Path, api: LetteredApi, nursery: Nursery, room: int
) -> None:
    assert api.server is not None
    archive = ra.Archive(tmp_path / "a.sqlite")
    sync(archive, api)
    before, api.upto = archive.scan_results().collect(), None
    order = ("sync", archive.path, FLOW, KEY, api.server.url)
    ended = nursery.run(*order, limit=archive.path.stat().st_size + room)
    assert "its earlier content is intact" in ended.said
    results = archive.scan_results().collect()
    assert_frame_equal(results.join(before, on="result_id", how="semi"), before)
    assert results.height == 4 * results["run_id"].n_unique()
    assert archive.verify().is_empty()
    sync(archive, api)
    assert_same(archive, api.client)


@pytest.mark.parametrize("pages", with_studies((0, 2, 8, 10), (0, 8)))
def test_45_no_room_while_it_is_read(disk: Path, api: LetteredApi, pages: int) -> None:
    archive = ra.Archive(disk / "a.sqlite")
    sync(archive, api)
    shutil.rmtree(f"{archive.path}-tables", ignore_errors=True)
    ballast = fill(disk, 4_096 * pages)
    if pages < 8:  # SQLite needs 32 kB of memory that is a file
        with pytest.raises(ra.ArchiveError, match="look at the disk"):
            archive.scan_runs()
    else:
        assert archive.scan_runs().collect().height == 10
        assert archive.scan_results().collect().height == 40
    ballast.unlink()
    assert_same(archive, api.client)


@pytest.mark.parametrize("pages", with_studies((0, 1, 5, 12), (0, 5)))
def test_45_no_room_for_tables_and_exports(
    disk: Path, tmp_path: Path, api: LetteredApi, pages: int
) -> None:
    archive = ra.Archive(tmp_path / "a.sqlite")
    sync(archive, api)
    Path(f"{archive.path}-tables").symlink_to(disk)
    ballast = fill(disk, 4_096 * pages)
    assert_same(archive, api.client)
    lake = disk / "lake"
    with pytest.raises(OSError, match="No space left"):
        archive.export_parquet(lake)
    assert not [*lake.rglob("*.tmp")]
    ballast.unlink()
    assert_same(archive, api.client)
    archive.export_parquet(lake)
    rows = pl.read_parquet(lake / "runs", hive_partitioning=False)
    assert rows.height == 10
    # The next rows have no room: the old ones stay.
    api.upto = None
    sync(archive, api)
    fill(disk, 4_096 * pages)
    assert_same(archive, api.client)
    with pytest.raises(OSError, match="No space left"):
        archive.export_parquet(lake, tables="results")
    assert pl.read_parquet(lake / "results", hive_partitioning=False).height in (40, 120)


@pytest.mark.parametrize("what", ["file", "folder", "both"])
def test_45_a_place_where_nothing_may_be_written(
    api: LetteredApi, nursery: Nursery, what: str
) -> None:
    assert api.server is not None
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "a.sqlite"
        archive = ra.Archive(path)
        sync(archive, api)
        Path(f"{path}-sync").unlink()
        folder.chmod(0o777 if what == "file" else 0o555)
        path.chmod(0o666 if what == "folder" else 0o444)
        before, api.upto = path.read_bytes(), None
        order = ("sync", path, FLOW, KEY, api.server.url)
        said = nursery.run(*order, as_nobody=True).said
        assert "ArchiveError" in said
        assert "right to write" in said or "may this user write" in said
        assert path.read_bytes() == before
        said = nursery.run("scan", path, as_nobody=True).said
        assert said == "40" or "right to write" in said or "may this user write" in said
        folder.chmod(0o700)
        path.chmod(0o600)
        sync(archive, api)
        assert_same(archive, api.client)
