"""What the gate makes of each eval, as cases of a test suite: for JUnit files and for pytest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.render import BLOCKS, name_eval, state_of_side
from retab_analysis.comparison.word_marks import mark_words
from retab_analysis.comparison.wording import phrase
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import BROKEN

Outcome = Literal["passed", "failed", "xfailed", "skipped"]

SUITE = "suite"
"""The case that stands for all evals together."""

VALUE_COLUMNS = ("condition", "expected_value", "baseline_actual", "candidate_actual", "failure")
"""The columns of ``Comparison.evals`` that hold, or may quote, what is in customers' documents."""

# Known not to pass, or not asked to count.
_EXPECTED = ("still_failing", "flaky", *BROKEN)
_NOT_TOLD = ("suspect", "newly_errored", "incomplete", "not_comparable", "removed")
_LONGEST = 500
_PATHS = 20
_MARKS = {"equal": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvalCheck:
    """One case.

    Attributes:
        eval_id: The eval, or :data:`SUITE`.
        name: What it is called, in one line.
        block: Its block, or the empty text.
        outcome: ``failed`` is what fails the gate; ``xfailed`` does not pass and does not count;
            ``skipped`` cannot be told.
        reason: Why, in one line; empty where it passed.
        details: More lines about a failure.
    """

    eval_id: str
    name: str
    block: str
    outcome: Outcome
    reason: str = ""
    details: str = ""


def list_checks(comparison: Comparison, gate: Gate, *, values: bool) -> list[EvalCheck]:
    """One case for each eval, and one for all of them together.

    The last one fails where the gate does not hold, and no single eval is why.

    Args:
        comparison: What was compared.
        gate: What :meth:`Comparison.gate` gave.
        values: Whether failures show expected and actual values.
    """
    checks = []
    for row in comparison.evals.iter_rows(named=True):
        outcome = _find_outcome(row, gate)
        said = [phrase(row["transition"]), one_line(row["reason"])]
        if row["eval_id"] in gate.accepted:
            said.insert(0, "accepted")
        check = EvalCheck(
            eval_id=one_line(row["eval_id"]),
            name=name_eval(row),
            block=one_line(row["block_id"]),
            outcome=outcome,
            reason="" if outcome == "passed" else ": ".join(each for each in said if each),
            details="\n".join(_describe(comparison, row, values)) if outcome == "failed" else "",
        )
        checks.append(check)
    if gate.ok or gate.failing:
        suite = EvalCheck(SUITE, SUITE, "", "passed")
    else:
        reasons = "\n".join(gate.reasons)
        suite = EvalCheck(SUITE, SUITE, "", "failed", one_line(reasons), reasons)
    return [*checks, suite]


def _find_outcome(row: Row, gate: Gate) -> Outcome:
    transition = row["transition"]
    if row["eval_id"] in gate.failing:
        return "failed"
    if row["eval_id"] in gate.accepted or transition in _EXPECTED:
        return "xfailed"
    is_new = transition == "added" and row["candidate_state"] != "passed"
    return "skipped" if is_new or transition in _NOT_TOLD else "passed"


def _describe(comparison: Comparison, row: Row, values: bool) -> Iterator[str]:
    """What there is to know about an eval that fails the gate, line by line."""
    yield f"{name_eval(row)} ({one_line(row['eval_id'])}): {phrase(row['transition'])}"
    documents = ", ".join(each for each in row["document_names"] or () if each)
    where = (row["block_id"], BLOCKS[row["block_changed"]])
    p = row["p_regressed"]
    facts = {
        "why": row["reason"],
        "probability": None if p is None else f"{p:.3f} that it got worse",
        "block": ", ".join(each for each in where if each),
        "outcome": f"{state_of_side(row, 'baseline')} → {state_of_side(row, 'candidate')}",
        "documents": documents,
    }
    if values:
        facts |= {
            "condition": row["condition"],
            "failure": row["failure"],
            "expected": row["expected_value"],
            "before": row["baseline_actual"],
            "now": row["candidate_actual"],
        }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            yield f"  {name:<{width}}  {one_line(value, _LONGEST)}"
    if not values:
        return
    differing = comparison.diff(row["eval_id"])
    differing = differing.slice(1) if differing.height > 1 else differing  # the whole value first
    if differing.height:
        yield "  where it differs ([-gone-] {+new+}):"
    for path, expected, baseline, candidate in differing.head(_PATHS).iter_rows():
        was = baseline if expected is None else expected
        words = mark_words(*(one_line(each, _LONGEST) for each in (was, candidate)))
        marked = "".join(_MARKS[each.kind].format(each.text) for each in words)
        yield f"    {one_line(path)}: {marked}"
    if differing.height > _PATHS:
        yield f"    … and {differing.height - _PATHS} more"
