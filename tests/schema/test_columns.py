"""The column tables against the contract and against what they promise."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl
import pytest
from support.contract import Schema, schema_of, types_of, variants
from support.inside import (
    EVALS,
    RESULTS,
    RESULTS_WITH_PAYLOADS,
    RUNS,
    TABLES,
    VERSIONS,
    WORKFLOWS,
    Datetime,
    Table,
    wire,
)

DOCUMENTS = {
    RUNS: "WorkflowEvalRun",
    RESULTS: "WorkflowEvalResult",
    RESULTS_WITH_PAYLOADS: "WorkflowEvalResult",
    EVALS: "WorkflowEval",
    WORKFLOWS: "Workflow",
    VERSIONS: "PublishedWorkflowVersion",
}
PATHS = [(table, path) for table in DOCUMENTS for path in table.paths]
NAMES_ON_THE_WIRE = {"inputs": "handle_inputs", "outputs": "handle_outputs"}


def members(schemas: list[Schema], part: str) -> list[Schema]:
    """What stands under a name in any of some schemas."""
    found = []
    for schema in schemas:
        if part == "*" and isinstance(schema.get("additionalProperties"), dict):
            found += variants(schema["additionalProperties"])
        elif part in schema.get("properties", {}):
            found += variants(schema["properties"][part])
    return found


def at(document: str, path: str) -> list[Schema]:
    schemas = variants(schema_of(document))
    for part in path.split("."):
        schemas = members(schemas, NAMES_ON_THE_WIRE.get(part, part))
    return schemas


JSON_TYPES = {
    pl.String(): {"string"},
    pl.Int64(): {"integer"},
    pl.Float64(): {"number"},
    pl.Boolean(): {"boolean"},
    Datetime: {"string"},
    pl.List(pl.String()): {"array"},
}


@pytest.mark.parametrize(("table", "path"), PATHS, ids=[f"{t.name}:{p}" for t, p in PATHS])
def test_every_path_is_in_the_contract_with_its_type(table: Table, path: str) -> None:
    schemas = at(DOCUMENTS[table], path)
    assert schemas, f"{path} is not in the contract"
    if path in table.raws:
        return
    types = {kind for schema in schemas for kind in types_of(schema)} - {"null"}
    dtype = pl.String() if "*" in path else table.paths[path]
    assert types == JSON_TYPES[dtype]
    assert (dtype == Datetime) == any(s.get("format") == "date-time" for s in schemas)


def structs() -> list[type[wire.Wire]]:
    return [
        value
        for value in vars(wire).values()
        if isinstance(value, type) and issubclass(value, wire.Wire) and value is not wire.Wire
    ]


# Where the contract has another name for it.
CONTRACT_NAMES = {
    wire.Run: "WorkflowEvalRun",
    wire.Result: "WorkflowEvalResult",
    wire.Eval: "WorkflowEval",
    wire.Workflow: "Workflow",
    wire.Timing: "WorkflowEvalRunTiming",
    wire.BlockTarget: "EvalRunBlockTarget",
    wire.Freshness: "EvalRunFreshness",
    wire.Trigger: "EvalRunTrigger",
    wire.LifecycleCounts: "BlockEvalLifecycleCounts",
    wire.OutcomeCounts: "BlockEvalOutcomeCounts",
    wire.Counts: "BlockEvalBatchExecutionCounts",
    wire.DocumentRef: "ResultFileRef",
    wire.Artifact: "StepArtifactRef",
    wire.SchemaDependency: "AssertionSchemaDep",
    wire.Assertion: "AssertionSpec",
    wire.Drift: "ArtifactDrift",
    wire.LatestRun: "LatestBlockEvalRunSummary",
    wire.Published: "WorkflowPublished",
    wire.Publication: "PublishedWorkflowVersion",
    wire.Block: "WorkflowBlock",
    wire.VersionBlock: "WorkflowConfigBlock",
    wire.GraphVersion: "WorkflowGraphVersion",
    wire.BlockEra: "BlockConfigEra",
}
# A document's union of several, and a part that is only looked at for what it needs.
UNIONS = {wire.GraphId, wire.Lifecycle, wire.EvalSource, wire.HandleInput, wire.ResultWithPayloads}
UNIONS |= {wire.PublishEpoch}
MEMBERS = [
    (struct, field)
    for struct in structs()
    if struct not in UNIONS
    for field in msgspec.structs.fields(struct)
]


@pytest.mark.parametrize(
    ("struct", "field"), MEMBERS, ids=[f"{s.__name__}.{f.name}" for s, f in MEMBERS]
)
def test_a_missing_member_takes_the_default_of_the_contract(
    struct: type[wire.Wire], field: Any
) -> None:
    schema = schema_of(CONTRACT_NAMES.get(struct, struct.__name__))
    declared = schema["properties"][field.encode_name]
    if field.required:
        assert field.encode_name in schema["required"]
        return
    default = field.get_default() if hasattr(field, "get_default") else default_of(field)
    is_part = any("properties" in each for each in variants(declared))
    is_raw = isinstance(default, msgspec.Raw)
    if struct is wire.BlockTarget and field.name == "block_id":
        return  # required of a block, see its __post_init__
    if is_part or is_raw or "additionalProperties" in declared:
        assert not default or bytes(default) == b""
    else:
        assert default == declared.get("default")


def default_of(field: Any) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


RUNS_COLUMNS = """
run_id status passed failed blocked error pass_rate ok duration_ms queue_ms created_at
workflow_version_id workflow_id scope eval_id target_type target_block_id trigger_type total_evals
pending queued running completed cancelled is_terminal is_outage started_at completed_at
status_message error_code error_block_id freshness_status freshness_reasons
validity_fingerprint
"""
RESULTS_COLUMNS = """
eval_name eval_id state block_id block_label document_names duration_ms expected_value actual_value
path condition condition_kind failure_code failure_message score threshold run_id
workflow_version_id run_scope run_is_outage run_created_at run_completed_at result_id workflow_id
block_type status status_message verdict created_at started_at completed_at queue_ms assertion_id
assertion_label metric_kind warnings document_ids error_code error_block_id failure_details
routing_decisions artifact_operation artifact_id handle_inputs_fingerprint
block_execution_fingerprint workflow_draft_fingerprint execution_fingerprint
"""
EVALS_COLUMNS = """
eval_id eval_name block_id block_label output_handle_id path condition_kind assertion_label
assertion_id condition source_type source_run_id source_step_id assertion_drift_status schema_drift
drift_status drift_detail freshness_status freshness_reasons validation_status validation_issues
latest_run_status latest_run_outcome latest_result_id latest_run_completed_at latest_run_duration_ms
created_at updated_at workflow_id last_passed_at last_failed_at latest_block_fingerprint
latest_inputs_fingerprint last_passed_block_fingerprint last_passed_inputs_fingerprint
last_failed_block_fingerprint last_failed_inputs_fingerprint present_validity latest_validity
last_passed_validity last_failed_validity schema_path affected_paths document_names
"""
VERSIONS_COLUMNS = """
workflow_version_id version description published_at published_by is_current workflow_id
"""
WORKFLOWS_COLUMNS = """
workflow_id name description project_id published_version_id published_description published_at
created_at updated_at
"""


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (RUNS, RUNS_COLUMNS),
        (RESULTS, RESULTS_COLUMNS),
        (RESULTS_WITH_PAYLOADS, RESULTS_COLUMNS + "handle_inputs handle_outputs"),
        (EVALS, EVALS_COLUMNS),
        (WORKFLOWS, WORKFLOWS_COLUMNS),
        (VERSIONS, VERSIONS_COLUMNS),
    ],
)
def test_the_columns_are_those_promised_in_order(table: Table, columns: str) -> None:
    assert list(table.schema) == columns.split()


@pytest.mark.parametrize("table", DOCUMENTS, ids=lambda table: table.name)
def test_the_expressions_give_the_declared_dtypes(table: Table) -> None:
    frame = pl.DataFrame(schema=table.paths).select(table.expressions)
    assert frame.schema == table.schema == table.empty().schema


def test_every_column_says_what_it_means() -> None:
    for table in {*TABLES.values(), *DOCUMENTS}:
        described = table.describe()
        assert described.columns == ["name", "dtype", "source", "meaning"]
        assert described["name"].to_list() == list(table.schema)
        assert described["meaning"].str.len_chars().min() >= 4  # type: ignore[operator]


def test_what_is_no_frame_of_a_table_is_said() -> None:
    frame = RUNS.empty()
    assert RUNS.mismatch(frame.schema) is None
    first = ", ".join(frame.columns[:8])
    assert RUNS.mismatch({}) == (
        f"not a RUNS frame: it has no column {first} and 26 more; it has no columns"
    )
    other = frame.cast({"passed": pl.String}).select("passed")
    assert RUNS.mismatch(other.schema, ["passed", "ok"]) == (
        "not a RUNS frame: it has no column ok; it has passed; column passed is String, expected "
        "Int64; a CSV file is read with its dtypes by read_csv"
    )
    # A column of nulls alone may have lost its dtype.
    assert RUNS.mismatch(frame.with_columns(ok=None).schema) is None
