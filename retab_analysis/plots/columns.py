"""What stands side by side along x: versions, runs or other groups, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from matplotlib.axes import Axes

from retab_analysis.analysis.frames import check_frame
from retab_analysis.errors import ConfigError
from retab_analysis.plots.axes import describe_below, label_columns
from retab_analysis.plots.labels import to_one_line
from retab_analysis.schema import VERSIONS

VERSION, RUN = "workflow_version_id", "run_id"
_NOUNS = {VERSION: "version", RUN: "run"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_NOTES = 20  # for which a figure is made higher
_READ = ("workflow_version_id", "version", "description", "published_at", "is_current")


@dataclass(frozen=True)
class Columns:
    """The groups of some rows in order of appearance, each at a place 0, 1, ….

    Attributes:
        by: The column that makes the groups.
        keys: ``key``, ``created_at`` (of its earliest row), one row per group in order.
        each: How many neighbouring groups are at one place.
        versions: What is known of published versions, by id: ``version, description,
            published_at, is_current``.
    """

    by: str
    keys: pl.DataFrame
    each: int = 1
    versions: dict[object, tuple[int, str | None, datetime | None, bool]] | None = None

    @property
    def height(self) -> int:
        """How many places there are."""
        return math.ceil(self.keys.height / self.each)

    @property
    def notes_height(self) -> float:
        """By how many inches release notes make a new figure higher."""
        known = sum(key in (self.versions or {}) for key in self.keys["key"])
        return 0.2 * min(known, _MOST_NOTES)

    @property
    def noun(self) -> str:
        """What one group is called."""
        return _NOUNS.get(self.by, "group")

    def fit(self, ax: Axes, thinnest: float) -> Columns:
        """The same, with neighbours put together that would be thinner than so many pixels."""
        room = max(1.0, ax.bbox.width * 0.85 / thinnest)
        return Columns(self.by, self.keys, math.ceil(self.keys.height / room) or 1, self.versions)

    def place(self, lazy: pl.LazyFrame) -> pl.LazyFrame:
        """Rows with ``x``, the place of each (Int64)."""
        at = pl.int_range(pl.len(), dtype=pl.Int64) // self.each
        places = self.keys.lazy().select("key", x=at)
        return lazy.join(places, on="key", nulls_equal=True, maintain_order="left")


def find_columns(lazy: pl.LazyFrame, by: str, versions: object = None) -> Columns:
    """The groups of rows that have ``key`` and ``created_at``."""
    known = None
    if versions is not None:
        if by != VERSION:
            raise ConfigError(
                f"versions= tells about versions, so that by must be {VERSION!r}, got {by!r}"
            )
        frame = check_frame(versions, VERSIONS, _READ).select(_READ).collect()
        numbered = frame.drop_nulls("version").rows()
        known = {key: (number, note, at, now is True) for key, number, note, at, now in numbered}
    groups = lazy.group_by("key").agg(pl.col("created_at").min())
    return Columns(by, groups.sort("created_at", "key", nulls_last=True).collect(), 1, known)


def label_groups(
    ax: Axes,
    columns: Columns,
    notes: Sequence[str] = (),
    *,
    n: str = "",
    said: Sequence[str] = (),
    room: float = 0.9,
) -> None:
    """Name the groups along x with their dates, and say below what a name consists of.

    ``notes`` are how many there are of what (``n``) at each place: ``n=…``; ``said`` is what else
    is said below, and ``room`` the share of the width that a layout will leave.
    """
    moments = columns.keys["created_at"].to_list()
    years = {moment.year for moment in moments if moment is not None}
    days = []
    for moment in moments[:: columns.each]:
        # The year is there only where there are several.
        day = "" if moment is None else f"{moment.day} {_MONTHS[moment.month - 1]}"
        days.append(f"{day} {moment.year}" if day and len(years) > 1 else day)
    apart, known = columns.each == 1, columns.versions or {}
    names: list[object] = [*days]
    if apart:
        names = [f"v{known[key][0]}" if key in known else key for key in columns.keys["key"]]
    dated = apart and columns.by in _NOUNS
    parts = [[day] if day and dated else [] for day in days]
    for part, note in zip(parts, notes, strict=False):
        part.append(note)
    if columns.by == VERSION and len(parts) > 1 and apart:
        parts[-1].append("newest")
    noted = label_columns(ax, names, parts if any(parts) else (), room=room)
    when = f" ({min(years)}, UTC)" if len(years) == 1 else " (UTC)"
    if not apart:
        together = f"{columns.each:,} {columns.noun}s in a row at each place"
        title = f"{together}, with the day of the first{when}"
    elif dated and noted:
        event = "first run" if columns.by == VERSION else "creation"
        title = f"{columns.noun}, with the day of its {event}{when}"
    else:
        title = _NOUNS.get(columns.by, to_one_line(columns.by))
    title += f"; n: {n}" if notes and noted else ""
    describe_below(ax, [title, *said], _release_notes(columns))


def _release_notes(columns: Columns) -> list[str]:
    lines = []
    for key in columns.keys["key"] if columns.each == 1 else ():
        if known := (columns.versions or {}).get(key):
            number, note, at, current = known
            day = "" if at is None else f" of {at:%Y-%m-%d}"
            now = ", in production now" if current else ""
            lines.append(f"v{number}{day}{now}: {to_one_line(note or 'no release note')}")
    return lines
