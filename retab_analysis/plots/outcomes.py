"""The outcomes of the evals of each run or version."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.analysis.counted_runs import find_standing, was_outage
from retab_analysis.analysis.frames import count_where, select_keyed
from retab_analysis.config import publications
from retab_analysis.plots import axes
from retab_analysis.plots.columns import RUN, find_columns, say_left_out
from retab_analysis.plots.palette import NOT_ENDED, QUIET, STATE_LOOKS, Look
from retab_analysis.schema import RUNS
from retab_analysis.vocabulary import RATED, rated_total

_OPEN = ("running", "queued", "pending")
_COUNTS = (*RATED, "cancelled")
_SHOWN = (*RATED, NOT_ENDED, "unscored")
_CANCELLED_RUN = "cancelled run"
_CANCELLED = Look(QUIET, "////")
_LOW, _GAP = 0.06, 0.025  # of the highest bar: a mark of cancelled runs, and from it to the bars
_THINNEST = 4.0  # pixels of a bar
_SMOOTH = 6.0  # pixels of a bar without a gap next to it


def plot_outcomes(
    runs: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "run_id",
    edits: pl.DataFrame | pl.LazyFrame | None = None,
    title: str | None = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw how many evals of each run, or which share of each version's, passed, failed, and so on.

    A run's bar is as high as its evals without cancelled ones, and the x axis shows the days.
    By any other column, a bar shows shares of the results behind the pass rate of
    :func:`retab_analysis.summarize_runs`: of complete runs of the whole workflow, or of the next
    best. If there are too many bars to tell apart, neighbours share one, also as shares. A
    cancelled run has no bar, but a hatched mark below. The text ``ax.retab_notes`` lists the
    omissions of the figure.

    Args:
        runs: A RUNS frame, ordered in any way.
        by: ``run_id``, ``version`` (as in :func:`plot_pass_rate`) or another column of it, your own
            included; the bars are in order of appearance.
        edits: An EDITS frame, for the names of versions and blocks.
        title: A line above the figure: by default the workflow's name if ``edits`` has it, else its
            id; None for no such line.
        ax: The axes; by default a new figure.

    Returns:
        The axes; the bars are at x = 0, 1, …, one container per state that occurs (``not ended``:
        running, queued or pending; ``unscored``: not counted by the API), and one for the marks,
        ``cancelled run``, below 0.

    Raises:
        ConfigError: An argument cannot be used, or it is not a frame.
        SchemaError: It is not a RUNS frame, or ``edits`` is not an EDITS frame.

    Example:
        >>> runs = ra.fetch_runs("wf_invoices", limit=50)
        >>> ra.plot_outcomes(runs, by="version").figure.savefig("outcomes.png")
    """
    read = ("created_at", "status", "scope", "total_evals", *_COUNTS, *_OPEN)
    lazy = select_keyed(runs, RUNS, by, read, edits, publications)
    columns = find_columns(lazy, by, edits, title)
    width = 1.5 + 0.2 * columns.height if by == RUN else columns.width
    ax = axes.prepare_axes(ax, width=width, height=4.4)
    if not columns.height:
        return axes.show_message(ax, "no runs")
    columns = columns.fit(ax, _THINNEST)
    parts = columns.arrange(ax, _count(columns.place(lazy)))
    what, left = "Results by run", {"that were cancelled": int(parts["cancelled"].sum())}
    is_single = by == RUN and columns.each == 1
    if not is_single:
        total = pl.sum_horizontal(RATED)
        others = [pl.lit(0.0).alias(each) for each in _SHOWN if each not in RATED]
        parts = parts.with_columns(pl.col(RATED) / pl.when(total > 0).then(total), *others)
        left["of a part, in an outage, or that did not complete"] = int(parts["left"].sum())
        what = f"Share of results by {columns.noun}"
    shown = [state for state in _SHOWN if (parts[state].sum() or 0) > 0]
    highest = _stack(ax, parts, shown)
    entries = [(STATE_LOOKS[state], state) for state in shown]
    if parts["cancelled"].sum():
        entries.append((_CANCELLED, _CANCELLED_RUN))
    if is_single:
        ticks = MaxNLocator(6, steps=[1, 2, 5, 10], integer=True).tick_values(0, highest)
        ax.set_yticks([tick for tick in ticks if 0 <= tick <= highest])
    else:
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.frame_values(ax, "evals" if is_single else "")
    columns.label(ax)
    axes.draw_legend(ax, entries)
    notes = [*say_left_out("run", left), *columns.notes]
    return axes.conclude(ax, what, notes, workflow=columns.workflow)


def _count(placed: pl.LazyFrame) -> pl.DataFrame:
    """One row per place ``x``: the results of the runs that count, and the runs that do not."""
    cancelled = (pl.col("status") == "cancelled").fill_null(False)
    rank = find_standing(None, pl.lit(False)) - 4 * was_outage().cast(pl.Int8)
    rank = pl.when(rated_total().is_null()).then(-9).otherwise(rank)
    counts = ~cancelled & (rank == rank.filter(~cancelled).max())
    other = pl.col("total_evals").fill_null(0) - pl.sum_horizontal(*_COUNTS, *_OPEN)
    states = {NOT_ENDED: pl.sum_horizontal(_OPEN), "unscored": other.clip(lower_bound=0)}
    return (
        placed.with_columns(**states)
        .group_by("x")
        .agg(
            pl.col(_SHOWN).filter(counts).sum(),
            cancelled=count_where(cancelled),
            left=count_where(~cancelled & ~counts),
        )
        .collect()
    )


def _stack(ax: Axes, parts: pl.DataFrame, shown: list[str]) -> float:
    """Draw stacked bars, and the marks below; returns the height of the highest bar."""
    thick = ax.bbox.width * 0.8 / parts.height
    wide = 0.8 if thick > _SMOOTH else 1.0
    below = [0.0] * parts.height
    for state in shown:
        heights = parts[state].fill_null(0).to_list()
        style = axes.area_style(STATE_LOOKS[state], thick)
        style["linewidth"] = [style["linewidth"] * (height > 0) for height in heights]
        ax.bar(range(parts.height), heights, bottom=below, width=wide, label=state, **style)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    highest = max(below) or 1.0
    if places := parts.filter(pl.col("cancelled") > 0)["x"].to_list():
        style = axes.area_style(_CANCELLED, thick)
        low, high = -(_LOW + _GAP) * highest, _LOW * highest
        ax.bar(places, high, bottom=low, width=wide, label=_CANCELLED_RUN, **style)
    ax.set_ylim(-(_LOW + _GAP) * highest * bool(places), highest * 1.02)
    return highest
