"""FAULTS.md, secrets: 29 to 32."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.documents import run_document
from support.fakes import KEY, client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra
from retab_analysis.config import Secret

GOOD = reply(body=page([run_document()]))
UNUSED = "http://127.0.0.1:9"


def test_29_netrc_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer([GOOD]) as server:
        ra.fetch_runs(client=client_for(server.url))
        assert server.header("Authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize("show", [repr, str, vars, dir, lambda client: f"{client!r} {client}"])
def test_30_a_client_does_not_show_its_key(show: object) -> None:
    client = client_for(UNUSED)
    assert KEY not in str(show(client))  # type: ignore[operator]
    assert KEY not in str(vars(client)["_settings"])
    assert all(KEY not in repr(value) for value in vars(client).values())
    assert all(
        KEY not in str(vars(value)) for value in vars(client).values() if hasattr(value, "__dict__")
    )


def test_30_a_secret_shows_nothing() -> None:
    secret = Secret(KEY)
    assert repr(secret) == str(secret) == "Secret('***')"
    assert not hasattr(secret, "__dict__")
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert secret.redact(f"a {KEY} b") == "a *** b"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)


def test_30_a_client_cannot_be_pickled_and_a_copy_is_itself() -> None:
    client = client_for(UNUSED)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)
    assert copy.copy(client) is copy.deepcopy(client) is client


def everything(error: BaseException) -> Iterator[str]:
    """All that a notebook, a log or a debugger would show of an error."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        each = queue.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield repr(each)
        yield str(vars(each))
        # The first frame is the test's own.
        inner = each.__traceback__.tb_next if each.__traceback__ else None
        shown = traceback.TracebackException(type(each), each, inner, capture_locals=True)
        yield "".join(shown.format())
        queue += [other for other in (each.__cause__, each.__context__) if other is not None]


FAILURES = {
    "refused": None,
    "reset": Reply(b"", "reset"),
    "cut": reply(body=b"{", length=9, then="close"),
    "401 that repeats the key": reply(401, {"detail": f"no such key: {KEY}"}),
    "401 with a code": reply(401, {"detail": {"code": f"bad {KEY}", "message": KEY}}),
    "401 html that repeats the key": reply(401, f"<b>{KEY}</b>".encode()),
    "403 with a key for an id": reply(403, {"detail": "no"}, {"x-request-id": KEY}),
    "html that repeats the key": reply(body=f"<html>{KEY}".encode()),
    "redirect that repeats the key": reply(302, headers={"Location": f"http://x/{KEY}"}),
    "schema": reply(body=b"[]"),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES.keys())
def test_30_no_error_shows_the_key(answer: Reply | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer([answer or GOOD]) as server:
        client = client_for(server.url, max_attempts=2)
        if answer is None:
            server.__exit__()
        with pytest.raises(ra.RetabAnalysisError) as caught:
            ra.fetch_runs(client=client)
    assert not [text for text in everything(caught.value) if KEY in text]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in str(caught.value)
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in str(record.args)


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES.keys())
def test_30_the_frames_of_the_library_do_not_hold_it(answer: Reply | None) -> None:
    with FaultServer([answer or GOOD]) as server:
        client = client_for(server.url, max_attempts=1)
        if answer is None:
            server.__exit__()
        with pytest.raises(ra.RetabAnalysisError) as caught:
            ra.fetch_runs(client=client)
    assert_library_frames_hold_no_key(caught.value)


def assert_library_frames_hold_no_key(error: BaseException) -> None:
    frames = 0
    step = error.__traceback__
    while step is not None:
        parts = Path(step.tb_frame.f_code.co_filename).parts
        assert not {"urllib3", "requests", "http"} & set(parts)
        if "retab_analysis" in parts:
            frames += 1
            shown = {name: repr(value) for name, value in step.tb_frame.f_locals.items()}
            assert KEY not in str(shown)
        step = step.tb_next
    assert frames > 2


def test_30_an_interrupt_shows_no_frame_that_holds_it() -> None:
    """Ctrl-C while a request is under way."""

    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return Reply(b"")

    began = time.monotonic()
    with FaultServer([interrupt]) as server:
        with pytest.raises(KeyboardInterrupt) as caught:
            ra.fetch_runs(client=client_for(server.url))
    assert time.monotonic() - began < 1
    assert_library_frames_hold_no_key(caught.value)


def test_30_debug_records_of_all_libraries_hold_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer([reply(503), GOOD]) as server:
        ra.fetch_runs(client=client_for(server.url))
    assert {record.name.split(".")[0] for record in caplog.records} >= {"retab_analysis", "urllib3"}
    for record in caplog.records:
        assert KEY not in record.getMessage() + str(record.args) + str(vars(record))


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\n", f"\t{KEY} \r\n"])
def test_31_space_around_a_key_is_stripped(key: str) -> None:
    with FaultServer([GOOD]) as server:
        ra.fetch_runs(client=ra.Client(key, server.url))
        assert server.header("Authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk_a\nsk_b", "sk_a sk_b", "sk_é", "sk_\x00", "sk_\u200b"])
@pytest.mark.parametrize("given", ["argument", "variable"])
def test_31_an_impossible_key_is_refused_without_showing_it(
    key: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given == "variable" and "\x00" in key:
        pytest.skip("no environment can hold it")
    if given == "variable":
        monkeypatch.setenv("RETAB_API_KEY", key)
    with pytest.raises(ra.ConfigError, match=given) as caught:
        ra.Client(key if given == "argument" else None)
    assert "sk_" not in str(caught.value)
    assert "sk_" not in repr(caught.value.args)


def test_30_the_key_is_in_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk_only_in_the_environment"
    monkeypatch.setenv("RETAB_API_KEY", secret)
    with FaultServer([GOOD]) as server:
        monkeypatch.setenv("RETAB_API_BASE_URL", server.url)
        assert ra.fetch_runs().height == 1
        assert server.header("Authorization") == f"Bearer {secret}"
    modules = [m for name, m in sys.modules.items() if name.startswith("retab_analysis")]
    assert modules
    assert all(secret not in str(vars(module)) for module in modules)
