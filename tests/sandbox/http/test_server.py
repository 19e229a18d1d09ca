"""The sandbox over real sockets: auth, refusals, connections, starting and stopping."""

from __future__ import annotations

import gc
import http.client
import inspect
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.sandbox_api import KEY, Clock, plan_world

from retab_analysis.sandbox import Sandbox, Server, Store

RUNS = "/v1/workflows/evals/runs"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Store(plan_world(), clock=Clock()), api_key=KEY) as running:
        yield running


def ask(
    server: Server,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    key: str | None = KEY,
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        content = response.read()
        is_json = response.getheader("Content-Type") == "application/json"
        document = json.loads(content) if content and is_json else content
        return response.status, document, response.headers
    finally:
        connection.close()


def port_of(server: Server) -> int:
    port = urlsplit(server.base_url).port
    assert port is not None
    return port


def raw(server: Server, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def test_an_answer_has_its_headers(server: Server) -> None:
    status, document, headers = ask(server, f"{RUNS}?limit=2")
    assert status == 200
    assert len(document["data"]) == 2
    assert headers["Content-Type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert int(headers["Content-Length"]) > 1_000
    assert ask(server, "/v1/nothing")[2]["x-request-id"] != headers["x-request-id"]


@pytest.mark.parametrize(
    "path", [RUNS, "/v1/workflows", "/v1/files/x/download-link", "/v1/nothing"]
)
@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer  ", "Bearer wrong", f"Basic {KEY}", KEY, "Bearer k\xe9y"]
)
def test_a_key_is_asked_for_before_all_else(server: Server, path: str, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    for method in ("GET", "POST", "DELETE"):
        status, document, answered = ask(server, path, method, headers=headers, key=None)
        assert status == 401
        assert isinstance(document["detail"], str)
        assert answered["WWW-Authenticate"] == "Bearer"
        assert answered["x-request-id"]


def test_the_word_bearer_in_any_case(server: Server) -> None:
    assert ask(server, RUNS, headers={"Authorization": f"bearer {KEY}"}, key=None)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/workflows",
        "/v1/nothing",
        f"{RUNS}/",
        f"{RUNS}//cancel",
        "/v1/workflows/wf_invoices",
        "*",
    ],
)
def test_unknown_paths(server: Server, path: str) -> None:
    status, document, _ = ask(server, path)
    assert (status, document) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{RUNS}/evalrun_x", "workflow_eval_run_not_found"),
        (f"{RUNS}/a%2Fb%3F%23", "workflow_eval_run_not_found"),
        (f"{RUNS}/%FF%ED%A0%80", "workflow_eval_run_not_found"),
        ("/v1/workflows/evals/results/x", "workflow_eval_result_not_found"),
        ("/v1/workflows/evals/results?run_id=x", "workflow_eval_run_not_found"),
        ("/v1/workflows/evals/x", "workflow_eval_not_found"),
        ("/v1/workflows/evals?workflow_id=x", "workflow_not_found"),
        ("/v1/files/x/download-link", "file_not_found"),
    ],
)
def test_unknown_ids(server: Server, path: str, code: str) -> None:
    status, document, _ = ask(server, path)
    assert status == 404
    assert document["detail"]["code"] == code
    assert document["detail"]["details"] is None
    assert document["detail"]["message"].startswith("No ")


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE"]
)
def test_other_methods(server: Server, method: str) -> None:
    status, document, headers = ask(server, RUNS, method)
    assert status == 405
    assert document == (b"" if method == "HEAD" else {"detail": "Method Not Allowed"})
    assert headers["Allow"] == "GET, POST"
    assert ask(server, f"{RUNS}/x/cancel")[2]["Allow"] == "POST"


@pytest.mark.parametrize(
    ("query", "name", "kind"),
    [
        ("limit=0", "limit", "greater_than_equal"),
        ("limit=101", "limit", "less_than_equal"),
        ("limit=-5", "limit", "greater_than_equal"),
        ("limit=many", "limit", "int_parsing"),
        ("limit=1.5", "limit", "int_parsing"),
        ("limit=", "limit", "int_parsing"),
        ("limit=%D9%A3", "limit", "int_parsing"),
        ("limit=" + "9" * 5_000, "limit", "int_parsing"),
        ("order=up", "order", "enum"),
        ("status=done", "status", "enum"),
        ("exclude_status=", "exclude_status", "enum"),
        ("trigger_type=cron", "trigger_type", "enum"),
        ("from_date=yesterday", "from_date", "datetime_from_date_parsing"),
        ("to_date=2026-02-30", "to_date", "datetime_from_date_parsing"),
        ("to_date=2026-02-03T25:00:00Z", "to_date", "datetime_from_date_parsing"),
        ("to_date=2026-02-03T05:00:00%2B99:00", "to_date", "datetime_from_date_parsing"),
        ("before=a&after=b", "before", "value_error"),
    ],
)
def test_parameters_that_are_refused(server: Server, query: str, name: str, kind: str) -> None:
    status, document, _ = ask(server, f"{RUNS}?{query}")
    assert status == 422
    (error,) = document["detail"]
    assert error["loc"] == ["query", name]
    assert error["type"] == kind
    assert error["msg"]


def test_all_refused_parameters_are_named(server: Server) -> None:
    status, document, _ = ask(server, f"{RUNS}?limit=0&order=up&status=x")
    assert status == 422
    assert {error["loc"][1] for error in document["detail"]} == {"limit", "order", "status"}


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/v1/workflows/evals", {"workflow_id"}),
        ("/v1/workflows/evals/results", {"run_id"}),
        (
            "/v1/workflows/versions/diff",
            {"workflow_id", "from_workflow_version_id", "to_workflow_version_id"},
        ),
    ],
)
def test_parameters_that_are_missing(server: Server, path: str, missing: set[str]) -> None:
    status, document, _ = ask(server, path)
    assert status == 422
    assert {error["loc"][1] for error in document["detail"]} == missing
    assert {error["type"] for error in document["detail"]} == {"missing"}


def test_unknown_parameters_are_ignored(server: Server) -> None:
    assert ask(server, f"{RUNS}?limit=3&colour=blue&&=&limit=1")[0] == 200
    assert len(ask(server, f"{RUNS}?limit=3&limit=1")[1]["data"]) == 1


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"", ["body"], "missing"),
        (b"{", ["body", 1], "json_invalid"),
        (b"\xff", ["body"], "json_invalid"),
        (b"[" * 100_000, ["body"], "json_invalid"),
        (b"[]", ["body"], "model_attributes_type"),
        (b"{}", ["body", "workflow_id"], "missing"),
        (b'{"workflow_id": 3}', ["body", "workflow_id"], "string_type"),
        (b'{"workflow_id": "x", "scope": 3}', ["body", "scope"], "model_attributes_type"),
        (b'{"workflow_id": "x", "scope": {}}', ["body", "scope"], "union_tag_invalid"),
        (b'{"workflow_id": "x", "scope": {"type": []}}', ["body", "scope"], "union_tag_invalid"),
        (
            b'{"workflow_id": "x", "scope": {"type": "single"}}',
            ["body", "scope", "single", "eval_id"],
            "missing",
        ),
        (
            b'{"workflow_id": "x", "scope": {"type": "block", "block_id": 1}}',
            ["body", "scope", "block", "block_id"],
            "string_type",
        ),
    ],
)
def test_bodies_that_are_refused(server: Server, body: bytes, loc: list[Any], kind: str) -> None:
    status, document, _ = ask(server, RUNS, "POST", body)
    assert status == 422
    (error,) = document["detail"]
    assert error["loc"][: len(loc)] == loc
    assert error["type"] == kind


def test_a_workflow_that_has_no_utf8(server: Server) -> None:
    status, document, _ = ask(server, RUNS, "POST", b'{"workflow_id": "\\ud800", "scope": null}')
    assert (status, document["detail"]["code"]) == (404, "workflow_not_found")


def test_bodies_without_a_length_or_too_large(server: Server) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(server, RUNS, "POST", b"0\r\n\r\n", chunked)[0] == 411
    for length in ("-3", "²", ""):
        assert ask(server, RUNS, "POST", headers={"Content-Length": length})[0] == 411
    status, document, headers = ask(server, RUNS, "POST", headers={"Content-Length": str(1 << 30)})
    assert (status, document["detail"]["code"]) == (413, "body_too_large")
    assert headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_what_is_no_request_is_refused_in_json(server: Server, data: bytes, status: bytes) -> None:
    answer = raw(server, data)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Type: application/json" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["detail"]


def test_an_empty_connection_is_nothing(server: Server) -> None:
    assert raw(server, b"") == b""


def test_connections_are_kept_and_answers_come_at_once(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
    connection.connect()
    sock = connection.sock
    spent = []
    for _ in range(30):
        start = time.perf_counter()
        connection.request("GET", f"{RUNS}?limit=5", headers={"Authorization": f"Bearer {KEY}"})
        connection.getresponse().read()
        spent.append(time.perf_counter() - start)
    assert connection.sock is sock
    connection.close()
    # Nagle's algorithm and delayed acknowledgements together would make it 40 ms.
    assert sorted(spent)[len(spent) // 2] < 0.005


def test_an_answer_is_one_write(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from retab_analysis.sandbox.http.connection import Handler

    writes: list[int] = []
    setup = Handler.setup

    def watched(handler: Any) -> None:
        setup(handler)
        write = handler.wfile.write
        handler.wfile = _Counting(write, writes)

    monkeypatch.setattr(Handler, "setup", watched)
    ask(server, f"{RUNS}?limit=100")
    assert len(writes) == 1


class _Counting:
    closed = False

    def __init__(self, write: Any, writes: list[int]) -> None:
        self._write, self._writes = write, writes

    def write(self, data: bytes) -> int:
        self._writes.append(len(data))
        return int(self._write(data))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_many_threads_at_once(server: Server) -> None:
    paths = [f"{RUNS}?limit=7", "/v1/workflows", "/v1/workflows/evals?workflow_id=wf_claims"] * 20
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda path: ask(server, path)[:2], paths))
    assert all(status == 200 for status, _ in answers)
    assert answers[:3] * 20 == answers


def test_http_1_0_closes(server: Server) -> None:
    head = f"GET /v1/workflows HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    answer = raw(server, head)
    assert b"Connection: close" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]


def test_create_and_cancel_over_http() -> None:
    with Server(plan_world(), api_key=KEY) as server:
        body = b'{"workflow_id": "wf_claims", "scope": {"type": "workflow"}, "more": 1}'
        status, run, _ = ask(server, RUNS, "POST", body)
        assert status == 201
        assert ask(server, f"{RUNS}/{run['id']}")[1]["lifecycle"]["status"] == "pending"
        status, cancelled, _ = ask(server, f"{RUNS}/{run['id']}/cancel", "POST")
        assert (status, cancelled["lifecycle"]["status"]) == (200, "cancelled")
        assert ask(server, f"{RUNS}/{run['id']}/cancel", "POST")[0] == 409


def test_a_download_link_leads_to_something(server: Server) -> None:
    from retab_analysis.sandbox.world.model import File

    file: File = next(iter(plan_world().files.values()))
    link = ask(server, f"/v1/files/{file.id}/download-link")[1]
    target = link["download_url"].removeprefix(server.base_url)
    status, content, headers = ask(server, target, key=None)
    assert status == 200
    assert file.filename.encode() in content
    assert headers["Content-Type"].startswith("text/plain")
    assert ask(server, target + "0", key=None)[0] == 403
    assert ask(server, target, "POST", key=None)[0] == 405


def test_requests_are_recorded(server: Server) -> None:
    server.requests.clear()
    ask(server, f"{RUNS}?limit=2&order=asc")
    ask(server, f"{RUNS}/x")
    ask(server, RUNS, "POST", b"{}")
    ask(server, RUNS, key=None)
    assert [tuple(served) for served in server.requests] == [
        ("GET", f"{RUNS}?limit=2&order=asc", 200),
        ("GET", f"{RUNS}/x", 404),
        ("POST", RUNS, 422),
        ("GET", RUNS, 401),
    ]
    assert len(server.requests) == 4
    assert len(server.requests.matching(RUNS, "GET")) == 3
    assert [served.path for served in server.requests.matching("order=asc")] == [
        f"{RUNS}?limit=2&order=asc"
    ]
    assert repr(server.requests) == "<4 requests served>"
    server.requests.clear()
    assert len(server.requests) == 0


# Starting and stopping


def test_a_sandbox_from_start_to_stop() -> None:
    sandbox = Sandbox(seed=5)
    assert not sandbox.running
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.credentials
    sandbox.stop()
    before = threading.active_count()
    assert sandbox.start() is sandbox
    address = sandbox.base_url
    assert sandbox.start().base_url == address
    assert sandbox.running
    key = sandbox.credentials["api_key"]
    assert sandbox.credentials == {"api_key": key, "base_url": address}
    assert ask(sandbox, "/v1/workflows", key=key)[0] == 200
    port = port_of(sandbox)
    sandbox.stop()
    sandbox.stop()
    assert not sandbox.running
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with Server(plan_world()).start(port) as again:
        assert port_of(again) == port


def test_stopping_closes_connections_that_are_open() -> None:
    before = threading.active_count()
    with Sandbox() as sandbox:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(sandbox), timeout=5)
        connection.request("GET", "/v1/workflows")
        connection.getresponse().read()
        idle = socket.create_connection(("127.0.0.1", port_of(sandbox)), timeout=5)
        ask(sandbox, "/v1/workflows")
    assert idle.recv(1) == b""
    idle.close()
    connection.close()
    deadline = time.perf_counter() + 1
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    gc.collect()


def test_state_survives_a_stop() -> None:
    sandbox = Sandbox()
    key = "sandbox-key-0"
    with sandbox:
        body = b'{"workflow_id": "wf_claims"}'
        run_id = ask(sandbox, RUNS, "POST", body, key=key)[1]["id"]
    with sandbox:
        assert ask(sandbox, f"{RUNS}/{run_id}", key=key)[0] == 200


def test_repr() -> None:
    sandbox = Sandbox()
    assert repr(sandbox) == "<Sandbox stopped: 5 workflows, 155 evals, 206 runs>"
    with sandbox:
        assert repr(sandbox).startswith(f"<Sandbox running at {sandbox.base_url}: 5 workflows, ")
        assert sandbox.credentials["api_key"] not in repr(sandbox)
        assert sandbox.credentials["api_key"] not in str(vars(sandbox)["_tcp"])


def test_signature() -> None:
    assert str(inspect.signature(Sandbox)).startswith(
        "(seed: int = 0, speed: float = 1.0, *, latency: float = 0.0, faults: "
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speed": 0}, "speed must be a positive number"),
        ({"speed": float("nan")}, "speed must be a positive number"),
        ({"latency": -0.1}, "latency is in seconds"),
        ({"latency": float("inf")}, "latency is in seconds"),
        ({"seed": "x"}, "seed is a whole number"),
        ({"faults": ["reset"]}, "a fault is a Fault or a mapping"),
        ({"faults": [{"kind": "earthquake"}]}, "a fault's kind is one of status, reset"),
        ({"faults": [{"knd": "reset"}]}, "its fields are match, kind"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sandbox(**arguments)


def test_latency() -> None:
    with Server(plan_world(), api_key=KEY, latency=0.06) as server:
        start = time.perf_counter()
        ask(server, "/v1/workflows")
        assert 0.06 <= time.perf_counter() - start < 0.5
