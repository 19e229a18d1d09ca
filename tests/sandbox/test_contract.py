"""The sandbox before its judges: schemathesis, and the official SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.inside import StoreServer, parse_instant
from support.sandbox_api import KEY, Api, Clock, make_server, make_store, past_of, plan_world

CONTRACT = Path(__file__).parents[1] / "data" / "openapi.yaml"
RUNS = "/v1/workflows/evals/runs"

# What the contract says in words and OpenAPI cannot: the two cursors exclude each other.
HOOKS = """
import schemathesis

@schemathesis.hook
def filter_query(context, query):
    return not (isinstance(query, dict) and query.get("before") and query.get("after"))
"""

pytestmark = pytest.mark.contract


@pytest.fixture
def server() -> Iterator[StoreServer]:
    with StoreServer(make_store(speed=100), key=KEY) as running:
        yield running


def _contract() -> dict[str, Any]:
    """Load the contract, with the 409 that the API's notes name and the file does not list."""
    contract = yaml.safe_load(CONTRACT.read_text())
    assert isinstance(contract, dict)
    answers = contract["paths"][RUNS + "/{run_id}/cancel"]["post"]["responses"]
    answers["409"] = {**answers["404"], "description": "The run has ended already"}
    return contract


def _settings(server: StoreServer) -> str:
    """Tell schemathesis of the things that no list of the API leads to."""
    world = plan_world()
    flow, run = world.workflows[0], past_of(world)[-1]
    published = [version.id for version, _ in flow.published]
    given = {
        "listEvalResults": {"query.run_id": run.id},
        "getEvalResult": {"path.result_id": run.result_ids[0]},
        "getDownloadLink": {"path.file_id": next(iter(world.files))},
        "diffWorkflowVersions": {
            "query.workflow_id": flow.id,
            "query.from_workflow_version_id": published[0],
            "query.to_workflow_version_id": published[-1],
        },
        "getWorkflowVersion": {
            "query.workflow_id": flow.id,
            "path.workflow_version_id": published[0],
        },
    }
    tables = [
        f'[[operations]]\ninclude-operation-id = "{name}"\nparameters = {_inline(parameters)}\n'
        for name, parameters in given.items()
    ]
    return "\n".join(tables)


def _inline(table: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}" = "{value}"' for name, value in table.items()) + "}"


def test_schemathesis_finds_nothing(server: StoreServer, tmp_path: Path) -> None:
    contract, settings = tmp_path / "openapi.yaml", tmp_path / "schemathesis.toml"
    contract.write_text(yaml.safe_dump(_contract()))
    settings.write_text(_settings(server))
    hooks = tmp_path / "hooks.py"
    hooks.write_text(HOOKS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={settings}", "run"),
            *(str(contract), f"--url={server.base_url}", f"--header=Authorization: Bearer {KEY}"),
            *("--checks=all", "--max-examples=25", "--seed=20260518", "--no-color"),
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 14" in done.stdout
    assert "Warnings:" not in done.stdout, done.stdout


SDK = """
import json, sys
from retab import Retab
from retab.exceptions import ConflictError, NotFoundError

client = Retab(api_key=sys.argv[1], base_url=sys.argv[2], max_retries=0)
evals, runs = client.workflows.evals, client.workflows.evals.runs
results = evals.results
said = {}

def note(name, *models):
    said[name] = [json.loads(model.model_dump_json(by_alias=True)) for model in models]

note("workflows", *client.workflows.list(limit=2))
note("runs", *runs.list(limit=100))
note("narrowed", *runs.list(workflow_id="wf_claims", status="completed", trigger_type="webhook"))
note("evals", *evals.list(workflow_id="wf_invoices"))
note("eval", evals.get(said["evals"][0]["id"]))
run_id = next(r["id"] for r in said["runs"] if r["total_evals"] > 60)
note("run", runs.get(run_id))
note("results", *results.list(run_id=run_id))
note("result", results.get(said["results"][0]["id"]))
note("versions", *client.workflows.list_versions(workflow_id="wf_invoices"))
versions = list(dict.fromkeys(
    r["workflow_version_id"] for r in said["runs"] if r["workflow_id"] == "wf_invoices"))
versions = [v for v in versions if v.startswith("ver_")]
note("version", client.workflows.get_version(versions[0], workflow_id="wf_invoices"))
note("blocks", *client.workflows.blocks.list(workflow_id="wf_invoices"))
note("diff", client.workflows.list_diff(
    workflow_id="wf_invoices", from_workflow_version_id=versions[1],
    to_workflow_version_id=versions[0]))
inputs = [r["handle_inputs"] for r in said["results"] if "input-file-0" in r["handle_inputs"]]
note("link", client.files.get_download_link(inputs[0]["input-file-0"]["document"]["id"]))
scope = {"type": "block", "block_id": "split_bundle"}
created = runs.create(workflow_id="wf_invoices", scope=scope)
note("created", created)
note("cancelled", runs.cancel(created.id))
try:
    runs.cancel(created.id)
except ConflictError as error:
    said["conflict"] = [error.code, error.status_code, error.request_id]
try:
    runs.get("evalrun_nothing")
except NotFoundError as error:
    said["missing"] = [error.code, error.status_code, error.request_id]
json.dump(said, sys.stdout)
"""


def test_the_official_sdk_reads_every_endpoint() -> None:
    with make_server() as server:
        # Making its client patches `ssl` for the whole process, so it gets one of its own.
        done = subprocess.run(
            [sys.executable, "-c", SDK, KEY, server.base_url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    api = Api(now=Clock().now)
    assert said["conflict"][:2] == ["run_not_cancellable", 409]
    assert said["missing"][:2] == ["workflow_eval_run_not_found", 404]
    assert said["conflict"][2].startswith("req_")
    assert said["created"][0]["lifecycle"]["status"] == "pending"
    assert said["cancelled"][0]["lifecycle"]["status"] == "cancelled"
    runs = {run["id"]: run for run in api.runs()}
    run_id = said["run"][0]["id"]
    given: dict[str, list[Any]] = {
        "workflows": api.all("/v1/workflows"),
        "runs": list(runs.values()),
        "narrowed": api.runs(workflow_id="wf_claims", status="completed", trigger_type="webhook"),
        "evals": api.evals("wf_invoices"),
        "eval": api.evals("wf_invoices")[:1],
        "run": [runs[run_id]],
        "results": api.results(run_id),
        "result": api.results(run_id)[:1],
        "versions": api.all("/v1/workflows/versions", workflow_id="wf_invoices"),
        "blocks": api.all("/v1/workflows/blocks", workflow_id="wf_invoices"),
    }
    for name, documents in given.items():
        assert len(said[name]) == len(documents) > 0
        for model, document in zip(said[name], documents, strict=True):
            assert agree(model, document) == [], name
    assert said["diff"][0]["changed_block_ids"] == ["extract_invoice", "check_totals"]
    published = said["diff"][0]["to_workflow_version_id"]
    assert said["version"][0]["id"] == published
    path = f"/v1/workflows/versions/{published}"
    assert agree(said["version"][0], api.get(path, workflow_id="wf_invoices")) == []
    assert said["link"][0]["filename"]


def agree(model: Any, document: Any, path: str = "$") -> list[str]:
    """List where what the SDK read differs from what was served; its defaults do not count."""
    if isinstance(document, dict) and isinstance(model, dict):
        shared = [name for name in model if name in document]
        return [d for n in shared for d in agree(model[n], document[n], f"{path}.{n}")]
    if isinstance(document, list) and isinstance(model, list) and len(document) == len(model):
        pairs = zip(model, document, strict=True)
        return [d for i, (m, o) in enumerate(pairs) for d in agree(m, o, f"{path}[{i}]")]
    if model == document or (path.endswith("_at") and parse(model) == parse(document)):
        return []
    return [f"{path}: {model!r} for {document!r}"]


def parse(text: Any) -> Any:
    return parse_instant(text) if isinstance(text, str) else text
