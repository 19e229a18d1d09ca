"""The documents that we read, field by field against the official SDK's models of them."""

from __future__ import annotations

import functools
import inspect
import itertools
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel
from retab.types import files, pagination, workflows
from retab.types.workflows import blocks, evals
from support.inside import wire

pytestmark = pytest.mark.contract

Struct, Model = type[wire.Wire], type[BaseModel]

DOCUMENTS: list[tuple[Struct, Model]] = [
    (wire.ListMetadata, pagination.ListMetadata),
    (wire.Run, evals.WorkflowEvalRun),
    (wire.Result, evals.WorkflowEvalResult),
    (wire.ResultWithPayloads, evals.WorkflowEvalResult),
    (wire.Eval, evals.WorkflowEval),
    (wire.Workflow, workflows.Workflow),
    (wire.GraphVersion, workflows.WorkflowGraphVersion),
    (wire.GraphId, workflows.WorkflowGraphVersion),
    (wire.Block, blocks.WorkflowBlock),
    (wire.FileLink, files.FileLink),
]
# The CLI alone reads these; of a condition only the kind is looked at, the rest is kept as it is.
IN_NO_SDK = {wire.Publication, wire.BlockEra, wire.PublishEpoch, wire.Condition}

DRAWN = "it is about drawing a workflow"
EDGES = "a block's configuration decides what an eval gets, not its edges"
COUNTED = "an eval has one assertion: outcome says the same"
KIND = "the input that has a document is a file"
TYPED = "the file's name tells the type"
DRIFTED = "drift says whether the schema still fits"
UNREAD = {
    "ListMetadata.before": "lists are read forwards",
    "AssertionSchemaDep.output_handle_id": "the assertion names its output",
    "AssertionSchemaDep.subtree_hash": DRIFTED,
    "AssertionSchemaDep.depends_on_root": DRIFTED,
    "ErrorDetails.stack_trace": "it is for the developers of the API",
    "ErrorDetails.context": "it is for the developers of the API",
    "ErrorDetails.block_name": "block_id names the block",
    "EvalFileHandleInput.type": KIND,
    "EvalJsonHandleInput.data": "fingerprints compare the inputs of a saved eval",
    "EvalJsonHandleInput.type": KIND,
    "EvalPublicFileRef.mime_type": TYPED,
    "FileHandleInput.type": KIND,
    "FileLink.mime_data": "the link is enough to open the document",
    "JsonHandleInput.data": "payloads=True keeps the whole input",
    "JsonHandleInput.type": KIND,
    "LatestBlockEvalRunSummary.assertions_failed": COUNTED,
    "LatestBlockEvalRunSummary.assertions_passed": COUNTED,
    "LatestBlockEvalRunSummary.blocked_assertions": COUNTED,
    "ResultFileRef.mime_type": TYPED,
    "WorkflowBlock.declarative_path": "it names a file of the workflow's author",
    "WorkflowBlock.declarative_source_block_id": "it names a block in such a file",
    "WorkflowBlock.resolved_schemas": "config has the schema",
    "WorkflowBlock.workflow_id": "the list is of one workflow",
    "WorkflowConfigBlock.resolved_schemas": "config has the schema",
    "WorkflowEvalResult.verdict_summary": "verdict and assertion_result say the same",
    "WorkflowGraphVersion.block_version_ids": "the blocks are there with their configurations",
    **dict.fromkeys(("WorkflowBlock.position_x", "WorkflowBlock.position_y"), DRAWN),
    **dict.fromkeys(("WorkflowBlock.width", "WorkflowBlock.height"), DRAWN),
    **dict.fromkeys(("WorkflowConfigBlock.width", "WorkflowConfigBlock.height"), DRAWN),
    "WorkflowConfigBlock.position": DRAWN,
    **dict.fromkeys(("WorkflowGraphVersion.edges", "WorkflowGraphVersion.edge_version_ids"), EDGES),
}
# Where graphs were publications, each named the version.
READ_ONLY_HERE = {"GraphId.workflow_version_id"}
# The parsed member of a result with payloads is one that is also kept whole.
WIRE_NAMES = {"(parsed)": "handle_inputs"}


def structs() -> set[Struct]:
    found = [each for each in vars(wire).values() if inspect.isclass(each)]
    return {each for each in found if issubclass(each, wire.Wire)} - {wire.Wire}


def parts(annotation: Any, base: type) -> Iterator[Any]:
    """The classes of one kind within a type: in unions, and in the items of lists and objects."""
    if inspect.isclass(annotation) and issubclass(annotation, base):
        yield annotation
    for each in typing.get_args(annotation):
        yield from parts(each, base)


def annotations(model: Model) -> dict[str, Any]:
    return {each.alias or name: each.annotation for name, each in model.model_fields.items()}


def hints(struct: Struct) -> dict[str, Any]:
    types, named = typing.get_type_hints(struct), msgspec.structs.fields(struct)
    return {WIRE_NAMES.get(each.encode_name, each.encode_name): types[each.name] for each in named}


@functools.cache
def pairs() -> set[tuple[Struct, Model]]:
    """Each struct with each model that it reads."""
    found: set[tuple[Struct, Model]] = set()
    waiting = [*DOCUMENTS]
    while waiting:
        struct, model = pair = waiting.pop()
        if pair not in found:
            found.add(pair)
            ours, theirs = hints(struct), annotations(model)
            for name in ours.keys() & theirs.keys():
                inner = [*parts(ours[name], wire.Wire)]
                waiting += itertools.product(inner, parts(theirs[name], BaseModel))
    return found


def test_every_document_that_we_read_is_compared() -> None:
    assert {struct for struct, _ in pairs()} | IN_NO_SDK == structs()


def test_every_field_of_the_sdk_is_read_or_has_a_reason() -> None:
    read: dict[Model, set[str]] = {}
    for struct, model in pairs():
        read.setdefault(model, set()).update(hints(struct))
    unread = {
        f"{model.__name__}.{name}"
        for model, names in read.items()
        for name in annotations(model).keys() - names
    }
    assert unread == UNREAD.keys()
    assert all(UNREAD.values())


def test_every_field_that_we_read_is_the_sdks() -> None:
    """A member of a union may be in one of its variants alone."""
    there: dict[Struct, set[str]] = {}
    for struct, model in pairs():
        there.setdefault(struct, set()).update(annotations(model))
    ours = {
        f"{struct.__name__}.{name}"
        for struct, names in there.items()
        for name in hints(struct).keys() - names
    }
    assert ours == READ_ONLY_HERE
