"""Where each thing we take for granted of the API is written, and that we send nothing else."""

from __future__ import annotations

import pytest
from support.inside import HOW_SURE, Asker, RecordingClient, Session, main
from support.provenance import CLI, endpoints, facts, sdk_requests, split_place, undocumented

import retab_analysis as ra


@pytest.mark.parametrize("kind", ["endpoint", "fact"])
def test_each_has_a_source_which_says_how_sure_it_is(kind: str) -> None:
    for each in facts()[kind].values():
        assert each["source"] in HOW_SURE, each


def test_each_fact_says_what_follows_where_it_is_false() -> None:
    for name, each in facts()["fact"].items():
        assert each["says"].endswith(".")
        assert each["otherwise"].endswith("."), name
        assert hasattr(Asker, f"ask_{each['by']}") if "by" in each else "at" in each["ask"], name
    asked = {f"ask_{each['by']}" for each in facts()["fact"].values() if "by" in each}
    assert asked == {name for name in vars(Asker) if name.startswith("ask_")}


@pytest.mark.contract
@pytest.mark.parametrize("source", ["sdk", "cli"])
def test_the_vendors_own_clients_send_each_request(source: str) -> None:
    """Every test fails that sends a request or a parameter that is not in the file."""
    known = sdk_requests() if source == "sdk" else CLI
    for named, each in facts()["endpoint"].items():
        if each["source"] == source:
            place = split_place(named)
            assert place in known
            assert endpoints()[place] <= known[place], place


@pytest.mark.contract
def test_what_the_cli_alone_has_is_not_in_the_sdk() -> None:
    """Where a newer SDK has it, it is certain."""
    assert not CLI.keys() & sdk_requests().keys()


@pytest.mark.parametrize(
    ("method", "path", "names", "found"),
    [
        ("GET", "/v1/workflows/evals/runs", ["limit", "status"], []),
        ("GET", "/v1/workflows/evals/runs/run_1", [], []),
        ("POST", "/v1/workflows/evals/runs/run_1/cancel", [], []),
        ("POST", "/v1/workflows/evals/runs", ["workflow_id", "scope"], []),
        ("GET", "/v1/workflows/evals/runs", ["lim"], ["GET /v1/workflows/evals/runs: lim"]),
        (
            "GET",
            "/v1/workflows/versions/diff",
            ["limit"],
            ["GET /v1/workflows/versions/diff: limit"],
        ),
        ("DELETE", "/v1/workflows/evals/runs", [], ["DELETE /v1/workflows/evals/runs"]),
        ("GET", "/v1/workflows/tests/runs", [], ["GET /v1/workflows/tests/runs"]),
    ],
)
def test_what_nobody_documents_is_found(
    method: str, path: str, names: list[str], found: list[str]
) -> None:
    assert undocumented(method, path, names) == found


def test_a_test_that_sends_another_request_fails(undocumented_requests: list[str]) -> None:
    with ra.Sandbox() as sandbox, ra.Client(**sandbox.credentials) as client:
        ra.fetch_workflows(client=client)
        assert undocumented_requests == []
        with pytest.raises(ra.APIError):
            client.get("/v1/workflows/wf_1/tests", parse=len, tries=1)
    assert undocumented_requests == ["GET /v1/workflows/wf_1/tests"]
    undocumented_requests.clear()


def test_doctor_asks_every_endpoint_that_only_reads(
    asked_requests: set[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """So none is in the file that nobody sends; what it looks for may not be there."""
    asked_requests.clear()
    with ra.Sandbox() as sandbox, RecordingClient(**sandbox.credentials) as client:
        main(["doctor", "wf_invoices"], Session(client))
    assert {place for place in endpoints() if place[0] == "GET"} - asked_requests == set()
