"""The pass rate of each block before and now, and the evals that broke."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.comparison.comparison import Comparison, inside
from retab_analysis.comparison.detail import BROKE
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun
from retab_analysis.plots import axes
from retab_analysis.plots.columns import name_workflow, say_left_out
from retab_analysis.plots.labels import shorten_names, to_one_line
from retab_analysis.plots.palette import BLUE, MUTED, NEW, QUIET, Style
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import BROKEN

_SIDES = ("before", "now")
_BLOCKS = {
    **{"name": pl.String(), "edited": pl.Boolean(), "n": pl.Int64()},
    **{"before": pl.Float64(), "now": pl.Float64(), "broken": pl.List(pl.String())},
}
_FEWEST_ROWS, _MOST_ROWS, _MOST_NAMES = 3, 20, 12
_ROOM = 0.6  # of the height, for rows with two dots each
_NAMES = 0.4  # of the width, for the names of the evals that broke
_APART, _FAR_APART = 0.17, 9.0  # from the middle of a row to its dots: of a row, and points


def plot_comparison(
    comparison: Comparison,
    *,
    title: str | None = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each block before and now, and name the evals that broke.

    Each block has a hollow dot for its pass rate before and a full dot for its pass rate now. Both
    are over the evals with an outcome on both sides, as in ``Comparison.summary``. The lines are
    Wilson intervals at 95 % of one run of these evals. Blocks with broken evals have another
    colour. The figure names at most 12 of these evals. The text ``ax.retab_notes`` lists its
    omissions.

    Args:
        comparison: A comparison from :func:`retab_analysis.compare` or
            :func:`retab_analysis.check`.
        title: A line above the figure: by default the workflow's name if the comparison has it,
            else its id; None for no such line.
        ax: The axes; by default a new figure.

    Returns:
        The axes; x is the pass rate from 0 to 1, and the blocks are at y = 0, 1, … from the top:
        first the blocks with the most broken evals, then those whose pass rate fell most. It draws
        at most 20 blocks, and fewer in low axes.

    Raises:
        ConfigError: An argument cannot be used.

    Example:
        >>> ra.plot_comparison(ra.check("wf_invoices")).figure.savefig("comparison.png")
    """
    if not isinstance(comparison, Comparison):
        gives = f"; ra.check({comparison!r}) gives one" if isinstance(comparison, str) else ""
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}{gives}")
    every = _rate_blocks(comparison)
    broken = every.explode("broken").drop_nulls("broken").select("name", "broken")
    rated = every.filter(pl.col("n") > 0)
    lines = min(broken.height, _MOST_NAMES) + broken["name"].n_unique() + 3
    height = max(1.6 + 0.5 * min(rated.height, _MOST_ROWS), 0.9 + 0.21 * lines)
    ax = axes.prepare_axes(ax, width=8.0, height=height)
    if rated.is_empty():
        return axes.show_message(ax, "no results" if every.is_empty() else "nothing to compare")
    blocks = rated.head(min(_MOST_ROWS, axes.count_rows(ax, _ROOM)))
    _draw(ax, blocks, _NAMES if broken.height else 0.0)
    marks: Style = {"marker": "o", "ls": "", "color": axes.text_colour(ax), "mew": 1.3}
    looks = Line2D([], [], fillstyle="none", **marks), Line2D([], [], **marks)
    axes.draw_legend(ax, zip(looks, _name_sides(comparison), strict=True))
    counted = blocks.select("edited", "n").rows()
    about = [f"{'edited, ' * edited}{count_noun(n, 'eval')}" for edited, n in counted]
    axes.label_rows(ax, blocks["name"], about)
    if broken.height:
        _name_broken(ax, broken)
    if blocks.height < rated.height:
        axes.say_below(ax, f"{blocks.height} of {rated.height:,} blocks: the largest falls")
    reasons = {
        "without an eval to compare": every.height - rated.height,
        "whose pass rate fell less": rated.height - blocks.height,
    }
    sides, what = inside(comparison).sides, "Pass rate by block, 95 % intervals"
    named = name_workflow(title, sides.candidate.lazy(), sides.workflow, "name")
    return axes.conclude(ax, what, say_left_out("block", reasons), workflow=named)


def _name_sides(comparison: Comparison) -> list[str]:
    """The names of both sides, in the words of the verdict."""
    facts = inside(comparison).facts()
    return [to_one_line(each) for each in facts.versions or ("before", facts.version or "now")]


def _rate_blocks(comparison: Comparison) -> pl.DataFrame:
    """One row per block: ``name, n, before, now``, their intervals, and the broken evals."""
    suite, rows = inside(comparison).suite, []
    for block in dict.fromkeys(each.block_id for each in suite.stories):
        its = [each for each in suite.stories if each.block_id == block]
        others = {*suite.eval_ids} - {each.id for each in its}
        change = suite.without(others).test(comparison.alpha).change
        known = its[0].block_name or block, any(each.block_changed for each in its), change.n_evals
        rates = change.baseline_pass_rate, change.candidate_pass_rate
        broken = [each.name or each.id for each in its if each.transition in BROKEN]
        rows.append((*known, *rates, broken))
    blocks = pl.DataFrame(rows, schema=_BLOCKS, orient="row")
    for side in _SIDES:
        low, high = wilson_over(pl.col(side) * pl.col("n"), pl.col("n"))
        blocks = blocks.with_columns(low.alias(f"{side}_low"), high.alias(f"{side}_high"))
    broke = pl.col("broken").list.len().cast(pl.Int64)
    return blocks.sort(-broke, pl.col("now") - pl.col("before"), "name", nulls_last=True)


def _draw(ax: Axes, blocks: pl.DataFrame, aside: float) -> None:
    """The dots and their intervals, on axes with a free share at the right."""
    beside = max(0.0, (_FEWEST_ROWS - blocks.height) / 2)
    ax.set_ylim(blocks.height - 0.5 + beside, -0.5 - beside)
    spacing = ax.bbox.height / (blocks.height + 2 * beside) * 72 / ax.figure.dpi
    wide, apart = max(1.0, min(3.0, spacing / 8)), min(_APART, _FAR_APART / spacing)
    colours = [NEW if broken else BLUE for broken in blocks["broken"].list.len()]
    for side, shift in zip(_SIDES, (-apart, apart), strict=True):
        edges = colours if side == "now" else QUIET
        places = [at + shift for at in range(blocks.height)]
        ends = blocks[f"{side}_low"].to_list(), blocks[f"{side}_high"].to_list()
        ax.hlines(places, *ends, colors=edges, alpha=0.55, linewidth=wide, zorder=1)
        fill = edges if side == "now" else ax.get_facecolor()
        dots: Style = {"s": (2.6 * wide) ** 2, "linewidths": 1.3, "zorder": 3}
        ax.scatter(blocks[side].to_list(), places, color=fill, edgecolors=edges, label=side, **dots)
    least: float = blocks.select(pl.min_horizontal(pl.col("before_low", "now_low").min())).item()
    low = 0.0 if least < 0.25 else int(10 * least) / 10
    ax.set_xlim(low - 0.02 * (1 - low), low + 1.02 * (1 - low) / (1 - aside))
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1.0)
    ax.set_xticks([tick for tick in ticks if low <= tick < 1.001])
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.frame_values(ax, axis="x")


def _name_broken(ax: Axes, broken: pl.DataFrame) -> None:
    """List the evals that broke at the right, below their blocks if several have some."""
    shown, several = broken.head(_MOST_NAMES), broken["name"].n_unique() > 1
    rows = shown.height + several * shown["name"].n_unique() + 2
    points = axes.fit_points(ax, ax.bbox.height / rows)
    limit = axes.limit_label(0.88 * ax.bbox.width, points * ax.figure.dpi / 72)
    names = iter(shorten_names(shown["broken"], limit))
    lines: list[tuple[str, str]] = []
    for (block,), its in shown.group_by("name", maintain_order=True):
        lines += [(shorten_names([block], limit)[0], MUTED)] * several
        lines += [(next(names), axes.text_colour(ax)) for _ in its["broken"]]
    lines = lines[: max(1, axes.count_rows(ax, 1.0, points) - 2)]
    if left := broken.height - sum(colour != MUTED for _, colour in lines):
        lines.append((f"… {left:,} more", axes.text_colour(ax)))
    lines.insert(0, (f"{count_noun(broken.height, 'eval')} {BROKE}", NEW))
    place: Style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    for at, (line, colour) in enumerate(lines):
        how: Style = {**place, "color": colour, "fontsize": points, **axes.plain(line)}
        how["fontweight"] = "normal" if at else "bold"
        ax.annotate(line, (1.04 - _NAMES, 1), (0, -axes.LINE * points * at), **how)
