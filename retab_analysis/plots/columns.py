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
    """The groups of rows that have ``key`` and ``created_at``.

    Raises:
        ConfigError: Versions for what is not a version, or that are not a frame.
        SchemaError: ``versions`` is not a VERSIONS frame.
    """
    known = None if versions is None else _check_versions(versions, by)
    groups = lazy.group_by("key").agg(pl.col("created_at").min())
    return Columns(by, groups.sort("created_at", "key", nulls_last=True).collect(), 1, known)


def _check_versions(
    versions: object, by: str
) -> dict[object, tuple[int, str | None, datetime | None, bool]]:
    if by != VERSION:
        raise ConfigError(
            f"versions= tells about versions, so that by must be {VERSION!r}, got {by!r}"
        )
    frame = check_frame(versions, VERSIONS, _READ).select(_READ).collect()
    numbered = frame.drop_nulls("version").rows()
    return {key: (number, note, at, now is True) for key, number, note, at, now in numbered}


def label_groups(
    ax: Axes,
    columns: Columns,
    notes: Sequence[str] = (),
    *,
    n: str = "",
    said: Sequence[str] = (),
    width: float | None = None,
) -> float:
    """Name the groups along x with their dates, and say below what a name consists of.

    Args:
        ax: The axes.
        columns: The groups.
        notes: How many there are of what, ``n=…``, at each place.
        n: What that counts.
        said: What else is said below.
        width: How many pixels the layout will leave; estimated where it is not known.

    Returns:
        How high all of that is, in pixels.
    """
    days = _Days(columns.keys["created_at"].to_list())
    first = days.words[:: columns.each]
    if columns.each > 1:
        names: list[object] = list(first)
        parts: list[list[str]] = [[] for _ in names]
    else:
        names = [_name(key, columns) for key in columns.keys["key"]]
        parts = [[day] if day and columns.by in _NOUNS else [] for day in first]
    for at, note in enumerate(notes):
        parts[at].append(note)
    if columns.by == VERSION and len(parts) > 1 and columns.each == 1:
        parts[-1].append("newest")
    high = label_columns(ax, names, parts if any(parts) else (), width=width)
    # There may have been no room for them; the last place is named in any case.
    last = " ".join(ax.get_xticklabels()[-1].get_text().split())
    title = _title(columns, days.year if first[-1] in last else None, dated=first[-1] in last)
    title += f"; n: {n}" if notes and notes[-1] in last else ""
    return high + describe_below(ax, [title, *said], _release_notes(columns), taken=high)


class _Days:
    """Days in words; the year is in each only where there are several."""

    def __init__(self, moments: Sequence[datetime | None]) -> None:
        years = {moment.year for moment in moments if moment is not None}
        self.year = min(years) if len(years) == 1 else None
        self.words = [self._say(moment) for moment in moments]

    def _say(self, moment: datetime | None) -> str:
        if moment is None:
            return ""
        day = f"{moment.day} {_MONTHS[moment.month - 1]}"
        return day if self.year else f"{day} {moment.year}"


def _name(key: object, columns: Columns) -> object:
    known = (columns.versions or {}).get(key)
    return key if known is None else f"v{known[0]}"


def _title(columns: Columns, year: int | None, *, dated: bool) -> str:
    when = f" ({year}, UTC)" if year else " (UTC)"
    if columns.each > 1:
        together = f"{columns.each:,} {columns.noun}s in a row at each place"
        return f"{together}, with the day of the first{when}"
    if columns.by not in _NOUNS or not dated:
        return _NOUNS.get(columns.by, to_one_line(columns.by))
    event = "first run" if columns.by == VERSION else "creation"
    return f"{columns.noun}, with the day of its {event}{when}"


def _release_notes(columns: Columns) -> list[str]:
    lines = []
    for key in columns.keys["key"] if columns.each == 1 else ():
        if known := (columns.versions or {}).get(key):
            number, note, at, current = known
            day = "" if at is None else f" of {at:%Y-%m-%d}"
            now = ", in production now" if current else ""
            lines.append(f"v{number}{day}{now}: {to_one_line(note or 'no release note')}")
    return lines
