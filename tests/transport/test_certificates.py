"""Whose certificates are trusted: FAULTS.md 95."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from support.documents import run_document
from support.fakes import KEY
from support.faultserver import FaultServer, page, reply
from support.tlsproxy import EndingProxy

import retab_analysis as ra

HOST = "https://api.retab.example"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EndingProxy]:
    """A proxy that ends TLS; the certificate of its authority is in ``ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
    with FaultServer([reply(body=page([run_document()]))]) as server:
        with EndingProxy(authority, server.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            yield proxy


def test_95_a_proxy_that_ends_tls_is_trusted_by_the_operating_system(
    proxied: EndingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with ra.Client(KEY, HOST) as client:
        assert ra.fetch_runs(client=client).height == 1
        assert ra.fetch_runs(client=client).height == 1
    assert proxied.asked == ["api.retab.example:443"]


def test_95_another_authority_is_refused(proxied: EndingProxy) -> None:
    with pytest.raises(ra.TransportError, match=r"TLS failed.*operating system's certificates"):
        ra.fetch_runs(client=ra.Client(KEY, HOST))
    assert len(proxied.asked) == 1


@pytest.mark.parametrize(("bundle", "is_trusted"), [("ca.pem", True), ("another.pem", False)])
def test_95_a_bundle_wins_over_the_operating_system(
    proxied: EndingProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bundle: str,
    is_trusted: bool,
) -> None:
    store = "another.pem" if is_trusted else "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / store))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / bundle))
    client = ra.Client(KEY, HOST)
    if is_trusted:
        assert ra.fetch_runs(client=client).height == 1
        return
    with pytest.raises(ra.TransportError, match="TLS failed"):
        ra.fetch_runs(client=client)


def test_95_the_wrong_host_is_refused_although_its_authority_is_known(
    proxied: EndingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(proxied._authority, "issue_cert", issue_for_another(proxied._authority))
    with pytest.raises(ra.TransportError, match="TLS failed"):
        ra.fetch_runs(client=ra.Client(KEY, HOST))


def issue_for_another(authority: trustme.CA) -> object:
    issue = authority.issue_cert
    return lambda host: issue("another.example")


def test_nothing_of_this_process_is_patched() -> None:
    before = ssl.SSLContext
    ra.Client(KEY)
    assert ssl.SSLContext is before
    assert ssl.create_default_context().__class__.__module__ == "ssl"


PATCHED = """
import ssl, sys
from retab import Retab
Retab(api_key="some_key_123")
assert ssl.SSLContext.__module__.startswith("truststore")
import retab_analysis as ra
print(ra.fetch_runs(client=ra.Client("some_key_123", sys.argv[1], max_attempts=1)).height)
"""


def test_it_works_where_the_official_sdk_has_patched_ssl(
    trusted_tls: ssl.SSLContext,
) -> None:
    with FaultServer([reply(body=page([run_document()]))], trusted_tls) as server:
        done = subprocess.run(
            [sys.executable, "-c", PATCHED, server.url], capture_output=True, text=True, timeout=60
        )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
