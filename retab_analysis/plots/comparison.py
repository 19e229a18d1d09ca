"""The pass rate of each block before and now, and which evals broke."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from retab_analysis.comparison import Comparison
from retab_analysis.comparison.comparison import sides_of, suite_of
from retab_analysis.errors import ConfigError
from retab_analysis.markup import count_noun
from retab_analysis.plots import axes
from retab_analysis.plots.columns import VERSION, Versions, name_version, read_versions, say_left_out
from retab_analysis.plots.labels import shorten_names, to_one_line
from retab_analysis.plots.palette import BLUE, MUTED, NEW, QUIET, Style
from retab_analysis.stats.proportions import wilson_over
from retab_analysis.vocabulary import BROKEN, eval_label

_FEWEST_ROWS, _MOST_ROWS, _MOST_NAMES = 3, 20, 12
_ROOM = 0.6  # of the height, for rows of which each has two dots
_NAMES = 0.4  # of the width, for the names of the evals that broke
_APART, _FAR_APART = 0.17, 9.0  # from the middle of a row to its dots: of a row, and points


def plot_comparison(
    comparison: Comparison,
    *,
    versions: pl.DataFrame | pl.LazyFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the pass rate of each block before and now, and name the evals that broke.

    Each block has a hollow dot for its pass rate before and a full dot for its pass rate now. Both
    rates are over the evals that have an outcome on both sides, as in ``Comparison.summary``. The
    lines are Wilson intervals at 95 %, as wide as those of one run of these evals. A block in which
    an eval broke has another colour; the names of these evals are at the right, at most 12.

    ``ax.retab_notes`` says in a few lines of text what the figure leaves out.

    Args:
        comparison: What :func:`retab_analysis.compare` or :func:`retab_analysis.check` gives.
        versions: A VERSIONS frame, which names the versions that were compared; what
            :func:`retab_analysis.check` gives knows them anyway.
        ax: Where to draw; None makes a new figure.

    Returns:
        The axes; x is the pass rate from 0 to 1, and the blocks are at y = 0, 1, … from the top:
        first those with the most evals that broke, then those whose pass rate fell most. At most
        20 blocks are drawn, and fewer in low axes.

    Raises:
        ConfigError: An argument that cannot be used.

    Example:
        >>> axes = ra.plot_comparison(ra.check("wf_claims"))
        >>> axes.figure.savefig("comparison.png")
    """
    if not isinstance(comparison, Comparison):
        raise ConfigError(f"expected a Comparison, got {type(comparison).__name__}")
    every = _rate_blocks(comparison)
    broken = every.explode("broken").drop_nulls("broken").select("name", "broken")
    rated = every.filter(pl.col("n") > 0)
    lines = min(broken.height, _MOST_NAMES) + broken["name"].n_unique() + 3
    height = max(1.6 + 0.5 * min(rated.height, _MOST_ROWS), 0.9 + 0.21 * lines)
    ax = axes.prepare_axes(ax, width=8.0, height=height)
    if rated.is_empty():
        return axes.show_message(ax, "no results" if every.is_empty() else "nothing to compare")
    blocks = rated.head(min(_MOST_ROWS, axes.count_rows(ax, _ROOM)))
    sides = sides_of(comparison)
    known = read_versions(VERSION, sides.around.versions if versions is None else versions)
    before, now = _name_side(sides.baseline, known), _name_side(sides.candidate, known)
    _draw(ax, blocks, _NAMES if broken.height else 0.0)
    marks: Style = {"marker": "o", "ls": "", "color": axes.text_colour(ax), "mew": 1.3}
    hollow = Line2D([], [], fillstyle="none", **marks)
    axes.draw_legend(ax, [(hollow, before or "before"), (Line2D([], [], **marks), now or "now")])
    edited = {True: "edited, ", False: "", None: ""}
    about = [f"{edited[how]}{count_noun(n, 'eval')}" for how, n in blocks.select("edited", "n").rows()]
    axes.label_rows(ax, blocks["name"], about)
    _name_broken(ax, broken)
    if blocks.height < rated.height:
        axes.say_below(ax, f"{blocks.height} of {rated.height:,} blocks: those that fell most")
    reasons = {
        "of which no eval can be compared": every.height - rated.height,
        "whose pass rate fell less": rated.height - blocks.height,
    }
    return axes.conclude(ax, "Pass rate by block, 95 % intervals", say_left_out("block", reasons))


def _name_side(results: pl.DataFrame | None, known: Versions) -> str | None:
    """The one version of a side; None where it has several, or an eval's own past is the side."""
    ids = [] if results is None else results[VERSION].unique().to_list()
    return to_one_line(name_version(ids[0], known)) if len(ids) == 1 and ids[0] else None


def _rate_blocks(comparison: Comparison) -> pl.DataFrame:
    """One row per block: ``name, n, before, now``, their intervals, and what broke."""
    suite, rows = suite_of(comparison), []
    evals = comparison.evals.with_columns(label=eval_label())
    names = {each.block_id: each.block_name or each.block_id for each in suite.stories}
    for (block,), its in evals.group_by("block_id", maintain_order=True):
        others = {*suite.documents["eval_id"]} - {*its["eval_id"]}
        change = suite.without(others).test(comparison.alpha).change
        broken = its.filter(pl.col("transition").is_in(BROKEN))["label"].to_list()
        rates = change.baseline_pass_rate, change.candidate_pass_rate
        rows.append((names[block], change.n_evals, *rates, its["block_changed"].max(), broken))
    number = dict.fromkeys(("before", "now"), pl.Float64())
    about = {"edited": pl.Boolean(), "broken": pl.List(pl.String())}
    schema = {"name": pl.String(), "n": pl.Int64(), **number, **about}
    blocks = pl.DataFrame(rows, schema=schema, orient="row")
    n, ends = pl.col("n"), {}
    for side in number:
        low, high = wilson_over(pl.col(side) * n, n)
        ends |= {f"{side}_low": low, f"{side}_high": high}
    fall = pl.col("now") - pl.col("before")
    return blocks.with_columns(**ends).sort(
        -pl.col("broken").list.len().cast(pl.Int64), fall, "name", nulls_last=True
    )


def _draw(ax: Axes, blocks: pl.DataFrame, aside: float) -> None:
    """The dots and their intervals, on axes of which a share at the right is kept free."""
    beside = max(0.0, (_FEWEST_ROWS - blocks.height) / 2)
    ax.set_ylim(blocks.height - 0.5 + beside, -0.5 - beside)
    spacing = ax.bbox.height / (blocks.height + 2 * beside) * 72 / ax.figure.dpi
    wide = max(1.0, min(3.0, spacing / 8))
    colours = [NEW if broken else BLUE for broken in blocks["broken"].list.len()]
    apart = min(_APART, _FAR_APART / spacing)
    for side, shift, edges in (("before", -apart, [QUIET] * blocks.height), ("now", apart, colours)):
        places = [at + shift for at in range(blocks.height)]
        ends = blocks[f"{side}_low"].to_list(), blocks[f"{side}_high"].to_list()
        ax.hlines(places, *ends, colors=edges, alpha=0.55, linewidth=wide, zorder=1)
        fill = ax.get_facecolor() if side == "before" else edges
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
    """List the evals that broke at the right, below their blocks where several have some."""
    if broken.is_empty():
        return
    several = broken["name"].n_unique() > 1
    shown = broken.head(_MOST_NAMES)
    points = axes.fit_points(ax, ax.bbox.height / (shown.height + several * shown["name"].n_unique() + 2))
    limit = axes.limit_label(0.88 * ax.bbox.width, points * ax.figure.dpi / 72)
    names = iter(shorten_names(shown["broken"], limit))
    usual, muted = {"color": axes.text_colour(ax)}, {"color": MUTED}
    lines: list[tuple[str, Style]] = []
    for (block,), its in shown.group_by("name", maintain_order=True):
        lines += [(shorten_names([block], limit)[0], muted)] * several
        lines += [(next(names), usual) for _ in its["broken"]]
    lines = lines[: max(1, axes.count_rows(ax, 1.0, points) - 2)]
    if left := broken.height - sum(style is usual for _, style in lines):
        lines.append((f"… {left:,} more", usual))
    head: Style = {"color": NEW, "fontweight": "bold"}
    lines.insert(0, (f"{count_noun(broken.height, 'eval')} broke", head))
    place: Style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    for at, (line, style) in enumerate(lines):
        down = (0, -axes.LINE * points * at)
        how: Style = {**place, **style, "fontsize": points, **axes.plain(line)}
        ax.annotate(line, (1.04 - _NAMES, 1), down, **how)
