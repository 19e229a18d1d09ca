"""Runs in time: when each was created, how long it waited, and how long it took."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import MaxNLocator

from retab_analysis.analysis.frames import check_frame
from retab_analysis.plots.axes import (
    area_handle,
    bar_style,
    describe_below,
    draw_legend,
    label_rows,
    measure_font,
    name_axes,
    point_handle,
    prepare_axes,
    show_message,
    text_colour,
)
from retab_analysis.plots.labels import to_one_line
from retab_analysis.plots.palette import STATE_LOOKS, Look, Style
from retab_analysis.schema import RUNS

_TIMES = ("created_at", "started_at", "completed_at")
_READ = ("run_id", "status", "ok", *_TIMES)
_UNCOUNTED = "completed, without counts"
_WORDS = {"passed": "all passed", "failed": "not all passed"}
_OTHER = Look("#EBEEF0", marker="d")
_MINUTE = 1 / (24 * 60)  # in matplotlib's days
_DAY = 86_400e6  # microseconds
_MOST_LINES = 300
_THINNEST = 3.0  # pixels of a run's line
_NARROWEST = 6.0  # pixels of a bar
_PERIODS = (
    *((f"{n}m", "1 minute" if n == 1 else f"{n} minutes", n * _MINUTE) for n in (1, 5, 15)),
    *((f"{n}h", "1 hour" if n == 1 else f"{n} hours", n / 24) for n in (1, 3, 6, 12)),
    *(
        (f"{n}d", "1 day" if n == 1 else f"{n} days", float(n))
        for n in (1, 2, 7, 14, 28, 91, 364, 36_400)
    ),
)
"""How long a period is: for polars, in words, and in days."""


def plot_timeline(runs: pl.DataFrame | pl.LazyFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the runs in time, one line each, the oldest on top.

    A marker is where a run was created, its colour and shape say what became of it; a thin line
    reaches to its start (the queue), a thick one from there to its end. A run that goes on has no
    end yet. Where runs are weeks apart, only the markers are seen. Runs that are too many for a
    line each are counted: a bar is how many were created in a minute, an hour, a day or the like,
    stacked by what became of them, which is said below.

    Args:
        runs: A RUNS frame, ordered in any way.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the time in UTC, in matplotlib's days; the runs are at y = 0, 1, … from the
        top. Runs without any time are left out, and a line says how many.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    frame = _times(check_frame(runs, RUNS, _READ).select(_READ))
    placed = frame.drop_nulls("moment")
    high = min(1.5 + 0.22 * placed.height, 12) if placed.height <= _MOST_LINES else 5.4
    ax = prepare_axes(ax, width=8.0, height=high)
    if placed.is_empty():
        return show_message(ax, "no runs" if frame.is_empty() else "no run has a time")
    _dates(ax, placed)
    room = min(_MOST_LINES, ax.bbox.height / _THINNEST)
    draw = _draw_lines if placed.height <= room else _draw_counts
    said = draw(ax, placed)
    if left := frame.height - placed.height:
        said.append(f"left out: {left:,} run{'s' * (left > 1)} without a time")
    describe_below(ax, ["UTC", *said])
    return ax


def _draw_lines(ax: Axes, runs: pl.DataFrame) -> list[str]:
    """A line for each run."""
    numbered = runs.with_row_index("y")
    _lines(ax, numbered)
    looks = _points(ax, numbered)
    ax.set_ylim(runs.height - 0.4, -0.6)
    name_axes(ax)
    draw_legend(ax, [(point_handle(ax, look), text) for look, text in looks], room=0.9)
    label_rows(ax, runs["run_id"])
    return []


def _draw_counts(ax: Axes, runs: pl.DataFrame) -> list[str]:
    """Bars of how many runs were created when; gives what has to be said of them."""
    low, high = ax.get_xlim()
    most = ax.bbox.width / _NARROWEST
    every, words, wide = next(each for each in _PERIODS if (high - low) / each[2] <= most)
    counts = runs.group_by(pl.col("moment").dt.truncate(every), "state").len()
    periods = counts.pivot("state", index="moment", values="len").fill_null(0).sort("moment")
    places = [start.item() for start in periods.select(_days("moment")).to_numpy()]
    below, pixels = [0] * len(places), ax.bbox.width * wide / (high - low)
    states = _order_states(runs)
    for state in states:
        look, heights = STATE_LOOKS.get(state, _OTHER), periods[state].to_list()
        style = {**bar_style(look, pixels), "align": "edge", "label": state}
        ax.bar(places, heights, bottom=below, width=wide, **style)
        below = [under + height for under, height in zip(below, heights, strict=True)]
    ax.set_ylim(0, max(below) * 1.02)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    name_axes(ax, y="runs")
    looks = [(STATE_LOOKS.get(state, _OTHER), _say(state)) for state in states]
    draw_legend(ax, [(area_handle(look), text) for look, text in looks], room=0.9)
    return [
        f"each bar: runs created in {words}, because {runs.height:,} have no room for a line each"
    ]


def _times(lazy: pl.LazyFrame) -> pl.DataFrame:
    """The runs in order: ``moment``, ``state`` (String), and the times in matplotlib's days."""
    ok, done = pl.col("ok"), pl.col("status") == "completed"
    state = (
        pl.when(done & ok)
        .then(pl.lit("passed"))
        .when(done & ~ok)
        .then(pl.lit("failed"))
        .when(done)
        .then(pl.lit(_UNCOUNTED))
        .otherwise(pl.col("status").fill_null("unknown"))
    )
    days = [_days(name).alias(f"{name} day") for name in ("moment", *_TIMES)]
    timed = lazy.with_columns(moment=pl.coalesce(_TIMES), state=state).with_columns(days)
    return timed.sort("moment", "run_id", nulls_last=True).collect()


def _days(name: str) -> pl.Expr:
    """A time in matplotlib's days; users may have moved the day from which it counts."""
    first: float = date2num(datetime(1970, 1, 1, tzinfo=UTC))  # type: ignore[no-untyped-call]
    return pl.col(name).dt.epoch("us") / _DAY + first


def _lines(ax: Axes, runs: pl.DataFrame) -> None:
    parts = (("moment day", "started_at day", 1.0), ("started_at day", "completed_at day", 4.0))
    for start, end, width in parts:
        known = runs.drop_nulls([start, end]).filter(pl.col(end) > pl.col(start))
        y, starts, ends = (known[name].to_list() for name in ("y", start, end))
        ax.hlines(y, starts, ends, color=text_colour(ax), alpha=0.45, linewidth=width)


def _points(ax: Axes, runs: pl.DataFrame) -> list[tuple[Look, str]]:
    """Draw a collection of points for each state.

    Returns:
        How each state that occurs looks, and what the legend calls it.
    """
    size = 36 if runs.height <= 60 else 14
    states = _order_states(runs)
    for state in states:
        of_state = runs.filter(pl.col("state") == state)
        look = STATE_LOOKS.get(state, _OTHER)
        style: Style = {
            "color": look.colour,
            "edgecolor": text_colour(ax),
            "linewidth": 0.5,
            "zorder": 3,
        }
        places = of_state["moment day"].to_list(), of_state["y"].to_list()
        ax.scatter(*places, s=size, marker=look.marker, **style)
    return [(STATE_LOOKS.get(state, _OTHER), _say(state)) for state in states]


def _order_states(runs: pl.DataFrame) -> list[str]:
    """The states that occur, those that we know first."""
    found = runs["state"].unique().sort().to_list()
    known = [each for each in STATE_LOOKS if each in found]
    return [*known, *(each for each in found if each not in STATE_LOOKS)]


def _say(state: str) -> str:
    return to_one_line(_WORDS.get(state, state))


def _dates(ax: Axes, runs: pl.DataFrame) -> None:
    """Set the limits of x around all times, and its ticks."""
    days = [pl.col(f"{name} day") for name in ("moment", *_TIMES)]
    low, high = runs.select(
        low=pl.min_horizontal(days).min(), high=pl.max_horizontal(days).max()
    ).row(0)
    # A single moment has no width, and ticks within it would be microseconds apart.
    beside = max((high - low) * 0.05, (_MINUTE - (high - low)) / 2)
    ax.set_xlim(low - beside, high + beside)
    most = max(4, int(ax.bbox.width / (measure_font(ax) * 6)))
    locator: Any = AutoDateLocator(tz=UTC, minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    ax.xaxis.get_offset_text().set_fontsize(measure_font(ax) * 72 / ax.figure.dpi)
