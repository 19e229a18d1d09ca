"""The world: the same from the same seed, true to the contract, and sound in itself."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from support.sandbox_api import Api, plan_world

CONTRACT = Path(__file__).parents[2] / "data" / "openapi.yaml"
SEEDS = (0, 20260518)


@pytest.fixture(scope="module", params=SEEDS)
def api(request: pytest.FixtureRequest) -> Api:
    return Api(plan_world(request.param))


@pytest.fixture(scope="module")
def everything(api: Api) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    return [(run, api.results(run["id"], order="asc")) for run in api.runs()]


def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    contract = yaml.safe_load(CONTRACT.read_text())
    schema = {"$ref": f"#/components/schemas/{name}", "components": contract["components"]}
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


def test_verdicts_follow_from_values(everything: list[Any]) -> None:
    """Judge every result by its own condition, expected and actual value, as a person would."""
    judged: Counter[str] = Counter()
    for _, children in everything:
        for child in children:
            result = child["assertion_result"]
            if result is None or result["outcome"] == "blocked":
                continue
            kind = result["condition_kind"]
            if kind in _JUDGES:
                verdict = _JUDGES[kind](
                    result["actual_value"], result.get("expected_value"), result
                )
                assert verdict == (result["outcome"] == "passed"), result
                judged[kind] += 1
    assert set(judged) == set(_JUDGES)


def _contains(whole: Any, part: Any) -> bool:
    return all(whole.get(name) == value for name, value in part.items())


def _inner(condition: Any, item: Any) -> bool:
    if condition["kind"] == "object_contains":
        return _contains(item, condition["expected"])
    return set(condition["schema"]["required"]) <= set(item)


def _between(actual: Any, expected: Any, _: Any) -> bool:
    if expected["inclusive"]:
        return bool(expected["lower"] <= actual <= expected["upper"])
    return bool(expected["lower"] < actual < expected["upper"])


_JUDGES: dict[str, Any] = {
    "equals": lambda a, e, r: a == e,
    "not_equals": lambda a, e, r: a != e,
    "contains": lambda a, e, r: e in a,
    "not_contains": lambda a, e, r: e not in a,
    "starts_with": lambda a, e, r: a.startswith(e),
    "ends_with": lambda a, e, r: a.endswith(e),
    "matches_regex": lambda a, e, r: re.search(e, a) is not None,
    "exists": lambda a, e, r: a is not None,
    "not_exists": lambda a, e, r: a is None,
    "between": _between,
    "array_contains": lambda a, e, r: any(_contains(item, e) for item in a),
    "object_contains": lambda a, e, r: _contains(a, e),
    "all_items_match": lambda a, e, r: all(_inner(e, item) for item in a),
    "any_item_matches": lambda a, e, r: any(_inner(e, item) for item in a),
    "json_schema_valid": lambda a, e, r: set(e["required"]) <= set(a),
    "similarity_gte": lambda a, e, r: r["score"] >= r["threshold"],
    "split_iou_gte": lambda a, e, r: r["score"] >= r["threshold"],
}
