"""The sandbox before its judges: schemathesis, and the official SDK."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.contract import openapi
from support.inside import StoreServer
from support.sandbox_api import KEY, make_store, past_of, plan_world

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
    contract = copy.deepcopy(openapi())
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
        "listBlockConfigHistory": {
            "query.workflow_id": flow.id,
            "path.block_id": flow.blocks[0].id,
        },
        "listPublishedWorkflowVersions": {"path.workflow_id": flow.id},
        "getWorkflowVersion": {
            "query.workflow_id": flow.id,
            "path.workflow_version_id": published[0],
        },
    }
    tables = [
        f'[[operations]]\ninclude-operation-id = "{name}"\nparameters = {_inline(parameters)}\n'
        for name, parameters in given.items()
    ]
    # The file lists only the methods that this library uses; the sandbox has more.
    return "\n".join(["[phases.coverage]\nunexpected-methods = []\n", *tables])


def _inline(table: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}" = "{value}"' for name, value in table.items()) + "}"


@pytest.mark.study
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
    assert "Tested: 17" in done.stdout
    # On a slow machine no link may have led to a run that goes on and can be cancelled.
    warned = [each for each in done.stdout.splitlines() if "⚠️" in each]
    assert all("Missing test data" in each for each in warned), done.stdout
