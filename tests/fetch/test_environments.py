"""A key of another environment, which sees nothing of it: FAULTS.md 93."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from support.documents import eval_document, run_document
from support.faultserver import FaultServer, Reply, page, reply
from support.inside import RecordingClient, Session, main

import retab_analysis as ra

TEST, LIVE = "rt_test_7f3a9c55", "rt_live_7f3a9c55"
GONE = reply(404, {"detail": "Not found"})
NOTHING = reply(body=page([]))
STAGING = reply(body={"authenticated": True, "environment": {"id": "env_1", "name": "staging"}})
Call = Callable[[ra.Client], Any]

CALLS: dict[str, Call] = {
    "run": lambda client: ra.fetch_run("run_1", client=client),
    "result": lambda client: ra.fetch_result("res_1", client=client),
    "results": lambda client: ra.fetch_results("run_1", client=client),
    "evals": lambda client: ra.fetch_evals("wf_1", client=client),
    "versions": lambda client: ra.fetch_versions("wf_1", client=client),
    "start": lambda client: ra.start_runs("wf_1", client=client),
    "start of an eval": lambda client: ra.start_runs("wf_1", evals="eval_1", client=client),
    "start of what was edited": lambda client: ra.start_runs("wf_1", only="edited", client=client),
    "cancel": lambda client: ra.cancel_runs("run_1", client=client),
    "wait": lambda client: ra.wait_for_runs("run_1", interval=0.01, client=client),
    "runs": lambda client: ra.fetch_runs("wf_1", client=client),
    "check": lambda client: ra.check("wf_1", client=client),
    "check of a run": lambda client: ra.check("wf_1", candidate="run_1", client=client),
}
LISTS: dict[str, Call] = {
    "overview": lambda client: ra.overview("wf_1", client=client),
    "project": lambda client: ra.fetch_workflows(project_id="p_1", client=client),
    **{name: CALLS[name] for name in ("runs", "evals", "versions", "start of an eval", "check")},
}


def told(call: Call, answer: Reply, key: str, status: Reply = GONE) -> tuple[str, FaultServer]:
    def give(request: str) -> Reply:
        return NOTHING if request.startswith("GET /v1/workflows?") else answer

    with FaultServer([give], status=status) as server:
        client = ra.Client(key, server.url, max_attempts=1)
        with pytest.raises(ra.RetabAnalysisError) as caught:
            call(client)
    return str(caught.value), server


@pytest.mark.parametrize("name", CALLS)
def test_93_what_is_not_there_may_be_in_another_environment(name: str) -> None:
    said, server = told(CALLS[name], GONE, TEST)
    assert "The key sees the test environment alone: records of another one look missing" in said
    assert said.count("The key sees") == 1
    assert server.asked_for_status == 1


@pytest.mark.parametrize("name", LISTS)
def test_93_so_may_what_an_empty_list_has_not(name: str) -> None:
    said, server = told(LISTS[name], NOTHING, LIVE)
    assert "The key sees the production environment alone: records of another one look" in said
    assert server.asked_for_status == 1


@pytest.mark.parametrize(
    ("key", "status", "environment"),
    [
        (TEST, STAGING, "the test environment 'staging'"),
        (LIVE, STAGING, "the production environment 'staging'"),
        (TEST, reply(body={"environment_slug": "eu", "environment_id": "e1"}), "environment 'eu'"),
        (TEST, reply(body={"environment_id": "e1", "environment": None}), "environment 'e1'"),
        ("sk_retab_test_7f3a9c", GONE, "the test environment"),
        ("sk_retab_7f3a9c55", GONE, "the production environment"),
        ("some_other_key", STAGING, "its own environment 'staging'"),
        ("some_other_key", GONE, "its own environment"),
        (TEST, reply(403), "the test environment"),
        (TEST, reply(500), "the test environment"),
        (TEST, reply(body=b"<html>"), "the test environment"),
        (TEST, reply(body=[1]), "the test environment"),
        (TEST, reply(body={"authenticated": True, "environment": None}), "the test environment"),
        (TEST, reply(body={"environment": {"id": "env_1"}}), "the test environment 'env_1'"),
        (TEST, reply(body={"environment": {}}), "the test environment"),
        (TEST, reply(body={"environment": {"name": "\x1b[1mred"}}), "'\\x1b[1mred'"),
    ],
)
def test_93_it_is_named_as_far_as_anybody_knows(key: str, status: Reply, environment: str) -> None:
    said, server = told(CALLS["run"], GONE, key, status)
    assert f"{environment} alone: " in said
    assert server.asked_for_status == 1
    assert key not in said


def test_the_api_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([GONE], status=STAGING) as server:
        client = ra.Client(TEST, server.url)
        for _ in range(3):
            with pytest.raises(ra.NotFoundError, match="'staging'"):
                ra.fetch_run("run_1", client=client)
        assert server.asked_for_status == 1


def test_a_workflow_is_not_looked_for_elsewhere_where_its_id_was_taken_for_a_run() -> None:
    from support.documents import workflow_document

    answers = [GONE, reply(body=workflow_document("wf_1"))]
    with FaultServer(answers) as server:
        with pytest.raises(ra.NotFoundError, match="'wf_1' is a workflow") as caught:
            ra.fetch_run("wf_1", client=ra.Client(TEST, server.url))
        assert server.asked_for_status == 0
    assert "environment" not in str(caught.value)


def test_where_there_is_no_workflow_at_all_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer([NOTHING]) as server, RecordingClient(TEST, server.url) as client:
        assert repr(ra.overview(client=client)) == "○ There is no workflow"
        assert "There is no workflow. The key sees the test" in capsys.readouterr().err
        assert main(["sync", "--all"], Session(client)) == 4
        assert "no workflow. The key sees the test environment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "is_said"),
    [(LIVE, True), ("sk_retab_7f3a9c55", True), (TEST, False), ("some_other_key", False)],
)
def test_a_start_in_production_says_so(
    capsys: pytest.CaptureFixture[str], key: str, is_said: bool
) -> None:
    timing = {"created_at": datetime.now(UTC).isoformat()}
    document = run_document("run_1", workflow_id="wf_1", target=None, timing=timing)
    started = reply(201, document)
    saved = reply(body=page([eval_document(workflow_id="wf_1")]))
    with FaultServer([saved, started]) as server:
        ra.start_runs("wf_1", client=ra.Client(key, server.url))
        assert server.asked_for_status == 0
    said = capsys.readouterr().err
    assert "Starting 1 run of 1 eval in wf_1" in said
    assert said.endswith("This is production.\n") is is_said
