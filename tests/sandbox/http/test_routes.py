"""What each request is answered: the key, paths, parameters and bodies that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.inside import File, StoreServer
from support.sandbox_api import KEY, ask, make_server, plan_world

RUNS = "/v1/workflows/evals/runs"


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with make_server() as running:
        yield running


@pytest.mark.parametrize(
    "path", [RUNS, "/v1/workflows", "/v1/files/x/download-link", "/v1/nothing"]
)
@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer  ", "Bearer wrong", f"Basic {KEY}", KEY, "Bearer k\xe9y"]
)
def test_a_key_is_asked_for_before_all_else(
    server: StoreServer, path: str, value: str | None
) -> None:
    headers = {} if value is None else {"Authorization": value}
    for method in ("GET", "POST", "DELETE"):
        status, document, answered = ask(server, path, method, headers=headers, key=None)
        assert status == 401
        assert isinstance(document["detail"], str)
        assert answered["WWW-Authenticate"] == "Bearer"
        assert answered["x-request-id"]


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
def test_unknown_paths(server: StoreServer, path: str) -> None:
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
def test_unknown_ids(server: StoreServer, path: str, code: str) -> None:
    status, document, _ = ask(server, path)
    assert status == 404
    assert document["detail"]["code"] == code
    assert document["detail"]["details"] is None
    assert document["detail"]["message"].startswith("No ")


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE"]
)
def test_other_methods(server: StoreServer, method: str) -> None:
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
def test_parameters_that_are_refused(server: StoreServer, query: str, name: str, kind: str) -> None:
    status, document, _ = ask(server, f"{RUNS}?{query}")
    assert status == 422
    (error,) = document["detail"]
    assert error["loc"] == ["query", name]
    assert error["type"] == kind
    assert error["msg"]


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/v1/workflows/evals", {"workflow_id"}),
        ("/v1/workflows/evals/results", {"run_id"}),
        ("/v1/workflows/versions", {"workflow_id"}),
        ("/v1/workflows/versions/ver_x", {"workflow_id"}),
        ("/v1/workflows/blocks", {"workflow_id"}),
        (
            "/v1/workflows/versions/diff",
            {"workflow_id", "from_workflow_version_id", "to_workflow_version_id"},
        ),
    ],
)
def test_parameters_that_are_missing(server: StoreServer, path: str, missing: set[str]) -> None:
    status, document, _ = ask(server, path)
    assert status == 422
    (error,) = document["detail"]
    assert error["loc"][1] in missing
    assert error["type"] == "missing"


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"", ["body"], "json_invalid"),
        (b"{", ["body"], "json_invalid"),
        (b"\xff", ["body"], "json_invalid"),
        (b"[" * 100_000, ["body"], "json_invalid"),
        (b"[]", ["body"], "model_attributes_type"),
        (b"{}", ["body", "workflow_id"], "missing"),
        (b'{"workflow_id": 3}', ["body", "workflow_id"], "string_type"),
        (b'{"workflow_id": "x", "scope": 3}', ["body", "scope"], "union_tag_invalid"),
        (b'{"workflow_id": "x", "scope": {}}', ["body", "scope"], "union_tag_invalid"),
        (b'{"workflow_id": "x", "scope": {"type": []}}', ["body", "scope"], "union_tag_invalid"),
        (
            b'{"workflow_id": "x", "scope": {"type": "single"}}',
            ["body", "scope"],
            "union_tag_invalid",
        ),
        (
            b'{"workflow_id": "x", "scope": {"type": "block", "block_id": 1}}',
            ["body", "scope"],
            "union_tag_invalid",
        ),
    ],
)
def test_bodies_that_are_refused(
    server: StoreServer, body: bytes, loc: list[Any], kind: str
) -> None:
    status, document, _ = ask(server, RUNS, "POST", body)
    assert status == 422
    (error,) = document["detail"]
    assert error["loc"][: len(loc)] == loc
    assert error["type"] == kind


def test_a_download_link_leads_to_something(server: StoreServer) -> None:
    file: File = next(iter(plan_world().files.values()))
    link = ask(server, f"/v1/files/{file.id}/download-link")[1]
    target = link["download_url"].removeprefix(server.base_url)
    status, content, headers = ask(server, target, key=None)
    assert status == 200
    assert file.filename.encode() in content
    assert headers["Content-Type"].startswith("text/plain")
    assert ask(server, target + "0", key=None)[0] == 403
    assert ask(server, target, "POST", key=None)[0] == 405
