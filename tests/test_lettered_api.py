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
        ("/v1/workflows/blocks/extract/config-history", "BlockConfigEraPage", {}),
        ("/v1/workflows/wf_letters/published-versions", "PublishedWorkflowVersionPage", {}),
        ("/v1/workflows/versions", "WorkflowGraphVersionPage", {}),
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
