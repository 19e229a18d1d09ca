"""Evals and runs as a grid of verdicts."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from retab_analysis.plots.axes import (
    Entry,
    axes_for,
    cell,
    columns,
    legend,
    rows,
    say,
    sign,
)
from retab_analysis.plots.cells import NEEDED, grid
from retab_analysis.plots.frames import Frame, check_key, needed
from retab_analysis.plots.palette import EDGE, STATES, Style
from retab_analysis.schema import RESULTS

_STATES = ("passed", "failed", "blocked", "error", "mixed", "cancelled", "unscored")
_CORNER = 0.33


def plot_verdicts(results: Frame, *, by: str = "run_id", ax: Axes | None = None) -> Axes:
    """Draw what became of each eval in each run or version, as a grid.

    A ring marks results of flaky evals: the verdict changes on identical inputs and an identical
    block (as :func:`retab_analysis.flaky_evals`). A corner marks where an eval is no longer the
    same as in the column before: its inputs, condition or expected value changed. Several results
    in one cell that passed and did not are ``mixed``.

    Args:
        results: A RESULTS frame, ordered in any way.
        by: What makes a column: ``run_id``, ``workflow_version_id`` or another column of it that
            holds texts; in order of appearance.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; columns are at x = 0, 1, …, evals at y = 0, 1, … from the top: first those that
        do not pass in their newest column, then flaky ones, then by block, name and id.

    Raises:
        ConfigError: An argument that cannot be used, or no frame.
        SchemaError: No RESULTS frame.
    """
    key = check_key(by, RESULTS)
    cells = grid(needed(results, RESULTS, (key, *NEEDED)), key)
    if cells.is_empty():
        return say(axes_for(ax), "no results")
    keys, evals = cells.unique("x").sort("x"), cells.unique("y").sort("y")
    size: Style = {"width": 3.5 + 0.25 * keys.height, "height": min(3.8 + 0.32 * evals.height, 16)}
    ax = axes_for(ax, **size)
    _mesh(ax, cells, keys.height, evals.height)
    names = evals.select(pl.coalesce("eval_name", "eval_id")).to_series()
    columns(ax, keys["key"], room=0.6)
    ax.spines[:].set_visible(False)
    _signs(ax, cells, _cell_points(ax, keys.height, evals.height))
    legend(ax, _entries(cells))
    rows(ax, names if names.n_unique() == evals.height else _with_ids(evals), room=0.5)
    return ax


def _with_ids(evals: pl.DataFrame) -> list[str]:
    return [
        eval_id if name is None else f"{name} {eval_id}"
        for name, eval_id in evals.select("eval_name", "eval_id").iter_rows()
    ]


def _mesh(ax: Axes, cells: pl.DataFrame, across: int, down: int) -> None:
    codes = [[math.nan] * across for _ in range(down)]
    for x, y, state in cells.select("x", "y", "state").iter_rows():
        codes[y][x] = _STATES.index(state)
    edges: Style = {
        "edgecolors": ax.get_facecolor(),
        "linewidth": 1.0 if max(across, down) <= 60 else 0.0,
    }
    colours = ListedColormap([STATES[state].colour for state in _STATES])
    limits: Style = {"vmin": -0.5, "vmax": len(_STATES) - 0.5}
    places = ([at - 0.5 for at in range(n + 1)] for n in (across, down))
    ax.pcolormesh(*places, codes, cmap=colours, **limits, **edges)
    ax.set_xlim(-0.5, across - 0.5)
    ax.set_ylim(down - 0.5, -0.5)


def _cell_points(ax: Axes, across: int, down: int) -> float:
    """The shorter side of a cell, in points."""
    pixels = min(ax.bbox.width * 0.6 / across, ax.bbox.height * 0.5 / down)
    return pixels * 72 / ax.figure.dpi


def _signs(ax: Axes, cells: pl.DataFrame, side: float) -> None:
    for state in _STATES:
        if STATES[state].sign:
            _scatter(ax, cells.filter(pl.col("state") == state), STATES[state].sign, side * 0.45)
    _scatter(ax, cells.filter("flaky"), "o", side * 0.75, hollow=True)
    shift = pl.col("x", "y") - _CORNER
    _scatter(ax, cells.filter("changed").with_columns(shift), "^", side * 0.28)


def _scatter(
    ax: Axes, cells: pl.DataFrame, marker: str, side: float, *, hollow: bool = False
) -> None:
    if cells.is_empty():
        return
    size = max(1.0, min(side, 14.0))
    fill: Style = {"facecolors": "none", "edgecolors": EDGE} if hollow else {"color": EDGE}
    style: Style = {"s": size**2, "linewidth": min(1.2, size / 5), "marker": marker, **fill}
    ax.scatter(cells["x"].to_list(), cells["y"].to_list(), **style)


def _entries(cells: pl.DataFrame) -> list[Entry]:
    found = set(cells["state"])
    entries: list[Entry] = [(cell(STATES[s]), s) for s in _STATES if s in found]
    ground = cell(STATES["unscored"])
    if cells["flaky"].any():
        entries.append(((*ground, sign("o", 7.0, fillstyle="none")), "flaky"))
    if cells["changed"].any():
        entries.append(((*ground, sign("^", 5.0)), "eval changed"))
    return entries
