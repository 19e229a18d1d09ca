"""Runs in time: when each was created, how long it waited, and how long it took."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from retab_analysis.analysis.frames import check_frame
from retab_analysis.plots.axes import (
    PLAIN,
    add_note,
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
_WORDS = {"passed": "all passed", "failed": "not all passed"}
_OTHER = Look("#E4E8EB", marker="d")
_MINUTE = 1 / (24 * 60)  # in matplotlib's days


def plot_timeline(runs: pl.DataFrame | pl.LazyFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the runs in time, one line each, the oldest on top.

    A marker is where a run was created, its colour and shape say what became of it; a thin line
    reaches to its start (the queue), a thick one from there to its end. A run that goes on has no
    end yet. Where runs are weeks apart, only the markers are seen.

    Args:
        runs: A RUNS frame, ordered in any way.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the time in UTC, in matplotlib's days. Runs without any time are left out,
        and a line says how many.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    frame = _times(check_frame(runs, RUNS, _READ).select(_READ))
    placed = frame.drop_nulls("moment")
    ax = prepare_axes(ax, width=8.0, height=min(1.5 + 0.25 * placed.height, 12))
    if placed.is_empty():
        return show_message(ax, "no runs" if frame.is_empty() else "no run has a time")
    _lines(ax, placed)
    entries = _points(ax, placed)
    _dates(ax)
    ax.set_ylim(placed.height - 0.4, -0.6)
    name_axes(ax)
    ax.set_xlabel("UTC", loc="left", **PLAIN)
    draw_legend(
        ax, [(point_handle(ax, look), to_one_line(text)) for look, text in entries], room=0.9
    )
    label_rows(ax, placed["run_id"])
    if left := frame.height - placed.height:
        add_note(ax, f"{left} without a time")
    return ax


def _times(lazy: pl.LazyFrame) -> pl.DataFrame:
    ok, done = pl.col("ok"), pl.col("status") == "completed"
    state = pl.when(done & ok).then(pl.lit("passed")).when(done & ~ok).then(pl.lit("failed"))
    timed = lazy.with_columns(
        moment=pl.coalesce(_TIMES),
        state=state.otherwise(pl.col("status").fill_null("unknown")),
    )
    return timed.sort("moment", "run_id", nulls_last=True).collect()


def _lines(ax: Axes, runs: pl.DataFrame) -> None:
    for start, end, width in (("moment", "started_at", 1.0), ("started_at", "completed_at", 4.0)):
        known = (
            runs.with_row_index("y").drop_nulls([start, end]).filter(pl.col(end) > pl.col(start))
        )
        starts, ends = (_days(known[name].to_list()) for name in (start, end))
        ax.hlines(
            known["y"].to_list(), starts, ends, color=text_colour(ax), alpha=0.45, linewidth=width
        )


def _points(ax: Axes, runs: pl.DataFrame) -> list[tuple[Look, str]]:
    """Draw a collection of points for each state.

    Returns:
        How each state that occurs looks, and what the legend calls it; those that we know first.
    """
    indexed = runs.with_row_index("y")
    found = runs["state"].unique().sort().to_list()
    states = [
        *(each for each in STATE_LOOKS if each in found),
        *(s for s in found if s not in STATE_LOOKS),
    ]
    size = 36 if runs.height <= 60 else 14
    for state in states:
        rows_of = indexed.filter(pl.col("state") == state)
        look = STATE_LOOKS.get(state, _OTHER)
        style: Style = {
            "color": look.colour,
            "edgecolor": text_colour(ax),
            "linewidth": 0.5,
            "zorder": 3,
        }
        places = _days(rows_of["moment"].to_list())
        ax.scatter(places, rows_of["y"].to_list(), s=size, marker=look.marker, **style)
    return [(STATE_LOOKS.get(state, _OTHER), _WORDS.get(state, state)) for state in states]


def _days(moments: list[datetime]) -> list[float]:
    return list(date2num(moments))  # type: ignore[no-untyped-call]


def _dates(ax: Axes) -> None:
    low, high = ax.get_xlim()
    # A single moment has no width, and ticks within it would be microseconds apart.
    if high - low < _MINUTE:
        ax.set_xlim((low + high - _MINUTE) / 2, (low + high + _MINUTE) / 2)
    most = max(4, int(ax.bbox.width / (measure_font(ax) * 6)))
    locator: Any = AutoDateLocator(tz=UTC, minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
