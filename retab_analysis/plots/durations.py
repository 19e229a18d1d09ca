"""How long runs take, and how long they wait."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from retab_analysis.analysis.frames import select_keyed
from retab_analysis.plots.axes import (
    area_handle,
    draw_legend,
    label_columns,
    name_axes,
    prepare_axes,
    show_message,
    space_columns,
    text_colour,
)
from retab_analysis.plots.palette import BLUE, EDGE, YELLOW, Look, Style
from retab_analysis.schema import RUNS

_PARTS = {
    "duration_ms": (Look(BLUE), "execution", -0.2),
    "queue_ms": (Look(YELLOW, "///"), "queue", 0.2),
}
_UNITS = (("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0))
# Fewer values than this are drawn one by one, and of fewer than three there is no box to draw.
_FEW, _FEWEST = 10, 3


def plot_durations(
    runs: pl.DataFrame | pl.LazyFrame, *, by: str = "workflow_version_id", ax: Axes | None = None
) -> Axes:
    """Draw how long the runs of each version took, and beside it how long they were queued.

    A box is the middle half with the median (linear quantiles), its whiskers reach from the least
    to the most. Where there are fewer than 10 runs, each is a point too; where there are fewer than
    3, there are only points. ``n`` is how many have a duration. For a wide range,
    ``ax.set_yscale("log")``.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, … in order of appearance, execution to the left
        and queue to the right of it; y is in ms, s, min or h, as its label says.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    groups = _groups(select_keyed(runs, RUNS, by, ("created_at", *_PARTS)))
    ax = prepare_axes(ax, width=1.5 + 0.4 * groups.height, height=5.4)
    if groups.is_empty():
        return show_message(ax, "no runs")
    unit, milliseconds = _unit(groups)
    for part, (look, _, shift) in _PARTS.items():
        values = [[each / milliseconds for each in row] for row in groups[part].to_list()]
        _boxes(ax, values, look, shift)
        _points(ax, values, look, shift)
    space_columns(ax, groups.height)
    if min(_numbers(groups), default=0.0) >= 0:
        ax.set_ylim(bottom=0)
    name_axes(ax, y=f"duration [{unit}]")
    label_columns(ax, groups["key"], [f"n={n}" for n in groups["duration_ms"].list.len()])
    draw_legend(ax, [(area_handle(look), text) for look, text, _ in _PARTS.values()])
    return ax


def _groups(lazy: pl.LazyFrame) -> pl.DataFrame:
    values = [pl.col(part).drop_nulls().sort() for part in _PARTS]
    groups = lazy.group_by("key").agg(*values, pl.col("created_at").min())
    return groups.sort("created_at", "key", nulls_last=True).collect()


def _unit(groups: pl.DataFrame) -> tuple[str, float]:
    """The largest unit of which the longest duration is at least two, and its milliseconds."""
    longest = max(_numbers(groups), default=0.0)
    return next((each for each in _UNITS if longest >= 2 * each[1]), ("ms", 1.0))


def _numbers(groups: pl.DataFrame) -> list[float]:
    return [each for part in _PARTS for row in groups[part] for each in row]


def _boxes(ax: Axes, values: Sequence[list[float]], look: Look, shift: float) -> None:
    boxed = [(at + shift, row) for at, row in enumerate(values) if len(row) >= _FEWEST]
    if not boxed:
        return
    line: Style = {"color": text_colour(ax), "linewidth": 0.8}
    box: Style = {"facecolor": look.colour, "hatch": look.hatch, "edgecolor": EDGE}
    ax.boxplot(
        [row for _, row in boxed],
        positions=[place for place, _ in boxed],
        widths=0.34,
        whis=(0, 100),
        manage_ticks=False,
        patch_artist=True,
        boxprops={**box, "linewidth": 0.5},
        whiskerprops=line,
        capprops=line,
        medianprops={"color": EDGE, "linewidth": 2},
    )


def _points(ax: Axes, values: Sequence[list[float]], look: Look, shift: float) -> None:
    few = [(at + shift, each) for at, row in enumerate(values) if len(row) < _FEW for each in row]
    places, heights = [place for place, _ in few], [height for _, height in few]
    ax.scatter(
        places, heights, s=14, color=look.colour, edgecolor=text_colour(ax), linewidth=0.6, zorder=3
    )
