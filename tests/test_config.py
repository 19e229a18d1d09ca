"""FAULTS.md 32, and every other setting that cannot be used."""

from __future__ import annotations

from pathlib import Path
from traceback import TracebackException
from typing import Any
from urllib.parse import quote

import pytest
from comparison.cases import history, runs
from support.documents import run_document
from support.faultserver import FaultServer, page, reply

import retab_analysis as ra

UNENCRYPTED = [
    *("http://api.retab.com", "http://localhost.example.com", "http://127.0.0.1.example.com"),
    *("http://10.0.0.1:8000", "http://[2001:db8::1]"),
]
OF_USERS = ["https://me:pa55@api.retab.com", "https://me@api.retab.com", "http://a:pa55@127.0.0.1"]
NO_ADDRESSES = [
    *("ftp://api.retab.com", "file:///etc/passwd", "api.retab.com", "https://", "//api.retab.com"),
    *("https://api.retab.com?x=1", "https://api.retab.com#x", "https://api.retab.com/a b"),
    *("https://api.retab.com\\@evil.example", "https://api.retab.com:port"),
    *("https://api.retab.com:99999", "https://[::1", "https://exämple.com", ""),
]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        *((url, "unencrypted") for url in UNENCRYPTED),  # on this machine only
        *((url, "user information") for url in OF_USERS),
        *((url, "base_url") for url in NO_ADDRESSES),
    ],
)
def test_32_an_address_that_cannot_be_used_is_refused(url: str, words: str) -> None:
    with pytest.raises(ra.ConfigError, match=words) as caught:
        ra.Client("some_key", url)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://api.retab.com", "https://api.retab.com"),
        ("https://api.retab.com/", "https://api.retab.com"),
        ("https://api.retab.com/v1", "https://api.retab.com"),
        ("https://api.retab.com/v1/", "https://api.retab.com"),
        (" https://api.retab.com \n", "https://api.retab.com"),
        ("https://gateway.example/retab/v1", "https://gateway.example/retab"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.8.9.1:8000/v1", "http://127.8.9.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_base_url_is_normalised(url: str, used: str) -> None:
    assert ra.Client("some_key", url).base_url == used
    assert used in repr(ra.Client("some_key", url))


def test_the_environment_is_read_when_a_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ra.ConfigError, match=r"RETAB_API_KEY.*demo\(\)"):
        ra.Client()
    monkeypatch.setenv("RETAB_API_KEY", "some_key")
    assert ra.Client().base_url == "https://api.retab.com"
    monkeypatch.setenv("RETAB_API_BASE_URL", "https://eu.retab.com/v1")
    assert ra.Client().base_url == "https://eu.retab.com"
    assert ra.Client(base_url="https://other.example").base_url == "https://other.example"
    monkeypatch.setenv("RETAB_API_BASE_URL", "")
    assert ra.Client().base_url == "https://api.retab.com"
    monkeypatch.setenv("RETAB_API_BASE_URL", "nonsense")
    with pytest.raises(ra.ConfigError, match="RETAB_API_BASE_URL is not an http"):
        ra.Client()
    monkeypatch.setenv("RETAB_API_KEY", "  ")
    with pytest.raises(ra.ConfigError, match="variable RETAB_API_KEY is empty"):
        ra.Client()


@pytest.mark.parametrize("key", ["", "  ", "\n"])
def test_an_empty_key_is_refused(key: str) -> None:
    with pytest.raises(ra.ConfigError, match="argument api_key is empty"):
        ra.Client(key)


@pytest.mark.parametrize(("key", "url"), [(b"key", None), (7, None), ("some_key", b"https://x")])
def test_other_types_are_refused(key: object, url: object) -> None:
    with pytest.raises(ra.ConfigError, match="must be a string"):
        ra.Client(key, url)  # type: ignore[arg-type]


def test_the_default_client_is_made_once_and_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([reply(body=page([run_document()]))]) as server:
        monkeypatch.setenv("RETAB_API_KEY", "from_environment")
        monkeypatch.setenv("RETAB_API_BASE_URL", server.url)
        ra.fetch_runs()
        ra.fetch_runs()
        assert server.connections == 1
        ra.use(ra.Client("given_key", server.url))
        ra.fetch_runs()
        assert server.header("Authorization") == "Bearer given_key"
        ra.use(None)
        ra.fetch_runs()
        assert server.header("Authorization") == "Bearer from_environment"


KEY = "rt_live_7f3a9c+/55"


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_url": KEY},
        {"base_url": f"https://api.retab.com/{KEY}?x=1"},
        {"base_url": f"https://api.retab.com/{quote(KEY, safe='')} x"},
        {"base_url": f"http://{KEY.replace('/', '')}.example"},
        *({name: KEY} for name in ("timeout", "deadline", "max_attempts", "max_concurrency")),
    ],
)
@pytest.mark.parametrize("source", ["argument", "variable"])
def test_86_a_key_in_the_place_of_another_argument_is_masked(
    arguments: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KEY.replace("/", "") if "example" in str(arguments) else KEY
    if source == "variable":
        monkeypatch.setenv("RETAB_API_KEY", f" {key}\n")
    else:
        arguments = {"api_key": key, **arguments}
    with pytest.raises(ra.ConfigError) as caught:
        ra.Client(**arguments)
    assert "7f3a9c" not in str(caught.value)


def test_86_nor_does_any_other_function_show_it() -> None:
    client = ra.Client(KEY, "http://127.0.0.1:9")
    for call in (
        lambda: ra.fetch_runs(order=KEY, client=client),
        lambda: ra.fetch_runs(from_date=KEY, client=client),
        lambda: ra.wait_for_runs("r", timeout=KEY, client=client),  # type: ignore[arg-type]
        lambda: ra.start_runs("wf", repeat=KEY, client=client),  # type: ignore[arg-type]
        lambda: ra.demo(seed=KEY),  # type: ignore[arg-type]
    ):
        with pytest.raises(ra.ConfigError) as caught:
            call()
        assert "7f3a9c" not in str(caught.value)


def test_86_an_archive_in_the_place_of_a_key_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("rt_live_7f3a9c55aa", "sk_retab_7f3a9c55aa"):
        archive = ra.Archive(key)
        assert repr(archive) == "Archive('***')"
        archive.close()
        for call in (archive.info, lambda: ra.Archive(f"{key}/{key}")):  # noqa: B023
            with pytest.raises(ra.ArchiveError) as caught:
                call()
            assert "7f3a9c" not in str(caught.value)
            assert "***" in str(caught.value)


@pytest.mark.parametrize("key", ["sk_retab_7f3a9c55", "sk-live-7f3a9c55"])
def test_86_what_looks_like_a_key_is_masked_where_none_is_known(key: str) -> None:
    with pytest.raises(ra.ConfigError, match=r"must be.*\*\*\*"):
        ra.wait_for_runs("r", timeout=key)  # type: ignore[arg-type]


def test_86_a_key_and_a_url_that_were_swapped_are_told_apart() -> None:
    with pytest.raises(ra.ConfigError, match="is an address") as caught:
        ra.Client("https://api.retab.com", KEY)
    assert KEY not in str(caught.value)


def test_values_are_shown_in_ones_own_room_unless_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``use`` wins over the variable; a file has none unless they are asked for."""
    rows = history("e", "P" * 9 + "F", "A" * 9 + "B", actual_value='"secret1"')
    made = ra.compare(runs(rows, 1, 9), runs(rows, 10))

    def shown() -> list[bool]:
        ra.write_report(made, tmp_path / "r.md")
        assert "secret1" not in (tmp_path / "r.md").read_text()
        return ["secret1" in each for each in (made._repr_html_(), repr(made))]

    assert shown() == [True] * 2
    for said in ("0", "false", "no!"):
        monkeypatch.setenv("RETAB_ANALYSIS_VALUES", said)
        assert shown() == [False] * 2
    ra.use(values=True)
    assert shown() == [True] * 2
    ra.use(values=None)
    assert shown() == [False] * 2
    monkeypatch.setenv("RETAB_ANALYSIS_VALUES", "1")
    ra.use(values=False)
    assert shown() == [False] * 2
    ra.write_report(made, tmp_path / "asked.md", values=True)
    assert "secret1" in (tmp_path / "asked.md").read_text() + made.to_html(values=True)
    ra.use(values=True)
    assert "secret1" not in made.to_html() + made.to_markdown()


@pytest.mark.parametrize(
    ("key", "url", "words"),
    [
        ("sk_secret", "no url", "is not an http"),
        ("sk_secret\nsk_secret", None, "a line break"),
        (None, "no url", "is not an http"),
        (7_777_777, None, "must be a string, got int"),
    ],
)
def test_30_the_key_of_a_client_that_was_not_made_is_in_no_traceback(
    key: Any, url: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETAB_API_KEY", "sk_secret")
    with pytest.raises(ra.ConfigError, match=words) as caught:
        ra.Client(key, url)
    # Without this test's own frame, which holds the key.
    inside = caught.value.__traceback__.tb_next  # type: ignore[union-attr]
    made = TracebackException(type(caught.value), caught.value, inside, capture_locals=True)
    shown = "".join(made.format())
    assert "Client(api_key='***', base_url=None)" in shown
    assert "sk_secret" not in shown
    assert "7777777" not in shown
