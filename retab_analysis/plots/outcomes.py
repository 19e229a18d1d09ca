"""What became of the evals of each run or version."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from retab_analysis.analysis.frames import select_keyed
from retab_analysis.plots.axes import (
    area_handle,
    bar_style,
    draw_legend,
    label_columns,
    name_axes,
    prepare_axes,
    show_message,
    space_columns,
)
from retab_analysis.plots.palette import STATE_LOOKS
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import RATED

_COUNTS = (*RATED, "cancelled", "running", "queued", "pending")
_SHOWN = (*_COUNTS, "unscored")


def plot_outcomes(
    runs: pl.DataFrame | pl.LazyFrame, *, by: str = "run_id", ax: Axes | None = None
) -> Axes:
    """Draw how many evals of each run or version passed, failed, and so on, stacked.

    A bar is as high as there are evals. Whatever is in none of the states that the API counts, or
    was not counted at all, is ``unscored``.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: ``run_id``, ``workflow_version_id`` or another column of it, your own included; the bars
            are in order of appearance.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; the bars are at x = 0, 1, …, one container per state that occurs.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RUNS frame.
    """
    counts = _counts(select_keyed(runs, RUNS, by, ("created_at", "total_evals", *_COUNTS)))
    ax = prepare_axes(ax, width=1.5 + 0.25 * counts.height, height=5.4)
    if counts.is_empty():
        return show_message(ax, "no runs")
    shown = [state for state in _SHOWN if counts[state].sum() > 0]
    _draw(ax, counts, shown)
    label_columns(ax, counts["key"])
    draw_legend(ax, [(area_handle(STATE_LOOKS[state]), state) for state in shown])
    return ax


def _counts(lazy: pl.LazyFrame) -> pl.DataFrame:
    other = pl.col("total_evals").fill_null(0) - pl.sum_horizontal(_COUNTS)
    groups = lazy.with_columns(unscored=other.clip(lower_bound=0)).group_by("key")
    summed = groups.agg(pl.col(*_SHOWN).sum(), pl.col("created_at").min())
    return summed.sort("created_at", "key", nulls_last=True).collect()


def _draw(ax: Axes, counts: pl.DataFrame, shown: list[str]) -> None:
    below = [0] * counts.height
    thick = ax.bbox.width * 0.8 / counts.height
    for state in shown:
        heights, style = counts[state].to_list(), bar_style(STATE_LOOKS[state], thick)
        ax.bar(range(counts.height), heights, bottom=below, width=0.8, label=state, **style)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    space_columns(ax, counts.height)
    ax.set_ylim(0, max(*below, 1) * 1.02)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    name_axes(ax, y="evals")
