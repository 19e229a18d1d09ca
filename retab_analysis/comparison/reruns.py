"""What is worth running again, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from retab_analysis.evidence.story import Story

SETTLE_ROUNDS = 4
"""So many times :func:`settle` runs an eval again, unless it is told otherwise."""


def list_reruns(
    stories: Iterable[Story], rounds: int = SETTLE_ROUNDS, now: datetime | None = None
) -> list[Story]:
    """The evals that are worth a rerun.

    An isolated error is, unless it is one in two rows. What is suspect, or called broken with a
    probability below 0.95, is worth it where the reruns that are left of ``rounds`` may change what
    is said of it. With ``now`` only those are listed that can be run now: once in a row of three
    hours, because a further rerun within it could not confirm anything.
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
    """How many evals have to wait until their row is over, and when all of these are.

    Without ``now`` these are all that were run again in their newest row.
    """
    waiting = [each for each in list_reruns(stories, rounds) if _waits(each, now)]
    ends = (each.reading.row_ends_at for each in waiting)
    return len(waiting), max((each for each in ends if each is not None), default=None)
