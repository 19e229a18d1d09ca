"""The Parquet files beside an archive: whatever becomes of them, a scan says the same."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import cycle, product
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.archives import assert_same, sync
from support.lettered_api import DAY, FIRST, LetteredApi, alike
from support.studied import with_studies

import retab_analysis as ra

EVALS = {"a": "PFPP" * 10, "b": "P" * 40, **alike(2, "P" * 40)}  # of April and May
OLD = time.time() - 2 * 24 * 3600


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi(EVALS, published="A") as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LetteredApi]]:
    """A folder with an archive and its tables, and what they are of."""
    folder = tmp_path_factory.mktemp("synced")
    with LetteredApi(EVALS, published="A") as made:
        archive = ra.Archive(folder / "a.sqlite")
        sync(archive, made)
        assert_same(archive, made.client)
        yield folder, made


def files(path: Path, kind: str = "*") -> list[Path]:
    return sorted(Path(f"{path}-tables").glob(f"*/{kind}/*/*.parquet"))


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    """Which files there are, and when each was written."""
    return {each: (each.stat().st_ino, each.stat().st_mtime_ns) for each in files(path)}


def months(found: set[Path]) -> list[str]:
    return sorted(f"{each.parent.parent.name} {each.name[:7]}" for each in found)


def test_a_file_of_each_kind_and_month_is_made_once(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    assert files(path) == []
    assert_same(archive, api.client)
    before = stamps(path)
    kinds = ("results", "runs")
    assert months({*before}) == [f"{kind} 2026-0{month}" for kind in kinds for month in (4, 5)]
    assert_same(archive, api.client)
    assert_same(ra.Archive(path), api.client)
    assert stamps(path) == before


def test_they_are_of_their_owner_alone(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    archive.scan_results()
    assert {each.stat().st_mode & 0o777 for each in files(path)} == {0o600}
    assert Path(f"{path}-tables").stat().st_mode & 0o777 == 0o700
    assert archive.info()["bytes"].sum() < path.stat().st_size


def test_only_the_month_in_which_something_changed_is_made_anew(
    path: Path, api: LetteredApi
) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    assert_same(archive, api.client)
    before = stamps(path)
    api.run("FPPP")
    sync(archive, api)
    assert_same(archive, api.client)
    assert months(stamps(path).keys() - before.keys()) == ["results 2026-05", "runs 2026-05"]
    before = stamps(path)
    api.change("res_run_3_a", warnings=["late"])
    sync(archive, api, refresh=True)
    assert_same(archive, api.client)
    assert months(stamps(path).keys() - before.keys()) == ["results 2026-04", "runs 2026-04"]


@pytest.mark.parametrize("kind", ["a", "run_3", "res_run_3_a"])
def test_what_a_result_takes_from_elsewhere_is_up_to_date(
    path: Path, api: LetteredApi, kind: str
) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    assert_same(archive, api.client)
    before = stamps(path)
    news = {
        "a": {"name": "Total"},
        "run_3": {"workflow_version_id": "version_9", "timing__created_at": "2026-05-03T00:00:00Z"},
        "res_run_3_a": {"id": "res_other"},
    }
    if kind == "run_3":
        api.runs[3].at = FIRST + 32 * DAY + DAY / 3
    api.change(kind, **news[kind])
    sync(archive, api, refresh=True)
    if kind == "res_run_3_a":  # it is gone, and another one there
        rows = archive.scan_results(gone=False).collect()
        assert_frame_equal(rows, ra.fetch_results(rows["run_id"], client=api.client))
        assert archive.scan_results().collect().height == rows.height + 1
        return
    assert_same(archive, api.client)
    # A new name of an eval is no reason to make months of results anew.
    assert (stamps(path) == before) == (kind == "a")


def flip(one: Path, other: Path) -> None:
    content = bytearray(one.read_bytes())
    content[len(content) // 2] ^= 1
    one.write_bytes(content)


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


HARMS: dict[str, Callable[[Path, Path], object]] = {
    "cut": lambda one, other: one.write_bytes(one.read_bytes()[:-7]),
    "flip": flip,
    "swap": swap,
    "misname": lambda one, other: other.replace(one),
    "empty": lambda one, other: one.write_bytes(b""),
    "remove": lambda one, other: one.unlink(),
    "make a folder": lambda one, other: (one.unlink(), one.mkdir()),
}


@pytest.mark.parametrize(
    ("harm", "is_open"),
    with_studies(product(HARMS, (True, False)), [*zip(HARMS, cycle((True, False)))]),
)
def test_a_file_that_is_missing_or_damaged(
    tmp_path: Path, synced: tuple[Path, LetteredApi], harm: str, is_open: bool
) -> None:
    folder, api = synced
    path = Path(shutil.copytree(folder, tmp_path / "copy")) / "a.sqlite"
    archive = ra.Archive(path)
    if is_open:  # it has read them
        archive.scan_results().collect()
    for kind in ("runs", "results"):
        HARMS[harm](*files(path, kind))
    if not is_open:
        archive = ra.Archive(path)
    found = archive.verify()
    assert found.is_empty() == (harm == "remove")
    assert found["kind"].unique().to_list() == ["tables"] * (not found.is_empty())
    for kind, scan in (("runs", archive.scan_runs), ("results", archive.scan_results)):
        assert scan().collect().height == {"runs": 40, "results": 160}[kind]
    if harm != "make a folder":
        assert_same(archive, api.client)
    assert_same(ra.Archive(shutil.copy(path, path.with_name("b.sqlite"))), api.client)


def test_where_no_file_can_be_made(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    Path(f"{path}-tables").write_text("in the way")
    for _ in range(2):
        assert_same(archive, api.client)


def test_an_older_copy_of_the_archive_in_its_place(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    api.upto = 35
    sync(archive, api)
    assert_same(archive, api.client)
    older = path.read_bytes()
    for _ in range(2):  # the second time on from there
        api.upto = 40
        sync(archive, api)
        assert_same(archive, api.client)
        path.write_bytes(older)
        api.upto = 35
        assert_same(archive, api.client)
        assert_same(ra.Archive(path), api.client)


def test_a_frame_of_before_a_sync_is_as_it_was(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    api.upto = 35
    sync(archive, api)
    lazy, before = archive.scan_results(), archive.scan_results().collect()
    for api.upto in (37, 40):
        sync(archive, api)
        assert_same(archive, api.client)
    assert_frame_equal(lazy.collect(), before)


def test_what_was_last_used_a_day_ago_is_removed(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    archive.scan_runs()
    used, unfinished = files(path), files(path)[0].with_name(".1234.tmp")
    unfinished.touch()
    for each in (*used, unfinished):
        os.utime(each, (OLD, OLD))
    archive.scan_runs()  # they are used
    api.run("PPPP")
    sync(archive, api)
    archive.scan_runs()
    assert {*used} < {*files(path)}
    assert not unfinished.exists()
    for each in files(path):
        os.utime(each, (OLD, OLD))
    api.run("PPPP")
    sync(archive, api)
    assert_same(archive, api.client)
    assert months({*files(path, "runs")}) == ["runs 2026-04", "runs 2026-05"]


def test_of_what_is_used_no_more_a_hundred_stay(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    archive.scan_runs()
    used = files(path)
    for number in range(120):
        superseded = used[0].with_name(f"2026-05.{number}.{number}.parquet")
        superseded.touch()
        os.utime(superseded, (time.time() - number, time.time() - number))
    archive.scan_runs()
    left = sorted(int(each.name.split(".")[1]) for each in {*files(path)} - {*used})
    assert left == [*range(100)]


def test_what_another_version_has_made_is_removed(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    other, foreign = Path(f"{path}-tables", "v0.0.1-0123abcd"), Path(f"{path}-tables", "mine")
    (other / "runs").mkdir(parents=True)
    foreign.mkdir()
    archive.scan_runs()
    assert (other.exists(), foreign.exists()) == (False, True)


def test_a_document_that_does_not_decode_is_told_by_every_scan(
    path: Path, api: LetteredApi
) -> None:
    archive = ra.Archive(path)
    api.change("res_run_3_a", block_id=7)
    with pytest.warns(ra.ProblemsWarning):
        sync(archive, api)
    for each in (archive, archive, ra.Archive(path)):
        with pytest.warns(ra.ProblemsWarning, match="1 result left out.*res_run_3_a") as caught:
            assert each.scan_results().collect().height == 159
        assert caught[0].filename == __file__
    assert months({*files(path)}) == ["results 2026-05"]


def test_a_relative_path_is_meant_where_it_was_given(
    path: Path, api: LetteredApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    archive = ra.Archive("a.sqlite")
    sync(archive, api)
    runs = archive.scan_runs()
    monkeypatch.chdir("/")
    assert runs.collect().height == 40


def test_a_workflow_whose_id_is_no_name_of_a_file(path: Path) -> None:
    with LetteredApi(EVALS, flow="wf/[*]\n%?é") as api:
        archive = ra.Archive(path)
        sync(archive, api)
        for _ in range(2):
            assert_same(archive, api.client, api.flow)


def test_a_scan_is_lazy(path: Path, api: LetteredApi) -> None:
    archive = ra.Archive(path)
    sync(archive, api)
    for _ in range(2):
        rows = archive.scan_results()
        plan = rows.group_by("state").len().explain()
        assert "Parquet SCAN" in plan
        assert "PROJECT 1/" in plan or "PROJECT 2/" in plan
        for engine in ("in-memory", "streaming"):
            assert_frame_equal(rows.collect(engine=engine), rows.collect())
    conditions = rows.select("condition", pl.col("eval_name")).collect()
    assert_frame_equal(conditions, rows.collect().select("condition", "eval_name"))
