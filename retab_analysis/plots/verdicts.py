"""Evals and runs as a grid of verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from retab_analysis.analysis.assessment import NEEDED
from retab_analysis.analysis.flakiness import mark_results
from retab_analysis.analysis.frames import select_keyed
from retab_analysis.analysis.states import combine_results
from retab_analysis.plots.axes import (
    draw_legend,
    label_rows,
    prepare_axes,
    show_message,
    text_colour,
)
from retab_analysis.plots.columns import Columns, label_groups
from retab_analysis.plots.palette import EDGE, STATE_LOOKS, Style
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import DECIDED, SAME_EVAL, eval_label

_STATES = (*DECIDED, "error", "mixed", "cancelled", "unscored")
_CORNER = 0.33
_ROW, _COLUMN = 0.22, 0.25  # inches of a new figure
_MOST_EDGES = 60  # rows or columns between which a line is seen


def plot_verdicts(
    results: pl.DataFrame | pl.LazyFrame, *, by: str = "run_id", ax: Axes | None = None
) -> Axes:
    """Draw what became of each eval in each run or version, as a grid.

    A heavy line at the left of a cell is the step at which an eval broke for good, as
    :func:`retab_analysis.blame` has it. A ring marks outcomes of flaky evals, as
    :func:`retab_analysis.flaky_evals` has them. A corner marks where an eval is no longer the same
    as in the column before: its inputs, condition or expected value changed. Several results in one
    cell make one state, as in :func:`retab_analysis.states`; where there is none, the cell is
    empty. Every row is named: a new figure is as high as it takes, and in one of yours the letters
    get smaller; names are left out only where even that is not enough.

    Args:
        results: A RESULTS frame, ordered in any way.
        by: What makes a column: ``run_id``, ``workflow_version_id`` or another column of it, your
            own included; in order of appearance.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; columns are at x = 0, 1, …, evals at y = 0, 1, … from the top: first those that
        do not pass in their newest column, then flaky ones, then by block, name and id.

    Raises:
        ConfigError: An argument that cannot be used, or not a polars frame.
        SchemaError: It is not a RESULTS frame.
    """
    cells = _cells(select_keyed(results, RESULTS, by, NEEDED))
    if cells.is_empty():
        return show_message(prepare_axes(ax), "no results")
    keys, evals = cells.unique("x").sort("x"), cells.unique("y").sort("y")
    size: Style = {"width": 5.5 + _COLUMN * keys.height, "height": 3.4 + _ROW * evals.height}
    ax = prepare_axes(ax, **size)
    _mesh(ax, cells, keys.height, evals.height)
    label_groups(ax, Columns(by, keys.select("key", created_at="opened")), room=0.65)
    ax.spines[:].set_visible(False)
    has_gaps = cells.height < keys.height * evals.height
    draw_legend(ax, _entries(ax, cells, has_gaps=has_gaps))
    _signs(ax, cells, keys.height, evals.height)
    # With its id where two have one name.
    names = evals.select(eval_label()).to_series()
    if names.n_unique() < evals.height:
        both = pl.concat_str("eval_name", "eval_id", separator=" ")
        names = evals.select(pl.coalesce(both, "eval_id")).to_series()
    label_rows(ax, names, room=0.7)
    return ax


def _cells(lazy: pl.LazyFrame) -> pl.DataFrame:
    """One row per cell of the grid that has a result, ordered by ``y, x``.

    ``opened`` is when its column begins; ``flaky``, ``broke`` and ``changed`` are its signs.
    """
    kept = {name: pl.col(name).max() for name in ("eval_name", "block_id", *SAME_EVAL)}
    kept |= {name: pl.col(name).any() for name in ("flaky", "broke")}
    cells = combine_results(mark_results(lazy), "key", "eval_id", **kept).collect()
    first = cells.group_by("key").agg(pl.col("moment").min().alias("opened"))
    ordered = first.sort("opened", "key", nulls_last=True).with_row_index("x")
    cells = cells.join(ordered.cast({"x": pl.Int64}), on="key", nulls_equal=True)
    # Against the newest column before in which it is known.
    changed = pl.any_horizontal(
        (pl.col(name) != pl.col(name).forward_fill().shift(1).over("eval_id")).fill_null(False)
        for name in SAME_EVAL
    )
    cells = cells.sort("x", "eval_id").with_columns(changed=changed)
    # Evals in the order in which one wants to see them, each with its newest name.
    evals = cells.group_by("eval_id", maintain_order=True).agg(
        passing=pl.col("state").last() == "passed",
        steady=~pl.col("flaky").any(),
        block=pl.col("block_id").max(),
        name=pl.col("eval_name").drop_nulls().last(),
    )
    rows = evals.sort("passing", "steady", "block", "name", "eval_id", nulls_last=True)
    placed = rows.select("eval_id", "name").with_row_index("y").cast({"y": pl.Int64})
    columns = ("x", "y", "key", "opened", "eval_id", "state", "flaky", "broke", "changed")
    found = cells.join(placed, on="eval_id", nulls_equal=True)
    return found.select(*columns, eval_name="name").sort("y", "x")


def _mesh(ax: Axes, cells: pl.DataFrame, across: int, down: int) -> None:
    codes = np.full((down, across), np.nan)
    states = cells["state"].replace_strict({state: at for at, state in enumerate(_STATES)})
    codes[cells["y"].to_numpy(), cells["x"].to_numpy()] = states.to_numpy()
    edges: Style = {
        "edgecolors": ax.get_facecolor(),
        "linewidth": 1.0 if max(across, down) <= _MOST_EDGES else 0.0,
    }
    colours = ListedColormap([STATE_LOOKS[state].colour for state in _STATES])
    limits: Style = {"vmin": -0.5, "vmax": len(_STATES) - 0.5}
    places = ([at - 0.5 for at in range(n + 1)] for n in (across, down))
    ax.pcolormesh(*places, codes, cmap=colours, **limits, **edges)
    ax.set_xlim(-0.5, across - 0.5)
    ax.set_ylim(down - 0.5, -0.5)


def _signs(ax: Axes, cells: pl.DataFrame, across: int, down: int) -> None:
    # In points, of axes of which a quarter goes to labels and legend.
    side = 0.75 * min(ax.bbox.width / across, ax.bbox.height / down) * 72 / ax.figure.dpi
    for state in _STATES:
        if STATE_LOOKS[state].sign:
            _scatter(ax, cells.filter(state=state), STATE_LOOKS[state].sign, side * 0.45)
    _scatter(ax, cells.filter("flaky"), "o", side * 0.75, hollow=True)
    corner = cells.filter("changed").with_columns(pl.col("x", "y") - _CORNER)
    _scatter(ax, corner, "^", side * 0.28)
    broke = cells.filter("broke")
    if broke.is_empty():
        return
    # A line between the last column in which an eval was whole and the first in which it broke.
    x, y = (broke[name].cast(pl.Float64) for name in ("x", "y"))
    ends = (x - 0.5).to_list(), (y - 0.48).to_list(), (y + 0.48).to_list()
    # Black is not seen beside a dark ground's empty cell, and white not beside a light one's.
    for colour, width in (("white", 0.42), (EDGE, 0.24)):
        ax.vlines(*ends, color=colour, linewidth=max(1.5, min(side * width, 10 * width)), zorder=3)


def _scatter(
    ax: Axes, cells: pl.DataFrame, marker: str, side: float, *, hollow: bool = False
) -> None:
    if cells.is_empty():
        return
    size = max(1.0, min(side, 14.0))
    fill: Style = {"facecolors": "none", "edgecolors": EDGE} if hollow else {"color": EDGE}
    style: Style = {"s": size**2, "linewidth": min(1.2, size / 5), "marker": marker, **fill}
    ax.scatter(cells["x"].to_list(), cells["y"].to_list(), **style)


def _entries(ax: Axes, cells: pl.DataFrame, *, has_gaps: bool) -> list[tuple[Any, str]]:
    """The legend: each state that occurs, and each sign."""

    def cell(state: str, sign: str, size: float = 6.0, **more: Any) -> tuple[Line2D, ...]:
        ground = _mark("s", 10.0, color=STATE_LOOKS[state].colour)
        return (ground, _mark(sign, size, color=EDGE, **more)) if sign else (ground,)

    found = set(cells["state"])
    entries: list[Any] = [(cell(s, STATE_LOOKS[s].sign), s) for s in _STATES if s in found]
    if has_gaps:
        outline: Style = {"color": "none", "mec": text_colour(ax), "mew": 0.5, "alpha": 0.6}
        entries.append((_mark("s", 9.5, **outline), "no result"))
    signs = {
        "flaky": (cell("unscored", "o", 7.0, fillstyle="none"), "flaky"),
        "broke": (cell("unscored", "|", 11.0, markeredgewidth=3), "broke here"),
        "changed": (cell("unscored", "^", 5.0), "eval changed"),
    }
    return entries + [entry for name, entry in signs.items() if cells[name].any()]


def _mark(marker: str, size: float, **style: Any) -> Line2D:
    return Line2D([], [], ls="", marker=marker, markersize=size, **style)
