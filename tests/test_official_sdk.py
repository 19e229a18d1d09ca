"""The official SDK as the judge: it reads the sandbox as we do, and we read what it writes."""

from __future__ import annotations

import inspect
import json
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest
from hypothesis import given
from pydantic import BaseModel
from retab.resources.files import FilesMixin
from retab.resources.workflows import WorkflowsMixin
from retab.resources.workflows.blocks import WorkflowBlocksMixin
from retab.resources.workflows.evals import (
    WorkflowEvalRunResultsMixin,
    WorkflowEvalRunsMixin,
    WorkflowEvalsMixin,
)
from retab.types import files as sdk_files
from retab.types import workflows as sdk_workflows
from retab.types.workflows import evals as sdk_evals
from support.contract import Schema, documents, openapi, resolve, schema_of
from support.documents import result_document
from support.examples import examples
from support.faultserver import page
from support.inside import (
    DECIDED,
    EVALS,
    RESULTS,
    RESULTS_WITH_PAYLOADS,
    RUNS,
    TABLES,
    TERMINAL,
    WORKFLOWS,
    StoreServer,
    Table,
    read_page,
    to_frame,
)
from support.sandbox_api import make_store
from support.sdk_models import CONDITIONS, kind_of, saved_evals
from support.sdk_process import SdkProcess
from support.sdk_rows import (
    IN_FLIGHT,
    Row,
    canonical,
    canonical_or_text,
    eval_row,
    known_of_eval,
    known_of_run,
    result_row,
    run_row,
    workflow_row,
)

import retab_analysis as ra

pytestmark = pytest.mark.contract


# The sandbox read by the SDK


@dataclass
class Frozen:
    """A sandbox whose time stands still unless a test moves it, and two who read it."""

    server: StoreServer
    sdk: SdkProcess
    client: ra.Client
    clock: list[datetime]

    def pages(self, path: str, **query: str) -> Iterator[bytes]:
        """The bodies of a list, by plain HTTP."""
        after: str | None = None
        while True:
            cursor = {} if after is None else {"after": after}
            body = self.get(f"{path}?{urlencode({'limit': 100, **query, **cursor})}")
            yield body
            after = json.loads(body)["list_metadata"]["after"]
            if after is None:
                return

    def get(self, path: str) -> bytes:
        credentials = self.server.credentials
        headers = {"Authorization": f"Bearer {credentials['api_key']}"}
        request = urllib.request.Request(credentials["base_url"] + path, headers=headers)
        with urllib.request.urlopen(request) as response:
            body: bytes = response.read()
        return body


MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def frozen() -> Iterator[Frozen]:
    clock = [MIDNIGHT + timedelta(hours=15)]
    store = make_store(clock=lambda: microseconds(clock[0]))
    with StoreServer(store) as server, SdkProcess(**server.credentials) as sdk:
        with ra.Client(**server.credentials) as client:
            yield Frozen(server, sdk, client, clock)


def microseconds(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


JSON_COLUMNS = {
    *("expected_value", "actual_value", "handle_inputs", "handle_outputs"),
    *("failure_details", "routing_decisions"),
}


def assert_same_cells(table: Table, frame: pl.DataFrame, rows: Sequence[Row]) -> None:
    """Every column, every row, in the same order, apart from words that no document holds."""
    assert frame.schema == table.schema
    assert frame.height == len(rows)
    sent = [name for name in table.schema if table.name != "results" or name != "condition"]
    for name in sent:
        ours = frame[name].to_list()
        if name in JSON_COLUMNS or (table is EVALS and name == "condition"):
            ours = [None if text is None else canonical(json.loads(text)) for text in ours]
        if name == "validation_issues":
            ours = [each and [canonical_or_text(one) for one in each] for each in ours]
        pairs = zip(ours, (row[name] for row in rows), strict=True)
        differing = [(name, one, other) for one, other in pairs if one != other]
        assert differing[:3] == []
    assert all(row.keys() == set(sent) for row in rows)


def assert_nothing_unknown(bodies: Iterable[bytes], read: Sequence[BaseModel]) -> None:
    """The sandbox sends no member that the SDK does not know, at any depth."""
    sent = [document for body in bodies for document in json.loads(body)["data"]]
    for document, model in zip(sent, read, strict=True):
        known = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert places(document) == places(known)


def assert_everything_sent(read: Sequence[BaseModel]) -> None:
    """The sandbox has a value for every field that the SDK has, in one document or another."""
    sent = {name for each in read for name in each.model_fields_set}
    assert sent == set(type(read[0]).model_fields)


def places(value: Any, prefix: str = "") -> set[str]:
    """The paths of all members."""
    if isinstance(value, list):
        return set().union(*(places(each, f"{prefix}[]") for each in value))
    if not isinstance(value, dict):
        return set()
    inner = [places(each, f"{prefix}.{name}") for name, each in value.items()]
    return {f"{prefix}.{name}" for name in value}.union(*inner)


def test_the_sdk_reads_the_workflows(frozen: Frozen) -> None:
    read = frozen.sdk.read("workflows.list", limit=2, sort_by="created_at")
    assert len(read) > 2  # more than a page
    ours = ra.fetch_workflows(client=frozen.client)
    assert_same_cells(WORKFLOWS, ours, [workflow_row(each) for each in read])
    assert_nothing_unknown(frozen.pages("/v1/workflows", sort_by="created_at"), read)
    assert_everything_sent(read)


def test_the_sdk_reads_the_runs_those_in_flight_too(frozen: Frozen) -> None:
    read = frozen.sdk.read("workflows.evals.runs.list")
    assert len(read) > 100  # more than a page of ours
    ours = ra.fetch_runs(client=frozen.client)
    assert_same_cells(RUNS, ours, [run_row(each) for each in read])
    assert {"running", "completed", "error", "cancelled"} <= set(ours["status"])
    assert_nothing_unknown(frozen.pages("/v1/workflows/evals/runs"), read)
    assert_everything_sent(read)


def test_the_sdk_reads_the_evals(frozen: Frozen) -> None:
    for workflow in frozen.sdk.read("workflows.list"):
        read = frozen.sdk.read("workflows.evals.list", workflow_id=workflow.id, limit=20)
        rows = [eval_row(each) for each in read]
        assert_same_cells(EVALS, ra.fetch_evals(workflow.id, client=frozen.client), rows)
        bodies = list(frozen.pages("/v1/workflows/evals", workflow_id=workflow.id))
        assert_same_cells(EVALS, pl.concat([ra.decode_evals(body) for body in bodies]), rows)
        assert_nothing_unknown(bodies, read)
        single = [frozen.sdk.read_one("workflows.evals.get", eval_id=each.id) for each in read]
        assert single == read
    assert_everything_sent(list(saved_evals_by_id(frozen).values()))


def test_the_sdk_reads_the_results_of_runs(frozen: Frozen) -> None:
    listed = frozen.sdk.read("workflows.evals.runs.list")
    # Completed runs are alike, and there are many: of these every fourth.
    runs = [
        each
        for at, each in enumerate(listed)
        if at % 4 == 0 or each.lifecycle.status != "completed"
    ]
    saved = saved_evals_by_id(frozen)
    rows, results = [], []
    for run in runs:
        read = frozen.sdk.read("workflows.evals.results.list", run_id=run.id)
        last = frozen.sdk.read_one("workflows.evals.results.get", result_id=read[-1].id)
        assert last == read[-1]
        assert_nothing_unknown(frozen.pages("/v1/workflows/evals/results", run_id=run.id), read)
        results += read
        rows += [
            {**result_row(each), **known_of_run(run), **known_of_eval(saved.get(each.eval_id))}
            for each in read
        ]
    ids = [each.id for each in runs]
    ours = ra.fetch_results(ids, payloads=True, client=frozen.client)
    assert_same_cells(RESULTS_WITH_PAYLOADS, ours, rows)
    assert set(ours["state"]) >= {*DECIDED, "error", "cancelled", "unscored"}
    assert_everything_sent(results)
    assert 0 < ours["eval_name"].null_count() < ours.height  # some evals are not saved any more


def saved_evals_by_id(frozen: Frozen) -> dict[str, Any]:
    workflows = frozen.sdk.read("workflows.list")
    lists = [frozen.sdk.read("workflows.evals.list", workflow_id=each.id) for each in workflows]
    return {saved.id: saved for each in lists for saved in each}


# What the SDK writes, read by us


MODELS: dict[Table, type[BaseModel]] = {
    RUNS: sdk_evals.WorkflowEvalRun,
    RESULTS: sdk_evals.WorkflowEvalResult,
    EVALS: sdk_evals.WorkflowEval,
    WORKFLOWS: sdk_workflows.Workflow,
}
WRITTEN = {
    "runs": (RUNS, documents(schema_of("WorkflowEvalRun")), run_row),
    "results": (RESULTS_WITH_PAYLOADS, documents(schema_of("WorkflowEvalResult")), result_row),
    "evals": (EVALS, saved_evals(), eval_row),
    "workflows": (WORKFLOWS, documents(schema_of("Workflow")), workflow_row),
}


@pytest.mark.parametrize("exclude_unset", [False, True], ids=["in-full", "as-it-was-set"])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_the_sdk_writes_has_the_cells_that_it_means(name: str, exclude_unset: bool) -> None:
    table, allowed, row = WRITTEN[name]
    model = MODELS[TABLES[name]]

    @given(allowed)
    @examples(60)
    def check(document: Any) -> None:
        written = model.model_validate(document).model_dump(
            mode="json", by_alias=True, exclude_unset=exclude_unset
        )
        found = read_page(table.record, json.dumps(page([written])).encode())
        ours = to_frame(table, found.structs)
        assert_same_cells(table, ours, [row(model.model_validate(written))])

    check()


# Where ours differs from the SDK on purpose


def test_a_value_that_was_not_sent_is_not_a_null() -> None:
    for value, cell in ((..., None), (None, "null")):
        document = result_document(assertion_result__expected_value=value)
        assert ra.decode_results(document)["expected_value"].to_list() == [cell]


def test_the_words_that_we_compute_with_are_the_sdks() -> None:
    lifecycles = leaf_words(sdk_evals.WorkflowEvalRun, "lifecycle", "status")
    assert lifecycles == {*IN_FLIGHT, *TERMINAL}
    assert leaf_words(sdk_evals.WorkflowEvalResult, "lifecycle", "status") == lifecycles
    assert set(words_of(sdk_evals.AssertionOutcome)) == set(DECIDED)


def words_of(annotation: Any) -> Sequence[str]:
    words: Sequence[str] = annotation.__args__
    return words


def leaf_words(model: type[BaseModel], union: str, discriminator: str) -> set[str]:
    variants = model.model_fields[union].annotation.__args__  # type: ignore[union-attr]
    kinds = [each for each in variants if each is not type(None)]
    return {words_of(kind.model_fields[discriminator].annotation)[0] for kind in kinds}


# The contract, openapi.yaml, against the SDK that it was taken from

OPERATIONS: dict[str, Callable[..., Any]] = {
    "listEvalRuns": WorkflowEvalRunsMixin().prepare_list,
    "createEvalRun": WorkflowEvalRunsMixin().prepare_create,
    "getEvalRun": WorkflowEvalRunsMixin().prepare_get,
    "cancelEvalRun": WorkflowEvalRunsMixin().prepare_cancel,
    "listEvalResults": WorkflowEvalRunResultsMixin().prepare_list,
    "getEvalResult": WorkflowEvalRunResultsMixin().prepare_get,
    "listEvals": WorkflowEvalsMixin().prepare_list,
    "getEval": WorkflowEvalsMixin().prepare_get,
    "listWorkflows": WorkflowsMixin().prepare_list,
    "listWorkflowVersions": WorkflowsMixin().prepare_list_versions,
    "getWorkflowVersion": WorkflowsMixin().prepare_get_version,
    "listWorkflowBlocks": WorkflowBlocksMixin().prepare_list,
    "diffWorkflowVersions": WorkflowsMixin().prepare_list_diff,
    "getDownloadLink": FilesMixin().prepare_get_download_link,
}


# Where the SDK asks for larger pages than the API gives by itself.
ASKS_FOR_MORE = {"listWorkflowBlocks": {"limit": 100}}
# What only the vendor's CLI asks for.
IN_NO_SDK = {"listPublishedWorkflowVersions", "listBlockConfigHistory", "getAuthStatus"}
DECLARED = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in openapi()["paths"].items()
    for method, operation in methods.items()
    if operation["operationId"] not in IN_NO_SDK
}


@pytest.mark.parametrize("name", DECLARED)
def test_the_sdk_asks_what_the_contract_has(name: str) -> None:
    method, path, operation = DECLARED[name]
    asked = arguments_of(OPERATIONS[name])
    required = {key for key, default in asked.items() if default is REQUIRED}
    prepared = OPERATIONS[name](**{key: f"{{{key}}}" for key in required})
    assert (prepared.method, prepared.url) == (method, path)
    assert asked == parameters_of(operation) | ASKS_FOR_MORE.get(name, {})


REQUIRED = inspect.Parameter.empty


def arguments_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a function of the SDK, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.name != "extra_params"}


def parameters_of(operation: Schema) -> dict[str, Any]:
    """The parameters of an operation of the contract, or its body's members, with defaults."""
    if "requestBody" in operation:
        body = resolve(operation["requestBody"]["content"]["application/json"]["schema"])
        return {
            name: REQUIRED if name in body["required"] else declared.get("default")
            for name, declared in body["properties"].items()
        }
    return {
        each["name"]: REQUIRED if each["required"] else each["schema"].get("default")
        for each in operation.get("parameters", [])
    }


SDK_CLASSES = {**vars(sdk_workflows), **vars(sdk_evals), **vars(sdk_files)}
COMMON = sorted(
    name for name in openapi()["components"]["schemas"] if isinstance(SDK_CLASSES.get(name), type)
)


# Of these the contract has the fields that matter; the SDK's others are about drawing a workflow.
IN_PART = {"WorkflowBlock", "WorkflowConfigBlock", "WorkflowGraphVersion"}


@pytest.mark.parametrize("name", COMMON)
def test_the_contract_has_the_sdks_fields(name: str) -> None:
    schema, model = schema_of(name), SDK_CLASSES[name]
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    declared = schema["properties"].keys()
    assert declared <= fields.keys() if name in IN_PART else declared == fields.keys()
    required = {key for key in declared if fields[key].is_required()}
    assert set(schema.get("required", [])) == required


def test_the_contract_has_the_sdks_kinds_of_condition() -> None:
    kinds = schema_of("Condition")["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(kind_of(each) for each in CONDITIONS)
