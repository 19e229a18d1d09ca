"""FAULTS.md, secrets: 29 to 32."""

from __future__ import annotations

import copy
import html
import http.client
import json
import logging
import os
import pickle
import re
import signal
import sys
import time
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from support.documents import run_document
from support.fakes import KEY, client_for
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import Secret

import retab_analysis as ra

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
    "schema": reply(body=b"[]"),
    "a part that repeats the key": reply(206, f"{KEY}".encode()),
    "gzip that is none, with the key": reply(
        body=KEY.encode(), headers={"Content-Encoding": "gzip"}
    ),
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
    assert_library_frames_hold_no_key(caught.value)
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in str(record.args)


def assert_library_frames_hold_no_key(error: BaseException) -> None:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        assert not {"urllib3", "requests", "http"} & set(Path(frame.f_code.co_filename).parts)
    ours = [*frames_of_ours(error)]
    assert len(ours) > 2
    assert KEY not in str(ours)


def frames_of_ours(error: BaseException) -> Iterator[dict[str, object]]:
    """What the frames of the library hold, with all that is inside of it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "retab_analysis" in Path(frame.f_code.co_filename).parts:
            yield {name: inside(value) for name, value in frame.f_locals.items()}


def test_30_an_interrupt_shows_no_frame_that_holds_it() -> None:
    """Ctrl-C while a request is under way."""

    def interrupt(request: str) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        return Reply(b"")

    began = time.monotonic()
    with FaultServer([interrupt]) as server:
        with pytest.raises(KeyboardInterrupt) as caught:
            ra.fetch_runs(client=client_for(server.url))
    assert time.monotonic() - began < 20
    assert_library_frames_hold_no_key(caught.value)


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\n", f"\t{KEY} \r\n"])
def test_31_space_around_a_key_is_stripped(key: str) -> None:
    with FaultServer([GOOD]) as server:
        ra.fetch_runs(client=ra.Client(key, server.url))
        assert server.header("Authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "key", ["sk_a\nsk_b", "sk_a sk_b", "sk_é", "sk_\x00", "sk_\u200b", "sk_1234"]
)
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


# --- FAULTS.md 64: the key comes back in an answer

ODD_KEY = "sk+re/tab=&<test>\"'%"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "URL": lambda key: quote(key, safe=""),
    "URL, slashes kept": quote,
    "URL, small letters": lambda key: re.sub("%..", lambda each: each[0].lower(), quote(key)),
    "URL, every character": lambda key: "".join(f"%{ord(each):02x}" for each in key),
    "HTML": html.escape,
    "HTML, quotes kept": lambda key: html.escape(key, quote=False),
    "HTML, every character": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user": lambda key: b64encode(f"{key}:".encode()).decode(),
    "base64 for URLs": lambda key: urlsafe_b64encode(f"me:{key}!".encode()).decode(),
}


def is_shown(text: str, key: str) -> bool:
    """Whether a text has the key in it, in any spelling."""
    spelled = {name: spell(key) for name, spell in SPELLINGS.items()}
    # The ends of base64 are made of what stands beside the key, too.
    return any(
        (each[4:-4] if name.startswith("base64") else each) in text
        for name, each in spelled.items()
    )


@pytest.mark.parametrize("key", [KEY, ODD_KEY, "sk_12345"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_64_the_key_is_masked_in_every_spelling(spelling: Callable[[str], str], key: str) -> None:
    masked = Secret(key).redact(f"before {spelling(key)} after")
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert not is_shown(masked, key)
    body = f"before {spelling(key)} after".encode()
    assert Secret(key).redact_bytes(body) == masked.encode()


@pytest.mark.parametrize(
    "escaped",
    [
        "sk&#x2F;ab+cd=efgh1234",
        "sk&#x2F;ab+cd&#x3D;efgh1234",
        "sk/ab+cd&#x3D;efgh1234",
        "sk&#x2f;ab&#x2b;cd&#x3d;efgh1234",
        "sk&#47;ab&#43;cd&#61;efgh1234",
    ],
)
def test_64_the_key_is_masked_as_template_engines_escape_it(escaped: str) -> None:
    assert Secret("sk/ab+cd=efgh1234").redact(f"bad key {escaped}.") == "bad key ***."


def test_the_key_is_not_printed_by_http_clients_own_debugging(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with FaultServer([reply(body=page([run_document()]))]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
    assert KEY not in capsys.readouterr().out


def test_64_other_texts_are_left_alone() -> None:
    text = json.dumps(page([run_document()])) + "é&amp;%20 c2tf" + b64encode(b"sk_retab").decode()
    assert Secret(KEY).redact(text) == text
    assert Secret(KEY).redact_bytes(text.encode()) == text.encode()


def echoes(spelled: str) -> dict[str, Reply]:
    """Where a server may put what it was sent; as JSON wherever that is possible."""
    bad_run = run_document(spelled, total_evals=spelled, workflow_id=spelled)
    return {
        "an error": reply(400, {"detail": f"bad {spelled}"}),
        "an error's code": reply(400, {"detail": {"code": spelled, "message": spelled}}),
        "a field of an error": reply(422, {"detail": [{"loc": [spelled], "msg": spelled}]}),
        "an error that is not JSON": reply(502, f"<p>{spelled}</p>".encode()),
        "a header": reply(400, {"detail": "no"}, {"X-Request-Id": spelled, "Retry-After": spelled}),
        "a redirect": reply(307, headers={"Location": f"https://x/{spelled}"}),
        "a content type": reply(body=b"<", headers={"Content-Type": spelled}),
        "an encoding": reply(body=b"<", headers={"Content-Encoding": f"{spelled}, {spelled}"}),
        "a 200 that is not JSON": reply(body=f"<p>{spelled}</p>".encode()),
        "a record": reply(body=page([bad_run])),
        "a time": reply(body=page([run_document(spelled, timing__created_at=spelled)])),
        "not a page": reply(body={"data": spelled}),
        "a cursor": reply(body=page([run_document()], spelled)),
        "a reason": Reply(f"HTTP/1.1 400 {spelled}\r\nContent-Length: 0\r\n\r\n".encode()),
        "a status": Reply(f"HTTP/1.1 {spelled}\r\n\r\n".encode(), "close"),
        "a chunk size": Reply(
            f"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{spelled}\r\n".encode(), "close"
        ),
        "a bad header": Reply(
            f"HTTP/1.1 400 X\r\nContent-Length: 0\r\n{spelled}\r\nX: y\r\n\r\n".encode()
        ),
    }


@pytest.mark.parametrize("where", echoes(""))
@pytest.mark.parametrize("spelling", ["raw", "URL", "HTML", "base64", "base64 of the header"])
@pytest.mark.parametrize("key", [KEY, "sk+re/tab=&<test>"])
def test_64_what_the_server_repeats_is_shown_nowhere(
    where: str, spelling: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer([echoes(SPELLINGS[spelling](key))[where]]) as server:
        client = ra.Client(key, server.url, max_attempts=1)
        with pytest.raises(ra.RetabAnalysisError) as caught:
            ra.fetch_runs(client=client)
    # The first frame is this test's own, and holds the key.
    error = caught.value.with_traceback(caught.tb.tb_next)
    shown = [*everything(error), *map(str, frames_of_ours(error))]
    if isinstance(error, ra.SchemaError) and error.problems is not None:
        shown += map(str, error.problems.rows())
    shown.append(str(error.partial))
    for record in caplog.records:
        shown += [record.getMessage(), str(record.args), str(vars(record))]
    assert not [text for text in shown if is_shown(text, key)]


def inside(value: object) -> object:
    """A value with its attributes, one deep."""
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    return repr(value), {name: repr(getattr(value, name, None)) for name in names}


def test_64_lenient_problems_do_not_show_it() -> None:
    bad = run_document(KEY, total_evals=KEY, workflow_id=f"x {KEY}")
    with FaultServer([reply(body=page([run_document("good"), bad]))]) as server:
        with pytest.warns(ra.ProblemsWarning) as caught:
            frame = ra.fetch_runs(client=client_for(server.url), strict=False)
    assert frame.height == 1
    assert KEY not in str(caught[0].message)
    assert KEY not in str(caught[0].message.problems.rows())  # type: ignore[union-attr]


def test_64_a_cursor_with_the_key_is_not_sent_back_in_an_address() -> None:
    pages = [reply(body=page([run_document("a")], f"c-{KEY}")), reply(body=page([]))]
    with FaultServer(pages) as server:
        ra.fetch_runs(client=client_for(server.url))
        assert KEY not in server.paths[1]


# --- FAULTS.md 65: what is not ours, from inside the HTTP library


class Alarm(BaseException):
    """What a signal handler may raise; test runners have such exceptions."""


@pytest.mark.parametrize(
    "error",
    [MemoryError(), TypeError(f"bad {KEY}"), RecursionError(), SystemExit(3), Alarm("too late")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("place", ["getresponse", "putheader", "connect"])
def test_65_no_exception_takes_frames_along_that_hold_the_key(
    error: BaseException, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib3.connection import HTTPConnection

    def fail(self: object, *args: object, **kwargs: object) -> None:
        raise error from ValueError(KEY)

    owner = HTTPConnection if place == "connect" else http.client.HTTPConnection
    monkeypatch.setattr(owner, place, fail)
    with FaultServer([GOOD]) as server:
        with pytest.raises(type(error)) as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert len(server.requests) <= 1
    assert caught.value is error
    assert_library_frames_hold_no_key(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert KEY not in str(error)


def test_65_a_signal_in_the_middle_of_a_body_shows_no_frame() -> None:
    def handler(number: int, frame: object) -> None:
        raise Alarm("the time is up")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with FaultServer([reply(body=b" " * 500, drip=0.05)]) as server:
            with pytest.raises(Alarm) as caught:
                ra.fetch_runs(client=client_for(server.url))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert_library_frames_hold_no_key(caught.value)
