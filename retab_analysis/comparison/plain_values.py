"""A verdict as plain values that JSON can hold, the conclusion first."""

from __future__ import annotations

from typing import Any

import polars as pl
import polars.selectors as cs

from retab_analysis.comparison.conclusion import write_heading
from retab_analysis.comparison.detail import name_eval, say_short, say_word
from retab_analysis.comparison.findings import Finding, find
from retab_analysis.comparison.gate import Gate
from retab_analysis.comparison.verdict_facts import VerdictFacts
from retab_analysis.evidence.names import Name
from retab_analysis.evidence.story import Story

VALUE_COLUMNS = ("condition", "expected_value", "baseline_actual", "candidate_actual", "failure")
"""The columns of ``Comparison.evals`` that hold, or may quote, values of customers' documents."""

_GATE = ("reasons", "notes", "failing", "undecided", "accepted")
_LONGEST = 120


def list_conclusion(facts: VerdictFacts, gate: Gate, *, values: bool) -> dict[str, Any]:
    candidate = facts.sides.candidate
    held = {story.was.run_id for story in facts.stories if story.was and story.was.run_id}
    edits = facts.sides.edits
    columns = ("block_id", "field", "change", *(("before", "after") if values else ()))
    return {
        "headline": str(write_heading(facts)),
        "workflow_id": next(iter(candidate["workflow_id"].drop_nulls()), None),
        "run_ids": candidate["run_id"].drop_nulls().unique().sort().to_list(),
        "baseline_run_ids": sorted(held),
        "version": _tell_version(facts.named),
        "baseline_version": _tell_version(*facts.sides.read.versions[:1]),
        "version_ids": candidate["workflow_version_id"].drop_nulls().unique().sort().to_list(),
        "gate": {
            "ok": gate.ok,
            "exit_code": gate.exit_code,
            **{name: list(getattr(gate, name)) for name in _GATE},
        },
        "findings": [
            {"kind": each.__struct_config__.tag, "evals": len(each.evals), **_list_numbers(each)}
            for each in find(facts)
        ],
        "counts": {each.key: each.number for each in facts.counts()},
        "last_try": tell_tries(facts),
        "edits": [] if edits is None else edits.changes.select(columns).to_dicts(),
    }


def _list_numbers(finding: Finding) -> dict[str, int]:
    """The fields of a finding that are numbers, or true or false."""
    values = {each: getattr(finding, each) for each in finding.__struct_fields__}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def tell_tries(facts: VerdictFacts) -> dict[str, Any] | list[dict[str, Any]] | None:
    """The newest edit that ran, of the block that broke before it; a list for several blocks."""
    told = [
        {
            "block": each.block,
            "name": each.its.name.text,
            "edited_at": None if (at := each.its.edited_at) is None else at.isoformat(),
            "mended": len(each.its.mended),
            "of": len(each.its.of),
            "broke": len(each.its.broke),
            "n": len(each.its.states),
        }
        for each in facts.last_tries
    ]
    return told if len(told) > 1 else next(iter(told), None)


def _tell_version(named: Name | None = None) -> dict[str, Any] | None:
    if named is None:
        return None
    edited = None if named.edited_at is None else named.edited_at.isoformat()
    return {"name": named.text or None, "edited_at": edited, "version": named.version}


def list_brief(facts: VerdictFacts, *, values: bool) -> list[dict[str, Any]]:
    told = (each for each in facts.stories if each.transition != "still_passing")
    return [_make_brief(each, facts.year, values) for each in told]


def _make_brief(each: Story, year: int | None, values: bool) -> dict[str, Any]:
    p, said = each.p, say_short(each, year, values=values)
    row: dict[str, Any] = {
        "eval_id": each.id,
        "eval_name": name_eval(each),
        "became": say_word(each),
        "block_id": each.block_id,
        "block_label": each.block_label,
        "p_regressed": None if p is None else round(p, 2),
        "said": said[:_LONGEST] if each.failure or each.fails else None,
    }
    return {name: value for name, value in row.items() if value not in (None, "")}


def list_rows(frame: pl.DataFrame, *, values: bool = True) -> list[dict[str, Any]]:
    """Rows that JSON can hold: NaN and infinities become null, dates ISO texts."""
    floats = cs.float()
    iso = cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    shown = frame if values else frame.drop(VALUE_COLUMNS, strict=False)
    return shown.with_columns(pl.when(floats.is_finite()).then(floats), iso).to_dicts()
