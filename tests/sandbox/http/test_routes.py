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


@pytest.mark.parametrize("path", [RUNS, "/v1/files/x/download-link", "/v1/nothing"])
@pytest.mark.parametrize(
    "value", [None, "Bearer ", "Bearer wrong", f"Basic {KEY}", "Bearer k\xe9y"]
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


@pytest.mark.parametrize("path", ["/", "/v1/", "/v2/workflows", f"{RUNS}//cancel", "*"])
def test_unknown_paths(server: StoreServer, path: str) -> None:
    status, document, _ = ask(server, path)
    assert (status, document) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("path", "code"),
    [
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
    assert (status, document["detail"]["code"]) == (404, code)
    assert document["detail"]["message"].startswith("No ")


def test_a_lone_surrogate_is_sent_back_as_an_escape(server: StoreServer) -> None:
    status, document, _ = ask(server, RUNS, "POST", b'{"workflow_id": "\\ud800"}')
    assert status == 404
    assert "\ud800" in document["detail"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/workflows/runs"),
        ("GET", "/v1/workflows/runs/run_1"),
        ("POST", "/v1/workflows/wf_invoices/publish"),
        ("PATCH", "/v1/workflows/wf_invoices"),
        ("GET", "/v1/usage/primitives"),
        ("PUT", "/v1/tables/table_1"),
        ("GET", "/v1/environments"),
    ],
)
def test_what_only_the_real_api_has(server: StoreServer, method: str, path: str) -> None:
    status, document, _ = ask(server, path, method)
    assert status == 501
    assert document["detail"]["message"] == "the sandbox does not have this endpoint"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "NONSENSE"])
def test_other_methods(server: StoreServer, method: str) -> None:
    status, document, headers = ask(server, RUNS, method)
    assert status == 405
    assert document == (b"" if method == "HEAD" else {"detail": "Method Not Allowed"})
    assert headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("limit=0", "greater_than_equal"),
        ("limit=101", "less_than_equal"),
        ("limit=1.5", "int_parsing"),
        ("limit=%D9%A3", "int_parsing"),
        ("limit=" + "9" * 5_000, "int_parsing"),
        ("order=up", "enum"),
        ("exclude_status=", "enum"),
        ("trigger_type=cron", "enum"),
        ("from_date=yesterday", "datetime_from_date_parsing"),
        ("to_date=2026-02-30", "datetime_from_date_parsing"),
        ("to_date=2026-02-03T05:00:00%2B99:00", "datetime_from_date_parsing"),
        ("before=a&after=b", "value_error"),
    ],
)
def test_parameters_that_are_refused(server: StoreServer, query: str, kind: str) -> None:
    status, document, _ = ask(server, f"{RUNS}?{query}")
    (error,) = document["detail"]
    assert (status, error["loc"], error["type"]) == (422, ["query", query.split("=")[0]], kind)


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/v1/workflows/evals", "workflow_id"),
        ("/v1/workflows/evals/results", "run_id"),
        ("/v1/workflows/versions/ver_x", "workflow_id"),
        ("/v1/workflows/versions/diff?workflow_id=x", "from_workflow_version_id"),
    ],
)
def test_parameters_that_are_missing(server: StoreServer, path: str, missing: str) -> None:
    status, document, _ = ask(server, path)
    (error,) = document["detail"]
    assert (status, error["loc"][1], error["type"]) == (422, missing, "missing")


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"", ["body"], "json_invalid"),
        (b"\xff", ["body"], "json_invalid"),
        (b"[" * 100_000, ["body"], "json_invalid"),
        (b"[]", ["body"], "model_attributes_type"),
        (b"{}", ["body", "workflow_id"], "missing"),
        (b'{"workflow_id": 3}', ["body", "workflow_id"], "string_type"),
        (b'{"workflow_id": "x", "scope": 3}', ["body", "scope"], "union_tag_invalid"),
        (b'{"workflow_id": "x", "scope": {"type": []}}', ["body", "scope"], "union_tag_invalid"),
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
    (error,) = document["detail"]
    assert (status, error["loc"][: len(loc)], error["type"]) == (422, loc, kind)


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
