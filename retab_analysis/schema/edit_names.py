"""The names of edits: by their day, or by their day and time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

ONE_EDIT = timedelta(minutes=2)
"""Saves so close to one another are one edit, of several blocks or of one."""


def say_day(moment: datetime, year: int | None = None) -> str:
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != year else "")


class EditNames:
    """The names of the edits at some moments."""

    def __init__(self, moments: Iterable[datetime]) -> None:
        self._began: dict[datetime, datetime] = {}
        before, began = None, None
        for each in sorted(moments):
            if before is None or began is None or each - before > ONE_EDIT:
                began = each
            self._began[each] = began
            before = each
        self._days: dict[object, set[datetime]] = {}
        for began in self._began.values():
            self._days.setdefault(began.date(), set()).add(began)

    def name(self, moment: datetime, year: int | None) -> str:
        """``edit of 29 Nov``, with the time if that day has another edit."""
        began = self._began.get(moment, moment)
        hour = f", {began:%H:%M}" if len(self._days.get(began.date(), ())) > 1 else ""
        return f"edit of {say_day(began, year)}{hour}"


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
