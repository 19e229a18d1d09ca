"""From the catalog's specs to saved evals with ids, dates, fingerprints and findings."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from retab_analysis.sandbox.catalog.specs import Blocked, Doc, Errored, Spec, WorkflowSpec, Wrong
from retab_analysis.sandbox.instants import DAY, MINUTE, day_name, iso
from retab_analysis.sandbox.scoring import closeness, overlap, value_at, with_value
from retab_analysis.sandbox.world.model import (
    Assertion,
    File,
    Finding,
    SavedEval,
    Trouble,
    Version,
    VersionSeries,
    Workflow,
)
from retab_analysis.sandbox.world.seeding import Dice, fingerprint, token

FILE_HANDLE = "input-file-0"
JSON_HANDLE = "input-json-0"
_EDIT_MINUTE = 10 * 60
_UNEXPECTING = frozenset({"exists", "not_exists"})
_EXPECTATIONS = ("expected", "reference", "pattern", "condition", "schema")


def resolve_workflow(spec: WorkflowSpec, seed: int, anchor: int) -> Workflow:
    """Give a workflow of the catalog its ids and dates."""
    versions = _versions(spec, anchor)
    evals = tuple(_saved_evals(spec, seed, anchor))
    document = _workflow_document(spec, versions, evals)
    return Workflow(spec.id, document, spec.blocks, versions, evals, spec.incidents)


def files_of(spec: WorkflowSpec, seed: int) -> list[File]:
    """List the files of a workflow's documents."""
    return [_file(doc, spec.id, seed) for doc in spec.docs]


def _file(doc: Doc, workflow_id: str, seed: int) -> File:
    return File(f"file_{token(seed, workflow_id, doc.key)}", doc.filename, doc.mime_type)


def _versions(spec: WorkflowSpec, anchor: int) -> VersionSeries:
    versions: list[Version] = []
    revisions: dict[str, int] = {}
    for number, made in enumerate(spec.versions, 1):
        for block in spec.blocks:
            if not block.in_version(number):
                revisions.pop(block.id, None)
            elif block.id not in revisions or block.id in made.changed:
                revisions[block.id] = number
        at = anchor + made.day * DAY + made.minute * MINUTE
        content = fingerprint("workflow", spec.id, *sorted(revisions.items()))
        ident = f"draft_{day_name(at, '_')}" if made.draft else f"wfv_{content}"
        versions.append(Version(number, ident, at, dict(revisions), content))
    return tuple(versions)


def _workflow_document(
    spec: WorkflowSpec, versions: VersionSeries, evals: Iterable[SavedEval]
) -> dict[str, Any]:
    published = None
    if spec.published is not None:
        version = versions[spec.published - 1]
        published = {
            "version_id": version.id,
            "published_at": iso(version.at + 95 * MINUTE),
            "description": spec.published_note,
        }
    return {
        "id": spec.id,
        "name": spec.name,
        "description": spec.description,
        "project_id": spec.project_id,
        "published": published,
        "created_at": iso(versions[0].at - 2 * DAY),
        "updated_at": iso(versions[-1].at),
    }


def _saved_evals(spec: WorkflowSpec, seed: int, anchor: int) -> Iterable[SavedEval]:
    docs = {doc.key: doc for doc in spec.docs}
    blocks = {block.id: block for block in spec.blocks}
    seen: Counter[str] = Counter()
    for item in spec.specs:
        name = f"{item.doc}/{item.block}/{item.path}"
        seen[name] += 1
        key = f"{name}/{seen[name]}"
        block = blocks[item.block]
        created = anchor + _created(item, key, seed, spec.versions[block.since - 1].day)
        stages = [(created, item)]
        for day, fields in item.edits:
            stages.append((anchor + day * DAY + _EDIT_MINUTE * MINUTE, replace(item, **fields)))
        removed = None if item.until is None else anchor + item.until * DAY + 11 * 60 * MINUTE
        yield SavedEval(
            id=f"eval_{token(seed, spec.id, key)}",
            key=key,
            workflow_id=spec.id,
            block=block,
            name=item.name,
            created=created,
            removed=removed,
            assertions=tuple(
                _assertion(stage, docs[stage.doc], at, key, spec.id, seed, block.kind)
                for at, stage in stages
            ),
            source=_source(item, key, seed),
            extras=item.extras,
        )


def _created(item: Spec, key: str, seed: int, earliest: int) -> int:
    """Spread the making of the evals over the first weeks after their block was made."""
    dice = Dice(seed, "created", key)
    day = item.since
    if day is None:
        late = item.until is None and dice.random() < 0.35
        day = earliest + (dice.between(2, 28) if late else 0)
    return day * DAY + (_EDIT_MINUTE + dice.between(-25, 25)) * MINUTE + dice.between(0, 59_999_999)


def _source(item: Spec, key: str, seed: int) -> dict[str, Any]:
    if not item.run_step:
        return {"type": "manual"}
    run_id = f"run_{token(seed, 'source', key)}"
    return {"type": "run_step", "run_id": run_id, "step_id": f"{item.block}-0"}


def _assertion(
    item: Spec, doc: Doc, at: int, key: str, workflow_id: str, seed: int, kind: str
) -> Assertion:
    outputs = doc.outputs[item.block]
    truth = value_at(outputs, item.path)
    condition = dict(item.condition(truth) if callable(item.condition) else item.condition)
    inputs = _inputs(doc, kind, workflow_id, seed)
    return Assertion(
        at=at,
        id=f"asrt_{token(seed, workflow_id, key, at)}",
        label=item.label,
        path=item.path,
        condition=condition,
        expected=_expected(condition),
        inputs=inputs,
        inputs_fingerprint=fingerprint("inputs", workflow_id, doc.key, kind == "function"),
        passing=tuple(
            _decided("passed", Wrong(value, item.score), condition, outputs, item.path)
            for value in item.right or (truth,)
        ),
        troubles=tuple(
            Trouble(
                fails.when,
                fails.rate,
                tuple(_trouble(way, condition, outputs, item) for way in fails.ways),
            )
            for fails in item.fails
        ),
    )


def _inputs(doc: Doc, kind: str, workflow_id: str, seed: int) -> dict[str, Any]:
    if kind == "function":
        return {JSON_HANDLE: {"type": "json", "data": doc.data}}
    return {FILE_HANDLE: {"type": "file", "document": _file(doc, workflow_id, seed)._asdict()}}


def _expected(condition: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what a result shows as expected: nothing, or one value, which may be null."""
    kind = condition["kind"]
    if kind in _UNEXPECTING:
        return ()
    if kind == "between":
        return ({name: condition[name] for name in ("lower", "upper", "inclusive")},)
    if kind.startswith("llm_"):
        return (condition["expected_label"],)
    return (next(condition[name] for name in _EXPECTATIONS if name in condition),)


def _decided(
    outcome: str, way: Wrong, condition: Mapping[str, Any], outputs: Any, path: str | None
) -> Finding:
    return Finding(
        outcome,
        actual=way.value,
        outputs=with_value(outputs, path, way.value),
        score=_score(condition, way),
    )


def _score(condition: Mapping[str, Any], way: Wrong) -> float | None:
    if condition["kind"] == "split_iou_gte":
        return overlap(condition["expected"], way.value)
    if condition["kind"] != "similarity_gte":
        return None
    return closeness(condition["reference"], way.value) if way.score is None else way.score


def _trouble(
    way: Wrong | Blocked | Errored, condition: Mapping[str, Any], outputs: Any, item: Spec
) -> Finding:
    if isinstance(way, Wrong):
        return _decided("failed", way, condition, outputs, item.path)
    if isinstance(way, Blocked):
        failure = {"code": way.code, "message": way.message, "details": dict(way.details)}
        executed = way.code not in ("block_execution_failed", "execution_error")
        shown = with_value(outputs, item.path, way.value) if executed else None
        if way.code == "invalid_regex":
            shown = outputs
        return Finding("blocked", actual=way.value, outputs=shown, failure=failure)
    return Finding("error", error=error_lifecycle(way.code, way.message, item.block, way.context))


def error_lifecycle(
    code: str, message: str, block_id: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the message and details of an eval whose execution broke."""
    details = {
        "message": message,
        "stack_trace": None,
        "block_id": block_id,
        "block_name": None,
        "error_code": code,
        "context": dict(context),
    }
    return {"message": message, "details": details}
