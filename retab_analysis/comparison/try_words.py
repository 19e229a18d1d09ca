"""The words about a try: what it is called, and what it mended and broke."""

from __future__ import annotations

from datetime import date

from retab_analysis.comparison.detail import BROKE
from retab_analysis.evidence.tries import LastTry, Try
from retab_analysis.markup import count_noun, one_line


def name_try(its: Try, today: date | None = None) -> str:
    """``the edit of 29 Nov, 19:26``, on that very day ``the edit of 19:26``; ``v5``."""
    return one_line(its.name.say(today), 60)


def say_mended(its: Try) -> str:
    return f"mended {len(its.mended)} of {len(its.of)}" if its.mended else "mended none"


def say_outcome(its: Try) -> str:
    broke = f"{BROKE} {len(its.broke) or 'none'}"
    return f"mended {len(its.mended)} of {len(its.of)} and {broke}"


def say_try(last: LastTry, today: date | None) -> str:
    """A sentence for the card of the block."""
    its, ran = last.its, f"({count_noun(len(last.its.states), 'eval')} ran on it)"
    named = name_try(its, today)
    if its.is_put_back:
        at = "" if its.edited_at is None else f" at {its.edited_at:%H:%M}"
        return f"Put back to {named.removeprefix('the ')}{at}, which {say_outcome(its)} {ran}."
    if last.is_newest:
        return f"{named[0].upper()}{named[1:]} {say_outcome(its)} {ran}."
    before = f"the edit before it, {named}," if its.name.number is None else named
    return f"Edited again and not run; {before} {say_outcome(its)} {ran}."
