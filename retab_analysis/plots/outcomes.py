"""What became of the evals of each run or version."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis.frames import select_keyed
from retab_analysis.plots import axes
from retab_analysis.plots.columns import RUN, find_columns
from retab_analysis.plots.palette import NOT_ENDED, STATE_LOOKS
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import RATED

_OPEN = ("running", "queued", "pending")
_COUNTS = (*RATED, "cancelled")
_SHOWN = (*_COUNTS, NOT_ENDED, "unscored")
_THINNEST = 4.0  # pixels of a bar
_SMOOTH = 6.0  # pixels of a bar without a gap beside it


def plot_outcomes(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "run_id",
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many evals of each run, or what share of each version's, passed, failed, and so on.

    A bar of one run is as high as it has evals, and the axis has the days. By anything else than
    ``run_id`` a bar is of several runs: it shows shares. Evals that run, are queued or pending have
    ``not ended``; what is in none of the states that the API counts, or was not counted at all, is
    ``unscored``. Bars that are too many to be seen apart are put together, as many neighbours each;
    they show shares too.
    What the picture leaves out is in ``ax.retab_notes``, a tuple of sentences.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: ``run_id``, ``workflow_version_id`` or another column of it, your own included; the bars
            are in order of appearance.
        versions: A VERSIONS frame, for the versions' numbers and release notes.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the bars are at x = 0, 1, …, one container per state that occurs.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame, or ``versions`` is not a VERSIONS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=50)
        >>> axes = ra.plot_outcomes(runs, by="workflow_version_id")
        >>> axes.figure.savefig("outcomes.png")
    """
    lazy = select_keyed(runs, RUNS, by, ("created_at", "total_evals", *_COUNTS, *_OPEN))
    columns = find_columns(lazy, by, versions)
    width = 1.5 + (0.2 if by == RUN else 0.85) * columns.height
    ax = axes.prepare_axes(ax, width=width, height=4.4)
    if not columns.height:
        return axes.show_message(ax, "no runs")
    columns = columns.fit(ax, _THINNEST)
    other = pl.col("total_evals").fill_null(0) - pl.sum_horizontal(*_COUNTS, *_OPEN)
    is_open = pl.sum_horizontal(_OPEN).alias(NOT_ENDED)
    placed = columns.place(lazy).with_columns(is_open, unscored=other.clip(lower_bound=0))
    counts = placed.group_by("x").agg(pl.col(*_SHOWN).sum()).sort("x").collect()
    shown = [state for state in _SHOWN if counts[state].sum() > 0]
    title = f"What became of the evals, by {columns.noun}"
    if by == RUN and columns.each == 1:
        highest = max(_stack(ax, counts, shown), 1)
        ticks = MaxNLocator(6, integer=True).tick_values(0, highest)
        ax.set_yticks([tick for tick in ticks if 0 <= tick <= highest])
        ax.set_ylim(0, highest * 1.02)
    else:
        total = pl.sum_horizontal(_SHOWN)
        shares = pl.col(_SHOWN) / pl.when(total > 0).then(total)
        _stack(ax, counts.with_columns(shares), shown)
        ax.set_ylim(0, 1.02)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        title = f"Share of evals by outcome and {columns.noun}"
    axes.frame_values(ax)
    columns.label(ax)
    axes.draw_legend(ax, [(STATE_LOOKS[state], state) for state in shown])
    return axes.conclude(ax, title, columns.notes)


def _stack(ax: Axes, parts: pl.DataFrame, shown: list[str]) -> float:
    below = [0.0] * parts.height
    thick = ax.bbox.width * 0.8 / parts.height
    wide = 0.8 if thick > _SMOOTH else 1.0
    for state in shown:
        heights = parts[state].fill_null(0).to_list()
        style = axes.area_style(STATE_LOOKS[state], thick)
        ax.bar(range(parts.height), heights, bottom=below, width=wide, label=state, **style)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.space_columns(ax, parts.height)
    return max(below)
