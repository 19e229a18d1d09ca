"""The frame ``Comparison.evals``: what the stories of a verdict show of each eval."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from retab_analysis.comparison.detail import say_reason
from retab_analysis.evidence.story import Side, Story
from retab_analysis.schema import COMPARISON


def show_evals(
    stories: Sequence[Story], year: int | None, accepted: Collection[str]
) -> pl.DataFrame:
    """The stories as a COMPARISON frame; ``year`` is the candidate's, ``accepted`` are ids."""
    rows = [_show(each, year) | {"is_accepted": each.id in accepted} for each in stories]
    return pl.DataFrame(rows, schema=COMPARISON.schema, orient="row")


_OF_STORY = (
    *("transition", "block_id", "block_label", "block_changed", "cause", "since_at"),
    *("since_version_id", "since_run_id", "document_names", "condition", "expected_value"),
    *("failure", "decides_at"),
)


def _show(story: Story, year: int | None) -> dict[str, object]:
    was, now, reading = story.was or _ABSENT, story.now or _ABSENT, story.reading
    is_gone = story.transition == "removed"
    sides = {
        f"{word}_{name}": value
        for word, side in (("baseline", was), ("candidate", now))
        for name, value in (
            *(("actual", side.actual_value), ("state", side.state or None), ("n", side.n)),
            *(("pass_rate", side.pass_rate), ("run_id", side.run_id)),
            ("result_id", side.result_id),
        )
    }
    return sides | {
        **{name: getattr(story, name) for name in _OF_STORY},
        "eval_name": story.name,
        "eval_id": story.id,
        "p_regressed": story.p,
        "p_improved": None if story.p is None else reading.p_improved,
        "reason": say_reason(story, year),
        "reruns_to_clear": None if is_gone else reading.reruns_to_clear,
        "reruns_to_confirm": None if is_gone else reading.reruns_to_confirm,
        "n_failed_in_a_row": reading.failing_rows if story.was_ever_decided else None,
        "score_delta": _subtract(now.score, was.score),
        "margin_delta": _subtract(now.margin, was.margin),
        "duration_delta_ms": _round(_subtract(now.duration_ms, was.duration_ms)),
    }


_ABSENT = Side("")


def _subtract(number: float | None, other: float | None) -> float | None:
    return None if number is None or other is None else number - other


def _round(number: float | None) -> int | None:
    """A whole number; None if it does not fit into Int64 (300 million years)."""
    return None if number is None or abs(number) >= 2**63 else round(number)
