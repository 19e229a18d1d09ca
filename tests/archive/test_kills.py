"""Killed at any moment, an archive is as before or as afterwards, and loses nothing."""

from __future__ import annotations

import json
import random
import shutil
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support import archives
from support.fakes import KEY
from support.lettered_api import FLOW, LetteredApi, alike
from support.nursery import Ended, Nursery

import retab_analysis as ra

EVALS = {"a": "PFPP", **alike(3, "PPPP")}
Documents = dict[str, str]  # by id, as text


@dataclass
class Story:
    """A workflow that goes on, and everything that was ever true of it.

    Attributes:
        api: What serves it.
        results: The results of a run in a state of it: by the run's id and document.
        evals: The states that each saved eval had.
    """

    api: LetteredApi
    results: dict[tuple[str, str], Documents] = field(default_factory=dict)
    evals: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def go_on(self, step: int) -> None:
        """Another run begins, the one before ends, an eval is edited, an old run is deleted."""
        begun = {"a": "U", "fine 0": "P", "fine 1": "U", "fine 2": "P"}
        self.api.run(begun, id=f"new_{step}")
        if step:
            self.api.runs[-2].letters = {"a": "PF"[step % 2], **dict.fromkeys(EVALS, "P")}
        self.api.change("a", name=f"name {step // 3}")
        if len(self.api.runs) > 12:
            del self.api.runs[step % 10]
        self.note()

    def note(self) -> None:
        """What is true now."""
        of_run = defaultdict[str, Documents](dict)
        for each in self._list("evals/results"):
            of_run[each["workflow_eval_run_id"]][each["id"]] = _text(each)
        for each in self._list("evals/runs"):
            self.results[each["id"], _text(each)] = of_run[each["id"]]
        for each in self._list("evals"):
            self.evals[each["id"]].add(_text(each))

    def _list(self, path: str) -> list[dict[str, Any]]:
        query = f"?workflow_id={FLOW}&limit=1000000"
        request = f"GET /v1/workflows/{path}{query} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n"
        usual, self.api.largest_page = self.api.largest_page, 1_000_000
        body = self.api(request).data.partition(b"\r\n\r\n")[2]
        self.api.largest_page = usual
        documents: list[dict[str, Any]] = json.loads(body)["data"]
        return documents


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def committed(path: Path) -> dict[tuple[str, str], int]:
    """What another process sees now, and since when it has been as it is."""
    query = "SELECT kind, id, state_seen FROM documents"
    with archives.opened(path) as db:
        return {(kind, each): seen for kind, each, seen in db.execute(query)}


def assert_true(path: Path, story: Story) -> None:
    """A run has the results of its state; one whose results are due, or that is gone, of any."""
    results = defaultdict[str, Documents](dict)
    with archives.opened(path) as db:
        rows = db.execute("SELECT kind, id, run, is_due OR gone, body FROM documents").fetchall()
        earlier = db.execute("SELECT id, body FROM earlier WHERE kind = 'evals'").fetchall()
    stored = [(*row[:4], _text(json.loads(zlib.decompress(row[4])))) for row in rows]
    for kind, document_id, run, _, text in stored:
        if kind == "results":
            results[run][document_id] = text
    for kind, document_id, _, is_open, text in stored:
        if kind == "runs":
            here = results[document_id]
            states = [each for (run, _), each in story.results.items() if run == document_id]
            may = [{}, *states] if is_open else [story.results[document_id, text]]
            assert here in may
        elif kind == "evals":
            assert text in story.evals[document_id]
    for eval_id, body in earlier:
        assert _text(json.loads(zlib.decompress(body))) in story.evals[eval_id]


def some_time(draw: random.Random, usual: Ended) -> dict[str, Any]:
    """When to kill a process: half of them between two steps, the others at any moment."""
    if draw.random() < 0.5:
        return {"steps": draw.randrange(usual.steps)}
    return {"seconds": draw.random() * usual.seconds}


def assert_same(path: Path, api: LetteredApi) -> None:
    """The archive has what a fetch of everything gives, and what is gone besides."""
    with ra.Archive(path) as archive:
        runs = ra.fetch_runs(FLOW, client=api.client)
        kept = archive.scan_runs().collect()
        assert_frame_equal(kept.filter(kept["run_id"].is_in(runs["run_id"].to_list())), runs)
        results = ra.fetch_results(runs, client=api.client, progress=False)
        kept = archive.scan_results().collect()
        assert_frame_equal(kept.filter(kept["run_id"].is_in(runs["run_id"].to_list())), results)
        evals = ra.fetch_evals(FLOW, client=api.client)
        assert_frame_equal(archive.scan_evals().collect(), evals)


def rows_of(path: Path) -> str:
    return repr(pl.read_parquet(path, hive_partitioning=False).rows())


def some_kills(number: int) -> Any:
    return pytest.mark.parametrize("kills", [8, pytest.param(number, marks=pytest.mark.study)])


def test_43_killed_while_it_is_made_it_can_be_opened(tmp_path: Path, nursery: Nursery) -> None:
    with LetteredApi(EVALS) as api:
        assert api.server is not None
        whole = nursery.run("scan", tmp_path / "whole.sqlite").steps
        for steps in range(0, whole, 2):
            path = tmp_path / f"{steps}.sqlite"
            assert nursery.run("scan", path, steps=steps).is_killed
            with ra.Archive(path) as archive:
                assert archive.info().is_empty()
                if steps % 10 == 0:
                    archives.sync(archive, api)
                    archives.assert_same(archive, api.client)


@some_kills(120)
def test_43_killed_while_it_syncs_it_is_as_before_or_as_after(
    tmp_path: Path, nursery: Nursery, kills: int
) -> None:
    path, draw = tmp_path / "a.sqlite", random.Random(kills)
    seen, killed = dict[tuple[str, str], int](), 0
    with LetteredApi(EVALS, largest_page=4) as api:
        story = Story(api)
        story.note()
        url = api.server.url

        def sync(**how: Any) -> Ended:
            return nursery.run("sync", path, FLOW, KEY, url, **how)

        def look(_: str) -> None:
            if path.exists() and path.stat().st_size > 20_000:
                seen.update(committed(path))

        api.broken["GET"] = look  # at each request, and then it is answered as always
        usual = sync()
        for step in range(2 * kills):
            story.go_on(step)
            ended = sync(**some_time(draw, usual))
            usual = usual if ended.is_killed else ended
            killed += ended.is_killed
            assert_true(path, story)
            now = committed(path)
            assert all(now[each] >= since for each, since in seen.items())
            with ra.Archive(path) as archive:
                assert archive.verify().is_empty()
            if killed == kills:
                break
        assert killed == kills
        api.broken.clear()
        assert sync().code == 0
        assert_true(path, story)
        assert_same(path, api)


@some_kills(100)
def test_43_killed_while_tables_are_made_scans_are_true(
    tmp_path: Path, nursery: Nursery, kills: int
) -> None:
    path, draw, killed = tmp_path / "a.sqlite", random.Random(kills), 0
    with LetteredApi({each: row * 10 for each, row in EVALS.items()}) as api:
        archive = ra.Archive(path)
        archives.sync(archive, api)
        usual = nursery.run("scan", path)
        for step in range(3 * kills):
            api.run("PFPP"[step % 4] * 4)
            api.runs[step % 20].letters = dict.fromkeys(EVALS, "PFB"[step % 3])
            archives.sync(archive, api)
            if step % 4 == 0:
                shutil.rmtree(f"{path}-tables", ignore_errors=True)
            ended = nursery.run("scan", path, **some_time(draw, usual))
            killed += ended.is_killed
            archives.assert_same(ra.Archive(path), api.client)
            if killed == kills:
                break
        assert killed == kills


@some_kills(100)
def test_43_killed_while_it_exports_each_file_is_the_old_or_the_new(
    tmp_path: Path, nursery: Nursery, kills: int
) -> None:
    path, draw, killed = tmp_path / "a.sqlite", random.Random(kills), 0
    lake, whole = tmp_path / "lake", tmp_path / "whole"
    states = defaultdict[Path, list[str]](list)
    with LetteredApi({each: row * 10 for each, row in EVALS.items()}) as api:
        archive = ra.Archive(path)
        archives.sync(archive, api)
        archive.export_parquet(whole)
        usual = nursery.run("export", path, lake)
        for step in range(3 * kills):
            for each in whole.rglob("*.parquet"):
                states[each.relative_to(whole)].append(rows_of(each))
            api.run("PFPP"[step % 4] * 4)
            api.runs[step % 20].letters = dict.fromkeys(EVALS, "PFB"[step % 3])
            archives.sync(archive, api)
            archive.export_parquet(whole)
            ended = nursery.run("export", path, lake, **some_time(draw, usual))
            killed += ended.is_killed
            for each in lake.rglob("*.parquet"):
                name = each.relative_to(lake)
                assert rows_of(each) in [rows_of(whole / name), *states[name]]
            if killed == kills:
                break
        assert killed == kills
        assert nursery.run("export", path, lake).code == 0
        files = {each.relative_to(lake): rows_of(each) for each in lake.rglob("*.parquet")}
        assert files == {
            each.relative_to(whole): rows_of(each) for each in whole.rglob("*.parquet")
        }
