"""The fake API answers as the contract says; what it is for is in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import requests
from support.contract import openapi
from support.fakes import KEY
from support.lettered_api import LetteredApi, alike

import retab_analysis as ra

EVALS = "/v1/workflows/evals"


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    rows = {"a": "PPFBECU", "b": "PPPPPPP", **alike(2, "PPP.")}
    codes = {"extract": "AAAAAAAB", "classify": "AAAABBB"}
    with LetteredApi(
        rows, codes, blocks={"b": "classify"}, scopes="W", published=("AA", "AB"), looks=2
    ) as api:
        yield api


def ask(api: LetteredApi, path: str, **query: Any) -> Any:
    assert api.server is not None
    key = {"Authorization": f"Bearer {KEY}"}
    answer = requests.get(api.server.url + path, query, headers=key, timeout=60)
    answer.raise_for_status()
    return answer.json()


@pytest.mark.parametrize(
    ("path", "schema", "query"),
    [
        (f"{EVALS}/runs", "WorkflowEvalRunPage", {}),
        (f"{EVALS}/runs/run_3", "WorkflowEvalRun", {}),
        (f"{EVALS}/results", "WorkflowEvalResultPage", {"run_id": "run_5"}),
        (f"{EVALS}/results", "WorkflowEvalResultPage", {"run_id": "run_2"}),
        (f"{EVALS}/results/res_run_3_a", "WorkflowEvalResult", {}),
        (EVALS, "WorkflowEvalPage", {}),
        (f"{EVALS}/a", "WorkflowEval", {}),
        ("/v1/workflows/blocks", "WorkflowBlockPage", {}),
        ("/v1/workflows/versions", "WorkflowVersionPage", {}),
        ("/v1/workflows/versions/version_AB", "WorkflowGraphVersion", {}),
        (
            "/v1/workflows/versions/diff",
            "WorkflowGraphVersionDiff",
            {
                "from_workflow_version_id": "version_AA",
                "to_workflow_version_id": "version_AB",
            },
        ),
    ],
)
def test_its_documents_are_those_of_the_contract(
    api: LetteredApi, path: str, schema: str, query: dict[str, str]
) -> None:
    answer = ask(api, path, workflow_id=api.flow, **query)
    reference = {"$ref": f"#/components/schemas/{schema}", "components": openapi()["components"]}
    jsonschema_rs.validate(reference, answer)
    assert answer.get("data", True), "an empty page proves nothing"


def test_lists_have_pages_order_and_filters(api: LetteredApi) -> None:
    def listed(**query: Any) -> list[str]:
        rows = ra.fetch_runs(api.flow, client=api.client, progress=False, **query)
        return rows["run_id"].to_list()

    newest_first = [f"run_{at}" for at in range(6, -1, -1)]
    assert listed() == newest_first
    api.largest_page = 2
    assert listed() == newest_first
    assert listed(order="asc") == newest_first[::-1]
    assert listed(status="running") == ["run_6"]
    api.run("FF", scope="E")
    assert listed(eval_id="a") == ["run_7"]
    api.cut["/runs"] = 3
    assert listed() == ["run_7", *newest_first[:2]]


def test_a_started_run_can_be_waited_for_and_cancelled(api: LetteredApi) -> None:
    started = ra.start_runs(api.flow, evals=["a", "b"], client=api.client)
    assert started["status"].to_list() == ["pending", "pending"]
    cancelled = ra.cancel_runs(started[1:], client=api.client)
    assert cancelled["status"].to_list() == ["cancelled"]
    ended = ra.wait_for_runs(started, client=api.client)
    assert ended["status"].to_list() == ["completed", "cancelled"]


def test_a_saved_eval_remembers_and_is_forgotten(api: LetteredApi) -> None:
    def saved() -> dict[str, Any]:
        return {row["id"]: row for row in ask(api, EVALS, workflow_id=api.flow)["data"]}

    row = saved()["a"]
    assert row["latest_run_summary"]["status"] == "queued"
    assert row["latest_passing_run_summary"]["run_record_id"] == "res_run_1_a"
    assert row["latest_failing_run_summary"]["outcome"] == "blocked"
    # The draft's extract is edited since; the other block is what it was.
    assert [each["freshness"]["status"] for each in saved().values()][:2] == ["stale", "fresh"]
    api.change("a", latest_passing_run_summary=None)
    assert saved()["a"]["latest_passing_run_summary"] is None
    api.remove("a")
    assert "a" not in saved()
