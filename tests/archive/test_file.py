"""The file of an archive: refused untouched, never half-written, with one writer at a time."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.archives import assert_same, opened
from support.fakes import KEY
from support.inside import archive_database
from support.lettered_api import FLOW, LetteredApi, alike
from support.nursery import Nursery

import retab_analysis as ra

EVALS = {"a": "PFPP" * 10, **alike(3, "P" * 40)}


def sync(path: Path, api: LetteredApi) -> int:
    with ra.Archive(path) as archive:
        return archive.sync(FLOW, client=api.client, progress=False).height


def test_44_two_processes_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with LetteredApi(EVALS, largest_page=5) as api:
        order = ("sync", path, FLOW, KEY, api.server.url)
        with Nursery() as one, Nursery() as other, ThreadPoolExecutor() as pool:
            ended = pool.map(lambda each: each.run(*order), (one, other))
            assert sorted(int(each.said) for each in ended) == [0, 40 + 160 + 4 + 1 + 1]
        assert_same(ra.Archive(path), api.client)


def test_44_whoever_waits_goes_on_where_the_other_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with LetteredApi(EVALS, largest_page=5) as api, Nursery() as one, Nursery() as other:
        order = ("sync", path, FLOW, KEY, api.server.url)
        with ThreadPoolExecutor() as pool:
            killed = pool.submit(one.run, *order, steps=400)
            ended = other.run(*order)
            assert killed.result().is_killed
        assert ended.code == 0
        assert sync(path, api) == 0
        assert_same(ra.Archive(path), api.client)


def test_44_whoever_has_waited_long_enough_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_database, "_SYNC_WAIT", 0.0)
    path = tmp_path / "a.sqlite"
    with LetteredApi(EVALS) as api:
        sync(path, api)
        with contextlib.closing(sqlite3.connect(f"{path}-sync")) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(ra.ArchiveError, match="another process"):
                sync(path, api)
        assert sync(path, api) == 0


def test_45_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(ra.ArchiveError, match="may this user write"):
        ra.Archive(tmp_path / "nowhere" / "a.sqlite")
    with pytest.raises(ra.ArchiveError, match="is a folder; name a file in it"):
        ra.Archive(tmp_path)


@pytest.mark.parametrize("what", ["moved", "replaced", "folder"])
def test_a_file_that_goes_away_while_it_is_written_to(tmp_path: Path, what: str) -> None:
    path = tmp_path / "here" / "a.sqlite"
    path.parent.mkdir()

    def take_away(request: str) -> None:
        if what == "folder":
            shutil.rmtree(path.parent, ignore_errors=True)
        elif path.exists():
            path.rename(path.with_name("b.sqlite"))
            if what == "replaced":
                path.touch()

    with LetteredApi(EVALS) as api, ra.Archive(path) as archive:
        api.broken["GET /v1/workflows/wf_letters/published-versions"] = take_away
        with pytest.raises(ra.ArchiveError, match=r"is its folder there|disk I/O|in its place"):
            archive.sync(FLOW, client=api.client, progress=False)
        api.broken.clear()
        if what == "folder":
            with pytest.raises(ra.ArchiveError, match="is its folder there"):
                archive.info()


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """An archive with something in it, and no file beside it that belongs to it."""
    path = tmp_path / "a.sqlite"
    with LetteredApi(EVALS) as api:
        sync(path, api)
    assert not Path(f"{path}-wal").exists()
    return path


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.9, 0.999])
def test_46_a_truncated_file_is_refused_and_left_alone(full: Path, share: float) -> None:
    content = full.read_bytes()[: int(full.stat().st_size * share)]
    full.write_bytes(content)
    with pytest.raises(ra.ArchiveError, match=r"damaged|not an archive"):
        ra.Archive(full)
    assert full.read_bytes() == content


def test_46_a_foreign_or_newer_file_is_refused_and_left_alone(full: Path, tmp_path: Path) -> None:
    older, newer = tmp_path / "older.sqlite", tmp_path / "newer.sqlite"
    for path, version in ((older, 1), (newer, 4)):
        path.write_bytes(full.read_bytes())
        with opened(path) as db:
            db.execute(f"PRAGMA user_version = {version}")
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("My own words.\n" * 500)
    with opened(foreign) as db:
        db.execute("CREATE TABLE mine (a)")
    reasons = {
        older: "has format 1.*move it away, and sync anew",
        newer: "has format 4.*upgrade",
        text: "not an archive, and was not touched",
        foreign: "of another application; it was not touched",
    }
    for path, reason in reasons.items():
        content = path.read_bytes()
        with pytest.raises(ra.ArchiveError, match=reason):
            ra.Archive(path)
        assert path.read_bytes() == content


def test_46_a_file_of_no_bytes_is_new(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.touch()
    with ra.Archive(path) as archive:
        assert archive.info().is_empty()


def test_46_damaged_bytes_are_never_a_row(full: Path) -> None:
    """Wherever some bytes are overwritten: an error, or ``verify`` says it, or nothing is lost."""
    content, draw = full.read_bytes(), random.Random(46)
    with ra.Archive(full) as archive:
        whole = archive.scan_results().collect()
    for _ in range(40):
        at = draw.randrange(100, len(content) - 8)
        full.write_bytes(content[:at] + draw.randbytes(8) + content[at + 8 :])
        try:
            with ra.Archive(full) as archive, warnings.catch_warnings():
                warnings.simplefilter("ignore", ra.ProblemsWarning)
                is_well = archive.verify().is_empty()
                results = archive.scan_results().collect()
        except ra.ArchiveError:
            continue
        assert not is_well or results.equals(whole)


def test_verify_names_the_document_that_is_damaged(full: Path) -> None:
    with opened(full) as db:
        body = db.execute("SELECT body FROM documents WHERE id = 'run_30'").fetchone()[0]
        cut = (body[:-5], "run_30")
        db.execute("UPDATE documents SET body = ? WHERE id = ?", cut)
    with LetteredApi(EVALS) as api, ra.Archive(full) as archive:
        found = archive.verify().select("kind", "document_id", "reason").rows()
        assert found == [("runs", "run_30", "its compressed bytes are damaged")]
        with pytest.warns(ra.ProblemsWarning, match="run_30"):
            assert archive.scan_runs().collect().height == 39
        sync(full, api)  # what the API still has takes its place
        assert_same(archive, api.client)


def test_a_closed_archive_says_so(tmp_path: Path) -> None:
    archive = ra.Archive(tmp_path / "a.sqlite")
    archive.close()
    for use in (archive.info, archive.verify, archive.scan_runs, lambda: archive.sync("wf")):
        with pytest.raises(ra.ArchiveError, match="is closed"):
            use()


def test_where_it_is_if_no_path_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RETAB_ANALYSIS_ARCHIVE", raising=False)
    path = ra.Archive().path
    assert path == tmp_path / ".retab_analysis" / "archive.sqlite"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    monkeypatch.setenv("RETAB_ANALYSIS_ARCHIVE", str(tmp_path / "b.sqlite"))
    assert ra.Archive().path == tmp_path / "b.sqlite"
    with pytest.raises(ra.ConfigError, match="path: expected"):
        ra.Archive(5)
    assert (tmp_path / "b.sqlite").exists()
