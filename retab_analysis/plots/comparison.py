"""What became of the evals of each block between two sides."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from retab_analysis.analysis.frames import count_where
from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of
from retab_analysis.errors import ConfigError
from retab_analysis.plots import axes
from retab_analysis.plots.columns import VERSION, name_version, read_versions, say_left_out
from retab_analysis.plots.labels import to_one_line
from retab_analysis.plots.palette import EDGE, TRANSITION_LOOKS, Style
from retab_analysis.vocabulary import BROKEN, TRANSITIONS

_DRAWN = TRANSITIONS[:-2]
_DARK = ("regressed", "newly_errored", "removed")
# A bar is never thicker than a third of the axes, and none is too thin to be named.
_FEWEST_ROWS, _MOST_ROWS = 3, 30


def plot_comparison(
    comparison: Comparison,
    *,
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what became of the evals of each block between two sides.

    Beside each block stands, where there is room, whether its code changed (where that is known)
    and how many of its evals came out as before; those are not in its bar. The legend says from
    which state to which the evals went.

    What the picture leaves out is in ``ax.retab_notes``, a tuple of sentences.

    Args:
        comparison: What :func:`retab_analysis.compare` or :func:`retab_analysis.check` gives.
        versions: A VERSIONS frame, by which the title names the version that was compared; what
            :func:`retab_analysis.check` gives knows it anyway.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the number of evals, stacked by transition (what broke first), one container
        per transition that occurs; the blocks are at y = 0, 1, … from the top, those with the most
        evals first that regressed or are newly blocked, then those with the longest bar. Blocks
        in which every eval came out as before, and those after the first thirty, are counted in the
        notes.

    Raises:
        ConfigError: An argument that cannot be used.

    Example:
        >>> axes = ra.plot_comparison(ra.check("wf_claims"))
        >>> axes.figure.savefig("comparison.png")
    """
    if not isinstance(comparison, Comparison):
        gives = f"; ra.check({comparison!r}) gives one" if isinstance(comparison, str) else ""
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}{gives}")
    every = _blocks(comparison.evals)
    changed = every.filter(pl.sum_horizontal(_DRAWN) > 0)
    blocks = changed.head(_MOST_ROWS)
    ax = axes.prepare_axes(ax, width=8.0, height=min(1.6 + 0.4 * blocks.height, 12))
    if blocks.is_empty():
        same = "every eval came out as before"
        return axes.show_message(ax, "no results" if every.is_empty() else same)
    shown = [each for each in _DRAWN if blocks[each].sum() > 0]
    _draw(ax, blocks, shown)
    axes.draw_legend(ax, [(TRANSITION_LOOKS[each], _say(comparison.evals, each)) for each in shown])
    words = {True: "code changed, ", False: "same code, ", None: ""}
    rows = blocks.select("block_changed", "same").rows()
    edits = sides_of(comparison).around.edits
    names = {} if edits is None else edits.names
    axes.label_rows(
        ax,
        [names.get(each, each) for each in blocks["block_id"]],
        [f"{words[how]}{same} as before" for how, same in rows],
    )
    reasons = {
        "in which every eval came out as before": every.height - changed.height,
        "in which fewer evals changed": changed.height - blocks.height,
    }
    side = sides_of(comparison)
    known = read_versions(VERSION, side.around.versions if versions is None else versions)
    ids = side.candidate[VERSION].drop_nulls().unique().to_list()
    which = f" in {to_one_line(name_version(ids[0], known))}" if len(ids) == 1 else ""
    return axes.conclude(ax, f"Evals that changed{which}, by block", say_left_out("block", reasons))


def _say(evals: pl.DataFrame, transition: str) -> str:
    word, rows = transition.replace("_", " "), evals.filter(transition=transition)
    was, got = (
        "/".join(rows[f"{side}_state"].drop_nulls().unique().sort(descending=True))
        for side in ("baseline", "candidate")
    )
    return f"{word}: {was} → {got}" if was and got and was != got else word


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
        style = axes.area_style(look, thick)
        bars = ax.barh(range(blocks.height), widths, left=left, height=0.7, label=each, **style)
        if thick > axes.measure_font(ax):
            # What is dark has light numbers, and a hatch has none behind them.
            words: Style = {"color": "white" if each in _DARK else EDGE, "label_type": "center"}
            if look.hatch:
                words["bbox"] = {"facecolor": look.colour, "edgecolor": "none", "pad": 1.0}
            ax.bar_label(
                bars, [str(width) if width else "" for width in widths], **words, **axes.plain()
            )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_xlim(0, max(*left, 1) * 1.02)
    ax.set_ylim(down - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.frame_values(ax, "evals", "x")
