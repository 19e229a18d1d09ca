"""The names of edits: by their day, or by their day and time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import polars as pl

ONE_EDIT = timedelta(minutes=2)
"""Saves so close to one another are one edit, of several blocks or of one."""


def say_day(moment: datetime, year: int | None = None) -> str:
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")


class EditNames:
    """The names of the edits at some moments; ``runs`` began between them."""

    def __init__(self, moments: Iterable[datetime], runs: Iterable[datetime] = ()) -> None:
        self._began: dict[datetime, datetime] = {}
        ran, before = sorted(runs), None
        for each in sorted(moments):
            if before is None or each - before > ONE_EDIT or _lies_between(ran, before, each):
                began = each
            self._began[each] = began
            before = each
        edits = {*self._began.values()}
        self._days = Counter(each.date() for each in edits)
        self._minutes = Counter(f"{each:%F %H:%M}" for each in edits)

    def name(self, moment: datetime, year: int | None) -> str:
        """``edit of 29 Nov``, with the time if that day has another edit."""
        began = self._began.get(moment, moment)
        named = f"edit of {say_day(began, year)}"
        if self._days[began.date()] < 2:
            return named
        is_alone = self._minutes[f"{began:%F %H:%M}"] < 2
        return f"{named}, {began:%H:%M}" if is_alone else f"{named}, {began:%H:%M:%S}"


def _lies_between(ran: Sequence[datetime], first: datetime, last: datetime) -> bool:
    at = bisect_left(ran, first)
    return at < len(ran) and ran[at] <= last


def name_eras(eras: pl.DataFrame) -> pl.Series:
    """The name of each era of a block: the newest version that has it, else its edit."""
    moments = eras["first_seen_at"].drop_nulls()
    names, newest = EditNames(moments), moments.max()
    year = newest.year if isinstance(newest, datetime) else None
    found = [
        f"v{max(versions)}" if versions else None if at is None else names.name(at, year)
        for versions, at in eras.select("versions", "first_seen_at").iter_rows()
    ]
    return pl.Series("name", found, dtype=pl.String)
