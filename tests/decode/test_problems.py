"""What does not decode, FAULTS.md 39: which record, where in it, and why."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contract import JSON, documents, schema_of
from support.decoding import decode, row
from support.documents import run_document
from support.examples import examples
from support.faultserver import page
from support.inside import RUNS, read_page, to_frame

import retab_analysis as ra

RUN_DOCUMENTS = documents(schema_of("WorkflowEvalRun"))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else []
    )
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good run with one thing in it replaced by anything, or taken away."""
    document = copy.deepcopy(draw(st.just(run_document()) | RUN_DOCUMENTS))
    *parents, last = draw(st.sampled_from(places(document)[1:]))
    part = document
    for key in parents:
        part = part[key]
    if draw(st.booleans()) and isinstance(part, dict):
        del part[last]
    else:
        odd = [2**63, -(2**63) - 1, 10**30, 1.5, 28000.0, True, "5", "2026-02-30T00:00:00Z", "noon"]
        part[last] = draw(st.sampled_from(odd) | JSON)
    return document


# Where a column comes from, as it is sent; and what an absent member of a part stands for.
COPIED = {
    **{name: (f"counts.outcome.{name}", 0) for name in ("passed", "failed", "blocked")},
    **{
        name: (f"counts.lifecycle_counts.{name}", 0)
        for name in ("pending", "queued", "running", "completed", "error", "cancelled")
    },
    **{name: (f"timing.{name}", None) for name in ("created_at", "started_at", "completed_at")},
    "run_id": ("id", None),
    "status": ("lifecycle.status", None),
    "duration_ms": ("timing.duration_ms", None),
    "workflow_version_id": ("workflow_version_id", None),
    "workflow_id": ("workflow_id", None),
    "eval_id": ("eval_id", None),
    "target_type": ("target.type", "block"),
    "target_block_id": ("target.block_id", None),
    "trigger_type": ("trigger.type", None),
    "total_evals": ("total_evals", None),
    "error_code": ("lifecycle.details.error_code", None),
    "error_block_id": ("lifecycle.details.block_id", None),
    "freshness_status": ("freshness.status", "unknown"),
    "freshness_reasons": ("freshness.reasons", []),
}
REQUIRED = ("run_id", "status", "workflow_version_id", "workflow_id", "trigger_type", "total_evals")


def sent(document: Any, path: str, default: Any) -> Any:
    """What stands at a path; None where a part is missing, the default where the last is."""
    *parts, leaf = path.split(".")
    for part in parts:
        document = (document or {}).get(part)
    return None if document is None else document.get(leaf, default)


@given(mutated())
@examples(300)
def test_a_mutated_run_is_refused_or_read_as_it_is(document: Any) -> None:
    records = [run_document("good"), document]
    found = read_page(RUNS.record, json.dumps(page(records)).encode())
    if found.problems:
        assert [each.id for each in found.structs] == ["good"]
        assert [problem.path[:9] for problem in found.problems] == ["$.data[1]"]
        with pytest.raises(ra.SchemaError, match="run"):
            decode(RUNS, *records)
        return
    read = row(RUNS, document)
    for name, (path, default) in COPIED.items():
        was = sent(document, path, default)
        if name.endswith("_at") and was is not None:
            moment = datetime.fromisoformat(was)
            was = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        was = ", ".join(was) if isinstance(was, list) else was
        assert (type(read[name]), read[name]) == (type(was), was), name
    assert None not in [read[name] for name in REQUIRED]


NEVER_IN_SILENCE = {
    "a fraction": ("timing__duration_ms", 1.5, "found 1.5"),
    "a whole fraction": ("timing__duration_ms", 28000.0, "found 28000.0"),
    "beyond 64 bits": ("total_evals", 2**63, "found 9223372036854775808"),
    "far beyond": ("total_evals", 10**30, "found 1000000000000000000000000000000"),
    "below 64 bits": ("counts__outcome__passed", -(2**63) - 1, "-9223372036854775809"),
    "a word": ("counts__outcome__passed", "five", 'found "five"'),
    "a numeral": ("counts__outcome__passed", "5", 'found "5"'),
    "a truth": ("counts__outcome__passed", True, "found true"),
    "no id": ("id", ..., "missing required field `id`"),
    "a null id": ("id", None, "found null"),
    "no time": ("timing__created_at", "yesterday", 'found "yesterday"'),
    "nanoseconds": ("timing__created_at", "2026-05-18T10:00:00.1234567Z", "microsecond"),
    "a day that is not": ("timing__started_at", "2026-02-30T10:00:00Z", "ISO 8601"),
    "a leap second": ("timing__started_at", "2026-06-30T23:59:60Z", "ISO 8601"),
    "hour 24": ("timing__started_at", "2026-06-30T24:00:00Z", "ISO 8601"),
    "year 0": ("timing__completed_at", "0000-01-01T00:00:00Z", "ISO 8601"),
    "year 10000 in UTC": ("timing__completed_at", "9999-12-31T23:59:59-01:00", "ISO 8601"),
    "a date only": ("timing__completed_at", "2026-05-18", "ISO 8601"),
    "a number for a time": ("timing__completed_at", 1_790_000_000, "found 1790000000"),
    "a lone surrogate": ("workflow_id", "\ud800", "lone surrogate"),
    "a list for a part": ("counts", [], "Expected `object | null`"),
    "a target without a block": ("target", {}, "missing required field `block_id`"),
    "a number among reasons": ("freshness__reasons", ["a", 1], "found 1"),
}


@pytest.mark.parametrize(
    ("path", "value", "words"), NEVER_IN_SILENCE.values(), ids=NEVER_IN_SILENCE
)
def test_39_record_path_and_value_are_named_and_the_others_can_be_kept(
    path: str, value: Any, words: str
) -> None:
    records = [run_document("a"), run_document("bad", **{path: value}), run_document("b")]
    with pytest.raises(ra.SchemaError) as caught:
        decode(RUNS, *records)
    assert words in str(caught.value)
    assert caught.value.record_id == ("bad" if not path.startswith("id") else None)
    assert caught.value.path.startswith("$.data[1]")
    assert caught.value.problems.columns == ["record_id", "path", "reason", "raw"]
    found = read_page(RUNS.record, json.dumps(page(records)).encode())
    assert to_frame(RUNS, found.structs)["run_id"].to_list() == ["a", "b"]
    assert len(found.problems) == 1
