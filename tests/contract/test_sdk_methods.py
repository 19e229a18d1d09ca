"""Each method of the official SDK about evals, workflows and blocks: it works, or answers 501.

The order is that of a session with the sandbox: what one call makes, the next ones need.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from retab.resources.workflows import WorkflowsMixin
from retab.resources.workflows.blocks import WorkflowBlocksMixin
from retab.resources.workflows.evals import (
    WorkflowEvalRunResultsMixin,
    WorkflowEvalRunsMixin,
    WorkflowEvalsMixin,
)
from support.sandbox_api import make_server
from support.sdk_process import SdkError, SdkProcess

MIXINS: dict[str, type] = {
    "workflows": WorkflowsMixin,
    "workflows.blocks": WorkflowBlocksMixin,
    "workflows.evals": WorkflowEvalsMixin,
    "workflows.evals.runs": WorkflowEvalRunsMixin,
    "workflows.evals.results": WorkflowEvalRunResultsMixin,
}
FLOW, BLOCK = {"workflow_id": "wf_invoices"}, {"block_id": "extract_lines"}
VERSION = {"workflow_version_id": "ver_x"}
BLOCK_VERSION = {"block_version_id": "blv_x"}
SOURCE = {"type": "manual", "handle_inputs": {}}
PATH = {"output_handle_id": "output-json-0", "path": "lines.0.quantity"}
ASSERTION = {"target": PATH, "condition": {"kind": "exists"}}

# The name of an earlier call stands for the id of what it gave first.
WORKS: dict[str, dict[str, Any]] = {
    "workflows.list": {},
    "workflows.get": FLOW,
    "workflows.list_versions": FLOW,
    "workflows.get_version": {**FLOW, "workflow_version_id": "workflows.list_versions"},
    "workflows.list_diff": {
        **FLOW,
        "from_workflow_version_id": "workflows.list_versions",
        "to_workflow_version_id": "workflows.list_versions",
    },
    "workflows.blocks.list": FLOW,
    "workflows.blocks.get": BLOCK,
    "workflows.evals.list": {**FLOW, "target_block_id": "extract_lines"},
    "workflows.evals.get": {"eval_id": "workflows.evals.list"},
    "workflows.evals.update": {"eval_id": "workflows.evals.list", "name": "another name"},
    "workflows.evals.runs.create": {
        **FLOW,
        "scope": {"type": "single", "eval_id": "workflows.evals.list"},
    },
    "workflows.evals.runs.list": FLOW,
    "workflows.evals.runs.get": {"run_id": "workflows.evals.runs.create"},
    "workflows.evals.results.list": {"run_id": "workflows.evals.runs.create"},
    "workflows.evals.results.get": {"result_id": "workflows.evals.results.list"},
    "workflows.evals.runs.cancel": {"run_id": "workflows.evals.runs.create"},
    "workflows.evals.delete": {"eval_id": "workflows.evals.list"},
}
NOT_HERE: dict[str, dict[str, Any]] = {
    "workflows.evals.create": {
        **FLOW,
        "target": {"type": "block", **BLOCK},
        "source": SOURCE,
        "assertion": ASSERTION,
    },
    "workflows.create": {"project_id": "proj_1"},
    "workflows.apply": {"yaml_definition": "", **FLOW},
    "workflows.plan": {"yaml_definition": "", **FLOW},
    "workflows.create_version_restore": {**VERSION, **FLOW},
    "workflows.update": FLOW,
    "workflows.delete": FLOW,
    "workflows.discard_draft": FLOW,
    "workflows.publish": FLOW,
    "workflows.blocks.create": {**FLOW, "type": "extract"},
    "workflows.blocks.list_versions": {**FLOW, **BLOCK},
    "workflows.blocks.list_diff": {"from_block_version_id": "a", "to_block_version_id": "b"},
    "workflows.blocks.get_version": BLOCK_VERSION,
    "workflows.blocks.create_version_restore": BLOCK_VERSION,
    "workflows.blocks.update": BLOCK,
    "workflows.blocks.delete": BLOCK,
    "workflows.blocks.create_block_validate_config": {**BLOCK, "config": {}},
}

pytestmark = pytest.mark.contract


def test_the_table_has_every_method() -> None:
    methods = [
        f"{place}.{name.removeprefix('prepare_')}"
        for place, mixin in MIXINS.items()
        for name, _ in inspect.getmembers(mixin, inspect.isfunction)
        if name.startswith("prepare_")
    ]
    assert sorted(methods) == sorted([*WORKS, *NOT_HERE])
    assert len(methods) == 34


def test_each_method_works_or_is_not_in_the_sandbox() -> None:
    made: dict[str, Any] = {}

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {each: resolve(inner) for each, inner in value.items()}
        if value not in made:
            return value
        return made[value].id

    with make_server() as server, SdkProcess(**server.credentials) as sdk:
        for call, arguments in WORKS.items():
            read = sdk.read(call, **resolve(arguments))
            assert bool(read) is (call != "workflows.evals.delete"), call
            made[call] = read[0] if read else None
        assert made["workflows.evals.update"].name == "another name"
        for call, arguments in NOT_HERE.items():
            with pytest.raises(SdkError) as caught:
                sdk.read(call, **arguments)
            found = caught.value.fields
            assert (found["status_code"], found["code"]) == (501, "not_implemented"), call
            assert found["message"] == "the sandbox does not have this endpoint"
