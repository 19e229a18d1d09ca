"""FAULTS.md, HTTP: 1 to 19."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from email.utils import formatdate

import pytest
from support.documents import run_document
from support.fakes import FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))
BODY = json.dumps(page([run_document()])).encode()


def chunked(body: bytes, ending: bytes = b"0\r\n\r\n", **how: object) -> Reply:
    head = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    )
    return Reply(head + f"{len(body):x}\r\n".encode() + body + b"\r\n" + ending, **how)


def unbounded(body: bytes) -> Reply:
    return Reply(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, "close")


GZIP = {"Content-Encoding": "gzip"}
BROKEN_OFF = {
    "1 reset before the status": Reply(b"", "reset"),
    "1 closed before the status": Reply(b"", "close"),
    "1 garbage for a status": Reply(b"\x00\x01\x02\r\n\r\n", "close"),
    "2 shorter than Content-Length": reply(body=BODY[:50], length=len(BODY), then="close"),
    "3 chunked cut in a chunk": Reply(chunked(BODY).data[:-200], "close"),
    "3 chunked without its end": chunked(BODY, b"", then="close"),
    "3 chunk size that is no number": chunked(BODY, b"zz\r\nmore\r\n0\r\n\r\n", then="close"),
    "4 reset in the middle": reply(body=BODY[:50], length=len(BODY), then="reset"),
    "18 gzip that is none": reply(body=BODY, headers=GZIP),
    "18 too many encodings": reply(body=BODY, headers={"Content-Encoding": "gzip, " * 9 + "gzip"}),
    "18 two lengths": Reply(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n{}   ", "close"
    ),
}
NOT_JSON = {
    "5 gzip cut, length right": reply(body=gzip.compress(BODY)[:-60], headers=GZIP),
    "6 no length, closed early": unbounded(BODY[:-20]),
    "8 html": reply(body=b"<html>login</html>", headers={"Content-Type": "text/html"}),
    "8 nothing": reply(body=b""),
    "8 no content": Reply(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "18 unknown encoding": reply(body=b"\x00" + BODY, headers={"Content-Encoding": "x-wonder"}),
    "38 NaN": reply(body=BODY.replace(b"28000", b"NaN")),
    "38 Infinity": reply(body=BODY.replace(b"28000", b"-Infinity")),
}


@pytest.mark.parametrize("fault", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_a_broken_exchange_is_tried_again(fault: Reply) -> None:
    time = FakeTime()
    with FaultServer([fault, fault, GOOD]) as server:
        runs = ra.fetch_runs(client=client_for(server.url, time))
        assert runs.height == 1
        assert len(server.requests) == 3
        assert len(time.slept) == 2


@pytest.mark.parametrize("fault", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_in_the_end_it_is_a_transport_error(fault: Reply) -> None:
    with FaultServer([fault]) as server:
        client = client_for(server.url, max_attempts=3)
        with pytest.raises(ra.TransportError, match="after 3 attempts") as caught:
            ra.fetch_runs(client=client)
        assert caught.value.attempts == 3
        assert len(server.requests) == 3
        assert caught.value.partial is not None
        assert caught.value.partial.shape == (0, 32)


@pytest.mark.parametrize("fault", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_tried_again(fault: Reply) -> None:
    with FaultServer([fault, GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
        assert len(server.requests) == 2


@pytest.mark.parametrize("fault", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_in_the_end_it_is_a_protocol_error_with_a_snippet(fault: Reply) -> None:
    with FaultServer([fault]) as server:
        client = client_for(server.url, max_attempts=2)
        with pytest.raises(ra.ProtocolError, match=r"is not JSON.*it starts with") as caught:
            ra.fetch_runs(client=client)
        assert caught.value.attempts == 2
        assert len(server.requests) == 2


def test_8_the_snippet_shows_the_page() -> None:
    with FaultServer([NOT_JSON["8 html"]]) as server, pytest.raises(ra.ProtocolError) as caught:
        ra.fetch_run("r", client=client_for(server.url, max_attempts=1))
    assert "'<html>login</html>'" in str(caught.value)
    assert "text/html" in str(caught.value)


@pytest.mark.parametrize("body", [b"12", b"[]", b'{"data": null}', b'"text"', b"null"])
def test_7_the_wrong_shape_is_a_schema_error_at_once(body: bytes) -> None:
    with FaultServer([reply(body=body)]) as server:
        with pytest.raises(ra.SchemaError, match="expected a page"):
            ra.fetch_runs(client=client_for(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_9_a_passing_status_is_tried_again(status: int) -> None:
    time = FakeTime()
    with FaultServer([reply(status), reply(status), GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url, time)).height == 1
        assert time.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ra.InvalidRequestError),
        (401, ra.AuthenticationError),
        (403, ra.PermissionDeniedError),
        (404, ra.NotFoundError),
        (409, ra.ConflictError),
        (418, ra.APIError),
        (422, ra.InvalidRequestError),
        (501, ra.ServerError),
        (505, ra.ServerError),
    ],
)
def test_10_a_final_status_is_its_error_at_once(status: int, error: type[ra.APIError]) -> None:
    answer = reply(status, {"detail": "it was said"}, {"x-request-id": "req_7"})
    with FaultServer([answer]) as server:
        with pytest.raises(error, match=rf"{status}: it was said \[x-request-id req_7\]") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert type(caught.value) is error
        assert caught.value.status_code == status
        assert caught.value.request_id == "req_7"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(408, ra.APIError), (429, ra.RateLimitError), (503, ra.ServerError)]
)
def test_9_in_the_end_the_status_is_reported(status: int, error: type[ra.APIError]) -> None:
    with FaultServer([reply(status, {"detail": "later"})]) as server:
        with pytest.raises(error, match=r"later.*after 5 attempts") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.attempts == 5
        assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("detail", "code", "words"),
    [
        ("plain words", None, "plain words"),
        (
            {"code": "run_gone", "message": "no run", "details": None},
            "run_gone",
            "run_gone: no run",
        ),
        (
            [{"loc": ["query", "limit"], "msg": "too large", "type": "le"}, {"msg": "and more"}],
            None,
            "query.limit: too large; and more",
        ),
        (["odd"], None, "odd"),
        (7, None, "detail"),
        ({"message": None}, None, "detail"),
    ],
)
def test_the_message_of_the_server_is_shown(detail: object, code: str | None, words: str) -> None:
    with FaultServer([reply(422, {"detail": detail})]) as server:
        with pytest.raises(ra.InvalidRequestError) as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.code == code
        assert words in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"[1]", b"[" * 100_000, b"\xff"])
def test_an_error_without_json_is_still_its_error(body: bytes) -> None:
    with FaultServer([reply(404, body)]) as server, pytest.raises(ra.NotFoundError) as caught:
        ra.fetch_run("r", client=client_for(server.url))
    assert "404" in str(caught.value)
    assert ("no message" in str(caught.value)) == (body == b"")
    assert len(str(caught.value)) < 700


def test_an_error_whose_body_breaks_off_is_still_its_error() -> None:
    with FaultServer([reply(404, b'{"detail": "go', length=99, then="close")]) as server:
        with pytest.raises(ra.NotFoundError, match="go"):
            ra.fetch_run("r", client=client_for(server.url))
        assert len(server.requests) == 1


def test_an_error_with_an_endless_body_is_cut() -> None:
    answer = reply(403, b"x" * 1_000_000)
    with FaultServer([answer]) as server, pytest.raises(ra.PermissionDeniedError) as caught:
        ra.fetch_run("r", client=client_for(server.url))
    assert len(str(caught.value)) < 500


def test_401_says_which_variable_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAB_API_KEY", "sk_wrong_key")
    with FaultServer([reply(401, {"detail": "Invalid API key sk_wrong_key"})]) as server:
        monkeypatch.setenv("RETAB_API_BASE_URL", server.url)
        with pytest.raises(ra.AuthenticationError, match="variable RETAB_API_KEY") as caught:
            ra.fetch_runs()
    assert "sk_wrong_key" not in str(caught.value)
    assert "Invalid API key ***" in str(caught.value)


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
def test_12_nonsense_is_ignored_for_the_usual_backoff(header: str) -> None:
    time = FakeTime()
    with FaultServer([reply(503, headers={"Retry-After": header}), GOOD]) as server:
        ra.fetch_runs(client=client_for(server.url, time))
    assert time.slept == [0.5]


@pytest.mark.parametrize("header", NONSENSE)
def test_12_nonsense_does_not_hide_the_status(header: str) -> None:
    answer = reply(503, {"detail": "down"}, {"Retry-After": header})
    with FaultServer([answer]) as server:
        with pytest.raises(ra.ServerError, match="down") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.status_code == 503
        assert caught.value.retry_after is None


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


def test_14_a_dripping_body_meets_the_deadline() -> None:
    began = time.monotonic()
    with FaultServer([reply(body=BODY, drip=0.05)]) as server:
        client = ra.Client("key", server.url, deadline=0.5)
        with pytest.raises(ra.DeadlineExceeded, match=r"deadline of 0\.5 s") as caught:
            ra.fetch_runs(client=client)
        assert isinstance(caught.value, TimeoutError)
        assert len(server.requests) == 1
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("close", ["keep-alive", "close"])
def test_14_a_body_that_stalls_meets_the_deadline(close: str) -> None:
    began = time.monotonic()
    answer = reply(body=BODY[:40], length=len(BODY), headers={"Connection": close})
    with FaultServer([answer]) as server:
        client = ra.Client("key", server.url, deadline=0.4)
        with pytest.raises(ra.DeadlineExceeded):
            ra.fetch_runs(client=client)
    assert time.monotonic() - began < 3


def test_a_stall_shorter_than_the_deadline_is_tried_again() -> None:
    stalled = reply(body=BODY[:40], length=len(BODY))
    with FaultServer([stalled, GOOD]) as server:
        client = ra.Client("key", server.url, timeout=0.2)
        assert ra.fetch_runs(client=client).height == 1


def test_the_deadline_between_two_attempts_names_the_last_failure() -> None:
    time = FakeTime()
    with FaultServer([Reply(b"", "close")]) as server:
        client = client_for(server.url, time, deadline=2.0, max_attempts=50)
        with pytest.raises(ra.DeadlineExceeded, match=r"no time for another attempt.*the last one"):
            ra.fetch_runs(client=client)
    assert sum(time.slept) <= 2.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_15_a_redirect_is_not_followed(status: int) -> None:
    with FaultServer([GOOD]) as other:
        answer = reply(status, headers={"Location": f"{other.url}/v1/x"})
        with FaultServer([answer]) as server:
            with pytest.raises(ra.ProtocolError, match="redirected"):
                ra.fetch_runs(client=client_for(server.url))
            assert len(server.requests) == 1
        assert other.connections == 0


def test_15_a_redirect_to_nowhere() -> None:
    with FaultServer([reply(302)]) as server, pytest.raises(ra.ProtocolError, match="nowhere"):
        ra.fetch_runs(client=client_for(server.url))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_17_a_decompression_bomb_is_stopped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    compressor = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    bomb = b"".join(compressor.compress(b" " * 2**20) for _ in range(160)) + compressor.flush()
    with FaultServer([reply(body=bomb, headers={"Content-Encoding": encoding})]) as server:
        tracemalloc.start()
        try:
            with pytest.raises(ra.ResponseTooLarge, match="128 MiB") as caught:
                ra.fetch_runs(client=client_for(server.url))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert isinstance(caught.value, ra.TransportError)
        assert len(server.requests) == 1
        assert peak < 400 * 2**20


def test_a_compressed_answer_is_read() -> None:
    with FaultServer([reply(body=gzip.compress(BODY), headers=GZIP)]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
        assert server.header("Accept-Encoding") == "gzip, deflate"


def test_nobody_listens() -> None:
    with FaultServer([GOOD]) as server:
        url = server.url
    with pytest.raises(ra.TransportError, match=r"Connection refused.*after 5 attempts"):
        ra.fetch_runs(client=client_for(url))


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
        client = ra.Client("key", server.url, timeout=0.2)
        with pytest.raises(ra.TransportError, match="POST"):
            client.post("/v1/x", {"a": 1}, parse=bytes)
        assert len(server.requests) == 1


def test_a_post_carries_its_document() -> None:
    with FaultServer([reply(201, {"ok": True})]) as server:
        assert client_for(server.url).post("/v1/x", {"a": 1}, parse=json.loads) == {"ok": True}
        assert server.requests[0].endswith('{"a": 1}')
        assert server.header("Content-Type") == "application/json"


def _refuse_nothing(body: bytes) -> bytes:
    if not body:
        raise ra.ProtocolError("empty")
    return body


def test_connections_are_kept() -> None:
    with FaultServer([GOOD]) as server:
        client = client_for(server.url)
        for _ in range(5):
            ra.fetch_runs(client=client)
        assert server.connections == 1
        assert len(server.requests) == 5
