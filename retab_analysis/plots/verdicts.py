"""Evals and runs as a grid of verdicts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from retab_analysis.analysis.conclusions import NEEDED
from retab_analysis.analysis.eval_summaries import mark_results
from retab_analysis.analysis.frames import select_keyed
from retab_analysis.analysis.states import combine_results
from retab_analysis.arguments import check_count
from retab_analysis.comparison.detail import BROKE, FLAKY, NO_RESULT
from retab_analysis.config import publications
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import find_columns, say_left_out
from retab_analysis.plots.palette import EDGE, STATE_LOOKS, Style
from retab_analysis.schema import RESULTS
from retab_analysis.vocabulary import DECIDED, MOMENT, NOT_PASSING, SAME_EVAL

_STATES = (*DECIDED, "error", "mixed", "cancelled", "unscored")
_CORNER = 0.33
_ROW, _COLUMN = 0.22, 0.25  # inches of a new figure
_MOST_ROWS = 40
_ROOM = 0.7  # of the height, which a layout leaves to the rows
_MOST_EDGES = 60  # rows or columns up to which lines between them are visible


def plot_verdicts(
    results: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "run_id",
    edits: pl.DataFrame | pl.LazyFrame | None = None,
    title: str | None = "auto",
    page: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw the state of each eval in each run or version, as a grid.

    A heavy line at the left of a cell marks the break of an eval, and a ring marks the failures of
    a flaky eval, both by :func:`retab_analysis.summarize_evals`. A corner marks a change of the
    eval: of its inputs, condition or expected value. Several results in one cell make one state, as
    in :func:`retab_analysis.states`. A cell without results is empty.

    A figure has at most 40 rows, and fewer in low axes. If there are more evals, it draws only
    those that ever failed or were blocked, page by page. A line below the grid names the omissions;
    the text ``ax.retab_notes`` has it, too.

    Args:
        results: A RESULTS frame, ordered in any way.
        by: The column of ``results`` that makes the grid's columns, in order of appearance:
            ``run_id``, ``version`` (as in :func:`plot_pass_rate`) or another, your own included.
        edits: An EDITS frame, for the names of versions.
        title: A line above the figure: by default the workflow's name if ``edits`` has it, else its
            id; None for no such line.
        page: The page, from 1.
        ax: The axes; by default a new figure.

    Returns:
        The axes; columns are at x = 0, 1, …, evals at y = 0, 1, … from the top: first evals that do
        not pass in their newest column, then flaky ones, then by block, name and id.

    Raises:
        ConfigError: An argument cannot be used, or it is not a frame.
        SchemaError: It is not a RESULTS frame, or ``edits`` is not an EDITS frame.

    Example:
        >>> results = ra.fetch_results(ra.fetch_runs("wf_invoices", scope="workflow", limit=4))
        >>> ra.plot_verdicts(results, by="run_id").figure.savefig("verdicts.png")
    """
    check_count("page", page, 1)
    read = select_keyed(results, RESULTS, by, NEEDED, edits, publications)
    cells = _cells(read)
    if cells.is_empty():
        return axes.show_message(axes.prepare_axes(ax), "no results")
    keys = cells.unique("x").sort("x")
    rows = min(cells["y"].n_unique(), _MOST_ROWS)
    ax = axes.prepare_axes(ax, width=5.5 + _COLUMN * keys.height, height=3.4 + _ROW * rows)
    cells, notes = _choose_page(cells, min(_MOST_ROWS, axes.count_rows(ax, _ROOM)), page)
    evals = cells.unique("y").sort("y")
    _mesh(ax, cells, keys.height, evals.height)
    columns = find_columns(read.with_columns(created_at=MOMENT), by, edits, title)
    columns.label(ax, room=0.6)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    axes.draw_legend(ax, _draw_signs(ax, cells, keys.height, evals.height))
    # With its id if two have one name.
    names = evals.select(pl.coalesce("eval_name", "eval_id")).to_series()
    if names.n_unique() < evals.height:
        both = pl.concat_str("eval_name", "eval_id", separator=" ")
        names = evals.select(pl.coalesce(both, "eval_id")).to_series()
    axes.label_rows(ax, names, room=_ROOM)
    if notes:
        axes.say_below(ax, "; ".join(notes))
    what, notes = f"Verdicts by eval and {columns.noun}", [*notes, *columns.notes]
    return axes.conclude(ax, what, notes, workflow=columns.workflow)


def _choose_page(cells: pl.DataFrame, most: int, page: int) -> tuple[pl.DataFrame, list[str]]:
    notes, every = [], cells["y"].n_unique()
    if every > most:
        failed = cells.filter(pl.col("state").is_in((*NOT_PASSING, "mixed")))["y"].unique()
        chosen = cells.filter(pl.col("y").is_in(failed.implode()))
        if not chosen.is_empty():
            cells, left = chosen, every - len(failed)
            notes += say_left_out("eval", {"that never failed": left})
    rows = cells["y"].unique().sort()
    pages = math.ceil(len(rows) / most)
    if page > pages:
        raise ConfigError(f"page={page}: there is only page 1" + f" to {pages}" * (pages > 1))
    if pages > 1:
        first = most * (page - 1)
        last = min(first + most, len(rows))
        notes.append(f"evals {first + 1} to {last} of {len(rows)}: page {page} of {pages}")
        rows = rows[first:last]
    places = pl.DataFrame({"y": rows, "row": range(len(rows))}, schema_overrides={"row": pl.Int64})
    shown = cells.join(places, on="y").with_columns(y="row").drop("row")
    return shown.sort("y", "x"), notes


def _cells(lazy: pl.LazyFrame) -> pl.DataFrame:
    """One row per cell of the grid that has a result, ordered by ``y, x``."""
    kept = {name: pl.col(name).max() for name in ("eval_name", "block_id", *SAME_EVAL)}
    kept |= {name: pl.col(name).any() for name in ("flaky", "broke")}
    cells = combine_results(mark_results(lazy), "key", "eval_id", **kept).collect()
    first = cells.group_by("key").agg(pl.col("moment").min().alias("opened"))
    ordered = first.sort("opened", "key", nulls_last=True).with_row_index("x")
    cells = cells.join(ordered.cast({"x": pl.Int64}), on="key", nulls_equal=True)
    # Compared with the newest earlier column in which it is known.
    changed = pl.any_horizontal(
        (pl.col(name) != pl.col(name).forward_fill().shift(1).over("eval_id")).fill_null(False)
        for name in SAME_EVAL
    )
    cells = cells.sort("x", "eval_id").with_columns(changed=changed)
    # Evals in the order of the grid, each with its newest name.
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
    wide = 1.0 if max(across, down) <= _MOST_EDGES else 0.0
    edges: Style = {"edgecolors": ax.get_facecolor(), "linewidth": wide}
    colours = ListedColormap([STATE_LOOKS[state].colour for state in _STATES])
    limits: Style = {"vmin": -0.5, "vmax": len(_STATES) - 0.5}
    places = ([at - 0.5 for at in range(n + 1)] for n in (across, down))
    ax.pcolormesh(*places, codes, cmap=colours, **limits, **edges)
    ax.set_xlim(-0.5, across - 0.5)
    ax.set_ylim(down - 0.5, -0.5)


def _draw_signs(ax: Axes, cells: pl.DataFrame, across: int, down: int) -> list[tuple[Any, str]]:
    # In points, for axes that give a quarter to labels and legend.
    side = 0.75 * min(ax.bbox.width / across, ax.bbox.height / down) * 72 / ax.figure.dpi
    entries: list[tuple[Any, str]] = []

    def draw(found: pl.DataFrame, marker: str, share: float, **style: Any) -> Line2D:
        size = max(1.0, min(side * share, 14.0))
        look: Style = {"s": size**2, "linewidth": min(1.2, size / 5), "marker": marker}
        ax.scatter(found["x"].to_list(), found["y"].to_list(), **look, **style)
        ring: Style = {"fillstyle": "none"} if style.get("facecolors") == "none" else {}
        colour = style.get("color", EDGE)
        return _mark(marker, 6.0, color=colour, markeredgecolor=colour, **ring)

    for state in _STATES:
        found, look = cells.filter(state=state), STATE_LOOKS[state]
        if found.is_empty():
            continue
        handle: tuple[Line2D, ...] = (_mark("s", 10.0, color=look.colour),)
        if look.sign:
            colour = "white" if state == "error" else EDGE
            handle += (draw(found.filter(~pl.col("flaky")), look.sign, 0.45, color=colour),)
        entries.append((handle, state))
    if cells.height < across * down:
        outline: Style = {"color": "none", "mec": axes.text_colour(ax), "alpha": 0.6}
        entries.append((_mark("s", 9.5, **outline), NO_RESULT))
    ground = _mark("s", 10.0, color=STATE_LOOKS["unscored"].colour)
    if not (flaky := cells.filter("flaky", pl.col("state") != "passed")).is_empty():
        ring = draw(flaky, "o", 0.75, facecolors="none", edgecolors=EDGE)
        entries.append(((ground, ring), FLAKY))
    if not (broke := cells.filter("broke")).is_empty():
        # A line between an eval's last good column and the first in which it broke.
        x, y = (broke[name].cast(pl.Float64) for name in ("x", "y"))
        ends = (x - 0.5).to_list(), (y - 0.48).to_list(), (y + 0.48).to_list()
        # Black vanishes next to a dark ground's empty cell, and white next to a light one's.
        for colour, width in (("white", 0.42), (EDGE, 0.24)):
            wide = max(1.5, min(side * width, 10 * width))
            ax.vlines(*ends, color=colour, linewidth=wide, zorder=3)
        entries.append(((ground, _mark("|", 11.0, color=EDGE, mew=3)), f"{BROKE} here"))
    if not (changed := cells.filter("changed")).is_empty():
        corner = changed.with_columns(pl.col("x", "y") - _CORNER)
        entries.append(((ground, draw(corner, "^", 0.28, color=EDGE)), "eval changed"))
    return entries


def _mark(marker: str, size: float, **style: Any) -> Line2D:
    # A style may have removed the edges of markers, and some consist only of edges.
    return Line2D([], [], ls="", marker=marker, markersize=size, **{"mew": 1.0, **style})
