"""The evals that are worth a rerun, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from retab_analysis.evidence.story import Story

SETTLE_ROUNDS = 4
"""How many times :func:`settle` runs an eval again by default."""


def list_reruns(
    stories: Iterable[Story], rounds: int = SETTLE_ROUNDS, now: datetime | None = None
) -> list[Story]:
    """The evals that are worth a rerun.

    An isolated error is, unless it came in two rows. A suspect, or an eval broken with a
    probability below 0.95, is if the reruns that are left of ``rounds`` may change its transition.
    With ``now`` it lists only evals that can run now: once in a row of three hours, because a
    second rerun in it cannot confirm anything.
    """
    return [
        each
        for each in stories
        if rounds and _is_worth(each, rounds) and not (now and _waits(each, now))
    ]


def _is_worth(story: Story, rounds: int) -> bool:
    reading = story.reading
    if story.transition == "newly_errored":
        return story.is_undecided and story.errors_since is None
    if not (story.is_undecided or story.is_unsure) or None in (reading.rounds, reading.reruns):
        return False
    return reading.rounds <= rounds - reading.reruns  # type: ignore[operator]


def _waits(story: Story, now: datetime | None = None) -> bool:
    """Whether an eval was run again in its newest row, and that is not over."""
    ends = story.reading.row_ends_at
    return bool(story.reading.reruns_in_row) and (now is None or (ends is not None and ends >= now))


def find_next_look(
    stories: Iterable[Story], rounds: int, now: datetime | None = None
) -> tuple[int, datetime | None]:
    """How many evals have to wait until their row is over, and when the last row is.

    Without ``now`` these are all evals that were run again in their newest row.
    """
    waiting = [each for each in list_reruns(stories, rounds) if _waits(each, now)]
    ends = (each.reading.row_ends_at for each in waiting)
    return len(waiting), max((each for each in ends if each is not None), default=None)
