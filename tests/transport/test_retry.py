"""When a request is sent again: FAULTS.md 9, 11 to 13 and 19."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate

import pytest
from support.documents import run_document
from support.fakes import FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_9_a_passing_status_is_tried_again(status: int) -> None:
    time = FakeTime()
    with FaultServer([reply(status), reply(status), GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url, time)).height == 1
        assert time.slept == [0.5, 1.0]


@pytest.mark.parametrize(("status", "error"), [(408, ra.APIError), (503, ra.ServerError)])
def test_9_in_the_end_the_status_is_reported(status: int, error: type[ra.APIError]) -> None:
    with FaultServer([reply(status, {"detail": "later"})]) as server:
        with pytest.raises(error, match=r"later.*after 5 attempts") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.attempts == 5
        assert len(server.requests) == 5


NOW = FakeTime().wall_at_start


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.25", 0.25), (" 3 ", 3.0), (formatdate(NOW + 42, usegmt=True), 42.0)],
)
def test_11_retry_after_is_waited_for(header: str, seconds: float) -> None:
    time = FakeTime()
    with FaultServer([reply(503, headers={"Retry-After": header}), GOOD]) as server:
        ra.fetch_runs(client=client_for(server.url, time))
    assert time.slept == [seconds]


NONSENSE = [
    "-5",
    "0_3",
    "1_0",
    "\u0663",
    "0",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "",
    "soon",
    "Fri, 31 Dec 100000 23:59:59 GMT",
    "Fri, 31 Feb 2027 23:59:59 GMT",
    "99:99",
    formatdate(NOW - 60, usegmt=True),
]


@pytest.mark.parametrize("header", NONSENSE)
def test_12_nonsense_is_ignored_for_the_usual_backoff_and_the_status_reported(header: str) -> None:
    time = FakeTime()
    with FaultServer([reply(503, {"detail": "down"}, {"Retry-After": header})]) as server:
        with pytest.raises(ra.ServerError, match="down") as caught:
            ra.fetch_runs(client=client_for(server.url, time, max_attempts=2))
    assert (caught.value.status_code, caught.value.retry_after) == (503, None)
    assert time.slept == [0.5]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["121", formatdate(NOW + 3600, usegmt=True)])
def test_13_a_wait_beyond_the_time_left_is_raised_at_once(status: int, header: str) -> None:
    time = FakeTime()
    with FaultServer([reply(status, headers={"Retry-After": header})]) as server:
        with pytest.raises(ra.APIError) as caught:
            ra.fetch_runs(client=client_for(server.url, time))
        assert caught.value.status_code == status
        assert caught.value.retry_after in (121.0, 3600.0)
        assert time.slept == []
        assert len(server.requests) == 1


def test_the_deadline_between_two_attempts_names_the_last_failure() -> None:
    time = FakeTime()
    with FaultServer([Reply(b"", "close")]) as server:
        client = client_for(server.url, time, deadline=2.0, max_attempts=50)
        with pytest.raises(
            ra.DeadlineExceeded, match=r"no time for another attempt.*the last one"
        ) as caught:
            ra.fetch_runs(client=client)
    assert caught.value.attempts == len(server.requests) > 1
    assert sum(time.slept) <= 2.0


def test_19_a_post_is_sent_once() -> None:
    for fault in (
        Reply(b"", "reset"),
        reply(503),
        reply(429, headers={"Retry-After": "1"}),
        reply(body=b""),
    ):
        with FaultServer([fault]) as server:
            with pytest.raises(ra.RetabAnalysisError):
                client_for(server.url).post("/v1/x", {"a": 1}, parse=_refuse_nothing)
            assert len(server.requests) == 1


def test_19_a_post_that_times_out_is_not_sent_again() -> None:
    with FaultServer([Reply(b"")]) as server:
        client = ra.Client("some_key", server.url, timeout=0.2)
        with pytest.raises(ra.TransportError, match="POST"):
            client.post("/v1/x", {"a": 1}, parse=bytes)
        assert len(server.requests) == 1


def _refuse_nothing(body: bytes) -> bytes:
    if not body:
        raise ra.ProtocolError("empty")
    return body


def test_the_backoff_is_capped_and_jittered() -> None:
    time = FakeTime(chance=0.5)
    with FaultServer([reply(503)]) as server:
        client = client_for(server.url, time, max_attempts=8, deadline=600)
        with pytest.raises(ra.ServerError):
            ra.fetch_runs(client=client)
    assert time.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_mistake_in_a_program_is_not_taken_for_the_network() -> None:
    """It used to be: a bare ``ValueError`` was tried again, as what the network does."""

    def parse(body: bytes) -> None:
        raise ValueError("a mistake")

    with FaultServer([GOOD]) as server:
        client = client_for(server.url)
        with pytest.raises(ValueError, match=r"^a mistake$"):
            client.get("/v1/x", parse=parse)
        assert len(server.requests) == 1
        with pytest.raises(ValueError, match="bad argument"):
            client.get("/v1/x", Mistaken(), parse=bytes)
        assert len(server.requests) == 1


class Mistaken(list[tuple[str, str]]):
    """Parameters that fail in the middle of a request."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        raise ValueError("bad argument")
