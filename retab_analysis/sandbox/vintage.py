"""Older records: the optional parts that the API did not write yet.

A client must live with what is null, absent or shorter, so the oldest versions' runs lack it.
"""

from typing import Any

from retab_analysis.sandbox.instants import DAY, old_iso, parse_instant

Document = dict[str, Any]


def age_run(document: Document, vintage: int) -> Document:
    """Take from a run what its time did not have; different runs lack different things."""
    if vintage >= 2:
        return document
    aged = document | {"timing": _old_times(document["timing"])}
    if vintage == 1:
        return aged | {"freshness": None}
    for name in ("target", "eval_id", "freshness"):
        if aged[name] is None or name == "freshness":
            del aged[name]
    return _old_counts(aged)


def _old_counts(document: Document) -> Document:
    """Vary with time, so that a history holds every way in which counts can be missing."""
    created = parse_instant(document["timing"]["created_at"]) or 0
    way = created // (4 * DAY) % 4
    if way == 0:
        return document | {"counts": None}
    if way == 1:
        return {name: value for name, value in document.items() if name != "counts"}
    counts = {part: _without_zeros(numbers) for part, numbers in document["counts"].items()}
    if way == 2:
        return document | {"counts": counts}
    return document | {"counts": {"outcome": counts["outcome"], "lifecycle_counts": None}}


def _without_zeros(numbers: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in numbers.items() if count}


def age_result(document: Document, vintage: int) -> Document:
    """Take from a result what its time did not have."""
    if vintage >= 2:
        return document
    aged = document | {"timing": _old_times(document["timing"]), "execution_fingerprint": None}
    aged["verdict_summary"] = None
    if vintage == 1:
        return aged
    for name in (
        "block_execution_fingerprint",
        "handle_inputs_fingerprint",
        "routing_decisions",
        "verdict_summary",
        "artifact",
        "handle_outputs",
    ):
        del aged[name]
    return aged


def _old_times(timing: Document) -> Document:
    return {
        name: old_iso(parse_instant(value) or 0) if isinstance(value, str) else value
        for name, value in timing.items()
    }
