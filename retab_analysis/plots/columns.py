"""The groups along x: versions, runs or others, and their names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
from matplotlib import dates
from matplotlib.axes import Axes

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import check_frame, select_keyed
from retab_analysis.analysis.summaries import READ, find_period
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun
from retab_analysis.plots.axes import FEW_COLUMNS, label_columns, measure_font
from retab_analysis.plots.labels import to_one_line
from retab_analysis.schema import RUNS, VERSIONS
from retab_analysis.vocabulary import DRAFT, is_draft

VERSION, RUN = "workflow_version_id", "run_id"
mdates: Any = dates  # which has no types
_NOUNS = {VERSION: "version", RUN: "run"}
_READ = (VERSION, "version", "published_at")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Versions = Mapping[object, tuple[int | None, float | None]] | None
"""By id: the number and the date of publication; None if published versions are not known."""


@dataclass(frozen=True)
class Columns:
    """The groups of some rows in order of appearance, each at a place 0, 1, …, or in its time."""

    by: str
    keys: pl.DataFrame  # one row per group: ``key`` and ``created_at`` of its earliest row
    versions: Versions = None
    each: int = 1  # how many neighbouring groups share a place
    every: str | None = None  # the length of a group, if it is a period of time

    @property
    def height(self) -> int:
        return math.ceil(self.keys.height / self.each)

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.by) or to_one_line(self.by)

    @property
    def title(self) -> str:
        return f"by {self.noun}" if self.every is None else "over time"

    @property
    def drafts(self) -> list[bool]:
        is_named = self.by == VERSION and self.each == 1 and self.every is None
        return [is_draft(key, self.versions) for key in self.keys["key"] if is_named]

    def fit(self, ax: Axes, thinnest: float) -> Columns:
        if self.every is not None:
            return self
        room = max(1.0, ax.bbox.width * 0.85 / thinnest)
        return replace(self, each=math.ceil(self.keys.height / room) or 1)

    def place(self, lazy: pl.LazyFrame) -> pl.LazyFrame:
        at = pl.int_range(pl.len(), dtype=pl.Int64) // self.each
        places = self.keys.lazy().select("key", x=at)
        return lazy.join(places, on="key", nulls_equal=True, maintain_order="left")

    def arrange(self, ax: Axes, rows: pl.DataFrame) -> pl.DataFrame:
        """Set up x; returns the rows, one for each place, with ``x`` as drawn."""
        if self.every is None:
            beside = max(0.0, (FEW_COLUMNS - self.height) / 2)
            ax.set_xlim(-0.6 - beside, self.height - 0.4 + beside)
            return rows.sort("x")
        starts = self.keys["key"]
        ends = starts.dt.offset_by(self.every)
        first, last = mdates.date2num([starts.min(), ends.max()])
        ax.set_xlim(first - 0.02 * (last - first), last + 0.06 * (last - first))
        years = {start.year for start in starts}
        most = max(2, int(ax.bbox.width / (6 if len(years) < 2 else 10) / measure_font(ax)))
        auto = mdates.AutoDateLocator(UTC, minticks=2, maxticks=most)
        by_day = mdates.DayLocator(tz=UTC)  # no hours
        ax.xaxis.set_major_locator(by_day if last - first < 4 else auto)
        ax.xaxis.set_major_formatter(lambda at, _: name_day(mdates.num2date(at, UTC), years))
        middles = mdates.date2num((starts + (ends - starts) / 2).to_list())
        return rows.sort("x").with_columns(x=pl.Series(middles))

    def label(self, ax: Axes, *, quiet: Iterable[bool] = (), room: float = 1.0) -> None:
        """Name the places; ``quiet`` ones have only their day, and periods already have a name."""
        if self.every is not None:
            return
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
        several = f"{self.each:,} {self.noun}s in a row at each place, with the day of the first"
        return [several] if self.each > 1 else []


def find_runs(
    runs: object, by: str, every: str | None, scope: str | None, versions: object
) -> tuple[Columns, pl.LazyFrame, dict[str, int]]:
    """The groups of the runs of a scope, these runs, and the numbers left out, by reason."""
    lazy = select_keyed(runs, RUNS, by, READ)
    summarize_runs(lazy, "key", every=every, scope=scope)  # which refuses unusable arguments
    if every is not None and by != VERSION:
        raise ConfigError(f"every={every!r} draws over time: leave by={by!r} out")
    is_scoped = pl.lit(True) if scope is None else (pl.col("scope") == scope).fill_null(False)
    is_dated = pl.lit(True) if every is None else pl.col("created_at").is_not_null()
    others, undated = (~is_scoped).sum(), (is_scoped & ~is_dated).sum()
    left = lazy.select(others.alias("of another scope"), undated.alias("without a date")).collect()
    kept = lazy.filter(is_scoped, is_dated)
    kept = kept if every is None else kept.with_columns(key=find_period(every))
    return replace(find_columns(kept, by, versions), every=every), kept, left.row(0, named=True)


def find_columns(lazy: pl.LazyFrame, by: str, versions: object = None) -> Columns:
    groups = lazy.group_by("key").agg(pl.col("created_at").min())
    ordered = groups.sort("created_at", "key", nulls_last=True).collect()
    return Columns(by, ordered, read_versions(by, versions))


def read_versions(by: str, versions: object) -> Versions:
    if versions is None:
        return None
    if by != VERSION:
        raise ConfigError(f"versions= is about versions: by must be {VERSION!r}, got {by!r}")
    rows = check_frame(versions, VERSIONS, _READ).select(_READ).collect()
    known = rows.drop_nulls(VERSION).rows()
    return {key: (number, at and mdates.date2num(at)) for key, number, at in known}


def name_version(key: object, versions: Versions) -> object:
    number = (versions or {}).get(key, (None,))[0]
    if number is not None:
        return f"v{number}"
    return DRAFT if is_draft(key, versions) else key


def name_day(moment: datetime | None, years: set[int]) -> str:
    if moment is None:
        return ""
    return f"{moment:%Y-%m-%d}" if len(years) > 1 else f"{moment.day} {_MONTHS[moment.month - 1]}"


def say_left_out(noun: str, parts: Mapping[str, int]) -> list[str]:
    left = [f"{count_noun(n, noun)} {why}" for why, n in parts.items() if n]
    return [f"left out: {', '.join(left)}"] if left else []
