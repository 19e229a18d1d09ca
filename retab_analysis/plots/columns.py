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

from retab_analysis.analysis.conclusions import NEEDED
from retab_analysis.analysis.frames import VERSION, VERSION_ID, read_edits, select_keyed
from retab_analysis.analysis.periods import PERIOD, PERIOD_END, Length
from retab_analysis.analysis.result_summaries import READ as READ_RESULTS
from retab_analysis.analysis.summaries import READ, SCOPES
from retab_analysis.arguments import check_choice
from retab_analysis.config import publications
from retab_analysis.errors import ConfigError
from retab_analysis.evidence.names import name_drafts
from retab_analysis.markup import count_noun
from retab_analysis.plots.axes import FEW_COLUMNS, label_columns, measure_font
from retab_analysis.plots.labels import to_one_line
from retab_analysis.render.text import measure
from retab_analysis.schema import RESULTS, RUNS, Table
from retab_analysis.vocabulary import MOMENT

RUN = "run_id"
BLOCKS = ("block_id", "target_block_id")
mdates: Any = dates  # which has no types
_NOUNS = {VERSION_ID: "version", RUN: "run", **dict.fromkeys(BLOCKS, "block")}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS_APART = 60  # days from which on ticks are the first of a month
LONGEST = 24  # characters of a label in a figure of its own
_DRAFTS = ("edit of ", "draft of ")


@dataclass(frozen=True)
class Columns:
    """The groups of some rows in order of appearance, each at a place 0, 1, …, or in its time."""

    by: str
    keys: pl.DataFrame  # one row per group: ``key, name``, and ``created_at`` of its earliest row
    edits: pl.DataFrame | None = None
    workflow: str = ""  # the title of the figure
    each: int = 1  # how many neighbouring groups share a place
    every: str | None = None  # the length of a group, if it is a period of time
    begins: datetime | None = None  # the day of the first row

    @property
    def height(self) -> int:
        return math.ceil(self.keys.height / self.each)

    @property
    def width(self) -> float:
        """Of a new figure, in inches."""
        is_named = self.by not in (VERSION, VERSION_ID, RUN)
        longest = max((measure(str(each)) for each in self.name_all()), default=0) * is_named
        return 1.2 + max(0.85, 0.095 * min(longest, LONGEST)) * self.height

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.by) or to_one_line(self.by)

    @property
    def title(self) -> str:
        return f"by {self.noun}" if self.every is None else "over time"

    @property
    def is_ordered(self) -> bool:
        """Whether the groups follow one another, so that a line may join them."""
        return self.by in (VERSION, VERSION_ID, RUN) or self.keys["key"].dtype.is_temporal()

    @property
    def drafts(self) -> list[bool]:
        """Which groups are drafts, if edits tell published versions from them."""
        is_told = self.edits is not None and self.by in (VERSION, VERSION_ID)
        if not is_told or self.each > 1 or self.every is not None:
            return []
        return [each is None or each.startswith(_DRAFTS) for each in self.keys["name"]]

    def fit(self, ax: Axes, thinnest: float) -> Columns:
        if self.every is not None:
            return self
        room = max(1.0, ax.bbox.width * 0.85 / thinnest)
        return replace(self, each=math.ceil(self.keys.height / room) or 1)

    def place(self, lazy: pl.LazyFrame) -> pl.LazyFrame:
        at = pl.int_range(pl.len(), dtype=pl.Int64) // self.each
        places = self.keys.lazy().select("key", x=at)
        return lazy.join(places, on="key", nulls_equal=True, maintain_order="left")

    def split(self, key: str) -> list[str]:
        """The columns to group placed rows by."""
        return [key] if self.every is None else [key, PERIOD, PERIOD_END]

    def arrange(self, ax: Axes, rows: pl.DataFrame) -> pl.DataFrame:
        """Set up x; returns the rows in their order, with ``x`` as drawn.

        The first period is ``hollow`` if the rows begin inside it.
        """
        if self.every is None:
            beside = max(0.0, (FEW_COLUMNS - self.height) / 2)
            ax.set_xlim(-0.6 - beside, self.height - 0.4 + beside)
            return rows.sort("x").with_columns(hollow=pl.lit(False))
        rows = rows.sort(PERIOD)
        starts, ends = rows[PERIOD], rows[PERIOD_END]
        first, last = mdates.date2num([starts.min(), ends.max()])
        ax.set_xlim(first - 0.02 * (last - first), last + 0.06 * (last - first))
        years = {start.year for start in starts}
        most = max(2, int(ax.bbox.width / (4.5 if len(years) < 2 else 9) / measure_font(ax)))
        # Days of a month are no multiples of one another: 31 May would touch 1 June.
        of_months: dict[str, Any] = {"interval_multiples": last - first > _MONTHS_APART}
        auto = mdates.AutoDateLocator(UTC, minticks=2, maxticks=most, **of_months)
        # Narrow axes have room for two ticks, which may be further apart than it knows.
        auto.intervald[mdates.MONTHLY] += [12, 24]
        auto.intervald[mdates.DAILY] += [30, 62]
        by_day = mdates.DayLocator(tz=UTC)  # no hours
        ax.xaxis.set_major_locator(by_day if last - first < 4 else auto)
        ax.xaxis.set_major_formatter(lambda at, _: name_day(mdates.num2date(at, UTC), years))
        middles = mdates.date2num((starts + (ends - starts) / 2).to_list())
        return rows.with_columns(hollow=starts < self.begins, x=pl.Series(middles))

    def label(self, ax: Axes, *, quiet: Iterable[bool] = (), room: float = 1.0) -> None:
        """Name the places; ``quiet`` ones have only their day, and periods already have a name."""
        if self.every is not None:
            return
        moments = self.keys["created_at"].to_list()
        years = {moment.year for moment in moments if moment is not None}
        days = [name_day(moment, years) for moment in moments[:: self.each]]
        if self.each > 1 or self.by == RUN:
            return label_columns(ax, days, room=room)
        if self.by not in (VERSION, VERSION_ID):
            return label_columns(ax, self.name_all(), may_be_upright=True, room=room)
        names = self.keys["name"].to_list()
        for at, name in enumerate(names):
            if name and name.startswith(_DRAFTS):  # whose name has its day
                kind, _, days[at] = name.partition(" of ")
                names[at] = f"{kind} of"
        for at, is_quiet in enumerate(quiet):
            names[at] = "" if is_quiet else names[at]
        label_columns(ax, names, days, room=room)

    def name_all(self) -> list[object]:
        """The names of the groups; blocks have their labels, if edits know them."""
        keys, names = self.keys["key"], self.keys["name"]
        return name_blocks(keys, self.edits) if self.by in BLOCKS else names.to_list()

    @property
    def notes(self) -> list[str]:
        several = f"{self.each:,} {self.noun}s in a row at each place, with the day of the first"
        return [several] if self.each > 1 else []

    def say_hollow(self, rows: pl.DataFrame) -> list[str]:
        """A note for arranged rows."""
        return ["hollow: the frame begins inside this period"] * bool(rows["hollow"].any())


def find_rows(
    frame: object,
    asked: str | None,
    every: str | None,
    scope: str | None,
    edits: object,
    title: str | None,
    table: Table = RUNS,
) -> tuple[Columns, pl.LazyFrame, dict[str, int]]:
    """The groups of the rows of a scope, these rows, and the numbers left out, by reason."""
    by: Any = VERSION if asked is None and every is not None else asked
    read = READ if table is RUNS else (*READ_RESULTS, *NEEDED)
    lazy = select_keyed(frame, table, by, dict.fromkeys(read), edits, publications)
    if scope is not None:
        check_choice("scope", scope, SCOPES)
    if table is RESULTS:
        lazy = lazy.with_columns(created_at=MOMENT)
    if every is not None:  # before rows of another scope are left out
        lazy = lazy.with_columns(Length.read(every).place("created_at"))
    of_run = "scope" if table is RUNS else "run_scope"
    is_scoped = pl.lit(True) if scope is None else (pl.col(of_run) == scope).fill_null(False)
    is_dated = pl.lit(True) if every is None else pl.col("created_at").is_not_null()
    others, undated = (~is_scoped).sum(), (is_scoped & ~is_dated).sum()
    begins = pl.col("created_at").min().dt.truncate("1d").alias("begins")
    parts = others.alias("of another scope"), undated.alias("without a date"), begins
    left = lazy.select(parts).collect().row(0, named=True)
    kept = lazy.filter(is_scoped, is_dated)
    if every is not None and by == VERSION:
        kept = kept.with_columns(key=PERIOD)
    its = {"every": every, "begins": left.pop("begins")}
    return replace(find_columns(kept, by, edits, title), **its), kept, left


def find_columns(lazy: pl.LazyFrame, by: str, edits: object, title: str | None) -> Columns:
    groups = lazy.group_by("key").agg(
        pl.col("name").drop_nulls().first(), pl.col("created_at").min()
    )
    ordered = groups.sort("created_at", "key", nulls_last=True).collect()
    known = None if edits is None else read_edits(edits)
    return Columns(by, ordered, known, name_workflow(title, lazy, known))


def name_blocks(ids: Iterable[Any], edits: pl.DataFrame | None) -> list[object]:
    """The labels of blocks, or their ids if edits do not know them."""
    known = pl.DataFrame(schema=["block_id", "block_label"]) if edits is None else edits
    labels = dict(known.drop_nulls("block_label")["block_id", "block_label"].iter_rows())
    return [labels.get(each, each) for each in ids]


def list_edits(edits: pl.DataFrame) -> dict[datetime, str]:
    """When something was edited, and the name of the version that began then, if it has one."""
    names = name_drafts(edits).group_by("since", maintain_order=True).agg(VERSION)
    found: dict[datetime, str] = {}
    before: list[str] = []
    for since, its in names.iter_rows():
        if its != before:
            found[since] = next((each for each in its if not each.startswith(_DRAFTS)), "")
        before = its
    return found


def name_workflow(
    title: str | None,
    frame: pl.LazyFrame,
    known: pl.DataFrame | None,
    name: str = "workflow_name",
) -> str:
    """The title of a figure: by default the workflow's name, else its id."""
    if title != "auto":
        if not isinstance(title, str | None):
            raise ConfigError(f"title must be a text or None, got {type(title).__name__}")
        return to_one_line(title or "")
    if "workflow_id" not in frame.collect_schema():
        return ""
    ids = frame.select(pl.col("workflow_id").drop_nulls().unique()).collect()["workflow_id"]
    if len(ids) != 1:
        return count_noun(len(ids), "workflow") if len(ids) else ""
    rows = pl.DataFrame(schema=[name]) if known is None else known.filter(workflow_id=ids[0])
    return to_one_line(next((each for each in rows[name] if each), ids[0]))


def name_day(moment: datetime | None, years: set[int]) -> str:
    if moment is None:
        return ""
    return f"{moment:%Y-%m-%d}" if len(years) > 1 else f"{moment.day} {_MONTHS[moment.month - 1]}"


def say_left_out(noun: str, parts: Mapping[str, int]) -> list[str]:
    left = [f"{count_noun(n, noun)} {why}" for why, n in parts.items() if n]
    return [f"left out: {', '.join(left)}"] if left else []
