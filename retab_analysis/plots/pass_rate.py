"""The pass rate from version to version."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import check_frame, check_key
from retab_analysis.plots.axes import (
    measure_font,
    name_axes,
    plain,
    prepare_axes,
    show_message,
    space_columns,
    text_colour,
)
from retab_analysis.plots.columns import VERSION, find_columns, label_groups
from retab_analysis.plots.palette import BLUE, Style
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import RATED, TERMINAL, rated_total

_READ = (
    *("status", "created_at", "scope", "ok", "total_evals", *RATED, "cancelled"),
    *("duration_ms", "queue_ms"),
)
_THINNEST = 6.0  # pixels of an interval and what is between two of them
_STEP = 0.05
_MANY = 40  # intervals whose ends have no room for a line across
_FROM_NOTHING = 0.25  # an axis that would begin below begins at 0


def plot_pass_rate(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "workflow_version_id",
    scope: str | None = "workflow",
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, in order of appearance, with its interval.

    The rate and its interval are those of :func:`retab_analysis.summarize_runs`: passed / (passed +
    failed + blocked + error) over the runs of a version, with the Wilson interval at 95 %. A run
    that was cancelled, or has not ended, has the results of some evals only, and may look better or
    worse than the whole: it counts only where its version has no complete run, and the point is
    hollow then. ``n`` beside the name is how many evals a rate is of. A version of which nothing
    has ended yet has no point. What is left out is counted below. The axis goes from a little below
    the lowest interval to a little above the highest, and its label says so where that is not 0.
    The newest version has a diamond, and its rate in figures. Groups that are too many to be seen
    apart are put together, as many neighbours each, which is said as well.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; None for all.
        versions: A VERSIONS frame: published versions are named by their number, and their release
            notes stand below.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, ….

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame, or ``versions`` is not a VERSIONS frame.
    """
    key = check_key(by, runs, RUNS)
    lazy = check_frame(runs, RUNS, (key, *_READ)).select(*_READ, key=key)
    summarize_runs(lazy, "key", scope=scope)  # which refuses an unknown scope
    is_scoped = pl.lit(True) if scope is None else (pl.col("scope") == scope).fill_null(False)
    scoped = lazy.filter(is_scoped)
    others = lazy.select((~is_scoped).sum()).collect().item()
    columns = find_columns(scoped, by, versions)
    ax = prepare_axes(ax, width=1.2 + 0.75 * columns.height, height=5.4 + columns.notes_height)
    if not columns.height:
        beside = f"no {scope} runs, {others:,} of another scope"
        return show_message(ax, beside if others else "no runs")
    columns = columns.fit(ax, _THINNEST)
    placed = _mark_used(columns.place(scoped)).collect()
    used = placed.filter("used")
    partial = used.group_by("x").agg(pl.col("partial").all())
    rates = summarize_runs(used, "x").join(partial, on="x").sort("x")
    bottom = _draw(ax, rates, newest=columns.by == VERSION)
    said = [f"the axis begins at {bottom:.0%}, not at 0"] if bottom else []
    notes = [f"n={n}" for n in rates["rated_evals"]]
    said += _said(placed, rates, others)
    label_groups(ax, columns, notes, n="evals that the rate is of", said=said)
    return ax


def _mark_used(runs: pl.LazyFrame) -> pl.LazyFrame:
    """Which runs are ``partial``: a part of their evals is missing; and which are ``used``."""
    ended = pl.col("status").is_in(TERMINAL) & (pl.col("status") != "cancelled")
    partial = ~ended.fill_null(False) | (pl.col("cancelled") > 0).fill_null(False)
    has_complete = (~pl.col("partial") & rated_total().is_not_null()).any().over("x")
    marked = runs.with_columns(partial=partial)
    return marked.with_columns(used=~(pl.col("partial") & has_complete))


def _said(placed: pl.DataFrame, rates: pl.DataFrame, others: int) -> list[str]:
    """Which runs are in no rate, and what a hollow point is."""
    counts = {
        "that did not complete": placed.filter(~pl.col("used")).height,
        "without counts from the API": int((rates["n_runs"] - rates["rated_runs"]).sum()),
        "of another scope": others,
    }
    left = [f"{n:,} run{'s' * (n > 1)} {why}" for why, n in counts.items() if n]
    said = [f"left out: {', '.join(left)}"] if left else []
    if not rates.filter(pl.col("partial") & pl.col("pass_rate").is_not_null()).is_empty():
        said.append("hollow: only runs that did not complete")
    return said


def _draw(ax: Axes, rates: pl.DataFrame, *, newest: bool) -> float:
    """Draw the points; gives where y begins."""
    known = rates.drop_nulls("pass_rate")
    places, rate = known["x"].to_list(), known["pass_rate"]
    low, high = known["pass_rate_low"], known["pass_rate_high"]
    # Rounding can leave an end of the interval just within the rate, which matplotlib refuses.
    ends = [(rate - low).clip(0).to_list(), (high - rate).clip(0).to_list()]
    ax.plot(places, rate.to_list(), color=text_colour(ax), alpha=0.35, linewidth=1)
    style: Style = {"color": BLUE, "capsize": 3 if len(places) < _MANY else 0, "markersize": 5}
    drawn = ax.errorbar(places, rate.to_list(), yerr=ends, fmt="o", **style)
    # A point that is hollow must not be drawn over a full one: the ground may be transparent.
    drawn.lines[0].set_markevery((~known["partial"]).arg_true().to_list())
    hollow = known.filter("partial")
    fill: Style = {"facecolor": ax.get_facecolor(), "edgecolor": BLUE, "zorder": 3}
    ax.scatter(hollow["x"].to_list(), hollow["pass_rate"].to_list(), s=30, **fill)
    space_columns(ax, rates.height)
    bottom = _zoom(ax, low.min(), high.max())
    name_axes(ax, y="pass rate")
    ax.grid(axis="y", color=text_colour(ax), alpha=0.15, linewidth=0.6)
    ax.set_axisbelow(True)
    if newest and places and places[-1] == rates.height - 1:
        x, y, size = places[-1], rate[-1], measure_font(ax) * 72 / ax.figure.dpi
        ground = ax.get_facecolor() if known["partial"][-1] else BLUE
        ax.scatter([x], [y], s=70, marker="D", zorder=4, facecolor=ground, edgecolor=BLUE)
        words: Style = {"va": "center", "fontsize": size, "color": text_colour(ax)}
        ax.annotate(f"{y:.1%}", (x, y), (8, 0), textcoords="offset points", **words, **plain())
    return bottom


def _zoom(ax: Axes, low: Any, high: Any) -> float:
    """Set the limits of y around the intervals; gives the lower one."""
    bottom, top = (0.0, 1.0) if low is None or high is None else (low, high)
    bottom = math.floor(bottom / _STEP) * _STEP
    top = min(1.0, math.ceil(top / _STEP) * _STEP)
    bottom = 0.0 if bottom <= _FROM_NOTHING else bottom
    beyond = 0.03 * (top - bottom)
    ax.set_ylim(bottom - beyond * (bottom == 0), top + beyond)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return bottom
