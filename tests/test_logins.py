"""Where a key and its address come from, and that a key goes to no address but its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from traceback import TracebackException
from typing import Any

import pytest
from support.documents import run_document
from support.faultserver import FaultServer, page, reply
from support.inside import main

import retab_analysis as ra

KEY = "rt_test_of_the_default"
OTHER = "rt_live_of_the_other"
EU = "https://eu.example.com"

LOGIN: dict[str, Any] = {
    "version": 2,
    "default_environment": "test",
    "environments": {
        "test": {"name": "test", "api_key": KEY, "base_url": EU},
        "live": {"name": "live", "api_key": OTHER, "server_environment_slug": "production"},
    },
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".retab").mkdir()
    return tmp_path


def login(home: Path, document: Any = LOGIN) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    (home / ".retab" / "config.json").write_text(text, "utf-8")


def where(client: ra.Client) -> str:
    """What a client says about itself; never its key."""
    said = repr(client)
    assert KEY not in said
    assert OTHER not in said
    return said


@pytest.mark.parametrize(
    ("document", "key", "source", "address"),
    [
        (LOGIN, KEY, "the profile 'test' of ~/.retab/config.json", EU),
        (
            {**LOGIN, "default_environment": "live"},
            OTHER,
            "the profile 'live' of ~/.retab/config.json",
            "https://api.retab.com",
        ),
        (
            {**LOGIN, "default_environment": "live", "base_url": "https://file.example/v1"},
            OTHER,
            "the profile 'live' of ~/.retab/config.json",
            "https://file.example",
        ),
        ({"api_key": KEY}, KEY, "~/.retab/config.json", "https://api.retab.com"),
        ({"api_key": KEY, "base_url": EU}, KEY, "~/.retab/config.json", EU),
        ({"access_token": KEY, "base_url": EU}, KEY, "~/.retab/config.json", EU),
        ({"api_key": KEY, "access_token": OTHER}, KEY, "~/.retab/config.json", None),
        ({"api_key": KEY, "oauth": {"access_token": OTHER}}, KEY, "~/.retab/config.json", None),
        ({"api_key": KEY, "environments": None}, KEY, "~/.retab/config.json", None),
        ({"api_key": KEY, "environments": {}, "new": [1]}, KEY, "~/.retab/config.json", None),
        ("\ufeff" + json.dumps({"api_key": KEY}), KEY, "~/.retab/config.json", None),
    ],
)
def test_each_form_of_the_file(
    home: Path, document: Any, key: str, source: str, address: str | None
) -> None:
    login(home, document)
    client = ra.Client()
    assert client._settings.api_key.reveal() == key
    assert client.base_url == (address or "https://api.retab.com")
    assert f"from {source}, base_url=" in where(client)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "is not as Retab's command line writes it"),
        ({"environments": [1]}, "is not as Retab's command line writes it"),
        ({}, r"no API key.*config\.json has none either.*demo\(\)"),
        ({"api_key": ""}, "no API key"),
        ({"api_key": 12}, "must be a string, got int"),
        ({"api_key": f"{KEY} and more"}, "was too much copied"),
        ({"api_key": KEY, "base_url": "http://api.retab.com"}, "base_url of .* unencrypted"),
        ({"api_key": KEY, "base_url": 12}, "base_url of .* must be a string"),
        ({"oauth": {"access_token": KEY}}, "only a browser login.*set RETAB_API_KEY"),
        (
            {**LOGIN, "environments": {"test": {"oauth": {"access_token": KEY}}}},
            "the profile 'test' of .* has only a browser login",
        ),
        (
            {**LOGIN, "default_environment": "gone"},
            "has no profile 'gone'; known are for example 'test', 'live'",
        ),
        ({**LOGIN, "default_environment": ["x"]}, "has no profile"),
        ({**LOGIN, "default_environment": None}, "choose a profile: 'test', 'live'"),
        ({**LOGIN, "environments": {"test": KEY}}, "is not as Retab's command line writes it"),
        ({**LOGIN, "environments": {"test": {}}}, "has no profile 'test'|has no key"),
    ],
)
def test_a_file_that_has_no_key_says_why_and_shows_none(
    home: Path, document: Any, says: str
) -> None:
    login(home, document)
    with pytest.raises(ra.ConfigError, match=says) as caught:
        ra.Client()
    ours = caught.tb.tb_next  # without this test's own variables
    told = TracebackException(caught.type, caught.value, ours, capture_locals=True)
    assert KEY not in "".join(told.format())
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_profile_is_chosen_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login(home)
    monkeypatch.setenv("RETAB_API_KEY", "rt_test_of_the_variable")
    assert "from the profile 'live' of" in where(ra.Client(profile="live"))
    assert ra.Client(profile="live")._settings.api_key.reveal() == OTHER
    with pytest.raises(ra.ConfigError, match="has no profile 'prod'; known are"):
        ra.Client(profile="prod")
    with pytest.raises(ra.ConfigError, match="either api_key or profile"):
        ra.Client("some_key", profile="live")
    for wrong in (OTHER, 7):
        with pytest.raises(ra.ConfigError, match="must be the name of a profile") as caught:
            ra.Client(profile=wrong)  # type: ignore[arg-type]
        assert OTHER not in str(caught.value)
    with pytest.raises(ra.ConfigError, match="has no profile ''"):
        ra.Client(profile="")


def test_the_order_of_sources(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login(home)
    assert ra.Client()._settings.api_key.reveal() == KEY
    monkeypatch.setenv("RETAB_API_KEY", OTHER)
    assert "from the variable RETAB_API_KEY, base_url='https://api.retab.com' from the default" in (
        where(ra.Client())
    )
    assert "from the argument api_key, " in where(ra.Client("some_key"))
    monkeypatch.setenv("RETAB_BASE_URL", "https://two.example")
    assert "'https://two.example' from the variable RETAB_BASE_URL" in where(ra.Client())
    monkeypatch.setenv("RETAB_API_BASE_URL", "https://one.example")
    assert "'https://one.example' from the variable RETAB_API_BASE_URL" in where(ra.Client())
    asked = where(ra.Client(base_url="https://asked.example"))
    assert "'https://asked.example' from the argument base_url" in asked


def test_the_address_of_a_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login(home)
    monkeypatch.setenv("RETAB_API_BASE_URL", "https://one.example")
    assert f"base_url='{EU}' from the base_url of the profile 'test'" in where(ra.Client())
    assert "not RETAB_API_BASE_URL, because the key belongs to it" in where(ra.Client())
    # One that names none is as free as it is in the vendor's command line.
    assert ra.Client(profile="live").base_url == "https://one.example"
    assert ra.Client(None, "https://asked.example", profile="test").base_url == (
        "https://asked.example"
    )


@pytest.mark.parametrize("way", ["no file", "no folder", "no home", "a folder"])
def test_without_a_file_there_is_no_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "no folder":
        (home / ".retab").rmdir()
        (home / ".retab").write_text("")
    if way == "no home":
        monkeypatch.setattr("pathlib.Path.expanduser", no_home)
    if way == "a folder":
        (home / ".retab" / "config.json").mkdir()
    says = "cannot be read: Is a directory" if way == "a folder" else "no API key"
    with pytest.raises(ra.ConfigError, match=says):
        ra.Client()
    assert ra.Client("some_key").base_url == "https://api.retab.com"
    with pytest.raises(ra.ConfigError, match=r"has no profile 'live'; there are|cannot be read"):
        ra.Client(profile="live")


def no_home(path: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_an_unreadable_file_matters_only_where_it_is_needed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(home)

    read = Path.read_text

    def forbid(path: Path, *arguments: Any, **settings: Any) -> str:
        if path.name == "config.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *arguments, **settings)

    monkeypatch.setattr("pathlib.Path.read_text", forbid)
    with pytest.raises(ra.ConfigError, match=r"config\.json cannot be read: Permission denied"):
        ra.Client()
    assert ra.Client("some_key").base_url == "https://api.retab.com"


# Where keys go


@pytest.fixture
def servers() -> Iterator[tuple[FaultServer, FaultServer]]:
    answer = reply(body=page([run_document()]))
    with FaultServer([answer]) as own, FaultServer([answer]) as other:
        yield own, other


def keys(server: FaultServer) -> set[str | None]:
    return {server.header("Authorization", at) for at in range(len(server.requests))}


def test_93_a_key_goes_to_its_own_address_only(
    home: Path, servers: tuple[FaultServer, FaultServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = servers
    profiles = {"test": {"api_key": KEY, "base_url": own.url}}
    login(home, {**LOGIN, "environments": profiles})
    monkeypatch.setenv("RETAB_API_BASE_URL", other.url)
    ra.fetch_runs(client=ra.Client())
    ra.fetch_runs(client=ra.Client(profile="test"))
    assert keys(own) == {f"Bearer {KEY}"}
    assert keys(other) == set()
    # A key that came without the profile is never sent to the profile's address.
    ra.fetch_runs(client=ra.Client("given_key"))
    monkeypatch.setenv("RETAB_API_KEY", "variable_key")
    ra.fetch_runs(client=ra.Client())
    assert keys(own) == {f"Bearer {KEY}"}
    assert keys(other) == {"Bearer given_key", "Bearer variable_key"}


def two_profiles(home: Path, own: FaultServer, other: FaultServer) -> None:
    """Each with a key and an address of its own."""
    test, live = {"api_key": KEY, "base_url": own.url}, {"api_key": OTHER, "base_url": other.url}
    login(home, {**LOGIN, "environments": {"test": test, "live": live}})


def test_use_chooses_a_profile(
    home: Path, servers: tuple[FaultServer, FaultServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = servers
    two_profiles(home, own, other)
    ra.fetch_runs()
    ra.use(profile="live")
    ra.fetch_runs()
    for wrong in ({"profile": "gone"}, {"profile": "test", "client": None}):
        with pytest.raises(ra.ConfigError, match="profile"):
            ra.use(**wrong)
    ra.fetch_runs()
    ra.use(profile=None)
    ra.fetch_runs()
    assert (len(own.requests), len(other.requests)) == (2, 2)
    assert (keys(own), keys(other)) == ({f"Bearer {KEY}"}, {f"Bearer {OTHER}"})


def test_the_command_line_chooses_a_profile(
    home: Path, servers: tuple[FaultServer, FaultServer], capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = servers
    two_profiles(home, own, other)
    assert main(["runs", "wf_invoices", "--profile", "live"]) == 0
    assert keys(own) == set()
    assert keys(other) == {f"Bearer {OTHER}"}
    assert main(["runs", "wf_invoices", "--profile", "gone"]) == 3
    assert "has no profile 'gone'; known are for example 'test', 'live'" in capsys.readouterr().err
