"""What flipped between two sides, by block."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from retab_analysis.comparison import Comparison
from retab_analysis.errors import ConfigError
from retab_analysis.plots.canvas import PLAIN, area, axes_for, ink, legend, name_axes, rows, say
from retab_analysis.plots.palette import EDGE, TRANSITIONS, Style

_BROKEN = ("regressed", "newly_blocked", "newly_errored")
_NUMBERED = 30


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Draw what flipped between two sides, by block.

    Beside each block stands, where there is room, whether its code changed (where that is known)
    and how many of its evals stayed as they were; those are in no bar.

    Args:
        comparison: What :func:`retab_analysis.compare` or :func:`retab_analysis.check` gives.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the number of evals, stacked by transition (what broke first), one container
        per transition that occurs; the blocks are at y = 0, 1, … from the top, those with the most
        broken evals first.

    Raises:
        ConfigError: An argument that cannot be used.
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}")
    blocks = _blocks(comparison.evals)
    ax = axes_for(ax, width=8.0, height=min(1.6 + 0.4 * blocks.height, 12))
    if blocks.is_empty():
        return say(ax, "no results")
    shown = [each for each in TRANSITIONS if blocks[each].sum() > 0]
    _draw(ax, blocks, shown)
    rows(ax, blocks["block_id"], _notes(blocks))
    legend(ax, [(area(TRANSITIONS[each]), each.replace("_", " ")) for each in shown])
    if not shown:
        style: Style = {"ha": "center", "va": "center", "color": ink(ax), "transform": ax.transAxes}
        ax.text(0.5, 0.5, "nothing flipped", **PLAIN, **style)
    return ax


def _blocks(evals: pl.DataFrame) -> pl.DataFrame:
    transition = pl.col("transition")
    counts = evals.group_by("block_id").agg(
        *((transition == each).sum().cast(pl.Int64).alias(each) for each in TRANSITIONS),
        (~transition.is_in(list(TRANSITIONS))).sum().alias("same"),
        pl.col("block_changed").max(),
    )
    broken, any_flip = pl.sum_horizontal(_BROKEN), pl.sum_horizontal(*TRANSITIONS)
    return counts.sort(-broken, -any_flip, "block_id", nulls_last=True)


def _notes(blocks: pl.DataFrame) -> list[str]:
    words = {True: ["changed"], False: ["same code"], None: []}
    return [
        f"({', '.join([*words[changed], f'{same} unchanged'])})"
        for changed, same in blocks.select("block_changed", "same").iter_rows()
    ]


def _draw(ax: Axes, blocks: pl.DataFrame, shown: list[str]) -> None:
    left = [0] * blocks.height
    for each in shown:
        look, widths = TRANSITIONS[each], blocks[each].to_list()
        style: Style = {
            "color": look.colour,
            "hatch": look.hatch,
            "edgecolor": EDGE,
            "linewidth": 0.5,
        }
        bars = ax.barh(range(blocks.height), widths, left=left, height=0.7, label=each, **style)
        if blocks.height <= _NUMBERED:
            ground: Style = {"facecolor": look.colour, "edgecolor": "none", "pad": 1.0}
            numbers = [str(width) if width else "" for width in widths]
            ax.bar_label(bars, numbers, label_type="center", color=EDGE, bbox=ground, **PLAIN)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_xlim(0, max(*left, 1) * 1.02)
    ax.set_ylim(blocks.height - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_axes(ax, x="evals")
