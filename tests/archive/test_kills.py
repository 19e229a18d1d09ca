"""Killed at any moment, an archive is as before or as afterwards, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal
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


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db


def committed(path: Path) -> dict[tuple[str, str], int]:
    """What another process sees now, and since when it has been as it is."""
    query = "SELECT kind, id, state_seen FROM documents"
    with opened(path) as db:
        return {(kind, each): seen for kind, each, seen in db.execute(query)}


def assert_true(path: Path, story: Story) -> None:
    """A run has the results of its state; one whose results are due, or that is gone, of any."""
    results = defaultdict[str, Documents](dict)
    with opened(path) as db:
        rows = db.execute("SELECT kind, id, run, is_due OR gone, body FROM documents").fetchall()
        earlier = db.execute("SELECT id, body FROM earlier").fetchall()
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


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as made:
        yield made


@pytest.mark.parametrize("kills", [30, pytest.param(120, marks=pytest.mark.study)])
def test_43_killed_while_it_syncs_it_is_as_before_or_as_after(
    tmp_path: Path, nursery: Nursery, kills: int
) -> None:
    path, draw = tmp_path / "a.sqlite", random.Random(kills)
    seen, killed = dict[tuple[str, str], int](), 0
    with LetteredApi(EVALS, largest_page=4) as api:
        story = Story(api)
        story.note()
        assert api.server is not None
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
            is_counted = step % 2
            ended = sync(
                statements=draw.randrange(usual.statements) if is_counted else None,
                seconds=None if is_counted else draw.random() * usual.seconds,
            )
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
