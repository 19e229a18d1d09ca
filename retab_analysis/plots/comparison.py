"""What became of the evals of each block between two sides."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from retab_analysis.analysis.frames import count_where
from retab_analysis.comparison import Comparison
from retab_analysis.errors import ConfigError
from retab_analysis.plots.axes import (
    bar_style,
    draw_legend,
    label_rows,
    measure_font,
    name_axes,
    plain,
    prepare_axes,
    show_message,
)
from retab_analysis.plots.palette import EDGE, TRANSITION_LOOKS, Style
from retab_analysis.vocabulary import BROKEN, FLIPPED, NOT_COUNTED

_DRAWN = (*FLIPPED, *NOT_COUNTED)
# A bar is never thicker than a third of the axes.
_FEWEST_ROWS = 3


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Draw what became of the evals of each block between two sides.

    Beside each block stands, where there is room, whether its code changed (where that is known)
    and how many of its evals came out as before; those are not in its bar.

    Args:
        comparison: What :func:`retab_analysis.compare` or :func:`retab_analysis.check` gives.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the number of evals, stacked by transition (what broke first), one container
        per transition that occurs; the blocks are at y = 0, 1, … from the top, those with the most
        evals first that regressed or are newly blocked, then those with the longest bar. Blocks
        in which every eval came out as before are only counted, below.

    Raises:
        ConfigError: An argument that cannot be used.
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}")
    every = _blocks(comparison.evals)
    blocks = every.filter(pl.sum_horizontal(_DRAWN) > 0)
    ax = prepare_axes(ax, width=8.0, height=min(1.6 + 0.4 * blocks.height, 12))
    if blocks.is_empty():
        same = "every eval came out as before"
        return show_message(ax, "no results" if every.is_empty() else same)
    shown = [each for each in _DRAWN if blocks[each].sum() > 0]
    _draw(ax, blocks, shown)
    others = every.height - blocks.height
    more = f"; {others} more block{'s' * (others > 1)} as before" if others else ""
    name_axes(ax, x=f"evals{more}")
    draw_legend(ax, [(TRANSITION_LOOKS[each], each.replace("_", " ")) for each in shown])
    words = {True: ["code changed"], False: ["same code"], None: []}
    rows = blocks.select("block_changed", "same").rows()
    label_rows(ax, blocks["block_id"], [[*words[how], f"{same} as before"] for how, same in rows])
    return ax


def _blocks(evals: pl.DataFrame) -> pl.DataFrame:
    transition = pl.col("transition")
    counts = evals.group_by("block_id").agg(
        *(count_where(transition == each).alias(each) for each in _DRAWN),
        count_where(~transition.is_in(_DRAWN)).alias("same"),
        pl.col("block_changed").max(),
    )
    broken, drawn = pl.sum_horizontal(BROKEN), pl.sum_horizontal(_DRAWN)
    return counts.sort(-broken, -drawn, "block_id", nulls_last=True)


def _draw(ax: Axes, blocks: pl.DataFrame, shown: list[str]) -> None:
    left = [0] * blocks.height
    down = max(blocks.height, _FEWEST_ROWS)
    thick = ax.bbox.height * 0.5 / down
    for each in shown:
        look, widths = TRANSITION_LOOKS[each], blocks[each].to_list()
        style = bar_style(look, thick)
        bars = ax.barh(range(blocks.height), widths, left=left, height=0.7, label=each, **style)
        if thick > measure_font(ax):
            ground: Style = {"facecolor": look.colour, "edgecolor": "none", "pad": 1.0}
            numbers = [str(width) if width else "" for width in widths]
            ax.bar_label(bars, numbers, label_type="center", color=EDGE, bbox=ground, **plain())
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_xlim(0, max(*left, 1) * 1.02)
    ax.set_ylim(down - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
