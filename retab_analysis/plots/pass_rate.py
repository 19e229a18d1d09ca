"""The pass rate from version to version, or from week to week."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import check_frame, check_key
from retab_analysis.analysis.summaries import READ, find_period, find_standing, is_outage
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import (
    RUN,
    VERSION,
    Columns,
    Versions,
    find_columns,
    name_day,
    say_left_out,
)
from retab_analysis.plots.palette import BLUE, NEW, QUIET, SKY, Style
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import rated_total

mdates: Any = dates  # which has no types
_THINNEST = 6.0  # pixels of an interval and what is between two of them
_STEP = 0.05
_FROM_NOTHING = 0.25  # an axis that would begin below begins at 0
_WHOLE = 3
_MANY = 40  # points that have to be smaller


def plot_pass_rate(
    runs: pl.DataFrame | pl.LazyFrame,
    by: str = "workflow_version_id",
    *,
    every: str | None = None,
    scope: str | None = "workflow",
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, or with ``every`` over time, with its 95 % interval.

    Rates and Wilson intervals are those of :func:`retab_analysis.summarize_runs`: of the runs that
    completed, outages apart. A version that has only runs of which evals are missing has a hollow
    point, because its rate may look better or worse than the whole; one of which nothing has ended
    yet has none. Drafts are grey, and the newest version is in a colour of its own, with its rate
    in figures. Groups that are too many to be seen apart are put together, as neighbours.

    With ``every`` x is time: a point in the middle of each period, the interval as a band, and with
    ``versions`` a dashed line where one was published.
    What the picture leaves out is in ``ax.retab_notes``, a tuple of sentences.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        every: Instead of ``by``: how long a period is, as for :func:`summarize_runs` (``"1w"``).
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; None for all.
        versions: A VERSIONS frame, for the versions' numbers and release notes.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, …, with ``every`` x are matplotlib's dates.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame, or ``versions`` is not a VERSIONS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=100)
        >>> axes = ra.plot_pass_rate(runs, versions=ra.fetch_versions("wf_invoices"))
        >>> ra.plot_pass_rate(runs, every="1w").figure.savefig("pass_rate.png")
    """
    key = check_key(by, runs, RUNS)
    lazy = check_frame(runs, RUNS, (key, *READ)).select(*READ, key=key)
    summarize_runs(lazy, "key", every=every, scope=scope)  # which refuses an unknown scope
    if every is not None and by != VERSION:
        raise ConfigError(f"every={every!r} draws over time: leave by={by!r} out")
    is_scoped = pl.lit(True) if scope is None else (pl.col("scope") == scope).fill_null(False)
    scoped = lazy.filter(is_scoped)
    others = lazy.select((~is_scoped).sum()).collect().item()
    columns = find_columns(scoped, by, versions)
    wide = 1.2 + 0.85 * columns.height if every is None else 8.0
    ax = axes.prepare_axes(ax, width=wide, height=4.4)
    if not columns.height:
        beside = f"no {scope} runs, {others:,} of another scope"
        return axes.show_message(ax, beside if others else "no runs")
    if every is None:
        columns = columns.fit(ax, _THINNEST)
        rates = _rate(columns.place(scoped), scope)
        quiet = _draw(ax, rates, columns)
        columns.label(ax, quiet=quiet)
        aside = "grey: drafts" if any(quiet) else ""
    else:
        rates = _rate(scoped.drop_nulls("created_at").with_columns(x=find_period(every)), scope)
        if rates.is_empty():
            return axes.show_message(ax, "no runs with a date")
        _draw_over_time(ax, rates, every)
        aside = "dashed: published" if _mark_publications(ax, columns.versions) else ""
    left = rates["n_runs"] - rates["rated_runs"] - rates["n_outages"]
    reasons = {
        "in an outage": int(rates["n_outages"].sum()),
        "that did not complete, or without counts": int(left.sum()),
        "of another scope": others,
    }
    notes = [*say_left_out("run", reasons), *columns.notes]
    if rates.filter("partial", pl.col("pass_rate").is_not_null()).height:
        notes.append("hollow: only runs in which evals are missing")
    title = f"Pass rate {'over time' if every else f'by {columns.noun}'}, 95 % intervals"
    return axes.conclude(ax, title, notes, aside=aside)


def _rate(placed: pl.LazyFrame, scope: str | None) -> pl.DataFrame:
    is_rated = ~is_outage() & rated_total().is_not_null()
    best = find_standing(scope or "workflow").filter(is_rated).max()
    partial = placed.group_by("x").agg(partial=best != _WHOLE).collect()
    return summarize_runs(placed, "x", scope=scope).collect().join(partial, on="x").sort("x")


def _draw(ax: Axes, rates: pl.DataFrame, columns: Columns) -> list[bool]:
    """Gives which points are drawn as drafts."""
    known = rates.drop_nulls("pass_rate")
    places = known["x"].to_list()
    newest = columns.by in (VERSION, RUN) and len(places) > 0 and places[-1] == rates.height - 1
    quiet = columns.drafts
    if newest and quiet:
        quiet[-1] = False
    # Where there is nothing else, quiet points would be all there is.
    quiet = quiet if any(quiet) and len(places) > 1 else []
    colours = [QUIET if at < len(quiet) and quiet[at] else BLUE for at in places]
    if newest:
        colours[-1] = NEW
    # Rounding can leave an end of the interval just within the rate, which matplotlib refuses.
    rate = known["pass_rate"]
    reach = rate - known["pass_rate_low"], known["pass_rate_high"] - rate
    ends = [each.clip(0).to_list() for each in reach]
    # Intervals are pale: what is pale over a ground can be read on light and dark ones.
    pale = [(colour, 0.55) for colour in colours]
    wide = 3.0 if len(places) < _MANY else 1.5
    line: Style = {"color": QUIET, "linewidth": 1, "elinewidth": wide, "ecolor": pale}
    ax.errorbar(places, rate.to_list(), yerr=ends, fmt="-", zorder=1, **line)
    axes.space_columns(ax, rates.height)
    _draw_points(ax, known, places, colours)
    return quiet


def _draw_over_time(ax: Axes, rates: pl.DataFrame, every: str) -> None:
    start, end = pl.col("x"), pl.col("x").dt.offset_by(every)
    known = rates.drop_nulls("pass_rate").with_columns(at=start + (end - start) / 2)
    places = mdates.date2num(known["at"].to_list())
    rate, low, high = (known[f"pass_rate{each}"].to_list() for each in ("", "_low", "_high"))
    ax.plot(places, rate, color=BLUE, linewidth=1.5, zorder=2)
    if len(places) > 1:
        ax.fill_between(places, low, high, color=SKY, alpha=0.3, linewidth=0, zorder=1)
    ax.vlines(places, low, high, color=SKY, linewidth=3 if len(places) == 1 else 0, zorder=1)
    _draw_points(ax, known, places, ([BLUE] * known.height)[1:] + [NEW] * (known.height > 0))
    first, last = mdates.date2num(rates.select(start.min(), end=end.max()).row(0))
    ax.set_xlim(first - 0.02 * (last - first), last + 0.06 * (last - first))
    years = {each.year for each in rates["x"]}
    most = int(ax.bbox.width / (8 if len(years) < 2 else 12) / axes.measure_font(ax))
    by_day, auto = mdates.DayLocator(), mdates.AutoDateLocator(minticks=2, maxticks=max(2, most))
    ax.xaxis.set_major_locator(by_day if last - first < 4 else auto)  # no hours
    ax.xaxis.set_major_formatter(lambda at, _: name_day(mdates.num2date(at), years))


def _draw_points(ax: Axes, known: pl.DataFrame, places: list[float], colours: list[str]) -> None:
    usual, ground = 70 if len(places) < _MANY else 12, ax.get_facecolor()
    sizes = [usual / 2.2 if colour == QUIET else usual for colour in colours]
    fill = [ground if part else each for each, part in zip(colours, known["partial"], strict=True)]
    rate = known["pass_rate"].to_list()
    ax.scatter(places, rate, s=sizes, color=fill, edgecolors=colours, linewidths=1.3, zorder=3)
    _zoom(ax, known["pass_rate_low"].min(), known["pass_rate_high"].max())
    axes.frame_values(ax)
    if NEW in colours:
        size = 1.1 * axes.measure_font(ax) * 72 / ax.figure.dpi
        words: Style = {"va": "center", "fontsize": size, "fontweight": "bold", "color": NEW}
        place: Style = {"textcoords": "offset points", "annotation_clip": False}
        said = f"{rate[-1]:.1%}".replace(".0%", "%")
        ax.annotate(said, (places[-1], rate[-1]), (0.8 * size, 0), **place, **words, **axes.plain())


def _mark_publications(ax: Axes, versions: Versions) -> int:
    (first, last), (low, high) = ax.get_xlim(), ax.get_ylim()
    known = [(mdates.date2num(at), n) for n, _, at, _ in (versions or {}).values() if at]
    shown = sorted((each for each in known if first <= each[0] <= last), reverse=True)
    free, size = math.inf, axes.measure_font(ax)
    points, scale = 0.85 * size * 72 / ax.figure.dpi, ax.bbox.width / (last - first)
    ax.set_ylim(bottom=low - (high - low) * 1.6 * size / ax.bbox.height * bool(shown))
    for at, number in shown:
        ax.axvline(at, color=QUIET, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
        name = "" if number is None else f"v{number}"
        if (free - at) * scale > (len(name) + 1) * 0.6 * size:
            free, style = at, {"fontsize": points, "color": axes.text_colour(ax), **axes.plain()}
            ax.annotate(name, (at, low), (3, -1.4 * points), textcoords="offset points", **style)
    return len(shown)


def _zoom(ax: Axes, low: Any, high: Any) -> None:
    bottom, top = (0.0, 1.0) if low is None or high is None else (low, high)
    bottom = math.floor(bottom / _STEP) * _STEP
    top = min(1.0, math.ceil(top / _STEP) * _STEP)
    bottom = 0.0 if bottom <= _FROM_NOTHING else bottom
    beyond = 0.03 * (top - bottom)
    ax.set_ylim(bottom - beyond * (bottom == 0), top + beyond)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
