"""Axes, ticks and legends, the same way in every plot."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from retab_analysis.errors import ConfigError
from retab_analysis.plots.fonts import choose_families
from retab_analysis.plots.labels import (
    clip,
    measure_width,
    shorten_names,
    wrap_name,
)
from retab_analysis.plots.palette import EDGE, Look, Style

Entry = tuple[Any, str]
"""A legend's handle and its text."""

# Lengths of labels are estimates: what a layout engine will do is not known while one draws.
_LARGEST = 14.0  # inches across; a notebook shows a wider figure with letters too small to read
_HIGHEST = 60.0  # inches
_LINE = 1.35  # of a font's height, from one line of text to the next
_HANDLE = 3.2  # of a font's height: a legend's handle with the gaps around it
_BAND = 0.4  # of the axes, for a legend or for notes beside an axis
_GAP = 0.4  # of a font's height, between labels side by side
_NOTE_BAND = 0.5  # of an axes' height, for what stands beside an upright name
_FEW_COLUMNS = 4
_SMALLEST = 0.6  # of a tick's font
_NARROWEST = 6  # characters in a line of a label that is not upright
_CHARACTER = 0.66  # of a font's height
_THIN = 6.0  # pixels
_LEFT = 0.6  # of an axes' height, once its labels have taken their room
_THIRD = 0.42  # of the axes, for names beside an axis: a third of the figure
_SHORTEST, _WIDEST = 10, 40  # characters of a name
_ENDLESS = 10**6  # characters
_UPRIGHT = 18  # characters of a name that stands upright, unless all are short
_BELOW = 0.6  # of the axes' height, for what is said below them
_SMALL = 0.83  # of a tick's font
_LOWEST = 20.0  # lines of text, in the height of axes with letters of the usual size
_SMALLEST_POINTS = 6.0
_TICKS = 6.5  # of a font's height, for the ticks and the label of y
_UNTOUCHED = 0.78  # of a figure: how wide axes are before a layout is made
_TIGHT = 0.8  # of a tick's font, where that leaves room for a second line


def plain() -> dict[str, Any]:
    """Arguments of every text: a name from outside is drawn as it is, and not read as a formula."""
    return {"parse_math": False, "usetex": False, "fontfamily": choose_families()}


def prepare_axes(ax: Axes | None, *, width: float = 0.0, height: float = 0.0) -> Axes:
    """The axes to draw on.

    Args:
        ax: What was asked for; None makes a new figure of pyplot.
        width: How wide a new figure would have to be, in inches; it is never narrower than the
            user's own ``figure.figsize``, and never wider than 14 inches.
        height: How high, likewise, and never higher than 60 inches.

    Raises:
        ConfigError: ``ax`` is something else.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ConfigError(f"ax must be a matplotlib Axes or None, got {type(ax).__name__}")
        ax.tick_params(which="both", color=text_colour(ax), labelcolor=text_colour(ax))
        _shrink_letters(ax)
        return ax
    # pyplot chooses a backend when it is imported, so this waits until a figure is asked for.
    from matplotlib import pyplot as plt

    least: Sequence[float] = plt.rcParams["figure.figsize"]
    size = max(least[0], min(width, _LARGEST)), max(least[1], min(height, _HIGHEST))
    return plt.subplots(figsize=size, layout="constrained")[1]


def _shrink_letters(ax: Axes) -> None:
    """Make letters smaller where the axes are so low that labels would leave no room for data."""
    points = max(_SMALLEST_POINTS, ax.bbox.height / _LOWEST * 72 / ax.figure.dpi)
    for axis in (ax.xaxis, ax.yaxis):
        ticks: Any = axis.get_major_ticks(1)[0].label1.get_fontsize()
        axis.set_tick_params(labelsize=min(points, ticks))
        label: Any = axis.label.get_fontsize()
        axis.label.set_fontsize(min(points, label))


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
    ax.text(
        *(0.5, 0.5, message),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color=text_colour(ax),
        **plain(),
    )


def name_axes(ax: Axes, x: str = "", y: str = "") -> None:
    """Say what the axes measure, and draw no frame around them."""
    if x:
        ax.set_xlabel(x, **plain())
    ax.set_ylabel(y, **plain())
    ax.spines[["top", "right"]].set_visible(False)


def describe_below(
    ax: Axes, lines: Iterable[str], more: Sequence[str] = (), *, taken: float = 0.0
) -> float:
    """Say below the axes, from their left end on, what x is, and what the picture leaves out.

    Args:
        ax: The axes.
        lines: What has to be said; what is too long for a line is broken.
        more: Release notes, which are there as far as there is room, the last ones first.
        taken: How many pixels the labels above take.

    Returns:
        How high it is, in pixels.
    """
    small = measure_font(ax) * _SMALL
    across = max(20, int(ax.bbox.width / (small * (_CHARACTER - 0.06))))
    said = [part for line in lines for part in textwrap.wrap(line, across)]
    room = int((ax.bbox.height * _BELOW - taken) / (small * _LINE)) - len(said)
    kept = list(more) if len(more) <= room else list(more[max(0, len(more) - room + 1) :])
    if room < 2 and len(kept) < len(more):
        kept = []
    if left := len(more) - len(kept):
        which = "release" if left == len(more) else "earlier release"
        said.append(f"{left} {which} note{'s' * (left > 1)} without room here")
    said += [clip(line, across) for line in kept]
    points = small * 72 / ax.figure.dpi
    ax.set_xlabel("\n".join(said), loc="left", fontsize=points, **plain())
    return len(said) * small * _LINE


def measure_font(ax: Axes) -> float:
    """The height of a tick's font in pixels."""
    points: Any = ax.xaxis.get_major_ticks(1)[0].label1.get_fontsize()
    return float(points) * ax.figure.dpi / 72


def space_columns(ax: Axes, n: int) -> None:
    """Set the limits of x for places 0, 1, …; a few of them stand in the middle, not far apart."""
    beside = max(0.0, (_FEW_COLUMNS - n) / 2)
    ax.set_xlim(-0.6 - beside, n - 0.4 + beside)


def label_columns(
    ax: Axes,
    names: Iterable[object],
    notes: Sequence[Sequence[str]] = (),
    *,
    width: float | None = None,
) -> float:
    """Label places 0, 1, … along x: side by side where there is room, else upright, else a few.

    Args:
        ax: The axes.
        names: The labels; one that is too long is broken, or cut where that leaves it different.
        notes: What is added to each of them, where there is room.
        width: How many pixels the layout will leave; estimated where it is not known.

    Returns:
        How high the labels are, in pixels.
    """
    size, values = measure_font(ax), list(names)
    wide = estimate_width(ax, _TICKS * size) if width is None else width
    spacing = wide / (len(values) + 0.2)
    flat = _side_by_side(values, notes, int((spacing / size - _GAP) / _CHARACTER))
    if flat is not None:
        _ticks(ax, "x", range(len(flat)), flat)
        return max((label.count("\n") + 1 for label in flat), default=1) * size * _LINE
    lines = _joined(notes)
    # Where not every place has a name, those that have one may take two lines.
    if 2 * size * _TIGHT * _LINE <= spacing < 2 * size * _LINE:
        size = spacing / (2 * _LINE)
    all_named, both_fit = spacing >= size * _LINE, spacing >= 1.999 * size * _LINE
    if _longest(lines) * size > ax.bbox.height * _NOTE_BAND or (all_named and not both_fit):
        lines = []
    high = size * _LINE * (2 if any(lines) else 1)
    kept = choose_labelled(len(values), high, spacing)
    limit = min(_limit(ax.bbox.height, size), _UPRIGHT)
    names = shorten_names([values[at] for at in kept], limit)
    labels = _noted(names, [lines[at] for at in kept] if lines else [])
    _ticks(ax, "x", kept, labels, rotation=90, fontsize=size * 72 / ax.figure.dpi)
    return _longest(labels) * size


def _side_by_side(
    values: Sequence[object], notes: Sequence[Sequence[str]], across: int
) -> list[str] | None:
    """Labels of several short lines, ``across`` characters wide; None where they do not fit."""
    if across < _NARROWEST:
        return None
    names = _wrapped(values, across)
    if names is None or not notes:
        return names
    added = [[wrap_name(part, across) for part in parts] for parts in notes]
    if any(part is None for parts in added for part in parts):
        return None
    return ["\n".join([name, *map(str, parts)]) for name, parts in zip(names, added, strict=True)]


def _wrapped(values: Sequence[object], across: int) -> list[str] | None:
    """Names in lines of so many characters; None where short ones would have to be cut for that.

    Of a long name, which would be cut upright as well, as much is kept as can be broken.
    """
    whole = shorten_names(values, _ENDLESS)
    found = [wrap_name(name, across) for name in whole]
    if any(new is None and len(name) <= _UPRIGHT for name, new in zip(whole, found, strict=True)):
        return None
    for limit in range(2 * across, across, -1):
        short = shorten_names(values, limit) if None in found else []
        found = [
            old or wrap_name(new, across) for old, new in zip(found, short or whole, strict=True)
        ]
    cut = shorten_names(values, across)
    return [short if name is None else name for name, short in zip(found, cut, strict=True)]


def label_rows(
    ax: Axes,
    names: Iterable[object],
    notes: Sequence[Sequence[str]] = (),
    *,
    room: float = 0.8,
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
    lines = _joined(notes) if spacing >= 2 * size * _LINE else []
    labels = _noted(shorten_names(values, _limit(ax.bbox.width, size)), lines)
    points = size * 72 / ax.figure.dpi
    _ticks(ax, "y", kept, [labels[at] for at in kept], fontsize=points)


def measure_rows(ax: Axes, names: Iterable[object]) -> float:
    """How wide the labels of rows will be, at most, in pixels."""
    size = measure_font(ax)
    return _longest(shorten_names(list(names), _limit(ax.bbox.width, size))) * size


def estimate_width(ax: Axes, beside: float) -> float:
    """How wide axes will be, in pixels, once a layout has made room for what is beside them."""
    if ax.figure.get_figure(root=True).get_layout_engine() is None:
        return ax.bbox.width
    return max(0.3 * ax.bbox.width, ax.bbox.width / _UNTOUCHED - beside)


def _limit(pixels: float, size: float) -> int:
    """How many characters a label may have beside an axis of that length."""
    return max(_SHORTEST, min(_WIDEST, int(pixels * _THIRD / size / _CHARACTER)))


def _longest(texts: Iterable[str]) -> float:
    """How wide the widest of some texts is, in units of the font size."""
    return max(map(measure_width, texts), default=0.0)


def _joined(notes: Sequence[Sequence[str]]) -> list[str]:
    return [", ".join(parts) for parts in notes]


def _noted(names: Sequence[str], notes: Sequence[str]) -> list[str]:
    if not notes:
        return list(names)
    return [f"{name}\n{note}" if note else name for name, note in zip(names, notes, strict=True)]


def choose_labelled(n: int, size: float, spacing: float) -> list[int]:
    """Which of ``n`` places have a label when each takes ``size``: the last one, and every k-th."""
    step = max(1, math.ceil(size / spacing - 1e-9)) if spacing > 0 else max(1, n)
    return list(range(n - 1, -1, -step))[::-1]


def _ticks(
    ax: Axes, which: Literal["x", "y"], places: Iterable[int], labels: Sequence[str], **more: Any
) -> None:
    set_ticks = ax.set_xticks if which == "x" else ax.set_yticks
    set_ticks(list(places), list(labels), **plain(), **more)


def area_handle(look: Look) -> Patch:
    """A legend's handle of an area."""
    return Patch(**_filled(look))


def bar_style(look: Look, pixels: float) -> Style:
    """How a bar is filled; a hatch, or an edge, would hide the colour of a thin one."""
    if pixels < _THIN:
        return {"color": look.colour, "linewidth": 0}
    return _filled(look)


def _filled(look: Look) -> Style:
    line: Style = {"edgecolor": EDGE, "linewidth": 0.4, "hatch_linewidth": 0.5}
    return {"facecolor": look.colour, "hatch": look.hatch, **line}


def point_handle(ax: Axes, look: Look) -> Line2D:
    """A legend's handle of a point."""
    edge = text_colour(ax)
    return Line2D(
        *([], []), ls="", marker=look.marker, color=look.colour, mec=edge, mew=0.5, markersize=7
    )


def cell_handle(look: Look) -> tuple[Line2D, ...]:
    """A legend's handle of a cell with its sign."""
    ground = Line2D([], [], ls="", marker="s", color=look.colour, markersize=10)
    return (ground, sign_handle(look.sign)) if look.sign else (ground,)


def empty_cell_handle(ax: Axes) -> Line2D:
    """A legend's handle of a cell in which nothing is drawn."""
    outline: Style = {"color": "none", "mec": text_colour(ax), "mew": 0.5, "alpha": 0.6}
    return Line2D([], [], ls="", marker="s", markersize=9.5, **outline)


def sign_handle(marker: str, size: float = 6.0, **more: Any) -> Line2D:
    """A sign on a cell."""
    return Line2D([], [], ls="", marker=marker, color=EDGE, markersize=size, **more)


def _legend_size(ax: Axes, texts: Sequence[str], room: float) -> tuple[float, int, float]:
    """Font size in pixels, columns, and the share of the height; smaller where there is no room."""
    size = full = measure_font(ax)
    while True:
        each = (_longest(texts) + _HANDLE) * size
        across = min(len(texts), max(1, int(ax.bbox.width * 0.95 / each)))
        lines = math.ceil(len(texts) / across)
        share = (lines * 1.5 + 0.8) * size / (ax.bbox.height * room)
        if share <= _BAND or size < full * _SMALLEST:
            return size, across, min(share, 2 * _BAND)
        size *= 0.9


def draw_legend(ax: Axes, entries: Sequence[Entry], *, room: float = _LEFT) -> None:
    """Draw a legend above the rest, within the axes: y is extended by as much as it takes.

    The texts are set afterwards, because matplotlib leaves out a label that begins with ``_``.
    """
    if not entries:
        return
    size, across, share = _legend_size(ax, [text for _, text in entries], room)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))
    made = ax.legend(
        [handle for handle, _ in entries],
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
    for text, (_, said) in zip(made.get_texts(), entries, strict=True):
        text.set(text=said, **plain())
