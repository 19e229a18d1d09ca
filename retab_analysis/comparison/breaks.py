"""What broke some evals, and what tries mended: the clauses of headlines, cards, gate and tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from retab_analysis.comparison.detail import (
    BROKE,
    agree,
    find_day,
    name_block,
    say_saved_again,
    say_since,
)
from retab_analysis.evidence.story import REPEATEDLY, Story
from retab_analysis.evidence.tries import LastTry, Try, find_edit
from retab_analysis.markup import count_noun, one_line

SHORT = 3
"""So many outcomes before a break without an edit tell on which day it was."""

CAUSES: Mapping[str, str] = {"drift": "without an edit", "unknown": "for an unknown reason"}
"""The causes in words, except edits: these have names."""

By = Literal["block", "day", "edit", "short"]
"""How an edit is named: ``the edit of extract``, the same ``on 27 Nov``, ``the edit of 27 Nov``, or
by the moment alone."""


@dataclass(frozen=True, eq=False)
class Break:
    """Evals that one edit of a block broke, or that broke for another cause.

    ``edit`` is None if there was none, or if it is not known which.
    """

    cause: str
    evals: tuple[Story, ...]
    edit: Try | None = None

    def name(self, year: int | None) -> str:
        """``the edit of 29 Nov``, ``v5``; empty if its moment is not known."""
        if self.edit is not None and self.edit.name.edited_at is not None:
            return name_try(self.edit)
        day = find_day(self.evals, year)
        return f"the edit of {day}" if day else ""

    def say(self, year: int | None, by: By, label: int, *, is_new: bool = False) -> str:
        """``since the edit of extract``, ``on 12 Nov, without an edit``."""
        if self.cause == "saved_again":
            return say_saved_again(self.evals, year)
        if self.cause != "edit":
            when = say_since(self.evals, year, is_new=is_new)
            return ", ".join(filter(None, (when, CAUSES["drift"] * (self.cause == "drift"))))
        named = self.name(year)
        if named and by in ("edit", "short"):
            return f"since {named.removeprefix('the edit of ') if by == 'short' else named}"
        day = find_day(self.evals, year) if by == "day" else ""
        where = one_line(name_block(self.evals[0]), label) or "their block"
        return f"since the edit of {where}{f' on {day}' if day else ''}"


def list_breaks(broken: Sequence[Story], tries: Mapping[str, Sequence[Try]]) -> list[Break]:
    """Broken evals by what broke them, the most evals first."""
    groups: dict[tuple[object, ...], list[Story]] = {}
    edits: dict[tuple[object, ...], Try | None] = {}
    for each in broken:
        key: tuple[object, ...] = (each.cause or "unknown",)
        if each.cause == "edit":
            edit = find_edit(tries.get(each.block_id or "", ()), each)
            # Unknown edits are not told apart by days: an eval may fail days after its edit.
            key = ("edit", each.block_id, None if edit is None else edit.began_at)
            edits[key] = edit
        groups.setdefault(key, []).append(each)
    found = [Break(str(key[0]), tuple(its), edits.get(key)) for key, its in groups.items()]
    return sorted(found, key=lambda each: -len(each.evals))


def say_breaks(
    breaks: Sequence[Break],
    year: int | None,
    label: int = 40,
    which: str = "",
    *,
    is_new: bool,
    is_split: bool = True,
    is_short: bool = False,
) -> str:
    """What broke some evals, behind ``9 evals broke``; with several causes, the evals of each.

    ``is_short``: a clause behind it names the block. ``which`` is what the last edit did, too.
    """
    if len(breaks) == 1:
        (its,) = breaks
        first, failed = its.evals[0].reading, its.evals[0].reading.failing_rows
        is_alone = its.cause != "edit" and len(its.evals) == 1
        if is_alone and first.before.of < SHORT and failed >= REPEATEDLY:
            # So short a history does not tell the day.
            return f": it failed its last {failed} runs, and passed {first.before} before"
        by: By = "edit" if is_short and not is_new else "block" if is_new else "day"
        said = its.say(year, by, label, is_new=is_new)
        return f" {said}" * bool(said)
    edits = [each for each in breaks if each.cause == "edit"]
    if not is_split:
        return f" since {len(edits)} edits" * (len(edits) == len(breaks))
    blocks = {each.evals[0].block_id for each in edits}
    by = "day" if 1 < len(blocks) < len(edits) else "block"  # several edits of several blocks
    if len(blocks) == 1 and (is_short or edits[1:]):
        by = "short" if is_short else "edit"

    def count(its: Break, by: By) -> str:
        said = CAUSES.get(its.cause) or its.say(year, by, label)
        return f"{len(its.evals)} {said}"

    own = breaks[-1:] if which else ()
    shown, others = breaks[: 2 - len(own)], breaks[2 - len(own) : len(breaks) - len(own)]
    told = [count(each, by) for each in shown]
    told += [f"{sum(len(each.evals) for each in others)} otherwise"] if others else []
    told += [f"{count(each, 'edit')}, which {which}" for each in own]
    return f": {', '.join(told)}"


def name_try(its: Try) -> str:
    """``the edit of 29 Nov``, on that very day ``the edit of 19:26``; ``v5``."""
    return one_line(its.name.said, 60)


def name_again(its: Try) -> str:
    """``the edit of 19:40, which has the code of 29 Nov``: of a code that was put in again."""
    code = its.name.when or its.name.text
    if its.again is None or its.again.edited_at is None:
        return f"it has the code of {code} again"
    return f"{its.again.said}, which has the code of {code}"


def say_again(its: Try) -> str:
    """``v5, again since 19:40``: the present code, which is an earlier one."""
    since = (
        ""
        if its.again is None or its.again.edited_at is None
        else f" since {its.again.edited_at:%H:%M}"
    )
    return f"{one_line(its.name.text, 60)}, again{since}"


def say_mended(its: Try) -> str:
    return f"mended {len(its.mended)} of {len(its.of)}" if its.mended else "mended none"


def say_unclear(its: Try) -> str:
    n = len(its.unclear)
    return f"{n} more {agree(n, 'fail')} now, unclear" if n else ""


def say_outcome(its: Try) -> str:
    """``mended 5 of 9 and broke none``, and what else fails now."""
    said = f"mended {len(its.mended)} of {len(its.of)} and {BROKE} {len(its.broke) or 'none'}"
    return "; ".join(filter(None, (said, say_unclear(its))))


def say_try(last: LastTry) -> str:
    """A sentence for the card of the block."""
    its, ran = last.its, f"({count_noun(len(last.its.states), 'eval')} ran on it)"
    named = name_try(its)
    if last.is_newest:
        return f"{named[0].upper()}{named[1:]} {say_outcome(its)} {ran}."
    before = f"the edit before it, {named}," if its.name.version is None else named
    return f"Edited again and not run; {before} {say_outcome(its)} {ran}."
