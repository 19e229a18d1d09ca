"""What a response means, FAULTS.md 7, 8, 10 and 15: statuses, messages, redirects."""

from __future__ import annotations

import json

import pytest
from support.documents import run_document
from support.fakes import client_for
from support.faultserver import FaultServer, Reply, page, reply

import retab_analysis as ra

GOOD = reply(body=page([run_document()]))


def test_8_the_snippet_shows_the_page() -> None:
    login = reply(body=b"<html>login</html>", headers={"Content-Type": "text/html"})
    with FaultServer([login]) as server, pytest.raises(ra.ProtocolError) as caught:
        ra.fetch_run("r", client=client_for(server.url, max_attempts=1))
    assert "'<html>login</html>'" in str(caught.value)
    assert "text/html" in str(caught.value)


@pytest.mark.parametrize("body", [b"12", b"[]", b'{"data": null}', b'"text"', b"null"])
def test_7_the_wrong_shape_is_a_schema_error_at_once(body: bytes) -> None:
    with FaultServer([reply(body=body)]) as server:
        with pytest.raises(ra.SchemaError, match="expected a page"):
            ra.fetch_runs(client=client_for(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ra.InvalidRequestError),
        (401, ra.AuthenticationError),
        (403, ra.PermissionDeniedError),
        (404, ra.NotFoundError),
        (409, ra.ConflictError),
        (418, ra.APIError),
        (422, ra.InvalidRequestError),
        (501, ra.ServerError),
        (505, ra.ServerError),
    ],
)
def test_10_a_final_status_is_its_error_at_once(status: int, error: type[ra.APIError]) -> None:
    answer = reply(status, {"detail": "it was said"}, {"x-request-id": "req_7"})
    with FaultServer([answer]) as server:
        with pytest.raises(error, match=rf"{status}: it was said \[x-request-id req_7\]") as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert type(caught.value) is error
        assert caught.value.status_code == status
        assert caught.value.request_id == "req_7"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("detail", "code", "words"),
    [
        ("plain words", None, "plain words"),
        (
            {"code": "run_gone", "message": "no run", "details": None},
            "run_gone",
            "run_gone: no run",
        ),
        (
            [{"loc": ["query", "limit"], "msg": "too large", "type": "le"}, {"msg": "and more"}],
            None,
            "query.limit: too large; and more",
        ),
        (["odd"], None, "odd"),
        (7, None, "detail"),
        ({"message": None}, None, "detail"),
    ],
)
def test_the_message_of_the_server_is_shown(detail: object, code: str | None, words: str) -> None:
    with FaultServer([reply(422, {"detail": detail})]) as server:
        with pytest.raises(ra.InvalidRequestError) as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.code == code
        assert words in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"[1]", b"[" * 100_000, b"\xff"])
def test_an_error_without_json_is_still_its_error(body: bytes) -> None:
    with FaultServer([reply(404, body)]) as server, pytest.raises(ra.NotFoundError) as caught:
        ra.fetch_run("r", client=client_for(server.url))
    assert "404" in str(caught.value)
    assert ("no message" in str(caught.value)) == (body == b"")
    assert len(str(caught.value)) < 700


def test_an_error_whose_body_breaks_off_is_still_its_error() -> None:
    with FaultServer([reply(404, b'{"detail": "go', length=99, then="close")]) as server:
        with pytest.raises(ra.NotFoundError, match="go"):
            client_for(server.url).get("/v1/x", parse=bytes)
        assert len(server.requests) == 1


def test_an_error_with_an_endless_body_is_cut() -> None:
    answer = reply(403, b"x" * 1_000_000)
    with FaultServer([answer]) as server, pytest.raises(ra.PermissionDeniedError) as caught:
        ra.fetch_run("r", client=client_for(server.url))
    assert f": '{'x' * 200}…'" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_401_says_which_variable_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAB_API_KEY", "sk_wrong_key")
    with FaultServer([reply(401, {"detail": "Invalid API key sk_wrong_key"})]) as server:
        monkeypatch.setenv("RETAB_API_BASE_URL", server.url)
        with pytest.raises(ra.AuthenticationError, match="variable RETAB_API_KEY") as caught:
            ra.fetch_runs()
    assert "sk_wrong_key" not in str(caught.value)
    assert "Invalid API key ***" in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_15_a_redirect_is_not_followed(status: int) -> None:
    with FaultServer([GOOD]) as other:
        answer = reply(status, headers={"Location": f"{other.url}/v1/x"})
        with FaultServer([answer]) as server:
            with pytest.raises(ra.ProtocolError, match="redirected"):
                ra.fetch_runs(client=client_for(server.url))
            assert len(server.requests) == 1
        assert other.connections == 0


def test_15_a_redirect_to_nowhere() -> None:
    with FaultServer([reply(302)]) as server, pytest.raises(ra.ProtocolError, match="nowhere"):
        ra.fetch_runs(client=client_for(server.url))


PART = json.dumps(page([run_document()])).encode()
RANGE = {"Content-Range": f"bytes 0-{len(PART) - 1}/{len(PART)}"}
PARTS = {
    "206": reply(206, PART, RANGE),
    "206 without a range": reply(206, PART),
    "226": reply(226, PART),
    "200 with a range": reply(200, PART, RANGE),
    "multipart": reply(200, PART, {"Content-Type": "multipart/byteranges; boundary=x"}),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_63_a_part_of_an_answer_is_not_taken_for_all_of_it(part: Reply) -> None:
    with FaultServer([part, GOOD]) as server:
        assert ra.fetch_runs(client=client_for(server.url)).height == 1
        assert len(server.requests) == 2
    with FaultServer([part]) as server:
        with pytest.raises(ra.ProtocolError, match=r"a part of a document.*after 2 attempts"):
            ra.fetch_runs(client=client_for(server.url, max_attempts=2))


@pytest.mark.parametrize(
    "answer",
    [page([{"id": "bad"}]), {"data": None}, {"id": "r", "total_evals": "four"}],
)
def test_a_schema_error_names_the_request(answer: object) -> None:
    with FaultServer([reply(body=answer, headers={"X-Request-Id": "req_9"})]) as server:
        client = client_for(server.url)
        for fetch in (ra.fetch_runs, lambda client: ra.fetch_run("r", client=client)):
            with pytest.raises(ra.SchemaError, match=r"\[x-request-id req_9\]$") as caught:
                fetch(client=client)
            assert caught.value.request_id == "req_9"
    with FaultServer([reply(body=answer)]) as server:
        with pytest.raises(ra.SchemaError) as caught:
            ra.fetch_runs(client=client_for(server.url))
        assert caught.value.request_id is None
