"""Pass rates over time: their numbers, the marks of edits, and a panel for each group."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis import summarize_evals, summarize_runs
from retab_analysis.analysis.counted_runs import COMPLETE, OF_RUN, find_standing
from retab_analysis.analysis.frames import VERSION
from retab_analysis.analysis.periods import PERIOD
from retab_analysis.analysis.result_summaries import count_results
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import BLOCKS, Columns, list_edits, mdates, say_left_out
from retab_analysis.plots.labels import shorten_names
from retab_analysis.plots.palette import BLUE, NEW, QUIET, SKY, Style
from retab_analysis.vocabulary import BROKEN, rated_total

_STEP = 0.05
_FROM_NOTHING = 0.25  # an axis that would begin lower begins at 0
_ACROSS, _MOST = 3, 24  # panels
_WIDE, _HIGH = 3.4, 1.75  # inches of a panel


def rate(rows: pl.LazyFrame, by: str, columns: Columns, scope: str | None) -> pl.DataFrame:
    """The pass rate of each group of runs or results, and whether only partial runs made it."""
    keys = columns.split(by)
    if "state" in rows.collect_schema():
        of_runs = keys if columns.by in (*OF_RUN, VERSION) else keys[1:]
        counted = count_results(rows, keys, of_runs, None, scope)
        return counted.with_columns(partial=pl.lit(False)).collect()
    best = find_standing(scope).filter(rated_total().is_not_null()).max()
    partial = rows.group_by(keys).agg(partial=best != COMPLETE).collect()
    found = summarize_runs(rows, keys, scope=scope).collect()
    return found.join(partial, on=keys, nulls_equal=True, maintain_order="left")


def say_unrated(rates: pl.DataFrame) -> dict[str, int]:
    """The numbers left out of the rates, by reason."""
    outages = rates["n_outages" if "n_outages" in rates.columns else "n_in_outages"]
    why = "of a part, that did not complete, or without counts"
    return {"in an outage": int(outages.sum()), why: int(rates["n_left_out"].sum())}


def draw_panels(
    ax: Axes | None,
    columns: Columns,
    rows: pl.LazyFrame,
    scope: str | None,
    left: dict[str, int],
) -> Axes:
    """A panel for each group with the same axes, in the order in which they appeared."""
    noun = "result" if "state" in rows.collect_schema() else "run"
    keys = columns.keys.head(_MOST)
    down = math.ceil(keys.height / _ACROSS) or 1
    ax = axes.prepare_axes(ax, width=_WIDE * _ACROSS, height=0.9 + _HIGH * down)
    if keys.is_empty():
        return axes.show_message(ax, f"no {noun}s", say_left_out(noun, left))
    rates = rate(rows, "key", columns, scope)
    across = min(_ACROSS, keys.height)
    spec = ax.get_subplotspec()
    if spec is None:
        raise ConfigError("panels need axes of a grid, such as plt.subplots() makes")
    grid = GridSpecFromSubplotSpec(down, across, spec)
    ax.set_subplotspec(grid[0])
    shared: dict[str, Any] = {"sharex": ax, "sharey": ax, "facecolor": ax.get_facecolor()}
    panels = [ax, *(ax.figure.add_subplot(grid[at], **shared) for at in range(1, keys.height))]
    names = shorten_names(columns.name_all(), int(ax.bbox.width / 0.5 / axes.measure_font(ax)) - 5)
    known = columns.arrange(ax, rates).drop_nulls("pass_rate")
    zoom(ax, known["pass_rate"].min(), known["pass_rate"].max())
    broken, marked = _find_broken(rows), False
    for at, (panel, key) in enumerate(zip(panels, keys["key"], strict=True)):
        its = known.filter(pl.col("key").eq_missing(key))
        is_newest = its[PERIOD].max() == known[PERIOD].max()
        shade = NEW if key in broken else axes.text_colour(ax) if is_newest else QUIET
        _draw_panel(panel, its, names[at], shade)
        panel.tick_params(labelleft=at % across == 0, labelbottom=at + across >= len(panels))
        if columns.edits is not None:
            column = "block_id" if columns.by in BLOCKS else columns.by
            edits = columns.edits
            own = edits.filter(pl.col(column) == key) if column in edits.columns else edits
            marked |= not own.is_empty() and mark_edits(panel, own, names=False)
    notes = say_left_out(noun, say_unrated(rates) | left) + columns.say_hollow(known)
    if columns.keys.height > keys.height:
        notes += say_left_out(columns.noun, {"": columns.keys.height - keys.height})
    what = f"Pass rate by {columns.noun} over time" + "; dotted: edits" * marked
    return axes.conclude(ax, what, notes, workflow=columns.workflow, panels=across)


def _find_broken(rows: pl.LazyFrame) -> set[Any]:
    """The groups with an eval that broke, as far as results tell."""
    if "state" not in rows.collect_schema():
        return set()
    broken = summarize_evals(rows).filter(pl.col("transition").is_in(BROKEN))
    return {*rows.join(broken, on="eval_id", how="semi").collect()["key"]}


def _draw_panel(ax: Axes, rates: pl.DataFrame, name: str, shade: Any) -> None:
    x = rates["x"].to_list()
    low, high = (rates[f"pass_rate_{each}"].to_list() for each in ("low", "high"))
    ax.fill_between(x, low, high, color=SKY, alpha=0.3, linewidth=0, zorder=1)
    ax.plot(x, rates["pass_rate"].to_list(), color=BLUE, linewidth=1.5, marker="o", markersize=2.5)
    axes.frame_values(ax)
    size = 0.9 * axes.measure_font(ax) * 72 / ax.figure.dpi
    place: Style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    colour = axes.text_colour(ax)
    ax.annotate(name, (0, 1), (0, 2), fontsize=size, color=colour, **place, **axes.plain(name))
    if rates.height:
        ax.scatter(x[-1:], rates["pass_rate"].tail(1).to_list(), s=18, color=shade, zorder=3)
        look: Style = {"color": ax.get_facecolor(), "edgecolors": BLUE, "zorder": 4}
        begun = rates.filter("hollow")
        ax.scatter(begun["x"], begun["pass_rate"], s=14, **look)
        said = f"{rates['pass_rate'][-1]:.0%}"
        bold: Style = {"fontsize": size, "fontweight": "bold", "color": shade, "ha": "right"}
        ax.annotate(said, (1, 1), (0, 2), **place, **bold, **axes.plain())


def mark_edits(ax: Axes, edits: pl.DataFrame, names: bool = True) -> bool:
    """A dotted line at each edit; returns whether there is one."""
    (first, last), (low, high) = ax.get_xlim(), ax.get_ylim()
    moments = list_edits(edits)
    known = dict(zip(mdates.date2num(list(moments)), moments.values(), strict=True))
    shown = sorted((at for at in known if first <= at <= last), reverse=True)
    free, size = math.inf, axes.measure_font(ax)
    points, scale = 0.85 * size * 72 / ax.figure.dpi, ax.bbox.width / (last - first)
    if names and any(known[at] for at in shown):
        ax.set_ylim(bottom=low - (high - low) * 1.6 * size / ax.bbox.height)
    for at in shown:
        ax.axvline(at, color=QUIET, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
        name = known[at] if names else ""
        if name and (free - at) * scale > (len(name) + 1) * 0.6 * size:
            free, style = at, {"fontsize": points, "color": axes.text_colour(ax), **axes.plain()}
            ax.annotate(name, (at, low), (3, -1.4 * points), textcoords="offset points", **style)
    return bool(shown)


def zoom(ax: Axes, low: Any, high: Any) -> None:
    bottom, top = (0.0, 1.0) if low is None or high is None else (low, high)
    bottom = math.floor(bottom / _STEP) * _STEP
    top = min(1.0, math.ceil(top / _STEP) * _STEP)
    bottom = 0.0 if bottom <= _FROM_NOTHING else bottom
    beyond = 0.03 * (top - bottom)
    ax.set_ylim(bottom - beyond * (bottom == 0), top + beyond)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
