"""From the catalogue's evals to saved ones, with ids, dates, fingerprints and outcomes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from retab_analysis.sandbox.instants import DAY, MINUTE
from retab_analysis.sandbox.world.model import (
    Assertion,
    Block,
    FailureMode,
    File,
    PlannedResult,
    SavedEval,
)
from retab_analysis.sandbox.world.seeding import SeededRandom, fingerprint, token

FILE_HANDLE = "input-file-0"
JSON_HANDLE = "input-json-0"
# Evals are saved and edited at about ten o'clock, and removed at eleven.
_SAVED_AT = 10 * 60 * MINUTE
_REMOVED_AT = 11 * 60 * MINUTE
# The member of a condition with its expected value.
_EXPECTATIONS = ("expected", "reference", "pattern", "condition", "schema")
# The conditions that compare with the document's own value if the catalogue gives no other.
_OWN_VALUE = {"equals": "expected", "similarity_gte": "reference", "split_iou_gte": "expected"}
# Blocked before or while the block ran: there is no output to show.
_NOT_EXECUTED = ("block_execution_failed", "execution_error")

# An object of the catalogue; its package describes it.
Fields = Mapping[str, Any]


def file_of(document: Fields, workflow_id: str, seed: int) -> File:
    ident = f"file_{token(seed, workflow_id, document['key'])}"
    return File(ident, document["filename"], document.get("mime_type", "application/pdf"))


def saved_evals(
    workflow: Fields, blocks: Mapping[str, Block], seed: int, anchor: int
) -> Iterator[SavedEval]:
    make = partial(_saved_eval, workflow, seed, anchor)
    seen: Counter[str] = Counter()
    for block_id, items in workflow.get("evals", {}).items():
        for item in items:
            name = f"{item['document']}/{block_id}/{item['path']}"
            seen[name] += 1
            yield make(blocks[block_id], f"{name}/{seen[name]}", item)


def _saved_eval(
    workflow: Fields, seed: int, anchor: int, block: Block, key: str, item: Fields
) -> SavedEval:
    forms = [(_created(workflow, seed, block, key, item), item)]
    forms += [(each["day"] * DAY + _SAVED_AT, item | each) for each in item.get("edits", ())]
    source = {"type": "manual"}
    if item.get("run_step"):
        run_id = f"run_{token(seed, 'source', key)}"
        source = {"type": "run_step", "run_id": run_id, "step_id": f"{block.id}-0"}
    until = item.get("until")
    return SavedEval(
        id=f"eval_{token(seed, workflow['id'], key)}",
        key=key,
        workflow_id=workflow["id"],
        block=block,
        name=item["name"],
        created=anchor + forms[0][0],
        removed=None if until is None else anchor + until * DAY + _REMOVED_AT,
        assertions=tuple(
            _assertion(workflow, seed, block, key, anchor + at, form) for at, form in forms
        ),
        source=source,
        extras=item.get("extras", {}),
    )


def _created(workflow: Fields, seed: int, block: Block, key: str, item: Fields) -> int:
    chance = SeededRandom(seed, "created", key)
    day = item.get("since")
    if day is None:
        # Evals that are removed later existed from the start.
        is_late = item.get("until") is None and chance.random() < 0.35
        earliest = workflow["versions"][block.since - 1]["day"]
        day = earliest + (chance.integer(2, 28) if is_late else 0)
    minutes, rest = chance.integer(-25, 25), chance.integer(0, MINUTE - 1)
    created: int = day * DAY + _SAVED_AT + minutes * MINUTE + rest
    return created


def _assertion(
    workflow: Fields, seed: int, block: Block, key: str, at: int, item: Fields
) -> Assertion:
    document = next(each for each in workflow["documents"] if each["key"] == item["document"])
    outputs = document["outputs"][block.id]
    truth = value_at(outputs, item["path"])
    condition = item["condition"]
    # By default it expects the document's own value.
    own = _OWN_VALUE.get(condition["kind"])
    if own is not None and own not in condition:
        condition = {"kind": condition["kind"], own: truth, **condition}
    decided = partial(_decided, item, condition, outputs)

    def failing(failure: Fields) -> tuple[PlannedResult, ...]:
        if "blocked" in failure:
            return (_blocked(item, outputs, **failure["blocked"]),)
        if "error" in failure:
            return (PlannedResult.broken(block_id=block.id, **failure["error"]),)
        return tuple(decided("failed", value) for value in failure["values"])

    everywhere = [
        FailureMode(failing(incident["every_eval"]), name)
        for name, incident in workflow.get("incidents", {}).items()
        if "every_eval" in incident
    ]
    own_failures = [
        FailureMode(failing(each), each.get("when"), each.get("rate", 1.0), each.get("unless"))
        for each in item.get("fails", ())
    ]
    return Assertion(
        at=at,
        id=f"asrt_{token(seed, workflow['id'], key, at)}",
        label=item.get("label"),
        path=item["path"],
        condition=condition,
        expected=expected_by(condition),
        inputs=_inputs(workflow, seed, block, document),
        inputs_fingerprint=fingerprint(
            "inputs", workflow["id"], document["key"], block.kind == "function"
        ),
        passing=tuple(decided("passed", value) for value in item.get("right", (truth,))),
        failure_modes=(*everywhere, *own_failures),
    )


def _inputs(workflow: Fields, seed: int, block: Block, document: Fields) -> dict[str, Any]:
    if block.input is None:
        file = file_of(document, workflow["id"], seed)
        return {FILE_HANDLE: {"type": "file", "document": file._asdict()}}
    if isinstance(block.input, str):
        data = value_at(document["outputs"], block.input)
    else:
        data = {name: value_at(document["outputs"], p) for name, p in block.input.items()}
    return {JSON_HANDLE: {"type": "json", "data": data}}


def expected_by(condition: Fields) -> tuple[Any, ...]:
    kind = condition["kind"]
    if kind in ("exists", "not_exists"):
        return ()
    if kind == "between":
        bounds = {name: condition[name] for name in ("lower", "upper")}
        return ({**bounds, "inclusive": condition.get("inclusive", True)},)
    if kind.startswith(("llm_", "json_")):
        return (condition.get("schema", condition.get("expected_label")),)
    return (next(condition[name] for name in _EXPECTATIONS if name in condition),)


def _decided(
    item: Fields, condition: Fields, outputs: Any, outcome: str, value: Any
) -> PlannedResult:
    score = score_of(condition, value)
    if condition["kind"] == "similarity_gte" and outcome == "passed":
        score = item.get("score", score)
    shown = with_value(outputs, item["path"], value)
    return PlannedResult(outcome, actual=value, outputs=shown, score=score)


def _blocked(
    item: Fields,
    outputs: Any,
    code: str,
    message: str,
    value: Any = None,
    details: Fields | None = None,
) -> PlannedResult:
    shown = None if code in _NOT_EXECUTED else with_value(outputs, item["path"], value)
    if code == "invalid_regex":
        shown = outputs  # the assertion is at fault; the block has done its work
    failure = {"code": code, "message": message, "details": details or {}}
    return PlannedResult("blocked", actual=value, outputs=shown, failure=failure)


# Values inside documents, and their scores


def score_of(condition: Fields, value: Any) -> float | None:
    """Give the score of a value by a condition that has one."""
    if condition["kind"] == "split_iou_gte":
        return overlap(condition["expected"], value)
    if condition["kind"] == "similarity_gte":
        return closeness(condition["reference"], value)
    return None


def value_at(document: Any, path: str | None) -> Any:
    for name in path.split(".") if path else ():
        document = document[_step(name)]
    return document


def with_value(document: Any, path: str | None, value: Any) -> Any:
    """Give the document with another value at a path; the document itself stays as it is."""
    if not path:
        return value
    copy: Any = dict(document) if isinstance(document, Mapping) else list(document)
    name, _, rest = path.partition(".")
    # The last step may be a new one; those before it have to be there.
    copy[_step(name)] = with_value(document[_step(name)], rest, value) if rest else value
    return copy


def _step(name: str) -> Any:
    return int(name) if name.isdigit() else name


@cache
def closeness(left: str, right: str) -> float:
    """Give 1 minus the Levenshtein distance over the longer length, to four digits."""
    previous = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            change = previous[column - 1] + (letter != other)
            current.append(min(previous[column] + 1, current[-1] + 1, change))
        previous = current
    return round(1 - previous[-1] / max(len(left), len(right), 1), 4)


def overlap(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> float:
    """Give the mean intersection over union of the pages of each expected part, to four digits."""
    found = {part["name"]: set(part["pages"]) for part in actual["splits"]}
    scores = []
    for part in expected["splits"]:
        wanted, got = set(part["pages"]), found.get(part["name"], set())
        scores.append(len(wanted & got) / len(wanted | got))
    return round(sum(scores) / len(scores), 4)
