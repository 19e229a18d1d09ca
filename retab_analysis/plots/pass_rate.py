"""The pass rate from version to version."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import check_frame, check_key
from retab_analysis.analysis.summaries import READ, find_standing, is_outage
from retab_analysis.plots import axes
from retab_analysis.plots.columns import RUN, VERSION, Columns, find_columns, say_left_out
from retab_analysis.plots.palette import BLUE, NEW, QUIET, Style
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import rated_total

_THINNEST = 6.0  # pixels of an interval and what is between two of them
_STEP = 0.05
_FROM_NOTHING = 0.25  # an axis that would begin below begins at 0
_WHOLE = 3
_MANY = 40  # points that have to be smaller


def plot_pass_rate(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "workflow_version_id",
    scope: str | None = "workflow",
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, with its 95 % interval.

    Rates and Wilson intervals are those of :func:`retab_analysis.summarize_runs`: of the runs that
    completed, outages apart. A version that has only runs of which evals are missing has a hollow
    point, because its rate may look better or worse than the whole; one of which nothing has ended
    yet has none. Drafts are grey, and the newest version is in a colour of its own, with its rate
    in figures. The axis goes from a little below the lowest interval to a little above the highest.
    Groups that are too many to be seen apart are put together, as many neighbours each.

    ``ax.retab_notes`` says in a few lines of text what the figure leaves out.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; None for all.
        versions: A VERSIONS frame: published versions are named by their number, and their release
            notes are among the notes.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, ….

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame, or ``versions`` is not a VERSIONS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=100)
        >>> axes = ra.plot_pass_rate(runs, versions=ra.fetch_versions("wf_invoices"))
        >>> axes.figure.savefig("pass_rate.png")
    """
    key = check_key(by, runs, RUNS)
    lazy = check_frame(runs, RUNS, (key, *READ)).select(*READ, key=key)
    summarize_runs(lazy, "key", scope=scope)  # which refuses an unknown scope
    is_scoped = pl.lit(True) if scope is None else (pl.col("scope") == scope).fill_null(False)
    scoped = lazy.filter(is_scoped)
    others = lazy.select((~is_scoped).sum()).collect().item()
    columns = find_columns(scoped, by, versions)
    ax = axes.prepare_axes(ax, width=1.2 + 0.85 * columns.height, height=4.4)
    if not columns.height:
        beside = f"no {scope} runs, {others:,} of another scope"
        return axes.show_message(ax, beside if others else "no runs")
    columns = columns.fit(ax, _THINNEST)
    placed = columns.place(scoped)
    is_rated = ~is_outage() & rated_total().is_not_null()
    best = find_standing(scope or "workflow").filter(is_rated).max()
    partial = placed.group_by("x").agg(partial=best != _WHOLE).collect()
    rates = summarize_runs(placed, "x", scope=scope).collect().join(partial, on="x").sort("x")
    quiet = _draw(ax, rates, columns)
    columns.label(ax, quiet=quiet)
    left = rates["n_runs"] - rates["rated_runs"] - rates["n_outages"]
    reasons = {
        "in an outage": int(rates["n_outages"].sum()),
        "that did not complete, or without counts": int(left.sum()),
        "of another scope": others,
    }
    notes = [*say_left_out("run", reasons), *columns.notes]
    if rates.filter("partial", pl.col("pass_rate").is_not_null()).height:
        notes.append("hollow: only runs in which evals are missing")
    aside = "grey: drafts" if any(quiet) else ""
    return axes.conclude(ax, f"Pass rate by {columns.noun}, 95 % intervals", notes, aside=aside)


def _draw(ax: Axes, rates: pl.DataFrame, columns: Columns) -> list[bool]:
    """Draw the points; gives which of them are drawn as drafts."""
    known = rates.drop_nulls("pass_rate")
    places, rate = known["x"].to_list(), known["pass_rate"].to_list()
    low, high = known["pass_rate_low"], known["pass_rate_high"]
    newest = columns.by in (VERSION, RUN) and len(places) > 0 and places[-1] == rates.height - 1
    quiet = columns.drafts
    if newest and quiet:
        quiet[-1] = False
    # Where there is nothing else, quiet points would be all there is.
    quiet = quiet if any(quiet) and len(places) > 1 else []
    colours = [QUIET if at < len(quiet) and quiet[at] else BLUE for at in places]
    if newest:
        colours[-1] = NEW
    usual = 70 if len(places) < _MANY else 12
    sizes = [usual / 2.2 if colour == QUIET else usual for colour in colours]
    # Rounding can leave an end of the interval just within the rate, which matplotlib refuses.
    reach = known["pass_rate"] - low, high - known["pass_rate"]
    ends = [each.clip(0).to_list() for each in reach]
    # Intervals are pale: what is pale over a ground can be read on light and dark ones.
    pale = [(colour, 0.55) for colour in colours]
    wide = 3.0 if len(places) < _MANY else 1.5
    line: Style = {"color": QUIET, "linewidth": 1, "elinewidth": wide, "ecolor": pale}
    ax.errorbar(places, rate, yerr=ends, fmt="-", zorder=1, **line)
    ground = ax.get_facecolor()
    fill = [ground if part else each for each, part in zip(colours, known["partial"], strict=True)]
    ax.scatter(places, rate, s=sizes, color=fill, edgecolors=colours, linewidths=1.3, zorder=3)
    axes.space_columns(ax, rates.height)
    _zoom(ax, low.min(), high.max())
    axes.frame_values(ax)
    if newest:
        size = 1.1 * axes.measure_font(ax) * 72 / ax.figure.dpi
        words: Style = {"va": "center", "fontsize": size, "fontweight": "bold", "color": NEW}
        place: Style = {"textcoords": "offset points", "annotation_clip": False}
        said = f"{rate[-1]:.1%}".replace(".0%", "%")
        ax.annotate(said, (places[-1], rate[-1]), (0.8 * size, 0), **place, **words, **axes.plain())
    return quiet


def _zoom(ax: Axes, low: Any, high: Any) -> None:
    bottom, top = (0.0, 1.0) if low is None or high is None else (low, high)
    bottom = math.floor(bottom / _STEP) * _STEP
    top = min(1.0, math.ceil(top / _STEP) * _STEP)
    bottom = 0.0 if bottom <= _FROM_NOTHING else bottom
    beyond = 0.03 * (top - bottom)
    ax.set_ylim(bottom - beyond * (bottom == 0), top + beyond)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
