"""A year of history, followed as it goes on by syncs that are killed: in the end all is there."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from support.archives import assert_same
from support.bulk_world import BULK_WORKFLOW_ID, bulk_runs, bulk_world
from support.inside import SECOND, Store, StoreServer, World
from support.nursery import Nursery
from support.sandbox_api import ANCHOR, KEY, START, ask, past_of, plan_world

import retab_analysis as ra

RUNS = "/v1/workflows/evals/runs"
DAY = 86_400.0
SPEED = 600
FLOWS = ["wf_invoices", "wf_contracts", "wf_claims", "wf_statements", BULK_WORKFLOW_ID]


class Clock:
    """Time as it goes by, until it is stopped."""

    def __init__(self) -> None:
        self._begin, self._stopped = time.monotonic(), False
        self._now = START

    def __call__(self) -> int:
        if not self._stopped:
            self._now = START + round((time.monotonic() - self._begin) * SECOND)
        return self._now

    def stop(self) -> None:
        self()
        self._stopped = True


def year(clock: Clock) -> Store:
    """The sandbox's world, and a workflow that was run each day of a year."""
    story, bulk = plan_world(), bulk_world(5, anchor=ANCHOR)
    flows, files = [*story.workflows, *bulk.workflows], {**story.files, **bulk.files}
    world = World(0, ANCHOR, flows, files, story.in_flight)
    runs = [*past_of(story), *bulk_runs(bulk, 365, spacing=DAY)]
    return Store(world, runs, speed=SPEED, clock=clock)


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.study)])
def test_43_a_year_is_there_after_many_syncs_that_were_killed(
    tmp_path: Path, seconds: float
) -> None:
    path, draw, clock = tmp_path / "a.sqlite", random.Random(0), Clock()
    killed, usual = 0, 3.0
    with Nursery() as nursery, StoreServer(year(clock), key=KEY) as server:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            flow = draw.choice(FLOWS)
            body = b'{"workflow_id": "%s"}' % flow.encode()
            status, run, _ = ask(server, RUNS, "POST", body)
            assert status == 201
            if draw.random() < 0.1:
                ask(server, f"{RUNS}/{run['id']}/cancel", "POST", b"")
            kill = usual * draw.random() * 1.2
            ended = nursery.run("sync", path, ",".join(FLOWS), KEY, server.base_url, seconds=kill)
            killed += ended.is_killed
            usual = usual if ended.is_killed else max(ended.seconds, 0.1)
            with ra.Archive(path) as archive:
                assert archive.verify().is_empty()
        clock.stop()
        with ra.Client(KEY, server.base_url) as client, ra.Archive(path) as archive:
            archive.sync(FLOWS, client=client, progress=False)
            for each in FLOWS:
                assert_same(archive, client, each)
            created = archive.scan_runs().collect()["created_at"]
            assert (created.max() - created.min()).days >= 364  # type: ignore[operator]
            assert archive.sync(FLOWS, client=client, progress=False).is_empty()
    assert killed > 0
