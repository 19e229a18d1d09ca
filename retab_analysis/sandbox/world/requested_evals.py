"""Evals that clients update.

The sandbox knows a block's outputs for the inputs of its saved evals. It judges the same outputs by
the requested assertion: the mended expectation of an eval passes.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from retab_analysis.sandbox.encoding import to_json
from retab_analysis.sandbox.http.messages import invalid
from retab_analysis.sandbox.world.definition_documents import assertion_document
from retab_analysis.sandbox.world.model import Assertion, PlannedResult, SavedEval, Workflow
from retab_analysis.sandbox.world.saved_evals import Fields, expected_by, score_of, value_at
from retab_analysis.sandbox.world.seeding import token

_OPS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_OPS |= {"eq": operator.eq, "neq": operator.ne}
_TESTS: Mapping[str, Callable[[Fields, Any], Any]] = {
    "exists": lambda asked, value: value is not None,
    "not_exists": lambda asked, value: value is None,
    "equals": lambda asked, value: value == asked["expected"],
    "not_equals": lambda asked, value: value != asked["expected"],
    "contains": lambda asked, value: asked["expected"] in value,
    "not_contains": lambda asked, value: asked["expected"] not in value,
    "starts_with": lambda asked, value: value.startswith(asked["expected"]),
    "ends_with": lambda asked, value: value.endswith(asked["expected"]),
    "matches_regex": lambda asked, value: re.search(asked["pattern"], value),
    "object_contains": lambda asked, value: asked["expected"].items() <= value.items(),
    "array_contains": lambda asked, value: any(
        asked["expected"].items() <= each.items() for each in value
    ),
    "number_compare": lambda asked, value: _OPS[asked["op"]](value, asked["expected"]),
    "length_compare": lambda asked, value: _OPS[asked["op"]](len(value), asked["expected"]),
    "between": lambda asked, value: (
        asked["lower"] <= value <= asked["upper"]
        and (asked.get("inclusive", True) or value not in (asked["lower"], asked["upper"]))
    ),
    "all_items_match": lambda asked, value: all(_meets(asked["condition"], x) for x in value),
    "any_item_matches": lambda asked, value: any(_meets(asked["condition"], x) for x in value),
    "similarity_gte": lambda asked, value: score_of(asked, value) >= asked["threshold"],
    "split_iou_gte": lambda asked, value: score_of(asked, value) >= asked.get("threshold", 1),
}
# Only a model or a schema can judge these: an output that passed before passes.
_UNJUDGED = ("json_schema_valid", "llm_judged_as", "llm_not_judged_as")


def changed_eval(workflow: Workflow, saved: SavedEval, asked: Fields, at: int) -> SavedEval:
    """Change the given members of an eval."""
    try:
        source, assertion = asked.get("source"), asked.get("assertion")
        known = _with_inputs(workflow, saved, source)
        if not known:
            raise ValueError("the sandbox has outputs only for the inputs of a block's saved evals")
        made = replace(known[0], at=at)  # of an eval that is only renamed
        if assertion is not None or source is not None:
            made = _assertion(known, assertion or assertion_document(saved.assertions[-1]), at)
        names = ("type", "run_id", "step_id")
        return replace(
            saved,
            name=asked.get("name") or saved.name,
            source=saved.source if source is None else {n: source[n] for n in names if n in source},
            assertions=(*saved.assertions, made),
        )
    except (LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise invalid(("body",), f"{type(error).__name__}: {error}", "value_error") from None


def _with_inputs(workflow: Workflow, saved: SavedEval, source: Fields | None) -> list[Assertion]:
    """The assertions of a block on the inputs that a source names, the eval's own first."""
    its = [each for each in workflow.evals if each.block.id == saved.block.id]
    if source and source["type"] == "run_step":
        its = [each for each in its if each.source.get("run_id") == source["run_id"]]
    else:
        inputs = source["handle_inputs"] if source else saved.assertions[-1].inputs
        its = [each for each in its if each.assertions[-1].inputs == inputs]
    return [each.assertions[-1] for each in sorted(its, key=lambda each: each.id != saved.id)]


def _assertion(known: list[Assertion], asked: Fields, at: int) -> Assertion:
    condition, path = asked["condition"], asked["target"].get("path")
    if condition["kind"] not in (*_TESTS, *_UNJUDGED):
        raise ValueError(f"no condition is called {condition['kind']!r}")
    judge = partial(_judge_again, path, condition)
    passing = tuple(map(judge, known[0].passing))
    modes = [
        replace(mode, results=tuple(map(judge, mode.results)))
        for each in known
        for mode in each.failure_modes
    ]
    return replace(
        known[0],
        at=at,
        id=asked.get("id") or f"asrt_{token(known[0].id, at)}",
        label=asked.get("label"),
        path=path,
        condition=condition,
        expected=expected_by(condition),
        passing=passing,
        # A mode of another eval may leave this value as it is.
        failure_modes=tuple(x for x in modes if {*map(_shown, x.results)} - {_shown(passing[0])}),
    )


def _shown(result: PlannedResult) -> bytes:
    return to_json([result.outputs is None, result.actual])


def _judge_again(path: str | None, condition: Fields, known: PlannedResult) -> PlannedResult:
    if known.outputs is None:
        return known  # its block did not answer
    try:
        value = value_at(known.outputs, path)
    except (LookupError, TypeError):
        value = None  # it is not there
    try:
        score, is_met = score_of(condition, value), known.outcome != "failed"
        if condition["kind"] in _TESTS:
            is_met = _meets(condition, value)
    except (LookupError, TypeError, AttributeError, re.error) as error:
        code = "invalid_regex" if isinstance(error, re.error) else "type_error"
        failure = {"code": code, "message": str(error), "details": {}}
        return PlannedResult("blocked", value, known.outputs, failure=failure)
    return PlannedResult("passed" if is_met else "failed", value, known.outputs, score)


def _meets(condition: Fields, value: Any) -> bool:
    # A number that keeps its literal is a text until it is encoded.
    asked, plain = json.loads(to_json([condition, value]))
    return bool(_TESTS[condition["kind"]](asked, plain))
