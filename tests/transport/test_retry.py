"""TLS, proxies, the CA bundle, many threads, and the gate that holds them back."""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from support.documents import run_document
from support.fakes import KEY, FakeTime, client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra
from retab_analysis.transport.retry import Gate, Schedule, Time

GOOD = reply(body=page([run_document()]))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def test_16_an_unknown_certificate_is_refused_in_one_attempt(tls: ssl.SSLContext) -> None:
    with FaultServer([GOOD], tls) as server:
        with pytest.raises(ra.TransportError, match=r"TLS failed.*REQUESTS_CA_BUNDLE") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.attempts == 1
        assert server.connections == 1
        assert server.requests == []


def test_16_a_server_without_tls_is_refused_in_one_attempt() -> None:
    with FaultServer([], banner=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        with pytest.raises(ra.TransportError, match="TLS failed"):
            ra.fetch_runs(client=client_for(server.url.replace("http:", "https:")))
        assert server.connections == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_ca_bundle_of_the_environment_is_trusted(
    tls: ssl.SSLContext, bundle: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    with FaultServer([GOOD], tls) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1


def test_a_ca_bundle_that_is_not_there_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ra.ConfigError, match=r"REQUESTS_CA_BUNDLE names '/nowhere/ca.pem'"):
        ra.Client("key")


def test_a_body_that_breaks_off_inside_tls_is_tried_again(
    tls: ssl.SSLContext, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    cut = reply(body=b'{"data": [', length=9_999, then="reset")
    with FaultServer([cut, GOOD], tls) as server:
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


def test_a_429_holds_back_all_threads_of_the_client() -> None:
    time = FakeTime()
    limited = reply(429, {"detail": "slow down"}, {"Retry-After": "9"})
    with FaultServer([limited, GOOD]) as server:
        client = client_for(server.url, time, max_attempts=1)
        with pytest.raises(ra.RateLimitError) as caught:
            ra.fetch_runs(client=client)
        assert caught.value.retry_after == 9.0
        other = threading.Thread(target=ra.fetch_runs, kwargs={"client": client})
        other.start()
        other.join(5)
        assert time.slept == [9.0]
        assert len(server.requests) == 2


def test_a_gate_closed_beyond_the_deadline_is_an_error_at_once() -> None:
    limited = reply(429, headers={"Retry-After": "500"})
    with FaultServer([limited]) as server:
        client = client_for(server.url, max_attempts=1)
        for error in (ra.RateLimitError, ra.DeadlineExceeded):
            with pytest.raises(error):
                ra.fetch_runs(client=client)
        assert len(server.requests) == 1


def test_a_gate_keeps_the_longer_wait() -> None:
    time = FakeTime()
    gate = Gate(time.as_time().monotonic, time.sleep)
    gate.close(5)
    gate.close(2)
    assert gate.pass_through(Schedule(time.as_time(), deadline=10, max_attempts=1))
    assert time.slept == [5]


def test_the_backoff_is_capped_and_jittered() -> None:
    time = FakeTime(chance=0.5)
    with FaultServer([reply(503)]) as server:
        client = client_for(server.url, time, max_attempts=8, deadline=600)
        with pytest.raises(ra.ServerError):
            ra.fetch_runs(client=client)
    assert time.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_the_real_clocks_move() -> None:
    clocks = Time()
    before = clocks.monotonic()
    clocks.sleep(0.001)
    assert clocks.monotonic() > before
    assert 0 <= clocks.random() < 1
    assert clocks.wall() > 1_700_000_000


def test_a_client_is_a_context_manager() -> None:
    with FaultServer([GOOD]) as server, ra.Client(KEY, server.url) as client:
        assert ra.fetch_runs(client=client).height == 1
        assert client.base_url == server.url
        assert client.max_concurrency == 8
