"""``doctor``: everything holds against the sandbox, and each thing that does not is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.dialects import DIALECTS, spoken
from support.faultserver import FaultServer, page, reply
from support.inside import (
    ApiError,
    RecordingClient,
    Request,
    Response,
    Session,
    StoreServer,
    load_facts,
    main,
)
from support.sandbox_api import KEY, Clock, make_store, plan_world

import retab_analysis as ra

FLOW = "wf_invoices"
Change = Callable[[Request, Any], Any]


FACTS = load_facts()
CERTAIN = {each["name"] for each in FACTS if each["sure"] == "certain"}


class Liar(StoreServer):
    """The sandbox, with what is documented and it does not have; a test may change its answers."""

    path, change = "", staticmethod(lambda request, document: document)

    def _answer(self, request: Request) -> Response:
        path = request.target.partition("?")[0]
        is_changed = re.fullmatch(self.path, path)
        try:
            answered = self._document(request, path)
        except ApiError:
            if not is_changed:
                raise
            answered = Response(200, b"null")
        if not is_changed:
            return answered
        document = self.change(request, json.loads(answered.body))
        return answered._replace(body=json.dumps(document).encode())

    def _document(self, request: Request, path: str) -> Response:
        try:
            return super()._answer(request)
        except ApiError:
            if path != "/v1/usage/primitives":
                raise
            return Response(200, json.dumps(page([{"id": "usage_1"}])).encode())


@pytest.fixture(scope="module")
def server() -> Iterator[Liar]:
    with Liar(make_store(clock=Clock()), key=KEY) as started:
        yield started


@pytest.fixture
def api(server: Liar) -> Iterator[Liar]:
    yield server
    server.path = ""


def ask(server: StoreServer, capsys: pytest.CaptureFixture[str], key: str = KEY) -> dict[str, Any]:
    with RecordingClient(key, server.base_url, max_attempts=1) as client:
        code = main(["doctor", FLOW, "--json"], Session(client))
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == code
    return said


def test_everything_holds_in_the_sandbox(api: Liar, capsys: pytest.CaptureFixture[str]) -> None:
    said = ask(api, capsys)
    told = {each["name"]: each["reason"] for each in said["facts"] if each["reason"]}
    assert told == {"idempotency": "a start is billed, and doctor starts nothing"}
    assert said["exit_code"] == 0
    assert [each["name"] for each in said["facts"]] == [each["name"] for each in FACTS]
    assert all(each["request_ids"] for each in said["facts"] if each["name"] not in told)


def test_the_sandbox_denies_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no usage, about which doctor asks for information only."""
    with ra.Sandbox() as sandbox, RecordingClient(**sandbox.credentials) as client:
        assert main(["doctor", FLOW, "--json"], Session(client)) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    unknown = {each["name"]: each["outcome"] for each in facts if each["outcome"] != "holds"}
    assert unknown == dict.fromkeys(("usage", "idempotency"), "could not be asked")


def test_it_asks_about_every_saved_eval(api: Liar, capsys: pytest.CaptureFixture[str]) -> None:
    def lie(request: Request, document: Any) -> Any:
        target = request.target.replace("limit=100", "limit=50")
        found = json.loads(StoreServer._answer(api, request._replace(target=target)).body)
        if "after=" in target:
            rows(put("freshness.validity_fingerprint", "another"))(request, found)
        return found

    api.path, api.change = EVALS, lie
    told = ask(api, capsys)["facts"]
    assert "present code" in {each["name"] for each in told if each["outcome"] == "differs"}


def test_it_shows_nothing_of_the_customer(api: Liar, capsys: pytest.CaptureFixture[str]) -> None:
    seen: set[str] = set()

    def note(request: Request, document: Any) -> Any:
        if document is None:
            raise ApiError(404, "There is no such thing")
        seen.update(texts(document))
        return document

    api.path, api.change = ".*", note
    with RecordingClient(KEY, api.base_url) as client:
        assert main(["doctor", FLOW], Session(client)) == 0
    out = capsys.readouterr().out
    assert len(seen) > 1_000
    assert "req_" not in out
    # Short texts are words of the API: passed, draft, equals.
    assert not [each for each in seen if len(each) > 14 and each in out and each not in WORDS]
    assert KEY not in out
    assert FLOW not in out


WORDS = ("metrics_engine_changed", "validity_changed", "output-json-0")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def rows(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change each row of a page."""

    def changed(request: Request, document: Any) -> Any:
        for row in document["data"]:
            change(row)
        return document

    return changed


def put(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value where there is something; a place is written with dots."""

    def change(row: dict[str, Any]) -> None:
        *outer, last = place.split(".")
        for name in outer:
            row = row[name] or {}
        if row:
            row[last] = value

    return change


def without(names: str) -> Change:
    """Answer as if the query had not named a parameter."""

    def changed(request: Request, document: Any) -> Any:
        if not re.search(rf"[?&]({names})=", request.target):
            return document
        target = re.sub(rf"(?<=[?&])({names})=[^&]*&?", "", request.target)
        return json.loads(StoreServer._answer(OPEN[0], request._replace(target=target)).body)

    return changed


OPEN: list[StoreServer] = []


def turned(request: Request, document: Any) -> Any:
    return {**document, "data": document["data"][::-1]}


def refused(request: Request, document: Any) -> Any:
    raise ApiError(422, "somebody's secret")


def saved_by_running(row: dict[str, Any]) -> None:
    if row["latest_run_summary"]:
        row["updated_at"] = row["latest_run_summary"]["started_at"]


def nested(request: Request, document: Any) -> Any:
    return {"authenticated": True, "environment": {"id": "env_1", "name": "staging"}}


def same_cursor(request: Request, document: Any) -> Any:
    given = re.search("after=([^&]*)", request.target)
    document["list_metadata"]["after"] = given[1] if given else document["data"][-1]["id"]
    return document


FINGERPRINT = "latest_run_summary.block_execution_fingerprint"
RUNS, RESULTS, EVALS = (f"/v1/workflows/evals{each}" for each in ("/runs", "/results", ""))
PUBLICATIONS = f"/v1/workflows/{FLOW}/published-versions"
VERSIONS, BLOCKS, FLOWS = "/v1/workflows/versions", "/v1/workflows/blocks", "/v1/workflows"
VIOLATIONS: dict[str, tuple[str, Change]] = {
    "workflows": (FLOWS, rows(put("created_at", "yesterday"))),
    "runs": (RUNS, rows(put("total_evals", "many"))),
    "results": (RESULTS, rows(put("block_type", 12))),
    "saved evals": (EVALS, rows(put("source", None))),
    "publications": (PUBLICATIONS, rows(put("version", "fifth"))),
    "blocks": (BLOCKS, rows(put("type", None))),
    "limit": (RUNS, without("limit")),
    "cursors": (RUNS, same_cursor),
    "order": (RUNS, without("order")),
    "filter: status": (RUNS, without("status")),
    "filter: exclude_status": (RUNS, without("exclude_status")),
    "filter: trigger_type": (RUNS, without("trigger_type")),
    "filter: target_block_id": (RUNS, without("target_block_id")),
    "filter: eval_id": (RUNS, without("eval_id")),
    "filter: dates": (RUNS, without("from_date|to_date")),
    "times": (RUNS, rows(put("timing.created_at", "2026-11-24T10:00:00"))),
    "durations": (RUNS, rows(put("timing.duration_ms", 1))),
    "scope": (RUNS, rows(put("total_evals", 10_000))),
    "counts": (RUNS, rows(put("counts.outcome.passed", 10_000))),
    "statuses": (RESULTS, rows(put("lifecycle.status", "dreaming"))),
    "verdicts": (RESULTS, rows(put("verdict", "perhaps"))),
    "fingerprints of results": (RESULTS, rows(put("handle_inputs_fingerprint", None))),
    "fingerprints of summaries": (EVALS, rows(put(FINGERPRINT, None))),
    "summary and result": (EVALS, rows(put(FINGERPRINT, "another"))),
    "passing": (EVALS, rows(put("latest_passing_run_summary.outcome", "failed"))),
    "failing": (EVALS, rows(put("latest_failing_run_summary.outcome", "passed"))),
    "freshness": (EVALS, rows(put("freshness", None))),
    "words of freshness": (EVALS, rows(put("freshness.status", "mouldy"))),
    "reasons to be stale": (EVALS, rows(put("freshness.reasons", ["moon_changed"]))),
    "present code": (EVALS, rows(put("freshness.validity_fingerprint", "another"))),
    "saves": (EVALS, rows(saved_by_running)),
    "runs of drafts": (f"{RUNS}|{PUBLICATIONS}", rows(put("workflow_version_id", "ver_1"))),
    "by id": (f"{RUNS}/.*", lambda request, document: {**document, "id": "another"}),
    "order of versions": (PUBLICATIONS, turned),
    "graphs": (VERSIONS, rows(put("blocks", None))),
    "one version": (f"{VERSIONS}/ver_.*", lambda request, document: {**document, "blocks": [{}]}),
    "difference": (f"{VERSIONS}/diff", refused),
    "history of a block": (f"{BLOCKS}/.*/config-history", refused),
    "draft ids": (RUNS, rows(put("workflow_version_id", "sha256:12"))),
    "drafts": (f"{VERSIONS}/draft_.*", lambda request, document: {"id": "draft"}),
    "draft's blocks": (BLOCKS, rows(put("config", None))),
    "links": ("/v1/files/.*", lambda request, document: {**document, "download_url": "soon"}),
    "unknown ids": (f"{RUNS}/doctor.*", lambda request, document: {"id": "any"}),
    "whose key": ("/v1/auth/status", lambda request, document: {"authenticated": True}),
    "flat status": ("/v1/auth/status", nested),
    "usage": ("/v1/usage/primitives", lambda request, document: page([])),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_what_differs_is_found(
    api: Liar, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(f"{__name__}.OPEN", [api])
    api.path, api.change = VIOLATIONS[name]
    said = ask(api, capsys)
    (found,) = (each for each in said["facts"] if each["name"] == name)
    assert found["outcome"] == "differs"
    assert found["otherwise"] == next(each["otherwise"] for each in FACTS if each["name"] == name)
    differs = {each["name"] for each in said["facts"] if each["outcome"] == "differs"}
    assert said["exit_code"] == int(not differs.isdisjoint(CERTAIN))
    assert "secret" not in json.dumps(said)


def test_every_fact_that_is_asked_can_be_found_to_differ() -> None:
    elsewhere = {"request ids", "rate limits", "idempotency"}  # headers, and what is billed
    assert VIOLATIONS.keys() == {each["name"] for each in FACTS} - elsewhere


def test_an_answer_without_headers_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer([reply(200, page([]))]) as server, RecordingClient(KEY, server.url) as client:
        assert main(["doctor", FLOW], Session(client)) == 1
    out = capsys.readouterr().out
    assert "✗ request ids" in out
    assert "✗ rate limits" in out
    assert "    then: An error names no request that Retab's support could look up.\n" in out
    assert "? statuses" in out  # there is nothing to look at


def test_a_refused_key_is_no_difference(api: Liar, capsys: pytest.CaptureFixture[str]) -> None:
    said = ask(api, capsys, key="another-key")
    assert {each["outcome"] for each in said["facts"]} == {"could not be asked"}
    assert said["exit_code"] == 3


def test_without_a_key_it_says_what_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETAB_API_KEY", raising=False)
    assert main(["doctor"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("key: cannot be used: ")
    assert "config.json has none either" in out
    assert f"retab_analysis {ra.__version__}, polars " in out


def test_a_proxy_is_named_without_its_password(
    api: Liar, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecordingClient(KEY, api.base_url) as client:
        monkeypatch.setenv("http_proxy", "http://me:hunter22@proxy.example.com:3128")
        monkeypatch.setenv("no_proxy", "example.org")
        main(["doctor", FLOW, "--json"], Session(client))
    told = json.loads(capsys.readouterr().out)["installation"]
    assert told["proxy"] == "http://proxy.example.com:3128"
    assert told["key"].startswith("from the argument api_key. The key sees ")
    assert told["address"] == f"{api.base_url} from the argument base_url"


UNNUMBERED = 'Versions have no numbers and no notes: "v5" does not work'
UNKNOWN = "A check shows the words of an edit only for published versions"
NO_HISTORY, NO_PUBLICATIONS = {"history of a block": UNKNOWN}, {"publications": UNNUMBERED}
# What differs in each dialect, and how it begins what follows from that.
DIFFERS: dict[str, dict[str, str]] = {
    "as documented": {},
    "no config-history": NO_HISTORY,
    "graph versions only": NO_PUBLICATIONS,
    "publications for the dashboard only": NO_PUBLICATIONS | NO_HISTORY,
    "a web page": NO_PUBLICATIONS | NO_HISTORY,
    "no fingerprints": {
        "fingerprints of results": "Results are distinguished by their versions instead",
        "fingerprints of summaries": "Only times tell which evals ran before the last edit",
    },
    "no freshness": {"freshness": "Only fingerprints and times tell whether an eval ran"},
    "the draft is frozen when the run starts": {},
    "the draft is frozen when the run is created": {},
    "config-history answers 500": NO_HISTORY,
    "validity absent": {"present code": "Fingerprints, edits and times of saves tell which evals"},
    "updated_at moves with each run": {"saves": "Evals count as saved again after each run"},
    "idempotency keys ignored": {},
    "auth nested": {"flat status": "Nothing, if it has an object environment"},
    "last month": NO_PUBLICATIONS
    | NO_HISTORY
    | {"graphs": "If publications are not listed either, only runs tell the versions"},
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_names_what_differs_in_each_dialect_and_what_follows(
    dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks = DIALECTS[dialect]()
    store = make_store(plan_world(0), clock=Clock(), frozen_at=speaks.frozen_at)
    with Liar(store, key=KEY) as server, spoken(speaks, server.base_url) as url:
        with RecordingClient(KEY, url, max_attempts=1) as client:
            code = main(["doctor", FLOW, "--json"], Session(client))
    told = json.loads(capsys.readouterr().out)["facts"]
    differs = {each["name"]: each for each in told if each["outcome"] == "differs"}
    assert code == int(not CERTAIN.isdisjoint(differs))
    if dialect == "another environment":
        assert {"runs", "saved evals", "blocks"} <= differs.keys()
        assert {each["reason"] for each in differs.values()} == {"answered with 404"}
        assert {each["name"]: each["outcome"] for each in told}["whose key"] == "holds"
        return
    assert differs.keys() == DIFFERS[dialect].keys()
    for name, follows in DIFFERS[dialect].items():
        assert differs[name]["otherwise"].startswith(follows)
