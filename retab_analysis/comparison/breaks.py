"""What broke some evals, and since when: the one clause of headlines, cards, gate and tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from retab_analysis.comparison.detail import name_block
from retab_analysis.comparison.try_words import name_try
from retab_analysis.evidence.story import REPEATEDLY, Story
from retab_analysis.evidence.tries import Try, find_edit
from retab_analysis.markup import one_line
from retab_analysis.vocabulary import say_day

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

    def name(self, today: date | None, year: int | None) -> str:
        """``the edit of 29 Nov``, ``v5``; empty if its moment is not known."""
        if self.edit is not None and (self.edit.name.is_edit or self.edit.name.number):
            return name_try(self.edit, today)
        day = find_day(self.evals, year)
        return f"the edit of {day}" if day else ""

    def say(
        self, today: date | None, year: int | None, by: By, label: int, *, is_new: bool = False
    ) -> str:
        """``since the edit of extract``, ``on 12 Nov, without an edit``."""
        if self.cause != "edit":
            when = say_since(self.evals, year, is_new=is_new)
            return ", ".join(filter(None, (when, CAUSES["drift"] * (self.cause == "drift"))))
        named = self.name(today, year)
        if named and by in ("edit", "short"):
            return f"since {named.removeprefix('the edit of ') if by == 'short' else named}"
        day = find_day(self.evals, year) if by == "day" else ""
        where = one_line(name_block(self.evals[0]), label) or "their block"
        return f"since the edit of {where}{f' on {day}' if day else ''}"


def find_day(evals: Sequence[Story], year: int | None) -> str:
    """The day since which some evals are broken; empty if there are several."""
    days = {say_day(at, year) for each in evals if (at := each.since_at)}
    return days.pop() if len(days) == 1 else ""


def say_since(evals: Sequence[Story], year: int | None, *, is_new: bool = False) -> str:
    """``since 12 Nov at the latest``; of new ones ``on 12 Nov``; empty if that is not one day."""
    day, latest = find_day(evals, year), " at the latest" * any(each.is_latest for each in evals)
    return f"{'on' if is_new and not latest else 'since'} {day}{latest}" if day else ""


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
    today: date | None,
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
        said = its.say(today, year, by, label, is_new=is_new)
        return f" {said}" * bool(said)
    edits = [each for each in breaks if each.cause == "edit"]
    if not is_split:
        return f" since {len(edits)} edits" * (len(edits) == len(breaks))
    blocks = {each.evals[0].block_id for each in edits}
    by = "short" if is_short else "edit" if len(blocks) == 1 < len(edits) else "block"
    if by == "block" and len(blocks) < len(edits):
        by = "day"  # several edits of several blocks

    def count(its: Break, by: By) -> str:
        said = CAUSES.get(its.cause) or its.say(today, year, by, label)
        return f"{len(its.evals)} {said}"

    own = breaks[-1:] if which else ()
    shown, others = breaks[: 2 - len(own)], breaks[2 - len(own) : len(breaks) - len(own)]
    told = [count(each, by) for each in shown]
    told += [f"{sum(len(each.evals) for each in others)} otherwise"] if others else []
    told += [f"{count(each, 'edit')}, which {which}" for each in own]
    return f": {', '.join(told)}"
