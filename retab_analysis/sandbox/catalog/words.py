"""Shorthand for conditions and for what goes wrong, so that the catalog reads as a table."""

from typing import Any

from retab_analysis.sandbox.catalog.specs import Blocked, Condition, Errored, Fails, Wrong


def equals(right: Any) -> dict[str, Any]:
    """Expect exactly the document's value."""
    return {"kind": "equals", "expected": right}


def kind(name: str, **parts: Any) -> dict[str, Any]:
    """Write any other condition, by its kind and its further keys."""
    return {"kind": name, **parts}


def similarity(threshold: float, reference: Any = None, method: str = "levenshtein") -> Condition:
    """Expect a value close to the document's, or to a reference."""
    return lambda right: {
        "kind": "similarity_gte",
        "reference": right if reference is None else reference,
        "threshold": threshold,
        "method": method,
    }


def iou(threshold: float) -> Condition:
    """Expect the document's split, by intersection over union of its pages."""
    return lambda right: {"kind": "split_iou_gte", "expected": right, "threshold": threshold}


def judged(rubric: str, label: str | None = None, negated: bool = False) -> dict[str, Any]:
    """Expect a judgement by a language model."""
    name = "llm_not_judged_as" if negated else "llm_judged_as"
    return {"kind": name, "rubric": rubric, "expected_label": label}


def gives(when: str, *values: Any) -> Fails:
    """Fail with a wrong value in an incident."""
    return Fails(when, tuple(v if isinstance(v, Wrong) else Wrong(v) for v in values))


def blocks(when: str, code: str, message: str, value: Any = None, **details: Any) -> Fails:
    """Be blocked in an incident."""
    return Fails(when, (Blocked(code, message, value, details),))


def breaks(when: str, code: str, message: str, **context: Any) -> Fails:
    """Break in execution in an incident."""
    return Fails(when, (Errored(code, message, context),))


def flaky(rate: float, *values: Any) -> Fails:
    """Fail now and then, on identical inputs and an identical block."""
    return Fails("flaky", tuple(v if isinstance(v, Wrong) else Wrong(v) for v in values), rate)


def splits(**pages: list[int]) -> dict[str, Any]:
    """Write a split block's output: names and their pages."""
    return {"splits": [{"name": name, "pages": found} for name, found in pages.items()]}
