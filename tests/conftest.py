from __future__ import annotations

import gc
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ["TZ"] = "UTC"
os.environ["COLUMNS"] = "100"
time.tzset()

# How long an example takes says something about the machine, and nothing about the library. What is
# laid down as a law is tried on few examples; ``--hypothesis-profile=long`` takes its time.
settings.register_profile("short", deadline=None, max_examples=30)
settings.register_profile("long", deadline=None, max_examples=100)
settings.load_profile("short")

# Bytecode is kept, whatever is set: else each process and each program compiles all of it anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Who starts the tests may have told their children to ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on, or leaks into, what the person at the keyboard has set.
for _name in list(os.environ):
    if _name.startswith("RETAB_") or _name.lower() in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "requests_ca_bundle",
        "curl_ca_bundle",
        "ssl_cert_file",
        "ssl_cert_dir",
    ):
        del os.environ[_name]


# Nor on a login of that person. Only then, because browsers and fonts are kept at home, too.
if (Path.home() / ".retab" / "config.json").exists():
    os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(Path.home() / ".cache/ms-playwright"))
    os.environ["HOME"] = tempfile.mkdtemp()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect a file of tests once: only the package has examples."""
    found = yield
    return [each for each in found if type(each) is pytest.Module]


def pytest_collection() -> None:
    """Collect without a search for garbage: thousands of tests are none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """No later search goes through them again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_default_client() -> Iterator[None]:
    yield
    from retab_analysis import use

    use(None, archive=None, values=None)


@pytest.fixture(scope="session")
def _recorded() -> Iterator[tuple[list[str], set[tuple[str, str]]]]:
    """What this process sends: what nobody documents, and which endpoints."""
    from support.inside import RequestSender
    from support.provenance import find_endpoint, undocumented

    send, unknown, asked = RequestSender.send, list[str](), set[tuple[str, str]]()

    def record(self: Any, method: str, url: str, params: Any, json: Any) -> Any:
        path, names = url.removeprefix(self._settings.base_url), [name for name, _ in params]
        unknown.extend(undocumented(method, path, [*names, *(json or {})]))
        asked.add(find_endpoint(method, path))
        return send(self, method, url, params, json)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestSender, "send", record)
        yield unknown, asked


@pytest.fixture(autouse=True)
def undocumented_requests(
    request: pytest.FixtureRequest, _recorded: tuple[list[str], set[tuple[str, str]]]
) -> Iterator[list[str]]:
    """Fail a test that asks the API for something that ``facts.toml`` does not have.

    The transport's own tests ask for whatever they like.
    """
    _recorded[0].clear()
    yield _recorded[0]
    if "transport" not in request.path.parts:
        assert not _recorded[0]


@pytest.fixture
def asked_requests(_recorded: tuple[list[str], set[tuple[str, str]]]) -> set[tuple[str, str]]:
    return _recorded[1]


@pytest.fixture(params=["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def trusted_tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """The TLS of a server on 127.0.0.1, whose authority clients made from now on trust.

    Once by a bundle of its own, once by the operating system's store, which truststore reads.
    """
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv(request.param, str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What widgets that are made from now on would send to the browser."""
    import comm
    from support.drawn import Recording

    monkeypatch.setattr(comm, "create_comm", Recording)
    Recording.sent.clear()
    yield Recording.sent
    Recording.sent.clear()


@pytest.fixture(scope="module")
def still_sandbox() -> Iterator[Any]:
    """The sandbox at one moment; it notes what it is asked."""
    from support.fakes import STILL
    from support.watched import WatchedSandbox

    with WatchedSandbox(speed=STILL) as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Any]:
    import retab_analysis as ra

    with ra.Archive(tmp_path / "archive.sqlite") as made:
        yield made
