"""Axes, ticks and legends, the same way in every plot."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from retab_analysis.errors import ConfigError
from retab_analysis.plots.labels import choose_families, clip, count_cells, shorten_names, wrap_name
from retab_analysis.plots.palette import EDGE, Look, Style

# How much room a label takes is an estimate: what a layout engine will do is not known yet.
_LARGEST, _HIGHEST = 14.0, 60.0  # inches; a notebook shows a wider figure with letters too small
_LINE, _CHARACTER = 1.35, 0.62  # of a font's height
_SMALLEST = 0.5  # of a tick's font
_FEW_COLUMNS = 4
_FEW_LINES = 3  # of text, which the labels above take
_NARROWEST = 6  # characters in a line of a label that is not upright
_UPRIGHT = 18  # characters of a name that stands upright
_ENDLESS = 10**6  # characters
_THIN = 6.0  # pixels
_LOWEST = 20.0  # lines of text, in the height of axes with letters of the usual size
_SMALLEST_POINTS = 6.0


def plain(*texts: str) -> dict[str, Any]:
    """Arguments of every text: a name from outside is drawn as it is, and not read as a formula."""
    return {"parse_math": False, "usetex": False, "fontfamily": choose_families("".join(texts))}


def prepare_axes(ax: Axes | None, *, width: float = 0.0, height: float = 0.0) -> Axes:
    """The axes to draw on, which a user gave or a new figure of pyplot has.

    A new one is as wide and high as it would have to be (in inches), but never smaller than the
    user's own ``figure.figsize``, and never larger than 14 by 60 inches.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ConfigError(f"ax must be a matplotlib Axes or None, got {type(ax).__name__}")
        ax.tick_params(which="both", color=text_colour(ax), labelcolor=text_colour(ax))
        # In low axes letters are smaller, so that labels leave room for the data.
        points = max(_SMALLEST_POINTS, ax.bbox.height / _LOWEST * 72 / ax.figure.dpi)
        axis: Any
        for axis in (ax.xaxis, ax.yaxis):
            ticks = axis.get_major_ticks(1)[0].label1.get_fontsize()
            axis.set_tick_params(labelsize=min(points, ticks))
            axis.label.set_fontsize(min(points, axis.label.get_fontsize()))
        return ax
    # pyplot chooses a backend when it is imported, so this waits until a figure is asked for.
    from matplotlib import pyplot as plt

    least: Sequence[float] = plt.rcParams["figure.figsize"]
    size = max(least[0], min(width, _LARGEST)), max(least[1], min(height, _HIGHEST))
    return plt.subplots(figsize=size, layout="constrained")[1]


def text_colour(ax: Axes) -> Any:
    """The colour of the axes' own labels, which can be read on a dark ground, too."""
    return ax.xaxis.label.get_color()


def show_message(ax: Axes, message: str) -> Axes:
    """Draw a message in the middle, and nothing else."""
    ax.set_xticks([])
    write_message(ax, message)
    return ax


def write_message(ax: Axes, message: str) -> None:
    """Write a message in the middle of axes that have nothing to measure."""
    ax.set_yticks([])
    style: Style = {"ha": "center", "va": "center", "color": text_colour(ax)}
    ax.text(0.5, 0.5, message, transform=ax.transAxes, **style, **plain(message))


def name_axes(ax: Axes, x: str = "", y: str = "") -> None:
    """Say what the axes measure, and draw no frame around them."""
    if x:
        ax.set_xlabel(x, **plain(x))
    ax.set_ylabel(y, **plain(y))
    ax.spines[["top", "right"]].set_visible(False)


def describe_below(ax: Axes, lines: Iterable[str], more: Sequence[str] = ()) -> None:
    """Say below the axes, from their left end on, what x is, and what the picture leaves out.

    Release notes (``more``) are there as far as there is room, the last ones first.
    """
    small = measure_font(ax) * 0.83
    across = max(20, int(ax.bbox.width / (small * _CHARACTER)))
    said = [part for line in lines for part in textwrap.wrap(line, across)]
    room = int(ax.bbox.height / (2 * small * _LINE)) - _FEW_LINES - len(said)
    left = min(len(more), max(0, len(more) - room))
    if left:
        which = "release" if left == len(more) else "earlier release"
        said.append(f"{left} {which} note{'s' * (left > 1)} without room here")
    said += [clip(line, across) for line in more[left:]]
    text, points = "\n".join(said), small * 72 / ax.figure.dpi
    ax.set_xlabel(text, loc="left", fontsize=points, **plain(text))


def measure_font(ax: Axes) -> float:
    """The height of a tick's font in pixels."""
    # Of y, because the labels of x may have been made smaller.
    points: Any = ax.yaxis.get_major_ticks(1)[0].label1.get_fontsize()
    return float(points) * ax.figure.dpi / 72


def space_columns(ax: Axes, n: int) -> None:
    """Set the limits of x for places 0, 1, …; a few of them stand in the middle, not far apart."""
    beside = max(0.0, (_FEW_COLUMNS - n) / 2)
    ax.set_xlim(-0.6 - beside, n - 0.4 + beside)


def label_columns(
    ax: Axes, names: Iterable[object], notes: Sequence[Sequence[str]] = (), *, room: float = 0.9
) -> bool:
    """Label places 0, 1, … along x: side by side where there is room, else upright, else a few.

    A name that is too long is broken, or cut where that leaves it different. Gives whether there
    was room for the notes, too; ``room`` is the share of the width that a layout will leave.
    """
    size, values = measure_font(ax), list(names)
    spacing = room * ax.bbox.width / max(len(values), _FEW_COLUMNS)
    across = int(spacing / size / _CHARACTER)
    if across >= max([_NARROWEST, *(len(part) for parts in notes for part in parts)]):
        whole, short = shorten_names(values, _ENDLESS), shorten_names(values, across)
        both = zip(whole, shorten_names(values, 2 * across), strict=True)
        wrapped = [wrap_name(name, across) or wrap_name(cut, across) for name, cut in both]
        # A short name is upright rather than cut; a long one would be cut there, too.
        if all(new or len(name) > _UPRIGHT for new, name in zip(wrapped, whole, strict=True)):
            shown = [new or cut for new, cut in zip(wrapped, short, strict=True)]
            _ticks(ax, "x", range(len(shown)), _noted(shown, notes, "\n"))
            return True
    # Where that leaves letters large enough, they are smaller, so that two lines fit.
    if notes and size > spacing / (2 * _LINE) >= _SMALLEST * size:
        size = spacing / (2 * _LINE)
    # Where not every place has a name, those that have one may take two lines.
    all_named, both_fit = spacing >= size * _LINE, spacing >= 1.999 * size * _LINE
    lines = notes if both_fit or not all_named else ()
    kept = choose_labelled(len(values), size * _LINE * (2 if lines else 1), spacing)
    shown = shorten_names([values[at] for at in kept], min(_limit(ax.bbox.height, size), _UPRIGHT))
    labels = _noted(shown, [lines[at] for at in kept] if lines else (), ", ")
    _ticks(ax, "x", kept, labels, rotation=90, fontsize=size * 72 / ax.figure.dpi)
    return bool(lines)


def label_rows(
    ax: Axes, names: Iterable[object], notes: Sequence[Sequence[str]] = (), *, room: float = 0.9
) -> None:
    """Label places 0, 1, … down y, the first on top, in smaller letters where rows are narrow.

    Only where even those do not fit, some rows have no label. The limits of y have to be set
    before, because they say how far apart the places are.
    """
    full, values = measure_font(ax), list(names)
    low, high = ax.get_ylim()
    spacing = ax.bbox.height * room / abs(high - low)
    size = min(full, spacing / _LINE)
    size = full if size < full * _SMALLEST else size
    kept = choose_labelled(len(values), size * _LINE, spacing)
    lines = notes if spacing >= 2 * size * _LINE else ()
    labels = _noted(shorten_names(values, _limit(ax.bbox.width, size)), lines, ", ")
    points = size * 72 / ax.figure.dpi
    _ticks(ax, "y", kept, [labels[at] for at in kept], fontsize=points)


def _limit(pixels: float, size: float) -> int:
    """How many characters a label may have beside an axis of that length: a third of it."""
    return max(10, min(40, int(pixels * 0.42 / size / _CHARACTER)))


def _noted(names: Sequence[str], notes: Sequence[Sequence[str]], by: str) -> list[str]:
    """Names with their notes in the lines below."""
    both = zip(names, map(by.join, notes or [()] * len(names)), strict=True)
    return [f"{name}\n{note}" if note else name for name, note in both]


def choose_labelled(n: int, size: float, spacing: float) -> list[int]:
    """Which of ``n`` places have a label when each takes ``size``: the last one, and every k-th."""
    step = max(1, math.ceil(size / spacing - 1e-9)) if spacing > 0 else max(1, n)
    return list(range(n - 1, -1, -step))[::-1]


def _ticks(
    ax: Axes, which: Literal["x", "y"], places: Iterable[int], labels: Sequence[str], **more: Any
) -> None:
    set_ticks = ax.set_xticks if which == "x" else ax.set_yticks
    set_ticks(list(places), list(labels), **plain(*labels), **more)


def area_style(look: Look) -> Style:
    """How an area is filled."""
    line: Style = {"edgecolor": EDGE, "linewidth": 0.4, "hatch_linewidth": 0.5}
    return {"facecolor": look.colour, "hatch": look.hatch, **line}


def bar_style(look: Look, pixels: float) -> Style:
    """How a bar is filled; a hatch, or an edge, would hide the colour of a thin one."""
    return {"color": look.colour, "linewidth": 0} if pixels < _THIN else area_style(look)


def draw_legend(ax: Axes, entries: Iterable[tuple[Any, str]]) -> None:
    """Draw a legend above the rest, within the axes: y is extended by as much as it takes.

    An entry is the look of an area, or a handle of matplotlib's, and its text. The texts are set
    afterwards, because matplotlib leaves out a label that begins with ``_``.
    """
    entries = [*entries]
    if not entries:
        return
    size, texts = measure_font(ax), [text for _, text in entries]
    each = (max(map(count_cells, texts)) * _CHARACTER + 3.2) * size
    across = max(1, min(len(texts), int(ax.bbox.width * 0.9 / each)))
    lines = math.ceil(len(texts) / across)
    share = min(0.6, (lines * 1.5 + 0.8) * size / (ax.bbox.height * 0.7))
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))
    made = ax.legend(
        [Patch(**area_style(each)) if isinstance(each, Look) else each for each, _ in entries],
        [str(at) for at in range(len(entries))],
        loc="upper left",
        ncols=across,
        frameon=False,
        borderaxespad=0.1,
        columnspacing=1.0,
        handlelength=1.6,
        handletextpad=0.5,
        fontsize=size * 72 / ax.figure.dpi,
        labelcolor=text_colour(ax),
    )
    for label, text in zip(made.get_texts(), texts, strict=True):
        label.set(text=text, **plain(text))
