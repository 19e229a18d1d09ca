"""From the catalogue's evals to saved ones, with ids, dates, fingerprints and what can come out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
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
# Which member of a condition holds what it expects.
_EXPECTATIONS = ("expected", "reference", "pattern", "condition", "schema")
# The conditions that compare with the document's own value where the catalogue gives no other.
_OWN_VALUE = {"equals": "expected", "similarity_gte": "reference", "split_iou_gte": "expected"}
# Blocked before or while the block ran, so that there is no output to show.
_NOT_EXECUTED = ("block_execution_failed", "execution_error")


Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FailureSpec:
    """When an eval does not pass (in an incident, or at random by rate), and what comes out then.

    Attributes:
        values: Wrong values, of which one comes out.
        blocked: Code, message, and perhaps value and details of an assertion that could not be
            evaluated.
        error: Code, message and perhaps context of an execution that broke.
    """

    when: str | None = None
    rate: float = 1.0
    values: Sequence[Any] = ()
    blocked: Fields | None = None
    error: Fields | None = None


@dataclass(frozen=True, slots=True)
class EvalSpec:
    """A saved eval.

    Attributes:
        condition: Where what it expects is left out, that is the document's own value.
        right: What comes out when it passes, where that is not the document's own value; several
            values alternate.
        score: The score of a passing value, where it cannot be computed.
        since: The day on which it was saved, where that is not left to chance.
        until: The day on which it was removed.
        run_step: It was saved from a step of a workflow run, not by hand.
        extras: Members of its API document that are not the usual ones.
        edits: Later forms of it, each with its day.
    """

    document: str
    path: str | None
    condition: Fields
    name: str | None
    fails: Sequence[FailureSpec] = ()
    right: Sequence[Any] = ()
    score: float | None = None
    label: str | None = None
    since: int | None = None
    until: int | None = None
    run_step: bool = False
    extras: Fields = field(default_factory=dict)
    edits: Sequence[tuple[int, "EvalSpec"]] = ()


def _read(fields: Fields) -> EvalSpec:
    first = {name: value for name, value in fields.items() if name != "edits"}
    parts = {
        "fails": [FailureSpec(**failure) for failure in fields.get("fails", ())],
        "edits": [
            (edit["day"], _read({**first, **{k: v for k, v in edit.items() if k != "day"}}))
            for edit in fields.get("edits", ())
        ],
    }
    return EvalSpec(**{**first, **parts})


def file_of(document: Fields, workflow_id: str, seed: int) -> File:
    """Give the file of a document."""
    ident = f"file_{token(seed, workflow_id, document['key'])}"
    return File(ident, document["filename"], document.get("mime_type", "application/pdf"))


def saved_evals(
    workflow: Fields, blocks: Mapping[str, Block], seed: int, anchor: int
) -> Iterator[SavedEval]:
    """Make the saved evals of a workflow, in the order of the catalogue."""
    builder = _Builder(workflow, seed, anchor)
    seen: Counter[str] = Counter()
    for block_id, items in workflow.get("evals", {}).items():
        for item in map(_read, items):
            name = f"{item.document}/{block_id}/{item.path}"
            seen[name] += 1
            yield builder.build(item, blocks[block_id], f"{name}/{seen[name]}")


class _Builder:
    """Makes the saved evals of one workflow."""

    def __init__(self, workflow: Fields, seed: int, anchor: int) -> None:
        self._id, self._seed, self._anchor = workflow["id"], seed, anchor
        self._days = [version["day"] for version in workflow["versions"]]
        self._documents = {each["key"]: each for each in workflow.get("documents", ())}
        self._incidents = workflow.get("incidents", {})
        self._everywhere = [
            (name, FailureSpec(**incident["every_eval"]))
            for name, incident in self._incidents.items()
            if "every_eval" in incident
        ]

    def build(self, item: EvalSpec, block: Block, key: str) -> SavedEval:
        created = self._anchor + self._created(item, key, block)
        forms = [(created, item)]
        forms += [(self._anchor + day * DAY + _SAVED_AT, edited) for day, edited in item.edits]
        source = {"type": "manual"}
        if item.run_step:
            run_id = f"run_{token(self._seed, 'source', key)}"
            source = {"type": "run_step", "run_id": run_id, "step_id": f"{block.id}-0"}
        return SavedEval(
            id=f"eval_{token(self._seed, self._id, key)}",
            key=key,
            workflow_id=self._id,
            block=block,
            name=item.name,
            created=created,
            removed=None if item.until is None else self._anchor + item.until * DAY + _REMOVED_AT,
            assertions=tuple(self._assertion(form, at, key, block) for at, form in forms),
            source=source,
            extras=item.extras,
        )

    def _created(self, item: EvalSpec, key: str, block: Block) -> int:
        """Spread the saving of the evals over the first weeks after their block was made."""
        chance = SeededRandom(self._seed, "created", key)
        day = item.since
        if day is None:
            # Those that are removed again were there from the start.
            is_late = item.until is None and chance.random() < 0.35
            earliest = self._days[block.since - 1]
            day = earliest + (chance.integer(2, 28) if is_late else 0)
        minutes, rest = chance.integer(-25, 25), chance.integer(0, MINUTE - 1)
        return day * DAY + _SAVED_AT + minutes * MINUTE + rest

    def _assertion(self, item: EvalSpec, at: int, key: str, block: Block) -> Assertion:
        document = self._documents[item.document]
        outputs = document["outputs"][block.id]
        truth = value_at(outputs, item.path)
        condition = dict(item.condition)
        # It expects the document's own value where it does not say what it expects.
        own = _OWN_VALUE.get(condition["kind"])
        if own is not None and own not in condition:
            condition = {"kind": condition["kind"], own: truth, **condition}
        return Assertion(
            at=at,
            id=f"asrt_{token(self._seed, self._id, key, at)}",
            label=item.label,
            path=item.path,
            condition=condition,
            expected=_expected(condition),
            inputs=self._inputs(document, block),
            inputs_fingerprint=fingerprint(
                "inputs", self._id, document["key"], block.kind == "function"
            ),
            passing=tuple(
                _decided("passed", value, condition, outputs, item)
                for value in item.right or (truth,)
            ),
            failure_modes=tuple(self._failure_modes(item, condition, outputs, block.id)),
        )

    def _inputs(self, document: Fields, block: Block) -> dict[str, Any]:
        if block.input is None:
            file = file_of(document, self._id, self._seed)
            return {FILE_HANDLE: {"type": "file", "document": file._asdict()}}
        if isinstance(block.input, str):
            data = value_at(document["outputs"], block.input)
        else:
            data = {name: value_at(document["outputs"], p) for name, p in block.input.items()}
        return {JSON_HANDLE: {"type": "json", "data": data}}

    def _failure_modes(
        self, item: EvalSpec, condition: Mapping[str, Any], outputs: Any, block_id: str
    ) -> Iterator[FailureMode]:
        for name, failure in self._everywhere:
            yield FailureMode(_failing(failure, condition, outputs, item, block_id), name)
        for failure in item.fails:
            results = _failing(failure, condition, outputs, item, block_id)
            if failure.when is not None and failure.when not in self._incidents:
                raise ValueError(
                    f"{item.name!r} fails in {failure.when!r}, which is not an incident"
                )
            yield FailureMode(results, failure.when, failure.rate)


def _expected(condition: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = condition["kind"]
    if kind in ("exists", "not_exists"):
        return ()
    if kind == "between":
        return ({name: condition[name] for name in ("lower", "upper", "inclusive")},)
    if kind.startswith("llm_"):
        return (condition["expected_label"],)
    return (next(condition[name] for name in _EXPECTATIONS if name in condition),)


def _failing(
    failure: FailureSpec, condition: Fields, outputs: Any, item: EvalSpec, block_id: str
) -> tuple[PlannedResult, ...]:
    if failure.blocked is not None:
        return (_blocked(failure.blocked, outputs, item.path),)
    if failure.error is not None:
        return (PlannedResult.broken(block_id=block_id, **failure.error),)
    return tuple(_decided("failed", value, condition, outputs, item) for value in failure.values)


def _decided(
    outcome: str, value: Any, condition: Mapping[str, Any], outputs: Any, item: EvalSpec
) -> PlannedResult:
    score = None
    if condition["kind"] == "split_iou_gte":
        score = overlap(condition["expected"], value)
    elif condition["kind"] == "similarity_gte":
        given = item.score if outcome == "passed" else None
        score = closeness(condition["reference"], value) if given is None else given
    shown = with_value(outputs, item.path, value)
    return PlannedResult(outcome, actual=value, outputs=shown, score=score)


def _blocked(failure: Mapping[str, Any], outputs: Any, path: str | None) -> PlannedResult:
    value = failure.get("value")
    shown = None if failure["code"] in _NOT_EXECUTED else with_value(outputs, path, value)
    if failure["code"] == "invalid_regex":
        # The assertion is at fault; the block has done its work.
        shown = outputs
    told = {
        "code": failure["code"],
        "message": failure["message"],
        "details": dict(failure.get("details", {})),
    }
    return PlannedResult("blocked", actual=value, outputs=shown, failure=told)


# Values inside documents, and their scores


def value_at(document: Any, path: str | None) -> Any:
    """Give the value at a dotted path; no path is the whole document.

    >>> value_at({"lines": [{"price": 3}]}, "lines.0.price")
    3
    """
    for step in _steps(path):
        document = document[step]
    return document


def with_value(document: Any, path: str | None, value: Any) -> Any:
    """Give the document with another value at a path; the document itself stays as it is.

    >>> with_value({"lines": [{"price": 3}]}, "lines.0.price", 4)
    {'lines': [{'price': 4}]}
    """
    return _replaced(document, _steps(path), value)


def _steps(path: str | None) -> list[Any]:
    return [int(s) if s.isdigit() else s for s in path.split(".")] if path else []


def _replaced(document: Any, steps: list[Any], value: Any) -> Any:
    if not steps:
        return value
    copy: Any = dict(document) if isinstance(document, Mapping) else list(document)
    step, *rest = steps
    # The last step may be a new one; those before it have to be there.
    copy[step] = _replaced(document[step], rest, value) if rest else value
    return copy


@cache
def closeness(left: str, right: str) -> float:
    """Give 1 minus the Levenshtein distance over the longer length, to four digits.

    >>> closeness("Lefèvre", "Lefevre")
    0.8571
    """
    previous = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            change = previous[column - 1] + (letter != other)
            current.append(min(previous[column] + 1, current[-1] + 1, change))
        previous = current
    return round(1 - previous[-1] / max(len(left), len(right), 1), 4)


def overlap(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> float:
    """Give the mean intersection over union of the pages of each expected part, to four digits.

    >>> overlap({"splits": [{"name": "a", "pages": [1, 2]}]},
    ...         {"splits": [{"name": "a", "pages": [2]}]})
    0.5
    """
    found = {part["name"]: set(part["pages"]) for part in actual["splits"]}
    scores = []
    for part in expected["splits"]:
        wanted, got = set(part["pages"]), found.get(part["name"], set())
        scores.append(len(wanted & got) / len(wanted | got))
    return round(sum(scores) / len(scores), 4)
