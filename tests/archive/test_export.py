"""A directory of an archive's tables: what engines read there, and what is written again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.archives import sync
from support.fakes import STILL
from support.lettered_api import LetteredApi, alike

import retab_analysis as ra

EVALS = {"a": "PFPP" * 10, "b": "P" * 40, **alike(2, "P" * 40)}  # of April and May
TEXT = {"workflow_id": pl.String, "month": pl.String}
TABLES = ("runs", "results", "evals", "versions", "edits")
PARTITIONS: list[tuple[str, ...]] = [
    ("workflow_id", "month"),
    ("month", "workflow_id"),
    ("workflow_id",),
    ("month",),
    (),
]


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi(EVALS, published="A") as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path, api: LetteredApi) -> ra.Archive:
    made = ra.Archive(tmp_path / "a.sqlite")
    sync(made, api)
    return made


@pytest.fixture(scope="module")
def sandboxed(tmp_path_factory: pytest.TempPathFactory) -> ra.Archive:
    made = ra.Archive(tmp_path_factory.mktemp("sandbox") / "a.sqlite")
    with ra.Sandbox(speed=STILL) as sandbox, ra.Client(**sandbox.credentials) as client:
        made.sync(["wf_claims", "wf_contracts"], client=client)
    return made


def scan(directory: Path, table: str, **how: Any) -> pl.LazyFrame:
    return pl.scan_parquet(
        directory / table, hive_partitioning=True, **({"hive_schema": TEXT} | how)
    )


def scan_all(archive: ra.Archive) -> dict[str, pl.LazyFrame]:
    scans = (
        *(archive.scan_runs, archive.scan_results, archive.scan_evals, archive.scan_versions),
        archive.scan_edits,
    )
    return {name: each() for name, each in zip(TABLES, scans, strict=True)}


def changes(frame: pl.DataFrame, change: str, directory: Path) -> list[str]:
    rows = frame.filter(pl.col("change") == change)["path"]
    return sorted(str(Path(each).parent.relative_to(directory)) for each in rows)


def stamps(directory: Path) -> dict[str, tuple[int, int]]:
    return {
        str(each): (each.stat().st_ino, each.stat().st_mtime_ns)
        for each in directory.rglob("*")
        if each.is_file()
    }


@pytest.mark.parametrize("by", PARTITIONS, ids=str)
def test_it_has_the_rows_of_the_scans(
    sandboxed: ra.Archive, tmp_path: Path, by: tuple[str, ...]
) -> None:
    files = sandboxed.export_parquet(tmp_path / "lake", partition_by=by)
    assert files.schema == {
        "table": pl.String,
        "path": pl.String,
        "rows": pl.Int64,
        "change": pl.String,
    }
    keys = {"runs": "run_id", "results": "result_id", "evals": "eval_id", "versions": "version_id"}
    keys["edits"] = "config_fingerprint"
    months = {
        "results": "run_created_at",
        "versions": "published_at",
        "edits": "first_seen_at",
    }
    for table, rows in scan_all(sandboxed).items():
        expected = rows.collect()
        types = {each: pl.String for each in by}
        found = scan(tmp_path / "lake", table, hive_schema=types).collect()
        key = keys[table] if keys[table] in expected.columns else expected.columns[0]
        own = found.select(expected.columns).sort(key)
        assert_frame_equal(own, expected.sort(key))
        assert files.filter(pl.col("table") == table)["rows"].sum() == expected.height
        assert {*found.columns} - {*expected.columns} == {"month"} & {*by}
        if "month" in by:
            at = pl.col(months.get(table, "created_at"))
            assert found.filter(pl.col("month") != at.dt.strftime("%Y-%m")).is_empty()
    again = sandboxed.export_parquet(tmp_path / "lake", partition_by=by)
    assert_frame_equal(again.drop("change"), files.drop("change"))
    assert {*files["change"]}, {*again["change"]} == ({"written"}, {"unchanged"})


@pytest.mark.parametrize("flow", ["007", "wf/a=b:c", "wf é 100%", "2026-01-01"])
def test_the_id_of_a_workflow_comes_back(tmp_path: Path, flow: str) -> None:
    with LetteredApi(EVALS, flow=flow) as api:
        archive = ra.Archive(tmp_path / "a.sqlite")
        sync(archive, api)
    archive.export_parquet(tmp_path / "lake")
    runs, results = scan(tmp_path / "lake", "runs"), scan(tmp_path / "lake", "results")
    assert runs.collect()["workflow_id"].unique().to_list() == [flow]
    assert ra.summarize_runs(runs).lazy().collect()["n_runs"].to_list() == [40]
    assert ra.states(results).lazy().collect()["eval_id"].n_unique() == 4
    query = "SELECT DISTINCT workflow_id FROM read_parquet(?, hive_types_autocast = false)"
    files = str(tmp_path / "lake/runs/*/*/*.parquet")
    assert duckdb.execute(query, [files]).fetchall() == [(flow,)]


def test_only_what_has_changed_is_written(
    archive: ra.Archive, api: LetteredApi, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    of = {month: f"workflow_id={api.flow}/month=2026-0{month}" for month in (3, 4, 5)}
    files = archive.export_parquet(lake)
    assert changes(files, "written", lake) == sorted(
        [f"{table}/{of[month]}" for table in ("runs", "results") for month in (4, 5)]
        + [str(Path(each).parent.relative_to(lake)) for each in files["path"][4:]]
    )
    before = stamps(lake)
    assert {*ra.Archive(archive.path).export_parquet(lake)["change"]} == {"unchanged"}
    assert stamps(lake) == before
    api.run("FPPP")
    sync(archive, api)
    written = changes(archive.export_parquet(lake), "written", lake)
    assert [each for each in written if each.startswith(("runs", "results"))] == [
        f"results/{of[5]}",
        f"runs/{of[5]}",
    ]
    api.change("a", name="Total")
    sync(archive, api)
    written = changes(archive.export_parquet(lake), "written", lake)
    assert [each for each in written if each.startswith(("runs", "results"))] == [
        f"results/{of[4]}",
        f"results/{of[5]}",
    ]
    names = scan(lake, "results").filter(pl.col("eval_id") == "a").collect()["eval_name"]
    assert names.unique().to_list() == ["Total"]
    assert not [each for each in lake.rglob("*") if each.name.endswith(".tmp")]


def test_a_month_without_rows_is_removed(
    archive: ra.Archive, api: LetteredApi, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    api.change("a", created_at="2026-09-09T00:00:00Z")
    sync(archive, api, refresh=True)
    archive.export_parquet(lake)
    api.remove("a")
    sync(archive, api)
    files = archive.export_parquet(lake)
    gone = f"evals/workflow_id={api.flow}/month=2026-09"
    assert changes(files, "removed", lake) == [gone]
    assert files.filter(pl.col("change") == "removed")["rows"].to_list() == [0]
    assert not (lake / gone).exists()
    assert (lake / gone).parent.exists()
    assert "removed" not in archive.export_parquet(lake)["change"]
    assert scan(lake, "evals").collect().height == 3


def test_what_has_no_date_is_a_partition(
    archive: ra.Archive, api: LetteredApi, tmp_path: Path
) -> None:
    api.change("run_7", timing__created_at=None)
    sync(archive, api, refresh=True)
    archive.export_parquet(tmp_path / "lake")
    folder = tmp_path / f"lake/results/workflow_id={api.flow}/month=__HIVE_DEFAULT_PARTITION__"
    assert folder.is_dir()
    found = scan(tmp_path / "lake", "results").filter(pl.col("month").is_null()).collect()
    assert found["run_id"].unique().to_list() == ["run_7"]


def test_a_file_that_was_cut_is_written_again(archive: ra.Archive, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    path = Path(archive.export_parquet(lake)["path"][0])
    for content in (path.read_bytes()[:-9], b""):
        path.write_bytes(content)
        assert archive.export_parquet(lake)["change"].to_list().count("written") == 1
    other = pl.read_parquet(path)
    other.write_parquet(path)  # what it is made of does not stand in it
    assert archive.export_parquet(lake)["change"].to_list().count("written") == 1


def test_of_a_table_without_rows_one_file_says_its_columns(tmp_path: Path) -> None:
    files = ra.Archive(tmp_path / "a.sqlite").export_parquet(tmp_path / "lake", partition_by=())
    assert files["rows"].to_list() == [0] * 5
    found = pl.read_parquet(tmp_path / "lake/results/data.parquet")
    assert found.schema == ra.Archive(tmp_path / "a.sqlite").scan_results().collect_schema()
    assert ra.Archive(tmp_path / "a.sqlite").export_parquet(tmp_path / "b").is_empty()


def test_a_directory_of_something_else_is_left_alone(archive: ra.Archive, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "runs.csv").write_text("a")
    (tmp_path / "file").write_text("a")
    for name, what in (("mine", "no export of an archive"), ("file", "a file")):
        with pytest.raises(ra.ConfigError, match=f"{name}' is {what}: give one that is new or"):
            archive.export_parquet(tmp_path / name)
    assert [each.name for each in mine.iterdir()] == ["runs.csv"]
    archive.export_parquet(tmp_path / "lake")
    before = stamps(tmp_path / "lake")
    for by in (("month", "workflow_id"), "month", ()):
        with pytest.raises(
            ra.ConfigError, match=r"is an export with .*partition_by.*one that is new"
        ):
            archive.export_parquet(tmp_path / "lake", partition_by=by)
    assert stamps(tmp_path / "lake") == before


def test_what_a_killed_export_has_left_is_removed(archive: ra.Archive, tmp_path: Path) -> None:
    archive.export_parquet(tmp_path / "lake")
    left, begun = tmp_path / "lake/.12ab.tmp", tmp_path / "lake/.34cd.tmp"
    for each in (left, begun):
        each.write_bytes(b"PAR1")
    os.utime(left, (0, 0))
    archive.export_parquet(tmp_path / "lake")
    assert (left.exists(), begun.exists()) == (False, True)


def test_arguments_that_cannot_be_used(archive: ra.Archive, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with pytest.raises(ra.ConfigError, match="tables must be one of runs, results, evals"):
        archive.export_parquet(lake, tables="blocks")
    with pytest.raises(ra.ConfigError, match="partition_by must be one of workflow_id, month"):
        archive.export_parquet(lake, partition_by=("day",))
    with pytest.raises(ra.ConfigError, match="directory: expected a str or a Path"):
        archive.export_parquet(None)
    assert not lake.exists()
    archive.close()
    with pytest.raises(ra.ArchiveError, match="is closed"):
        archive.export_parquet(lake)


def test_what_does_not_decode_is_said_every_time(
    archive: ra.Archive, api: LetteredApi, tmp_path: Path
) -> None:
    api.change("res_run_3_a", block_id=7)
    with pytest.warns(ra.ProblemsWarning):
        sync(archive, api, refresh=True)
    for change in ("written", "unchanged"):
        with pytest.warns(ra.ProblemsWarning, match="1 result left out") as caught:
            files = archive.export_parquet(tmp_path / "lake")
        assert caught[0].filename == __file__
        assert {*files["change"]} == {change}


def test_folders_with_the_columns_of_another_version_are_named(
    archive: ra.Archive, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    archive.export_parquet(lake)
    for table in ("evals", "versions"):
        for path in (lake / table).rglob("data.parquet"):
            rows = pl.read_parquet(path, hive_partitioning=False)
            rows.drop(rows.columns[-1]).write_parquet(path)
    before = stamps(lake)
    with pytest.raises(ra.ConfigError, match=r"lake/evals' and '.*lake/versions' have columns of"):
        archive.export_parquet(lake, tables="runs")
    assert stamps(lake) == before
    archive.export_parquet(lake)  # all of them are written anew
    assert {*archive.export_parquet(lake, tables="runs")["change"]} == {"unchanged"}
    assert_frame_equal(
        scan(lake, "evals").select(pl.col("eval_id").sort()).collect(),
        archive.scan_evals().select(pl.col("eval_id").sort()).collect(),
    )
