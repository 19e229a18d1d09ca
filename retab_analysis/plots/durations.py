"""How long runs take, and how long they wait."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import VERSION
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import find_rows, say_left_out
from retab_analysis.plots.palette import BLUE, SKY, Style

_EXECUTION, _QUEUE = "duration_ms", "queue_ms"
_UNITS = (("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0))
_ENOUGH = 20  # runs, for a longest one beyond the 95th percentile
_THINNEST = 8.0  # pixels from one place to the next
_MANY = 40  # places with smaller points
_LINES: dict[str, Style] = {
    "p50": {"color": BLUE, "lw": 1.8, "ms": 5, "zorder": 3, "label": "median"},
    # A style may have removed the edges of markers, and these consist only of edges.
    "p95": {"color": SKY, "lw": 1.2, "ms": 7, "mfc": "none", "mew": 1, "label": "p95"},
}
_SHARES = (0.5, 0.42)  # of the height: execution, queue


def plot_durations(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | None = VERSION,
    every: str | None = None,
    scope: str | None = None,
    edits: pl.DataFrame | pl.LazyFrame | None = None,
    title: str | None = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw the median and the 95th percentile of the durations and the waits of runs.

    The numbers come from :func:`retab_analysis.summarize_runs`, without outages. The upper panel
    has the time in the queue, in the same unit. If there are too many groups to tell apart,
    neighbours share a place. The text ``ax.retab_notes`` lists the omissions of the figure.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: The column that makes the groups, your own included; ``"version"`` as in
            :func:`plot_pass_rate`.
        every: Instead of ``by``: the length of a period, as for :func:`summarize_runs` (``"1w"``).
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; by default whole runs
            where there are any.
        edits: An EDITS frame, for the names of versions and blocks.
        title: A line above the figure: by default the workflow's name if ``edits`` has it, else its
            id; None for no such line.
        ax: The axes; by default a new figure. The panel of the queue takes its upper half.

    Returns:
        The axes of the execution; the versions are at x = 0, 1, … in order of appearance, periods
        at their middle. The panel of the queue is the last one of ``ax.figure.axes``.

    Raises:
        ConfigError: An argument cannot be used, or it is not a frame.
        SchemaError: It is not a RUNS frame, or ``edits`` is not an EDITS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=50)
        >>> ra.plot_durations(runs, every="1w").figure.savefig("durations.png")
    """
    if every is not None and by not in (None, VERSION):
        raise ConfigError(f"every={every!r} draws over time: leave by={by!r} out")
    columns, scoped, left = find_rows(runs, by, every, scope, edits, title)
    width = 0.0 if every else columns.width
    ax = axes.prepare_axes(ax, width=width, height=5.0)
    if not columns.height:
        return axes.show_message(ax, "no runs", say_left_out("run", left))
    columns, queue = columns.fit(ax, _THINNEST), _add_panel(ax)
    summed = summarize_runs(columns.place(scoped), columns.split("x")).collect()
    times = columns.arrange(ax, summed)
    columns.label(ax)
    unit = _choose_unit(times)
    for panel, part in ((ax, _EXECUTION), (queue, _QUEUE)):
        _draw_panel(panel, times, part, unit, is_joined=columns.is_ordered)
    queue.tick_params(labelbottom=False)
    queue.figure.get_figure(root=True).align_ylabels([ax, queue])
    looks = [(Line2D([], [], marker="o", **each), each["label"]) for each in _LINES.values()]
    axes.draw_legend(queue, looks)
    unknown = scoped.select(pl.col(_EXECUTION).is_null().sum()).collect().item()
    outages = int(times["n_outages"].sum())
    reasons = {"in an outage": outages, "without a duration": unknown, **left}
    notes = say_left_out("run", reasons) + columns.notes + columns.say_hollow(times)
    if few := times.filter(pl.col("n_runs") < _ENOUGH).height:
        places = f"{few} of {times.height} places"
        notes.append(f"fewer than {_ENOUGH} runs at {places}: p95 is near the longest")
    what, workflow = f"Duration of runs {columns.title}", columns.workflow
    return axes.conclude(ax, what, notes, workflow=workflow, above=queue)


def _add_panel(ax: Axes) -> Axes:
    """Axes above the given ones, in a part of their room."""
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
    # The colours and the letters of the given ones, whatever the present style.
    colour = axes.text_colour(ax)
    panel.yaxis.label.set(color=colour, fontsize=ax.yaxis.label.get_fontsize())
    panel.xaxis.label.set(color=colour)
    points = ax.yaxis.get_major_ticks(1)[0].label1.get_fontsize()
    panel.tick_params(which="both", color=colour, labelcolor=colour, labelsize=points)
    for name, spine in ax.spines.items():
        panel.spines[name].set_color(spine.get_edgecolor())
    return panel


def _draw_panel(
    ax: Axes, times: pl.DataFrame, part: str, unit: tuple[str, float], *, is_joined: bool
) -> None:
    name, milliseconds = part.removesuffix("_ms").replace("duration", "execution"), unit[1]
    low, top = (times[f"{part}_{which}"].to_numpy() / milliseconds for which in _LINES)
    highest: Any = (times[f"{part}_p95"] / milliseconds).max()
    if highest is None:
        axes.frame_values(ax, name)
        return axes.write_message(ax, f"no {name} times yet")
    x, smaller = times["x"].to_list(), 1 + (times.height >= _MANY)
    for values, style in zip((low, top), _LINES.values(), strict=True):
        joined = {} if is_joined else {"linestyle": "none"}
        look = {**style, "ms": style["ms"] / smaller, **joined}
        ax.plot(x, values, marker="o", **look)
        if times["hollow"][0]:
            look |= {"mfc": ax.get_facecolor(), "label": "_hollow"}
            ax.plot(x[:1], values[:1], marker="o", **look)
    if is_joined:
        ax.fill_between(x, low, top, color=SKY, alpha=0.2, linewidth=0, zorder=0)
    else:
        ax.vlines(x, low, top, color=SKY, linewidth=1.5, zorder=0)
    if times[f"{part}_p50"].min() >= 0:  # type: ignore[operator]
        highest = 1.08 * highest or 1.0
        places = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, highest)
        ax.set_yticks([place for place in places if place <= highest])
        ax.set_ylim(0, highest)
    axes.frame_values(ax, f"{name}\n[{unit[0]}]")


def _choose_unit(times: pl.DataFrame) -> tuple[str, float]:
    """One unit of both panels: the largest that fits twice into the longest duration."""
    longest: Any = times.select(pl.max_horizontal(pl.col("^.*_p95$").max())).item() or 0
    return next((each for each in _UNITS if longest >= 2 * each[1]), ("ms", 1.0))
