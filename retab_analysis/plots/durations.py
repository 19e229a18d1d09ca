"""How long runs take, and how long they wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.ticker import NullLocator

from retab_analysis.analysis.frames import select_keyed
from retab_analysis.plots import axes
from retab_analysis.plots.columns import find_columns, say_left_out
from retab_analysis.plots.palette import BLUE, EDGE, SKY, YELLOW, Look, Style
from retab_analysis.schema import RUNS

_EXECUTION, _QUEUE = "duration_ms", "queue_ms"
_SCOPES = {
    "workflow": (Look(BLUE), "whole workflow"),
    "block": (Look(SKY), "block"),
    "eval": (Look(YELLOW), "single eval"),
    "other": (Look("#B6C0C9"), "of unknown scope"),
}
_UNITS = (("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0))
_MARKS = {
    **{f"{ms} ms": float(ms) for ms in (1, 10, 100)},
    **{f"{s} s": s * 1e3 for s in (1, 5, 20)},
    **{f"{minutes} min": minutes * 6e4 for minutes in (1, 5, 20)},
    **{f"{hours} h": hours * 3.6e6 for hours in (1, 10, 100)},
}
_FAR = 12  # times as long as what is usual
# Fewer values than this are drawn one by one, and of fewer than three there is no box to draw.
_FEW, _FEWEST = 10, 3
_THINNEST = 16.0  # pixels of a group of boxes
_WIDE = 0.8  # of a column, for the boxes side by side
_SHARES = (0.62, 0.3)  # of the height: execution, queue


def plot_durations(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "workflow_version_id",
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how long the runs of each version took, and on a panel above how long they were queued.

    Runs of the whole workflow, of one block and of a single eval take different times, so that each
    has boxes of its own, side by side. A box is the middle half with the median (linear quantiles),
    its whiskers reach from the least to the most. Where there are fewer than 10 runs, each is a
    point too; where there are fewer than 3, there are only points. Where the longest is far from
    what is usual, the scale is logarithmic, so that one of them does not flatten the boxes. Groups
    that are too many to be seen apart are put together, as many neighbours each.
    What the picture leaves out is in ``ax.retab_notes``, a tuple of sentences.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        versions: A VERSIONS frame, for the versions' numbers and release notes.
        ax: Where to draw; None makes a new figure. It gives up the upper third of its room to the
            queue's panel.

    Returns:
        The axes of the durations; the versions are at x = 0, 1, … in order of appearance. The
        queue's panel is the last one of ``ax.figure.axes``. Each has its own unit, from ms to h.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame, or ``versions`` is not a VERSIONS frame.

    Example:
        >>> axes = ra.plot_durations(ra.fetch_runs("wf_invoices", limit=50))
        >>> axes.figure.savefig("durations.png")
    """
    lazy = select_keyed(runs, RUNS, by, ("created_at", "scope", _EXECUTION, _QUEUE))
    columns = find_columns(lazy, by, versions)
    ax = axes.prepare_axes(ax, width=1.2 + 0.85 * columns.height, height=5.0)
    if not columns.height:
        return axes.show_message(ax, "no runs")
    columns = columns.fit(ax, _THINNEST)
    placed = columns.place(lazy)
    # One row per place and scope, with lists of the values.
    scope = pl.when(pl.col("scope").is_in(list(_SCOPES))).then("scope").otherwise(pl.lit("other"))
    values = pl.col(_EXECUTION, _QUEUE).drop_nulls().sort()
    grouped = placed.with_columns(scope=scope).group_by("x", "scope").agg(values)
    groups = grouped.sort("x", "scope").collect()
    columns.label(ax)
    queue = _add_panel(ax)
    scopes = [each for each in _SCOPES if each in set(groups["scope"])]
    for panel, part, name in ((ax, _EXECUTION, "execution"), (queue, _QUEUE, "queue")):
        _draw_panel(panel, groups, part, name, scopes)
        axes.space_columns(panel, columns.height)
    queue.tick_params(labelbottom=False)
    if len(scopes) > 1:
        axes.draw_legend(queue, [_SCOPES[each] for each in scopes])
    unknown = placed.select(pl.col(_EXECUTION).is_null().sum()).collect().item()
    notes = [*say_left_out("run", {"without a duration": unknown}), *columns.notes]
    return axes.conclude(ax, f"Duration of runs by {columns.noun}", notes, above=queue)


def _add_panel(ax: Axes) -> Axes:
    lower, upper = _SHARES
    spec = ax.get_subplotspec()
    figure = ax.figure
    if spec is not None:
        rows = GridSpecFromSubplotSpec(2, 1, spec, height_ratios=(upper, lower))
        ax.set_subplotspec(rows[1])
        panel = figure.add_subplot(rows[0], sharex=ax, facecolor=ax.get_facecolor())
    else:
        box = ax.get_position()
        ax.set_position((box.x0, box.y0, box.width, box.height * lower))
        above = (box.x0, box.y1 - box.height * upper, box.width, box.height * upper)
        panel = figure.add_axes(above, sharex=ax, facecolor=ax.get_facecolor())
    # The colours and the letters of the given ones, whatever style holds now.
    colour, size = axes.text_colour(ax), ax.xaxis.label.get_fontsize()
    for axis in (panel.xaxis, panel.yaxis):
        axis.label.set(color=colour, fontsize=size)
    points = ax.yaxis.get_major_ticks(1)[0].label1.get_fontsize()
    panel.tick_params(which="both", color=colour, labelcolor=colour, labelsize=points)
    for name, spine in ax.spines.items():
        panel.spines[name].set_color(spine.get_edgecolor())
    return panel


def _draw_panel(
    ax: Axes, groups: pl.DataFrame, part: str, name: str, scopes: Sequence[str]
) -> None:
    every = groups[part].explode().drop_nulls()
    if every.is_empty():
        axes.frame_values(ax, name)
        return axes.write_message(ax, f"no {name} times yet")
    least: Any = every.min()
    longest: Any = every.max()
    # The largest unit of which the longest duration is at least two.
    unit, milliseconds = next((each for each in _UNITS if longest >= 2 * each[1]), ("ms", 1.0))
    width = _WIDE / len(scopes)
    line: Style = {"color": axes.text_colour(ax), "linewidth": 0.8}
    for at, scope in enumerate(scopes):
        shift = (at - (len(scopes) - 1) / 2) * width
        colour = _SCOPES[scope][0].colour
        shown = groups.filter(scope=scope).select(pl.col("x") + shift, pl.col(part) / milliseconds)
        n = pl.col(part).list.len()
        boxes = shown.filter(n >= _FEWEST)
        if boxes.height:
            ax.boxplot(
                boxes[part].to_list(),
                positions=boxes["x"].to_list(),
                widths=width * 0.8,
                whis=(0, 100),
                manage_ticks=False,
                patch_artist=True,
                showfliers=False,
                boxprops={"facecolor": colour, "edgecolor": EDGE, "linewidth": 0.5},
                whiskerprops=line,
                capprops=line,
                medianprops={"color": EDGE, "linewidth": 2},
            )
        few = shown.filter(n < _FEW).explode(part)
        style: Style = {"color": colour, "edgecolor": axes.text_colour(ax), "zorder": 3}
        ax.scatter(few["x"].to_list(), few[part].to_list(), s=14, linewidth=0.6, **style)
    usual: Any = groups[part].list.median().min()
    if least < 0 or longest <= _FAR * max(usual, 1.0):
        if least >= 0:
            ax.set_ylim(bottom=0)
        return axes.frame_values(ax, f"{name}\n[{unit}]")
    _set_logarithmic(ax, least, longest, milliseconds)
    axes.frame_values(ax, f"{name}\n(log)")


def _set_logarithmic(ax: Axes, least: float, most: float, unit: float) -> None:
    linear = 0.0 if least > 0 else most / 1000
    if linear:
        ax.set_yscale("symlog", linthresh=linear / unit, linscale=0.5)
        ax.set_ylim(0, most * 1.5 / unit)
    else:
        ax.set_yscale("log")
        ax.set_ylim(least / 1.5 / unit, most * 1.5 / unit)
    marks = {value: text for text, value in _MARKS.items() if max(linear, least / 1.5) <= value}
    shown = {0.0: "0"} if linear else {}
    shown |= {value: text for value, text in marks.items() if value <= most * 1.5}
    ax.set_yticks([value / unit for value in shown], list(shown.values()))
    ax.yaxis.set_minor_locator(NullLocator())
