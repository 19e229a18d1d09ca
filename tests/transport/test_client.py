"""One client: its connections, its threads, what it sends."""

from __future__ import annotations

import gc
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.documents import run_document
from support.fakes import FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))


def test_a_post_carries_its_document() -> None:
    with FaultServer([reply(201, {"ok": True})]) as server:
        assert client_for(server.url).post("/v1/x", {"a": 1}, parse=json.loads) == {"ok": True}
        assert server.requests[0].endswith('{"a": 1}')
        assert server.header("Content-Type") == "application/json"


def test_one_client_serves_many_threads_over_few_connections() -> None:
    def answer(request: str) -> Reply:
        run_id = request.split(" ")[1].rpartition("/")[2]
        return reply(body=run_document(run_id))

    with FaultServer([answer]) as server:
        client = client_for(server.url, max_concurrency=4)
        with ThreadPoolExecutor(4) as pool:
            frames = list(pool.map(lambda i: ra.fetch_run(f"r{i}", client=client), range(80)))
        assert [frame["run_id"][0] for frame in frames] == [f"r{i}" for i in range(80)]
        assert server.connections <= 4


def test_close_closes_the_kept_connections_at_once() -> None:
    """Although an error that the HTTP library has raised refers to them."""
    gc.collect()
    gc.disable()
    try:
        with FaultServer([GOOD, Reply(b"", "reset"), GOOD]) as server:
            client = client_for(server.url, max_attempts=1)
            ra.fetch_runs(client=client)
            with pytest.raises(ra.TransportError):
                ra.fetch_runs(client=client)
            ra.fetch_runs(client=client)
            client.close()
            end = time.monotonic() + 5
            while server._open and time.monotonic() < end:
                time.sleep(0.005)
            assert not server._open
            assert ra.fetch_runs(client=client).height == 1, "it can be used again"
            client.close()
    finally:
        gc.enable()


HERE = datetime.fromtimestamp(FakeTime().wall_at_start, UTC)
DAYS = timedelta(days=3)


def dated(moment: datetime, **headers: str) -> dict[str, str]:
    return {"Date": format_datetime(moment, usegmt=True), **headers}


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        (dated(HERE + DAYS), DAYS),
        (dated(HERE - DAYS), -DAYS),
        (dated(HERE - DAYS, Age="259200"), timedelta(0)),
        (dated(HERE + DAYS, Age="soon"), DAYS),
        (dated(HERE + DAYS, Age="9" * 6000), DAYS),
        ({"Date": "soon"}, timedelta(0)),
        ({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}, timedelta(0)),
        ({}, timedelta(0)),
    ],
)
def test_the_time_is_that_of_the_newest_list_of_runs(
    headers: dict[str, str], ahead: timedelta
) -> None:
    with FaultServer([reply(body=page([run_document()]), headers=headers)]) as server:
        client = client_for(server.url)
        assert client.api_time == HERE
        ra.fetch_runs(client=client)
        assert client.api_time == HERE + ahead


def test_no_other_answer_sets_the_time() -> None:
    known, other = dated(HERE + DAYS), dated(HERE + 9 * DAYS)
    answers = [
        reply(body=page([run_document()]), headers=known),
        reply(body=run_document(), headers=other),
        reply(503, headers=other),
        GOOD,  # without a date: the time goes on from the last one
    ]
    with FaultServer(answers) as server:
        client = client_for(server.url, FakeTime(chance=0.0))
        ra.fetch_runs(client=client)
        ra.fetch_run("wfevalrun_1", client=client)
        ra.fetch_runs(client=client)
        assert len(server.requests) == 4
        assert client.api_time == HERE + DAYS
