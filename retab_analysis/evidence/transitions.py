"""The transition of an eval, and its reason: rules that read its story.

In every function the first line that fits decides.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from retab_analysis.evidence.comparable import BASELINE
from retab_analysis.evidence.story import Share, Story
from retab_analysis.vocabulary import (
    BROKEN,
    CLEARED_BY_PASS,
    LIKELY,
    UNLIKELY,
    Transition,
)


def find_transition(story: Story) -> Transition | None:
    """The transition of an eval; None if it is no row.

    An eval is *broken* if :func:`find_word` says so for its last decided row.
    """
    s = story
    if s.standing == "same_code" or s.standing == "not_comparable":
        return s.standing
    has_now = s.is_decided or bool(s.errors)
    # It was deleted, whatever ran. Frames tell only what the baseline had.
    if s.standing == "removed":
        return "removed"
    if s.standing == "not known" and not has_now and not s.present:
        return "removed" if any(each.side == BASELINE for each in s.outcomes) else None
    # It was never decided before.
    if s.is_decided and not s.is_known_before and not s.is_stale:
        return "added"
    # It was broken, and did not pass since: an edit, an error, or no result does not mend it.
    if not s.is_decided and s.reading.is_broken and not s.is_pending:
        last = s.state if s.last is None else s.last.state
        return "newly_blocked" if last == "blocked" else "regressed"
    if not s.is_decided and s.errors:
        return "newly_errored"
    if not has_now and s.is_pending:
        return None
    # It ought to have a result.
    if not has_now and (s.is_expected or (s.standing == "not valid" and s.is_known_before)):
        return "incomplete"
    if not s.is_decided:
        return "stale" if s.is_stale else None
    # It was decided before, but only with another definition.
    if not s.is_comparable:
        return "stale" if s.is_stale else "not_comparable"
    word = find_word(s)
    if word is None:
        return "newly_blocked" if s.state == "blocked" else "regressed"
    # It does not fit its block any more: it cannot run, and is not gone.
    if s.standing == "not valid" and not (word == "still_failing" and s.is_on_present_code):
        return "incomplete"
    # It did not run as it is now: its earlier word holds only if it was worse.
    return "stale" if s.is_stale and word != "suspect" else word


def find_word(story: Story) -> Transition | None:
    """The transition of an eval that was decided before and now; None if it is broken."""
    s, r, now = story, story.reading, story.reading.now
    p = math.nan if s.p_called is None else s.p_called
    passed_once = r.earlier.passed + now.passed > 0
    passes = now.passed == now.of > 0
    was_good = s.was is not None and s.was.has_passed
    is_worse = was_good and (not now.passed or s.passes_less_often)
    both = r.passed_last and r.failed_last
    # It certainly got worse, or probably and failed twice: on an edit's code, or hours apart.
    if p >= r.limit and passed_once:
        return None
    # Nothing but a pass of its own excuses a first failure.
    if is_worse and r.fails_first:
        return "suspect"
    # It comes and goes by its nature.
    if r.is_flaky:
        return "flaky"
    # It is worse than it was, and cleared.
    if is_worse and (p <= UNLIKELY or (both and p <= CLEARED_BY_PASS)):
        return "flaky" if r.failed_last else "still_passing"
    if is_worse:
        return "suspect"
    # It passes now, and did not before.
    if passes and not was_good and (r.p_improved or 0) >= LIKELY:
        return "fixed"
    if passes:
        return "still_passing"
    # Its newest row has both a failure and a pass.
    if both:
        return "flaky"
    return "still_passing" if r.passed_last else "still_failing"


class Reason(NamedTuple):
    """Why an eval has its transition: a kind, and the facts for its sentence."""

    kind: str
    now: Share = Share(0, 0)
    before: Share = Share(0, 0)
    at: datetime | None = None


def find_reason(story: Story) -> Reason | None:
    """Why an eval has its transition; None if it simply passes."""
    s, r, transition = story, story.reading, story.transition
    if s.is_apart:
        return Reason("same_code" if s.standing == "same_code" else "not compared")
    if transition in BROKEN or (transition == "still_failing" and s.since_at):
        kind = "comes and goes" if r.since.passed else "broken"
        return Reason(kind, r.since, r.before, s.since_at)
    if transition == "suspect":
        return Reason("suspect", r.since, r.before)
    if transition == "newly_errored":
        if s.errs_always:
            return Reason("always an error", at=s.errors_since)
        return Reason("outage" if s.is_outage else "error")
    if transition == "flaky":
        return Reason("flaky" if r.is_flaky else "failed once", r.now, r.earlier)
    if transition == "still_failing" and not s.passed_before:
        return Reason("never passed")
    if transition == "still_passing":
        passes_again = s.was is None or not s.was.has_passed
        return Reason("passes again", r.now, r.earlier) if passes_again else None
    return Reason(transition, r.now, r.earlier)
