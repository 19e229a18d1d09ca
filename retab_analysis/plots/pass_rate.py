"""The pass rate from version to version."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from retab_analysis.errors import ConfigError
from retab_analysis.plots.axes import axes_for, columns, ink, name_axes, say
from retab_analysis.plots.frames import Frame, check_key, needed
from retab_analysis.plots.palette import BLUE
from retab_analysis.schema import RUNS
from retab_analysis.stats import wilson_over

_COUNTS = ("passed", "failed", "blocked")
_SCOPES = ("workflow", "block", "eval")


def plot_pass_rate(
    runs: Frame,
    *,
    by: str = "workflow_version_id",
    scope: str | None = "workflow",
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each version, in order of appearance, with its interval.

    The pass rate is passed / (passed + failed + blocked) over all runs of a version, from 0 to
    100 %, with the Wilson interval at 95 % (see :func:`retab_analysis.stats.wilson_interval`) and
    ``n``, how many results were decided, beside the name. A version without any has no point.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: Another column of it that holds texts.
        scope: Only runs of this scope: ``workflow``, ``block`` or ``eval``; None for all.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the versions are at x = 0, 1, ….

    Raises:
        ConfigError: An argument that cannot be used, or no frame.
        SchemaError: No RUNS frame.
    """
    key = check_key(by, RUNS)
    if scope is not None and scope not in _SCOPES:
        raise ConfigError(f"scope must be one of {', '.join(_SCOPES)} or None, got {scope!r}")
    lazy = needed(runs, RUNS, (key, "scope", "created_at", *_COUNTS))
    rates = _rates(lazy if scope is None else lazy.filter(pl.col("scope") == scope), key)
    ax = axes_for(ax, width=1.5 + 0.3 * rates.height, height=5.4)
    if rates.is_empty():
        return say(ax, "no runs")
    _draw(ax, rates.with_row_index("x"))
    columns(ax, rates[key], [f"n={n}" for n in rates["n"]])
    return ax


def _rates(lazy: pl.LazyFrame, key: str) -> pl.DataFrame:
    counts = lazy.group_by(key).agg(pl.col(*_COUNTS).sum(), pl.col("created_at").min())
    passed, n = pl.col("passed"), pl.sum_horizontal(_COUNTS)
    low, high = wilson_over(passed, n)
    measured = counts.with_columns(n=n, rate=pl.when(n > 0).then(passed / n), low=low, high=high)
    return measured.sort("created_at", key, nulls_last=True).collect()


def _draw(ax: Axes, rates: pl.DataFrame) -> None:
    known = rates.drop_nulls("rate")
    rate = known["rate"]
    ends = [(rate - known["low"]).clip(0).to_list(), (known["high"] - rate).clip(0).to_list()]
    places = known["x"].to_list()
    ax.plot(places, rate.to_list(), color=ink(ax), alpha=0.35, linewidth=1)
    ax.errorbar(places, rate.to_list(), yerr=ends, fmt="o", color=BLUE, capsize=3, markersize=5)
    ax.set_xlim(-0.6, rates.height - 0.4)
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    name_axes(ax, y="pass rate")
