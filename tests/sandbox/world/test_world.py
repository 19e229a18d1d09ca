"""The world: the same from the same seed, true to the contract, and sound in itself."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from support.contract import openapi
from support.sandbox_api import Api, plan_world

SEEDS = (0, 20260518)


@pytest.fixture(scope="module", params=SEEDS)
def api(request: pytest.FixtureRequest) -> Api:
    return Api(plan_world(request.param))


@pytest.fixture(scope="module")
def everything(api: Api) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    return [(run, api.results(run["id"], order="asc")) for run in api.runs()]


def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": openapi()["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def test_every_document_follows_the_contract(api: Api, everything: list[Any]) -> None:
    runs, results = _validator("WorkflowEvalRun"), _validator("WorkflowEvalResult")
    evals, workflows = _validator("WorkflowEval"), _validator("Workflow")
    versions, blocks = _validator("WorkflowGraphVersion"), _validator("WorkflowBlock")
    publications, eras = _validator("PublishedWorkflowVersion"), _validator("BlockConfigEra")
    for run, children in everything:
        runs.validate(run)
        for child in children:
            results.validate(child)
    for workflow in api.all("/v1/workflows"):
        workflows.validate(workflow)
        for row in api.evals(workflow["id"]):
            evals.validate(row)
        for row in api.all("/v1/workflows/blocks", workflow_id=workflow["id"]):
            blocks.validate(row)
            path = f"/v1/workflows/blocks/{row['id']}/config-history"
            for era in api.all(path, workflow_id=workflow["id"]):
                eras.validate(era)
        published = api.all(f"/v1/workflows/{workflow['id']}/published-versions")
        for row in published:
            publications.validate(row)
            path = f"/v1/workflows/versions/{row['workflow_version_id']}"
            versions.validate(api.get(path, workflow_id=workflow["id"]))
        graphs = api.all("/v1/workflows/versions", workflow_id=workflow["id"])
        assert [row["id"] for row in graphs] == [row["workflow_version_id"] for row in published]
