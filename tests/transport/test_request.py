"""Sending and reading, FAULTS.md 1 to 8 and 14 to 18: breaks, TLS, proxies, size, time."""

from __future__ import annotations

import gzip
import json
import ssl
import tracemalloc
from pathlib import Path

import pytest
import trustme
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
    "38 NaN": reply(body=BODY.replace(b"28000", b"NaN")),
    "38 Infinity": reply(body=BODY.replace(b"28000", b"-Infinity")),
}


@pytest.mark.parametrize("fault", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_a_broken_exchange_is_tried_again(fault: Reply) -> None:
    time = FakeTime()
    with FaultServer([fault, fault, GOOD, fault]) as server:
        client = client_for(server.url, time, max_attempts=3)
        assert ra.fetch_runs(client=client).height == 1
        assert (len(server.requests), len(time.slept)) == (3, 2)
        with pytest.raises(ra.TransportError, match="after 3 attempts") as caught:
            ra.fetch_runs(client=client)
        assert (caught.value.attempts, len(server.requests)) == (3, 6)
        assert caught.value.partial.shape == (0, 34)


@pytest.mark.parametrize("fault", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_tried_again(fault: Reply) -> None:
    with FaultServer([fault, GOOD, fault]) as server:
        client = client_for(server.url, max_attempts=2)
        assert ra.fetch_runs(client=client).height == 1
        with pytest.raises(ra.ProtocolError, match=r"is not JSON.*it starts with") as caught:
            ra.fetch_runs(client=client)
        assert (caught.value.attempts, len(server.requests)) == (2, 4)


def test_a_stall_shorter_than_the_deadline_is_tried_again() -> None:
    stalled = reply(body=BODY[:40], length=len(BODY))
    with FaultServer([stalled, GOOD]) as server:
        client = ra.Client("some_key", server.url, timeout=0.2)
        assert ra.fetch_runs(client=client).height == 1


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


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "x-wonder", "gzip, gzip", "gzip, " * 9 + "gzip"]
)
def test_83_a_body_that_is_compressed_otherwise_is_not_read(encoding: str) -> None:
    """Empty members that are packed twice are a few kilobytes, and minutes of work."""
    bomb = gzip.compress(gzip.compress(b"") * 200_000)
    assert len(bomb) < 20_000
    headers = {"Content-Encoding": encoding}
    with FaultServer([reply(body=bomb, headers=headers), GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
    with FaultServer([reply(body=bomb, headers=headers)]) as server:
        with pytest.raises(ra.ProtocolError, match=f"{encoding[:10]}.*was not asked for"):
            ra.fetch_runs(client=client_for(server.url, max_attempts=2))
    with FaultServer([reply(404, bomb, headers)]) as server, pytest.raises(ra.NotFoundError):
        ra.fetch_run("r", client=client_for(server.url))


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Length: 7\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("before", [HINTS, PROCESSING, HINTS + PROCESSING, HINTS * 100])
def test_84_what_comes_before_the_answer_is_skipped(before: bytes) -> None:
    with FaultServer([Reply(before + GOOD.data)]) as server, client_for(server.url) as client:
        for _ in range(2):
            assert ra.fetch_runs(client=client).height == 1
        assert server.connections == 1


def test_84_but_not_for_ever() -> None:
    with FaultServer([Reply(HINTS * 101 + GOOD.data)]) as server:
        with pytest.raises(ra.TransportError, match="1xx"):
            ra.fetch_runs(client=client_for(server.url, max_attempts=1))


def test_16_an_unknown_certificate_is_refused_in_one_attempt() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with FaultServer([GOOD], tls) as server:
        with pytest.raises(ra.TransportError, match=r"TLS failed.*REQUESTS_CA_BUNDLE") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.attempts == 1
        assert server.connections == 1
        assert server.requests == []


def test_16_a_server_without_tls_is_refused_in_one_attempt() -> None:
    with FaultServer([], banner=Reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        with pytest.raises(ra.TransportError, match="TLS failed"):
            ra.fetch_runs(client=client_for(server.url.replace("http:", "https:")))
        assert server.connections == 1


def test_the_ca_bundle_of_the_environment_is_trusted(
    trusted_tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with FaultServer([GOOD], trusted_tls) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1


def test_a_ca_bundle_that_is_not_there_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ra.ConfigError, match=r"REQUESTS_CA_BUNDLE names '/nowhere/ca.pem'"):
        ra.Client("some_key")


def test_a_body_that_breaks_off_inside_tls_is_tried_again(trusted_tls: ssl.SSLContext) -> None:
    cut = reply(body=b'{"data": [', length=9_999, then="reset")
    with FaultServer([cut, GOOD], trusted_tls) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
        assert len(server.requests) == 2


def test_https_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Reply(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "close")
    with FaultServer([refusal]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:pa55word@"))
        client = client_for("https://api.retab.com", max_attempts=1)
        with pytest.raises(ra.TransportError, match="407") as caught:
            ra.fetch_runs(client=client)
        assert proxy.requests[0].startswith("CONNECT api.retab.com:443 ")
        assert proxy.header("Authorization") is None
        assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("http://[::1", "http://h:abc", "http://user:pa55word@h:99999", "h:abc"),
        *("http://user:pa55word", "user:pa55word", "http://user:pa55word@[::1"),
    ],
)
def test_a_proxy_that_is_not_an_address_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(ra.ConfigError, match=r"proxy.*HTTPS_PROXY") as caught:
        client_for("https://api.retab.com", max_attempts=1)
    assert "pa55word" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "api.retab.com")
    client_for("https://api.retab.com")


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([GOOD]) as proxy, FaultServer([GOOD]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        ra.fetch_runs(client=client_for(server.url))
        assert (proxy.connections, server.connections) == (0, 1)


def test_this_machine_is_reached_through_a_proxy_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([GOOD]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert ra.fetch_runs(client=client_for("http://localhost:9")).height == 1
        assert proxy.requests[0].startswith("GET http://localhost:9/v1/")


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "proxy.example:3128"])
def test_this_machine_is_not_reached_through_another(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with FaultServer([GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1


def test_a_handshake_that_is_broken_off_is_tried_again(trusted_tls: ssl.SSLContext) -> None:
    with FaultServer([GOOD], trusted_tls, refused=2) as server:
        time = FakeTime()
        assert ra.fetch_runs(client=client_for(server.url, time)).height == 1
        assert (server.connections, len(server.requests), len(time.slept)) == (3, 1, 2)
    with FaultServer([GOOD], trusted_tls, refused=99) as server:
        with pytest.raises(ra.TransportError, match="after 3 attempts"):
            ra.fetch_runs(client=client_for(server.url, max_attempts=3))


@pytest.mark.parametrize(
    ("variable", "url"),
    [("HTTPS_PROXY", "https://api.retab.com"), ("HTTP_PROXY", "http://localhost:9")],
)
def test_a_proxy_that_is_dead_is_named(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer([GOOD]) as proxy:
        address = proxy.url
    monkeypatch.setenv(variable, address.replace("//", "//user:pa55word@"))
    with pytest.raises(ra.TransportError, match="Connection refused") as caught:
        ra.fetch_runs(client=client_for(url, max_attempts=1))
    assert f"(through the proxy {address})" in str(caught.value)
    assert "pa55word" not in str(caught.value)
