"""The frame ``Comparison.evals``: what the stories of a verdict show of each eval."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from retab_analysis.comparison.detail import say_reason
from retab_analysis.evidence.story import Side, Story
from retab_analysis.schema import COMPARISON


def show_evals(stories: Sequence[Story], year: int | None) -> pl.DataFrame:
    """The stories as a COMPARISON frame; ``year`` is the candidate's."""
    rows = [_show(each, year) for each in stories]
    return pl.DataFrame(rows, schema=COMPARISON.schema, orient="row")


def _show(story: Story, year: int | None) -> dict[str, object]:
    was, now, reading = story.was or _ABSENT, story.now or _ABSENT, story.reading
    is_gone = story.transition == "removed"
    return {
        "eval_name": story.name,
        "transition": story.transition,
        "p_regressed": story.p,
        "p_improved": None if story.p is None else reading.p_improved,
        "block_id": story.block_id,
        "block_label": story.block_label,
        "block_changed": story.block_changed,
        "cause": story.cause,
        "since_at": story.since_at,
        "since_version_id": story.since_version_id,
        "since_run_id": story.since_run_id,
        "reason": say_reason(story, year),
        "document_names": story.document_names,
        "condition": story.condition,
        "expected_value": story.expected_value,
        "baseline_actual": was.actual_value,
        "candidate_actual": now.actual_value,
        "failure": story.failure,
        "baseline_state": was.state or None,
        "candidate_state": now.state or None,
        "baseline_n": was.n,
        "candidate_n": now.n,
        "baseline_pass_rate": was.pass_rate,
        "candidate_pass_rate": now.pass_rate,
        "reruns_to_clear": None if is_gone else reading.reruns_to_clear,
        "reruns_to_confirm": None if is_gone else reading.reruns_to_confirm,
        "n_failed_in_a_row": None if story.last is None else reading.failing_rows,
        "decides_at": story.decides_at,
        "score_delta": _subtract(now.score, was.score),
        "margin_delta": _subtract(now.margin, was.margin),
        "duration_delta_ms": _round(_subtract(now.duration_ms, was.duration_ms)),
        "eval_id": story.id,
        "baseline_run_id": was.run_id,
        "candidate_run_id": now.run_id,
        "baseline_result_id": was.result_id,
        "candidate_result_id": now.result_id,
    }


_ABSENT = Side("")


def _subtract(number: float | None, other: float | None) -> float | None:
    return None if number is None or other is None else number - other


def _round(number: float | None) -> int | None:
    """A whole number; None if it does not fit into Int64 (300 million years)."""
    is_there = number is not None and abs(number) < 2**63
    return round(number) if is_there else None  # type: ignore[arg-type]
