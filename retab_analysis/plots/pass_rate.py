"""The pass rate from version to version."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from retab_analysis.analysis import summarize_runs
from retab_analysis.analysis.frames import check_key
from retab_analysis.plots.axes import (
    add_note,
    label_columns,
    name_axes,
    prepare_axes,
    show_message,
    space_columns,
    text_colour,
)
from retab_analysis.plots.palette import BLUE
from retab_analysis.schema import RUNS


def plot_pass_rate(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "workflow_version_id",
    scope: str | None = "workflow",
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, in order of appearance, with its interval.

    The rate and its interval are those of :func:`retab_analysis.summarize_runs`: passed / (passed +
    failed + blocked + error) over all runs of a version, from 0 to 100 %, with the Wilson interval
    at 95 %. ``n`` beside the name is how many evals that is of. A version of which nothing has
    ended yet has no point. Runs without all of these counts are left out, and a line says how many.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it, your own included.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; None for all.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, ….

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    key = check_key(by, runs, RUNS)
    rates = summarize_runs(runs.lazy(), key, scope=scope).collect()
    ax = prepare_axes(ax, width=1.5 + 0.3 * rates.height, height=5.4)
    if rates.is_empty():
        return show_message(ax, "no runs")
    _draw(ax, rates.with_row_index("x"))
    label_columns(ax, rates[key], [f"n={n}" for n in rates["rated_evals"]])
    if left := rates.select(pl.col("n_runs").sum() - pl.col("rated_runs").sum()).item():
        add_note(ax, f"{left} run{'s' if left > 1 else ''} without counts")
    return ax


def _draw(ax: Axes, rates: pl.DataFrame) -> None:
    known = rates.drop_nulls("pass_rate")
    rate = known["pass_rate"]
    low, high = rate - known["pass_rate_low"], known["pass_rate_high"] - rate
    # Rounding can leave an end of the interval just within the rate, which matplotlib refuses.
    ends = [low.clip(0).to_list(), high.clip(0).to_list()]
    places = known["x"].to_list()
    ax.plot(places, rate.to_list(), color=text_colour(ax), alpha=0.35, linewidth=1)
    ax.errorbar(places, rate.to_list(), yerr=ends, fmt="o", color=BLUE, capsize=3, markersize=5)
    space_columns(ax, rates.height)
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    name_axes(ax, y="pass rate")
