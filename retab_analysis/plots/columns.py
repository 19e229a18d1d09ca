"""What stands side by side along x: versions, runs or other groups, and how each is named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
from matplotlib import dates
from matplotlib.axes import Axes

from retab_analysis.analysis.frames import check_frame
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun
from retab_analysis.plots.axes import label_columns, measure_font
from retab_analysis.plots.labels import to_one_line
from retab_analysis.schema import VERSIONS
from retab_analysis.vocabulary import DRAFT, is_draft

VERSION, RUN = "workflow_version_id", "run_id"
mdates: Any = dates  # which has no types
_NOUNS = {VERSION: "version", RUN: "run"}
_READ = ("workflow_version_id", "version", "description", "published_at", "is_current")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Versions = Mapping[object, tuple[int | None, str | None, datetime | None, bool]] | None
"""By id: the number, the release note, when it was published and whether it is in production.

None where it is not known which versions were published.
"""


@dataclass(frozen=True)
class Columns:
    """The groups of some rows in order of appearance, each at a place 0, 1, …."""

    by: str
    keys: pl.DataFrame  # one row per group: ``key`` and ``created_at`` of its earliest row
    versions: Versions = None
    each: int = 1  # how many neighbouring groups are at one place

    @property
    def height(self) -> int:
        return math.ceil(self.keys.height / self.each)

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.by) or to_one_line(self.by)

    @property
    def drafts(self) -> list[bool]:
        keys = self.keys["key"] if self.by == VERSION and self.each == 1 else ()
        return [is_draft(key, self.versions) for key in keys]

    def fit(self, ax: Axes, thinnest: float) -> Columns:
        room = max(1.0, ax.bbox.width * 0.85 / thinnest)
        return replace(self, each=math.ceil(self.keys.height / room) or 1)

    def place(self, lazy: pl.LazyFrame) -> pl.LazyFrame:
        at = pl.int_range(pl.len(), dtype=pl.Int64) // self.each
        places = self.keys.lazy().select("key", x=at)
        return lazy.join(places, on="key", nulls_equal=True, maintain_order="left")

    def label(self, ax: Axes, *, quiet: Iterable[bool] = (), room: float = 1.0) -> None:
        """``quiet`` places have their day only."""
        moments = self.keys["created_at"].to_list()
        years = {moment.year for moment in moments if moment is not None}
        days = [name_day(moment, years) for moment in moments[:: self.each]]
        if self.each > 1 or self.by == RUN:
            return label_columns(ax, days, room=room)
        names = [name_version(key, self.versions) for key in self.keys["key"]]
        if self.by == VERSION:
            for at, is_quiet in enumerate(quiet):
                names[at] = "" if is_quiet else names[at]
            return label_columns(ax, names, days, room=room)
        return label_columns(ax, self.keys["key"].to_list(), may_be_upright=True, room=room)

    @property
    def notes(self) -> list[str]:
        if self.each > 1:
            return [f"{self.each:,} {self.noun}s in a row at each place, with the day of the first"]
        notes = []
        known = self.versions or {}
        for key in self.keys["key"]:
            if key in known:
                number, note, at, current = known[key]
                name = to_one_line(key) if number is None else f"v{number}"
                day = "" if at is None else f" of {at:%Y-%m-%d}"
                now = ", in production now" if current else ""
                notes.append(f"{name}{day}{now}: {to_one_line(note or 'no release note')}")
        return notes


def find_columns(lazy: pl.LazyFrame, by: str, versions: object = None) -> Columns:
    groups = lazy.group_by("key").agg(pl.col("created_at").min())
    ordered = groups.sort("created_at", "key", nulls_last=True).collect()
    return Columns(by, ordered, read_versions(by, versions))


def read_versions(by: str, versions: object) -> Versions:
    if versions is None:
        return None
    if by != VERSION:
        raise ConfigError(
            f"versions= tells about versions, so that by must be {VERSION!r}, got {by!r}"
        )
    rows = check_frame(versions, VERSIONS, _READ).select(_READ).collect()
    return {
        key: (number, note, at, now is True)
        for key, number, note, at, now in rows.drop_nulls("workflow_version_id").rows()
    }


def name_version(key: object, versions: Versions) -> object:
    number = (versions or {}).get(key, (None,))[0]
    if number is not None:
        return f"v{number}"
    return DRAFT if is_draft(key, versions) else key


def name_day(moment: datetime | None, years: set[int]) -> str:
    if moment is None:
        return ""
    return f"{moment:%Y-%m-%d}" if len(years) > 1 else f"{moment.day} {_MONTHS[moment.month - 1]}"


def place_periods(ax: Axes, starts: pl.Series, every: str) -> pl.Series:
    """The middles of periods along an axis of dates, which is set up for them."""
    ends = starts.dt.offset_by(every)
    first, last = mdates.date2num([starts.min(), ends.max()])
    ax.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
    years = {start.year for start in starts}
    most = max(2, int(ax.bbox.width / (6 if len(years) < 2 else 10) / measure_font(ax)))
    ax.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=2, maxticks=most))
    ax.xaxis.set_major_formatter(lambda at, _: name_day(mdates.num2date(at, UTC), years))
    return pl.Series(mdates.date2num((starts + (ends - starts) / 2).to_list()))


def say_left_out(noun: str, parts: Mapping[str, int]) -> list[str]:
    left = [f"{count_noun(n, noun)} {why}" for why, n in parts.items() if n]
    return [f"left out: {', '.join(left)}"] if left else []
