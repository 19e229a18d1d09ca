"""An archive of an earlier format is upgraded, wholly or not at all."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from support.archives import assert_same, sync
from support.lettered_api import FLOW, LetteredApi
from support.nursery import Nursery
from support.studied import with_studies

import retab_analysis as ra

DATA = Path(__file__).parents[1] / "data" / "archive_format_2.sqlite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive that a version of the library wrote which knew nothing of edits."""
    return Path(shutil.copy(DATA, tmp_path / "a.sqlite"))


def read_format(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def api() -> LetteredApi:
    """The API that the archive was made of."""
    evals = {"a": "PPPPFF", "b": "PPPPPP", "c": "PFPPPP"}
    return LetteredApi(evals, codes="AAAABB", published="A", names={"a": "Total", "b": "Renamed"})


def test_everything_is_still_there(path: Path) -> None:
    assert read_format(path) == 2
    with ra.Archive(path) as archive:
        assert read_format(path) == 3
        assert archive.verify().is_empty()
        assert archive.info().select("kind", "documents").rows() == [
            ("evals", 3),
            ("results", 18),
            ("runs", 6),
            ("versions", 1),
        ]
        assert archive.scan_evals(history=True).collect()["eval_name"].to_list().count("b") == 1
        assert archive.scan_edits().collect().is_empty()
        with api() as served:
            runs = ra.fetch_runs(FLOW, client=served.client)
            assert_frame_equal(archive.scan_runs().collect(), runs)
            results = ra.fetch_results(runs, client=served.client, progress=False)
            assert_frame_equal(
                archive.scan_results().collect().drop("eval_name"), results.drop("eval_name")
            )


def test_it_is_synced_as_any_other(path: Path) -> None:
    with ra.Archive(path) as archive, api() as served:
        served.run("FPP")
        sync(archive, served)
        assert_same(archive, served.client)
        edits = ra.fetch_edits(FLOW, client=served.client).drop("number", "workflow_name")
        assert_frame_equal(archive.scan_edits().collect().drop("number", "workflow_name"), edits)
        assert edits.height == 2
    with ra.Archive(path) as archive:  # and is not upgraded again
        assert_frame_equal(archive.scan_edits().collect().drop("number", "workflow_name"), edits)


def test_a_new_archive_and_an_upgraded_one_have_the_same_columns(
    path: Path, tmp_path: Path
) -> None:
    def columns(each: Path) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(each)) as db:
            tables = ("documents", "earlier", "workflows", "months")
            return [row for table in tables for row in db.execute(f"PRAGMA table_xinfo({table})")]

    new = tmp_path / "new.sqlite"
    for each in (path, new):
        ra.Archive(each).close()
    assert columns(path) == columns(new)


@pytest.mark.parametrize("stride", with_studies((1, 3), (3,)))
def test_43_killed_while_it_is_upgraded_it_has_one_of_the_formats(
    path: Path, tmp_path: Path, stride: int
) -> None:
    with Nursery() as nursery:
        usual = nursery.run("scan", path)
        assert usual.said == "18"
        formats = set()
        for steps in range(0, usual.steps, stride):
            again = tmp_path / f"{steps}.sqlite"
            shutil.copy(DATA, again)
            assert nursery.run("scan", again, steps=steps).is_killed
            formats.add(read_format(again))
            with contextlib.closing(sqlite3.connect(again)) as db:
                names = [name for _, name, *_ in db.execute("PRAGMA table_xinfo(documents)")]
            assert ("block" in names) == (read_format(again) == 3)
            with ra.Archive(again) as archive:
                assert archive.verify().is_empty()
                assert archive.scan_results().collect().height == 18
        assert formats == {2, 3}


def test_two_that_open_it_at_once_upgrade_it_once(path: Path) -> None:
    with Nursery() as one, Nursery() as other:
        said = [each.run("scan", path).said for each in (one, other)]
    assert said == ["18", "18"]
    assert read_format(path) == 3
